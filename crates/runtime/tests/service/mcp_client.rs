//! A client of a service's MCP server, in both revisions of the protocol.

use agentgen_runtime::axum::Router;
use agentgen_runtime::axum::body::Body;
use agentgen_runtime::axum::http::{HeaderValue, Request};
use serde_json::{Value, json};

use crate::http_client::{TestResponse, request, send};

/// What a client says that asks its user.
pub fn asks_its_user() -> Value {
    json!({ "elicitation": {} })
}

/// What a client says that knows tasks, too.
pub fn knows_tasks() -> Value {
    let extensions = json!({ "io.modelcontextprotocol/tasks": {} });
    json!({ "elicitation": {}, "extensions": extensions })
}

/// A client, and the revision that it speaks.
pub struct McpClient {
    is_stateless: bool,
    authorization: Option<String>,
    capabilities: Value,
    progress_token: Option<&'static str>,
}

impl McpClient {
    /// Speaks 2026-07-28.
    pub fn stateless() -> Self {
        Self {
            is_stateless: true,
            authorization: None,
            capabilities: json!({}),
            progress_token: None,
        }
    }

    /// Speaks 2025-11-25.
    pub fn with_handshake() -> Self {
        Self {
            is_stateless: false,
            ..Self::stateless()
        }
    }

    pub fn both() -> [Self; 2] {
        [Self::stateless(), Self::with_handshake()]
    }

    pub fn authorized(mut self, authorization: &str) -> Self {
        self.authorization = Some(authorization.to_owned());
        self
    }

    pub fn capable(mut self, capabilities: Value) -> Self {
        self.capabilities = capabilities;
        self
    }

    /// Wants to hear of progress.
    pub fn with_progress(mut self) -> Self {
        self.progress_token = Some("token-1");
        self
    }

    pub fn is_stateless(&self) -> bool {
        self.is_stateless
    }

    /// A request as the client writes it.
    pub fn request(&self, method: &str, mut params: Value) -> Request<Body> {
        let mut headers = vec![
            ("content-type", "application/json".to_owned()),
            ("accept", "application/json, text/event-stream".to_owned()),
        ];
        if let Some(authorization) = &self.authorization {
            headers.push(("authorization", authorization.clone()));
        }
        if let Some(token) = self.progress_token {
            params["_meta"]["progressToken"] = json!(token);
        }
        if self.is_stateless {
            let version = "2026-07-28";
            headers.push(("mcp-protocol-version", version.to_owned()));
            headers.push(("mcp-method", method.to_owned()));
            let name = params["name"].as_str().or(params["taskId"].as_str());
            if let Some(name) = name {
                headers.push(("mcp-name", name.to_owned()));
            }
            let meta = &mut params["_meta"];
            meta["io.modelcontextprotocol/protocolVersion"] = json!(version);
            meta["io.modelcontextprotocol/clientCapabilities"] = self.capabilities.clone();
        } else {
            headers.push(("mcp-protocol-version", "2025-11-25".to_owned()));
        }
        let headers = headers.iter().map(|(name, value)| (*name, value.as_str()));
        let headers = headers.collect::<Vec<_>>();
        let body = json!({ "jsonrpc": "2.0", "id": 7, "method": method, "params": params });
        request("POST", "/mcp", &headers, &body.to_string())
    }

    pub async fn send(&self, app: &Router, method: &str, params: Value) -> TestResponse {
        send(app, self.request(method, params)).await
    }

    /// The result of a request.
    pub async fn ask(&self, app: &Router, method: &str, params: Value) -> Value {
        let answer = self.send(app, method, params).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        let mut answer = answer.json();
        assert_eq!(answer["id"], 7, "{answer}");
        assert_eq!(answer.get("error"), None, "{answer}");
        answer["result"].take()
    }

    /// The result of a call of a tool.
    pub async fn call(&self, app: &Router, tool: &str, arguments: Value) -> Value {
        let params = json!({ "name": tool, "arguments": arguments });
        self.ask(app, "tools/call", params).await
    }

    /// The names of the tools that are listed.
    pub async fn tools(&self, app: &Router) -> Vec<String> {
        let result = self.ask(app, "tools/list", json!({})).await;
        let tools = result["tools"].as_array().unwrap().iter();
        let names = tools.map(|tool| tool["name"].as_str().unwrap().to_owned());
        names.collect()
    }
}

/// `request` with another value of a header, or without it.
pub fn with_header(mut request: Request<Body>, name: &'static str, value: &str) -> Request<Body> {
    match value {
        "" => request.headers_mut().remove(name),
        value => {
            let value = HeaderValue::try_from(value).unwrap();
            request.headers_mut().insert(name, value)
        }
    };
    request
}

/// The messages in a stream.
pub fn messages(answer: &TestResponse) -> Vec<Value> {
    assert_eq!(answer.header("content-type"), "text/event-stream");
    let lines = answer.text.lines();
    let data = lines.filter_map(|line| line.strip_prefix("data: "));
    data.map(|data| serde_json::from_str(data).unwrap())
        .collect()
}
