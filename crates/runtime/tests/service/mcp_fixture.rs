//! An MCP server in this process, over streamable HTTP, whose tools do what the tests need.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use agentgen_runtime::Secret;
use agentgen_runtime::axum::extract::State;
use agentgen_runtime::axum::http::{HeaderMap, StatusCode};
use agentgen_runtime::axum::response::{IntoResponse, Response};
use agentgen_runtime::axum::{self, Json, Router, routing};
use agentgen_runtime::mcp::{McpServerSettings, McpTransport};
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// What a server was asked, and what it lists.
#[derive(Clone)]
pub struct McpServer {
    pub url: String,
    log: Arc<Mutex<Vec<Value>>>,
    tools: Arc<Mutex<Value>>,
}

impl McpServer {
    /// Starts a server with the tools.
    pub async fn start(tools: Value) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Self {
            url: format!("http://{}/mcp", listener.local_addr().unwrap()),
            log: Arc::default(),
            tools: Arc::new(Mutex::new(tools)),
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
        "initialize" => json!({
            "protocolVersion": request["params"]["protocolVersion"],
            "capabilities": { "tools": {} },
            "serverInfo": { "name": "test", "version": "1" },
        }),
        "tools/list" => json!({ "tools": *server.tools.lock().unwrap() }),
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
