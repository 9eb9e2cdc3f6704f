//! An MCP server in this process, over streamable HTTP, whose tools do what the tests need.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use agentgen_runtime::axum::body::{Body, Bytes};
use agentgen_runtime::axum::extract::State;
use agentgen_runtime::axum::http::{HeaderMap, StatusCode};
use agentgen_runtime::axum::response::{IntoResponse, Response};
use agentgen_runtime::axum::{self, Json, Router, routing};
use agentgen_runtime::mcp::{McpServerSettings, McpTransport};
use agentgen_runtime::model::ProviderKind;
use agentgen_runtime::spec::AgentSpec;
use agentgen_runtime::testing::{MockServer, Script};
use agentgen_runtime::{Secret, Settings};
use futures_util::stream;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::http_client::get;
use crate::mock_model::{agent_app, conversation, mock_server};

/// An image of one pixel.
pub const PNG: &str =
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNk+A8AAQUBAScY42YAAAAASUVORK5CYII=";

/// What a server was asked, and what it lists.
#[derive(Clone)]
pub struct McpServer {
    pub url: String,
    log: Arc<Mutex<Vec<Value>>>,
    tools: Arc<Mutex<Value>>,
    /// Whether it speaks 2026-07-28.
    is_new: bool,
}

impl McpServer {
    /// Starts a server with the tools.
    pub async fn start(tools: Value) -> Self {
        Self::start_as(tools, false).await
    }

    /// One that speaks 2026-07-28.
    pub async fn start_new(tools: Value) -> Self {
        Self::start_as(tools, true).await
    }

    async fn start_as(tools: Value, is_new: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Self {
            url: format!("http://{}/mcp", listener.local_addr().unwrap()),
            log: Arc::default(),
            tools: Arc::new(Mutex::new(tools)),
            is_new,
        };
        let app = Router::new()
            .route("/mcp", routing::post(answer))
            .with_state(server.clone());
        tokio::spawn(axum::serve(listener, app).into_future());
        server
    }

    pub fn settings(&self) -> McpServerSettings {
        McpServerSettings::new(McpTransport::Http {
            url: self.url.clone(),
            headers: [("authorization".to_owned(), Secret::new("Bearer hush"))].into(),
        })
    }

    /// The requests of `method`.
    pub fn asked(&self, method: &str) -> Vec<Value> {
        let log = self.log.lock().unwrap();
        let asked = log.iter().filter(|request| request["method"] == method);
        asked.cloned().collect()
    }
}

async fn answer(
    State(server): State<McpServer>,
    headers: HeaderMap,
    Json(request): Json<Value>,
) -> Response {
    server.log.lock().unwrap().push(request.clone());
    if headers
        .get("authorization")
        .is_none_or(|value| value != "Bearer hush")
    {
        let challenge = [("www-authenticate", "Bearer realm=\"mcp\"")];
        return (StatusCode::UNAUTHORIZED, challenge).into_response();
    }
    let result = match request["method"].as_str().unwrap_or_default() {
        "server/discover" if server.is_new => json!({
            "resultType": "complete",
            "supportedVersions": ["2026-07-28"],
            "capabilities": { "tools": {} },
            "ttlMs": 1000,
            "cacheScope": "private",
        }),
        "initialize" => json!({
            "protocolVersion": request["params"]["protocolVersion"],
            "capabilities": { "tools": {} },
            "serverInfo": { "name": "test", "version": "1" },
        }),
        // Without an end where there are no tools.
        "tools/list" => match server.tools.lock().unwrap().clone() {
            Value::Null => json!({ "tools": [plain_tool("echo")], "nextCursor": "more" }),
            tools => json!({ "tools": tools }),
        },
        "tools/call" if request["params"]["name"] == "floods" => return endless_notifications(),
        "tools/call" => call(&request["params"]).await,
        method if method.starts_with("notifications/") => {
            return StatusCode::ACCEPTED.into_response();
        }
        _ => {
            let error = json!({ "code": -32601, "message": "no such method" });
            let error = json!({ "jsonrpc": "2.0", "id": request["id"], "error": error });
            return Json(error).into_response();
        }
    };
    Json(json!({ "jsonrpc": "2.0", "id": request["id"], "result": result })).into_response()
}

/// A stream of events that answers nothing.
fn endless_notifications() -> Response {
    let params = json!({ "level": "info", "data": "x" });
    let note = json!({ "jsonrpc": "2.0", "method": "notifications/message", "params": params });
    let piece = Bytes::from(format!("data: {note}\n\n").repeat(100));
    let pieces = stream::repeat_with(move || Ok::<_, Infallible>(piece.clone()));
    let body = Body::from_stream(pieces);
    ([("content-type", "text/event-stream")], body).into_response()
}

async fn call(params: &Value) -> Value {
    let text = |text: &str| json!({ "content": [{ "type": "text", "text": text }] });
    match params["name"].as_str().unwrap_or_default() {
        "echo" => text(&params["arguments"].to_string()),
        "two" => json!({ "content": [
            { "type": "text", "text": "a" },
            { "type": "text", "text": "b" },
        ] }),
        "structured" => json!({
            "content": [],
            "structuredContent": { "rows": [1] },
        }),
        "picture" => json!({ "content": [
            { "type": "text", "text": "look" },
            { "type": "image", "data": "AAAA", "mimeType": "image/png" },
            { "type": "resource", "resource": { "uri": "file:///a.txt", "text": "inside" } },
        ] }),
        "promised" => json!({
            "content": [],
            "structuredContent": { "rows": "none" },
        }),
        "seen" => json!({ "content": [
            { "type": "text", "text": "look" },
            { "type": "image", "data": PNG, "mimeType": "image/jpeg" },
            { "type": "audio", "data": "AAAA", "mimeType": "audio/wav" },
        ] }),
        "huge" => text(&"x".repeat(20 << 20)),
        // Wants an answer and its state back, as 2026-07-28 has it.
        "wants" => match &params["inputResponses"] {
            Value::Null => json!({
                "resultType": "input_required",
                "requestState": "s1",
                "inputRequests": {
                    "first": { "method": "elicitation/create", "params": {
                        "mode": "form",
                        "message": "Which color, Bearer hush?",
                        "requestedSchema": {
                            "type": "object",
                            "properties": { "color": { "type": "string", "enum": ["red", "blue"] } },
                            "required": ["color"],
                        },
                    } },
                },
            }),
            responses => text(&format!("{} {responses}", params["requestState"])),
        },
        "fails" => json!({
            "content": [{ "type": "text", "text": "there is no such table" }],
            "isError": true,
        }),
        "long" => text(&"é".repeat(300_000)),
        "hangs" => {
            tokio::time::sleep(Duration::from_secs(600)).await;
            text("late")
        }
        name => panic!("{name}"),
    }
}

/// A tool with a schema of no properties.
pub fn plain_tool(name: &str) -> Value {
    json!({ "name": name, "description": format!("Does {name}."), "inputSchema": { "type": "object" } })
}

/// A model that calls `tool` once and then answers.
pub async fn model_that_calls(tool: &str, input: &Value) -> MockServer {
    mock_server([
        Script::text("").then_tool_call(tool, input),
        Script::text("ok"),
    ])
    .await
}

pub fn app(
    model: &MockServer,
    agent: &'static AgentSpec,
    servers: impl IntoIterator<Item = (&'static str, McpServerSettings)>,
) -> Router {
    let servers = servers.into_iter();
    let settings = Settings {
        mcp_servers: servers
            .map(|(name, server)| (name.to_owned(), server))
            .collect(),
        ..model.settings(ProviderKind::Anthropic)
    };
    agent_app(agent, settings)
}

/// The result of the tool call as the model got it, and whether it was an error.
pub fn result(model: &MockServer) -> (String, bool) {
    let requests = model.requests();
    let answered = conversation(&requests[1].body).last().unwrap()["content"][0].clone();
    let text = answered["content"].as_str().unwrap().to_owned();
    (text, answered["is_error"] == true)
}

/// The results of the last step, as the model got them.
pub fn results(model: &MockServer) -> Vec<(String, bool)> {
    let requests = model.requests();
    let steps = conversation(&requests.last().unwrap().body).to_vec();
    let results = steps.iter().filter_map(|step| {
        let result = &step["content"][0];
        let text = result["content"].as_str()?.to_owned();
        Some((text, result["is_error"] == true))
    });
    results.collect()
}

/// The server that `/readyz` names, and why the service is not wholly ready.
pub async fn degraded(app: &Router) -> Option<String> {
    let ready = get(app, "/readyz").await.json();
    let checks = ready["checks"].as_array().unwrap().clone();
    let mut failed = checks.iter().filter_map(|check| check["server"].as_str());
    let server = failed.next().map(str::to_owned);
    let status = if server.is_some() {
        "degraded"
    } else {
        "ready"
    };
    assert_eq!(ready["status"], status, "{ready}");
    server
}
