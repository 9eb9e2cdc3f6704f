//! The MCP server over standard input and output: one message a line, and the log on standard error.
//!
//! Each message is a request of the router for `/mcp`, so that both transports answer alike. The caller is who started the program, as on
//! this machine without authentication.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Request, header};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures_util::StreamExt;
use serde_json::{Value, json};
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};
use tower_service::Service;

use crate::http::protocols::mcp_adapter::run_guard::CancelledByEnd;
use crate::server::listener::CurrentRouter;

/// How many messages may wait for a client that does not read.
const MESSAGES_AHEAD: usize = 64;
const CANCELLED: &str = "notifications/cancelled";
/// The members of `_meta` and of the parameters that streamable HTTP repeats in its headers.
const META_VERSION: &str = "/_meta/io.modelcontextprotocol~1protocolVersion";
const NAMES: [&str; 3] = ["/name", "/uri", "/taskId"];

/// The calls that are under way, by the ids of their requests.
type Calls = Arc<Mutex<BTreeMap<String, AbortHandle>>>;

/// Answers the messages of `input` at `output`, until there are no more and all are answered. A message may have `longest` bytes.
pub(super) async fn talk(
    router: CurrentRouter,
    mut input: impl AsyncBufRead + Unpin,
    output: impl AsyncWrite + Unpin + Send + 'static,
    longest: usize,
) {
    let (messages, to_write) = mpsc::channel(MESSAGES_AHEAD);
    let writer = tokio::spawn(write(to_write, output));
    let calls = Calls::default();
    let mut tasks = JoinSet::new();
    while let Some(line) = next_line(&mut input, longest).await {
        while tasks.try_join_next().is_some() {}
        let message = match &line {
            Ok(line) if line.trim_ascii().is_empty() => continue,
            Ok(line) => serde_json::from_slice::<Value>(line).unwrap_or_default(),
            Err(TooLong) => Value::Null,
        };
        if message["method"] == CANCELLED {
            let id = message["params"]["requestId"].to_string();
            if let Some(call) = under_way(&calls).remove(&id) {
                call.abort();
            }
            continue;
        }
        // A message that can't be read is answered for what it is.
        let body = line.unwrap_or_default();
        let router = router
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let (id, messages, ended) = (message["id"].clone(), messages.clone(), Arc::clone(&calls));
        let key = id.to_string();
        {
            // Held until it is there, so that the call does not end before.
            let mut under_way_now = under_way(&calls);
            let ended_key = key.clone();
            let call = tasks.spawn(async move {
                answer(router, request(&message, body), &id, &messages).await;
                under_way(&ended).remove(&ended_key);
            });
            under_way_now.insert(key, call);
        }
        // The client no longer reads.
        if writer.is_finished() {
            break;
        }
    }
    while tasks.join_next().await.is_some() {}
    drop(messages);
    let _ = writer.await;
}

fn under_way(calls: &Calls) -> MutexGuard<'_, BTreeMap<String, AbortHandle>> {
    calls.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A line that is longer than a message may be. The rest of it was skipped.
struct TooLong;

/// The next line; `None` after the last one, or if nothing can be read.
async fn next_line(
    input: &mut (impl AsyncBufRead + Unpin),
    longest: usize,
) -> Option<Result<Vec<u8>, TooLong>> {
    let limit = u64::try_from(longest).unwrap_or(u64::MAX).saturating_add(1);
    let mut line = Vec::new();
    let mut is_long = false;
    loop {
        line.clear();
        let mut limited = (&mut *input).take(limit);
        let read = limited.read_until(b'\n', &mut line).await.ok()?;
        let is_whole = line.last() == Some(&b'\n') || read == 0;
        match (is_whole, is_long) {
            (true, false) if read == 0 => return None,
            (true, false) => return Some(Ok(line)),
            (true, true) => return Some(Err(TooLong)),
            // The last line, without an end.
            (false, false) if line.len() <= longest => return Some(Ok(line)),
            (false, _) => is_long = true,
        }
    }
}

/// The request that a message is by HTTP.
fn request(message: &Value, body: Vec<u8>) -> Request<Body> {
    let mut request = Request::post("/mcp")
        .body(Body::from(body))
        .unwrap_or_default();
    let headers = request.headers_mut();
    let json = HeaderValue::from_static("application/json");
    headers.insert(header::CONTENT_TYPE, json);
    let both = HeaderValue::from_static("application/json, text/event-stream");
    headers.insert(header::ACCEPT, both);
    let params = &message["params"];
    let version = params.pointer(META_VERSION).and_then(Value::as_str);
    set(headers, "mcp-protocol-version", version);
    set(headers, "mcp-method", message["method"].as_str());
    let mut names = NAMES.iter();
    let name = names.find_map(|name| params.pointer(name)?.as_str());
    // Any text can be a name, and Base64 can be a header.
    let name = name.map(|name| format!("=?base64?{}?=", STANDARD.encode(name)));
    set(headers, "mcp-name", name.as_deref());
    request.extensions_mut().insert(CancelledByEnd);
    request
}

fn set(headers: &mut HeaderMap, name: &'static str, value: Option<&str>) {
    // What is no header is missed there, and the answer says so.
    if let Some(Ok(value)) = value.map(HeaderValue::try_from) {
        headers.insert(name, value);
    }
}

/// Sends what the router answers.
async fn answer(
    mut router: Router,
    request: Request<Body>,
    id: &Value,
    messages: &mpsc::Sender<String>,
) {
    let Ok(response) = router.call(request).await;
    let content_type = response.headers().get(header::CONTENT_TYPE);
    let is_stream = content_type.is_some_and(|value| value == "text/event-stream");
    let mut pieces = response.into_body().into_data_stream();
    let mut bytes = Vec::new();
    while let Some(Ok(piece)) = pieces.next().await {
        bytes.extend_from_slice(&piece);
        // An event is one line of data here: JSON has no line breaks of its own.
        while is_stream && let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            let line = bytes.drain(..=end).collect::<Vec<_>>();
            if let Some(data) = line.strip_prefix(b"data: ") {
                let data = String::from_utf8_lossy(data).trim().to_owned();
                let _ = messages.send(data).await;
            }
        }
    }
    // A notification has no answer.
    if is_stream || bytes.is_empty() {
        return;
    }
    let mut message = serde_json::from_slice::<Value>(&bytes).unwrap_or_default();
    // Errors of the layers know no id.
    if let Value::Object(members) = &mut message
        && !members.contains_key("id")
        && (id.is_string() || id.is_number())
    {
        members.insert("id".to_owned(), json!(id));
    }
    let _ = messages.send(message.to_string()).await;
}

/// Writes each message as a line, until there are no more or nobody reads them.
async fn write(mut messages: mpsc::Receiver<String>, mut output: impl AsyncWrite + Unpin) {
    while let Some(mut message) = messages.recv().await {
        message.push('\n');
        let written = output.write_all(message.as_bytes()).await;
        if written.is_err() || output.flush().await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::RwLock;

    use serde_json::Value;

    use super::talk;
    use crate::server::registry::Registry;
    use crate::settings::Settings;

    /// What is answered to these lines.
    async fn answers(lines: &str) -> Vec<Value> {
        let app = Registry::new("{}")
            .into_router(Settings::default())
            .unwrap();
        let (output, mut written) = tokio::io::duplex(1 << 20);
        let router = std::sync::Arc::new(RwLock::new(app));
        talk(router, lines.as_bytes(), output, 200).await;
        let mut text = String::new();
        tokio::io::AsyncReadExt::read_to_string(&mut written, &mut text)
            .await
            .unwrap();
        let parsed = text.lines().map(|line| serde_json::from_str(line).unwrap());
        parsed.collect()
    }

    #[tokio::test]
    async fn each_line_is_a_message_in_either_revision() {
        let meta = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}"#;
        let stateless =
            format!(r#"{{"jsonrpc":"2.0","id":"a","method":"tools/list","params":{{{meta}}}}}"#);
        let answers = answers(&format!(
            "{stateless}\n\n{{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}}\n{{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"ping\"}}"
        ))
        .await;
        assert_eq!(answers.len(), 2, "{answers:?}");
        let of = |id: Value| answers.iter().find(|answer| answer["id"] == id).unwrap();
        assert_eq!(of("a".into())["result"]["resultType"], "complete");
        assert_eq!(of(2.into())["result"], serde_json::json!({}));
    }

    #[tokio::test]
    async fn what_is_no_message_or_too_long_a_one_is_an_error_and_the_next_one_is_read() {
        let long = "x".repeat(1000);
        let ping = r#"{"jsonrpc":"2.0","id":2,"method":"ping"}"#;
        let mut answers = answers(&format!("{{\n{long}\n{ping}\n")).await;
        answers.sort_by_key(|answer| answer["id"].as_u64());
        assert_eq!(answers.len(), 3, "{answers:?}");
        assert_eq!(answers[0]["error"]["code"], -32700);
        assert_eq!(answers[1]["error"]["code"], -32700);
        assert_eq!(answers[2]["result"], serde_json::json!({}));
    }
}
