//! Responses byte for byte, on a connection of their own: what proxies, old servers and broken ones send. Nothing is lost,
//! no failure is a success, and only what may pass is tried again.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use agentgen_runtime::model::ProviderKind;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use crate::mock_model::{agent_app, desk_with, invoke, unreachable_provider};
use crate::wire_cases::{
    Outcome, TWICE, calls, data, delta, end, event, finish, message_end, message_start, text,
    text_block, tool_block,
};

use Outcome::{Fails, Passes, Text};

const HELLO: Outcome = Text("Hello.", "end_turn");
const EVENTS: &str = "text/event-stream";
const JSON: &str = "application/json";

/// Pieces of a response, with a pause after each. The connection closes at the end.
type Pieces = Vec<Vec<u8>>;

/// Answers each connection with the next response, and the last one again and again. Returns its address and the number of
/// requests that it read.
async fn raw_server(responses: Vec<Pieces>) -> (String, Arc<Mutex<usize>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let count = Arc::new(Mutex::new(0));
    let shared = Arc::clone(&count);
    tokio::spawn(async move {
        let mut responses = VecDeque::from(responses);
        while let Ok((stream, _)) = listener.accept().await {
            let response = match responses.len() {
                1 => responses[0].clone(),
                _ => responses.pop_front().unwrap(),
            };
            *shared.lock().unwrap() += 1;
            tokio::spawn(respond(stream, response));
        }
    });
    (url, count)
}

/// Reads one request and writes `response`. Clients may close early.
async fn respond(stream: TcpStream, response: Pieces) {
    let mut stream = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.unwrap_or(0) == 0 {
            return;
        }
        let line = line.trim().to_ascii_lowercase();
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        if line.is_empty() {
            break;
        }
    }
    let _ = stream.read_exact(&mut vec![0; length]).await;
    for piece in response {
        if stream.write_all(&piece).await.is_err() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let _ = stream.shutdown().await;
}

/// The head of a response whose body ends with the connection.
fn head(status: u16, headers: &[(&str, &str)]) -> String {
    let headers = headers
        .iter()
        .map(|(name, value)| format!("{name}: {value}\r\n"));
    format!(
        "HTTP/1.1 {status} X\r\nconnection: close\r\n{}\r\n",
        headers.collect::<String>()
    )
}

fn response(status: u16, kind: &str, body: impl AsRef<[u8]>) -> Pieces {
    let head = head(status, &[("content-type", kind)]);
    vec![[head.as_bytes(), body.as_ref()].concat()]
}

fn stream(parts: &[String]) -> Pieces {
    response(200, EVENTS, parts.concat())
}

fn document(body: &Value) -> Pieces {
    response(200, JSON, body.to_string())
}

fn error(status: u16, header: (&str, &str), message: &str) -> Pieces {
    let head = head(status, &[("content-type", JSON), header]);
    let body = json!({ "error": { "message": message } });
    vec![format!("{head}{body}").into_bytes()]
}

/// The body in chunks of HTTP/1.1, and what follows the last one.
fn chunked(body: &str, after: &str) -> Pieces {
    let head = head(
        200,
        &[("content-type", EVENTS), ("transfer-encoding", "chunked")],
    );
    let length = body.len();
    vec![format!("{head}{length:x}\r\n{body}\r\n{after}").into_bytes()]
}

fn choice(members: Value) -> String {
    data(&json!({ "choices": [members] }))
}

fn call(arguments: &Value) -> Pieces {
    let function = json!({ "name": "books", "arguments": arguments });
    let call = json!([{ "index": 0, "id": "a", "type": "function", "function": function }]);
    stream(&[
        calls(call),
        finish("tool_calls"),
        "data: [DONE]\n\n".to_owned(),
    ])
}

/// What becomes of the responses of servers with OpenAI's API.
#[rustfmt::skip]
fn openai_cases() -> Vec<(&'static str, Pieces, Outcome)> {
    let good = [text("Hello."), end()].concat();
    let bytes = |text: &str| text.bytes().map(|byte| vec![byte]).collect::<Pieces>();
    let with_head = |headers: &[(&str, &str)], body: &str| {
        vec![format!("{}{body}", head(200, headers)).into_bytes()]
    };
    let utf_16 = good.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>();
    let whole = json!({"choices": [{"index": 0, "message": {"content": "Hello."}, "finish_reason": "stop"}]});
    let none = ("x-none", "1");
    let plain_error = |status| error(status, none, "m");
    let in_choice = |index: u64, text: &str| json!({"index": index, "delta": {"content": text}});
    let mut cases = vec![
        // How the bytes come.
        ("byte by byte", bytes(&(head(200, &[("content-type", EVENTS)]) + &good)), HELLO),
        ("byte by byte, CR", bytes(&(head(200, &[("content-type", EVENTS)]) + &good.replace('\n', "\r"))), HELLO),
        ("byte by byte, CRLF, BOM and comments", bytes(&(head(200, &[]) + &format!("\u{feff}: hi\n\n{good}").replace('\n', "\r\n"))), HELLO),
        ("chunked with trailers", chunked(&good, "0\r\nx-checksum: 7\r\n\r\n"), HELLO),
        ("chunked without the last chunk", chunked(&good, ""), HELLO),
        ("chunked and cut before the end", chunked(&text("Hel"), ""), Passes),
        ("chunked with nonsense", chunked(&text("Hel"), "zz\r\n"), Passes),
        ("100 before the answer", vec![format!("HTTP/1.1 100 Continue\r\n\r\n{}{good}", head(200, &[("content-type", EVENTS)])).into_bytes()], HELLO),
        ("103 before the answer", vec![format!("HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n{}{good}", head(200, &[("content-type", EVENTS)])).into_bytes()], HELLO),
        ("HTTP/1.0", vec![format!("HTTP/1.0 200 OK\r\n\r\n{good}").into_bytes()], HELLO),
        ("no HTTP", vec![b"SSH-2.0-OpenSSH_9.6\r\n".to_vec()], Passes),
        ("a length that is too long", with_head(&[("content-length", "100000")], &good), HELLO),
        ("a length that is too long, cut", with_head(&[("content-length", "100000")], &text("Hel")), Passes),
        ("a length that is too short", with_head(&[("content-length", "30")], &good), Passes),
        // What the bytes are.
        ("gzip that nobody asked for", with_head(&[("content-encoding", "gzip")], "\u{1f}\u{8b}\u{8}"), Passes),
        ("identity", with_head(&[("content-encoding", "identity")], &good), HELLO),
        ("UTF-16", response(200, EVENTS, utf_16), Passes),
        ("another charset, in ASCII", response(200, "text/event-stream; charset=iso-8859-1", &good), HELLO),
        ("a byte that is no UTF-8", response(200, EVENTS, [b"data: {\"choices\":[{\"delta\":{\"content\":\"a\xe9\"}}]}\n\n".as_slice(), end().as_bytes()].concat()), Text("a\u{fffd}", "end_turn")),
        ("no content type", with_head(&[], &good), HELLO),
        ("an image", response(200, "image/png", &good), HELLO),
        ("a page", response(200, "text/html", "<html>Sign in</html>"), Passes),
        ("a page after space", response(200, EVENTS, "\n\n <!doctype html>"), Passes),
        ("nothing", response(200, EVENTS, ""), Passes),
        ("space", response(200, JSON, "\n\n\n"), Passes),
        ("a text", response(200, "text/plain", "upstream connect error"), Passes),
        ("null", response(200, JSON, "null"), Passes),
        ("an empty object", document(&json!({})), Passes),
        ("an empty list", document(&json!([])), Passes),
        ("choices without an entry", document(&json!({"choices": []})), Passes),
        ("blank lines, then a document", response(200, JSON, format!("\n\n\n{whole}")), HELLO),
        ("a document cut in two", response(200, JSON, &whole.to_string()[..60]), Passes),
        ("a line for each chunk", response(200, "application/x-ndjson", [text("Hel"), text("lo."), end()].concat().replace("data: ", "").replace("[DONE]", "")), HELLO),
        ("one line of 9 MB", stream(&[text(&"x".repeat(9_000_000)), end()]), Passes),
        // Statuses.
        ("204", vec![head(204, &[]).into_bytes()], Passes),
        ("206", response(206, EVENTS, &good), HELLO),
        ("201", response(201, EVENTS, &good), HELLO),
    ];
    for status in [301, 302, 303, 304, 307, 308] {
        cases.push(("a redirect", error(status, ("location", "/v1/chat/completions"), "m"), Fails(502)));
    }
    for status in [400, 401, 402, 403, 404, 405, 410, 422, 451] {
        cases.push(("refused", plain_error(status), Fails(502)));
    }
    // What the vendors' own clients try again, and states of a server that pass: TGI's and Bedrock's 424, Groq's 498.
    for status in [408, 409, 424, 425, 429, 498, 499, 500, 502, 503, 504, 520, 522, 524, 529, 599] {
        cases.push(("passes", plain_error(status), Passes));
    }
    cases.extend([
        ("413", plain_error(413), Fails(413)),
        ("Retry-After as a date", error(429, ("retry-after", "Sun, 06 Nov 1994 08:49:37 GMT"), "m"), Passes),
        ("Retry-After in seconds", error(503, ("retry-after", "0"), "m"), Passes),
        ("retry-after-ms", error(529, ("retry-after-ms", "3"), "m"), Passes),
        ("Retry-After as nonsense", error(429, ("retry-after", "soon"), "m"), Passes),
        ("a page with 500", response(500, "text/html", "<html>"), Passes),
        ("a long prompt with 500", error(500, none, "prompt is too long: 9 tokens > 8 maximum"), Fails(413)),
        ("an error in 200", document(&json!({"error": {"message": "m", "code": 500}})), Passes),
        // Events.
        ("the name after the data", stream(&["data: {\"a\":1}\nevent: error\n\n".to_owned(), text("Hello."), end()]), Passes),
        ("a name after the data that is no error", stream(&["data: {\"choices\":[{\"delta\":{\"content\":\"Hello.\"}}]}\nevent: chunk\n\n".to_owned(), end()]), HELLO),
        ("data in data", response(200, EVENTS, good.replace("data: ", "data: data: ")), HELLO),
        ("data in data, with its blank lines", response(200, EVENTS, good.replace("data: ", "data: data: ").replace("\n\n", "\ndata: \ndata: \n\n")), HELLO),
        ("names, ids and retries", response(200, EVENTS, good.replace("data: ", "id: 1\nretry: 5\nevent: message\ndata: ")), HELLO),
        // Documents in events.
        ("the same key twice", stream(&["data: {\"choices\":[],\"choices\":[{\"delta\":{\"content\":\"x\",\"content\":\"Hello.\"}}]}\n\n".to_owned(), end()]), HELLO),
        ("two choices in a chunk", stream(&[data(&json!({"choices": [in_choice(0, "Hello."), in_choice(1, "Bye.")]})), end()]), HELLO),
        ("two choices in turn", stream(&[choice(in_choice(0, "Hel")), choice(in_choice(1, "Bye.")), choice(in_choice(0, "lo.")), end()]), HELLO),
        ("a choice that counts from 1", stream(&[choice(in_choice(1, "Hel")), choice(in_choice(1, "lo.")), choice(json!({"index": 1, "delta": {}, "finish_reason": "stop"})), "data: [DONE]\n\n".to_owned()]), HELLO),
        ("the end of another choice", stream(&[choice(in_choice(0, "Hel")), choice(json!({"index": 1, "delta": {}, "finish_reason": "length"})), choice(in_choice(0, "lo.")), end()]), HELLO),
        ("a role alone at the end", stream(&[text("Hello."), finish("stop"), delta(json!({"role": "assistant"})), "data: [DONE]\n\n".to_owned()]), HELLO),
        ("text as numbers", stream(&[delta(json!({"content": 4})), delta(json!({"content": 2.5})), delta(json!({"content": true})), end()]), Text("42.5true", "end_turn")),
        ("negative usage", stream(&[text("Hello."), data(&json!({"choices": [], "usage": {"prompt_tokens": -3, "completion_tokens": "-1"}})), end()]), HELLO),
        ("an error beside choices", stream(&[text("Hel"), data(&json!({"choices": [{"delta": {"content": "lo."}}], "error": {"message": "m"}})), end()]), Passes),
        ("an error after the reason", stream(&[text("Hello."), finish("stop"), data(&json!({"error": {"message": "m"}}))]), Passes),
        ("no JSON in the middle", stream(&[text("Hel"), "data: <html>\n\n".to_owned(), text("lo."), end()]), Passes),
        ("two messages in a stream", stream(&[choice(json!({"message": {"content": "Hel"}})), choice(json!({"message": {"content": "lo."}})), end()]), HELLO),
        ("an end, and more after it", stream(&[text("Hello."), end(), text("More.")]), HELLO),
        // Tool calls: the second answer is good.
        ("arguments as an object", call(&json!({"number": 1})), Passes),
        ("arguments as null", call(&Value::Null), Passes),
        ("arguments as an empty text", call(&json!("")), Passes),
        ("a call in the middle of nothing", stream(&[calls(json!([{}])), finish("tool_calls"), "data: [DONE]\n\n".to_owned()]), Passes),
    ]);
    cases
}

async fn check(kind: ProviderKind, cases: Vec<(&str, Pieces, Outcome)>) {
    let good = match kind {
        ProviderKind::Anthropic => stream(&[
            message_start(),
            text_block(0, "Hello."),
            message_end("end_turn".into()),
        ]),
        _ => stream(&[text("Hello."), end()]),
    };
    for (name, first, outcome) in cases {
        let shown = String::from_utf8_lossy(&first.concat())
            .chars()
            .take(30)
            .collect::<String>();
        let name = format!("{name} ({shown:?})");
        let responses = match outcome {
            Fails(_) => vec![first],
            Text(..) | Passes => vec![first, good.clone()],
        };
        let (url, count) = raw_server(responses).await;
        let mut settings = unreachable_provider(kind).await;
        settings.providers.get_mut("mock").unwrap().base_url = Some(url);
        let answer = invoke(&agent_app(desk_with(TWICE), settings), "hi").await;
        let count = *count.lock().unwrap();
        let shown = &answer.text;
        match outcome {
            Text(text, stop_reason) => {
                assert_eq!(answer.status, 200, "{name}: {shown}");
                assert_eq!(answer.json()["output"], text, "{name}");
                assert_eq!(answer.json()["stop_reason"], stop_reason, "{name}");
                assert_eq!(count, 1, "{name}: asked more than once");
            }
            Passes => {
                assert_eq!(answer.status, 200, "{name}: {shown}");
                assert_eq!(answer.json()["output"], "Hello.", "{name}");
                assert_eq!(count, 2, "{name}");
            }
            Fails(status) => {
                assert_eq!(answer.status, status, "{name}: {shown}");
                assert_eq!(count, 1, "{name}: asked again");
            }
        }
    }
}

#[tokio::test]
async fn servers_with_the_api_of_openai_send_anything() {
    check(ProviderKind::OpenAi, openai_cases()).await;
}

#[tokio::test]
async fn servers_with_the_api_of_anthropic_send_anything() {
    let body = |reason: &str| {
        [
            message_start(),
            text_block(0, "Hello."),
            message_end(reason.into()),
        ]
        .concat()
    };
    let good = body("end_turn");
    let late = |kind: &str, document: Value| {
        let (name, data) = event(document, kind)
            .split_once('\n')
            .map(|(name, data)| (name.to_owned(), data.trim().to_owned()))
            .unwrap();
        format!("{data}\n{name}\n\n")
    };
    let fallback = json!({"type": "fallback", "from": {"model": "a"}, "to": {"model": "b"}, "trigger": {"type": "refusal"}});
    let block = |block: &Value| {
        event(
            json!({"index": 1, "content_block": block}),
            "content_block_start",
        ) + &event(json!({"index": 1}), "content_block_stop")
    };
    let details = json!({"delta": {"stop_reason": "refusal", "stop_details": {"type": "refusal", "category": "cyber", "explanation": "no"}}, "usage": {"output_tokens": 1}});
    let cases = vec![
        (
            "names after the data",
            stream(&[
                message_start(),
                text_block(0, "Hello."),
                late(
                    "message_delta",
                    json!({"delta": {"stop_reason": "end_turn"}}),
                ),
                late("message_stop", json!({})),
            ]),
            HELLO,
        ),
        (
            "an error with its name after it",
            stream(&[
                message_start(),
                text_block(0, "Hel"),
                "data: {\"code\":1}\nevent: error\n\n".to_owned(),
            ]),
            Passes,
        ),
        (
            "no names",
            response(
                200,
                EVENTS,
                good.lines()
                    .filter(|line| !line.starts_with("event:"))
                    .map(|line| format!("{line}\n"))
                    .collect::<String>(),
            ),
            HELLO,
        ),
        (
            "CR alone",
            response(200, EVENTS, good.replace('\n', "\r")),
            HELLO,
        ),
        (
            "a fallback of the server",
            stream(&[
                message_start(),
                text_block(0, "Hello."),
                block(&fallback),
                message_end("end_turn".into()),
            ]),
            HELLO,
        ),
        (
            "a refusal with details",
            stream(&[
                message_start(),
                event(details, "message_delta"),
                event(json!({}), "message_stop"),
            ]),
            Text("", "refusal"),
        ),
        (
            "compaction that nobody asked for",
            stream(&[body("compaction")]),
            Passes,
        ),
        (
            "an error after the end",
            stream(&[
                good.clone(),
                event(json!({"error": {"type": "overloaded_error"}}), "error"),
            ]),
            HELLO,
        ),
        (
            "usage as texts and negative",
            stream(&[
                event(
                    json!({"message": {"usage": {"input_tokens": "9", "output_tokens": -1}}}),
                    "message_start",
                ),
                text_block(0, "Hello."),
                message_end("end_turn".into()),
            ]),
            HELLO,
        ),
        (
            "a service tier and a container",
            stream(&[
                event(
                    json!({"message": {"usage": {"service_tier": "priority", "input_tokens": 1}, "container": {"id": "c"}}}),
                    "message_start",
                ),
                text_block(0, "Hello."),
                message_end("end_turn".into()),
            ]),
            HELLO,
        ),
        (
            "a call whose input is JSON in a text",
            stream(&[
                message_start(),
                tool_block(0, "books", "\"{\\\"number\\\":1}\""),
                message_end("tool_use".into()),
            ]),
            Passes,
        ),
        ("529", error(529, ("retry-after", "0"), "m"), Passes),
        ("404", error(404, ("x-none", "1"), "m"), Fails(502)),
        (
            "307",
            error(307, ("location", "/v1/messages"), "m"),
            Fails(502),
        ),
    ];
    check(ProviderKind::Anthropic, cases).await;
}
