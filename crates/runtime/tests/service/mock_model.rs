//! Services whose models are a mock server, and variants of the agent `desk`.

use agentgen_runtime::axum::Router;
use agentgen_runtime::model::ProviderKind;
use agentgen_runtime::spec::{AgentSpec, Policy};
use agentgen_runtime::testing::{MockServer, Script};
use agentgen_runtime::{Registry, RunContext, Service, Settings};
use serde_json::Value;

use crate::agents::desk;
use crate::http_client::{TestResponse, request, send};

/// The defaults, with one attempt only.
pub const NO_RETRIES: Policy = Policy {
    retry_attempts: 1,
    ..Policy::DEFAULT
};

/// All provider formats.
pub const KINDS: [ProviderKind; 3] = [
    ProviderKind::Anthropic,
    ProviderKind::OpenAi,
    ProviderKind::OpenAiResponses,
];

/// The specification of `desk` without tools, after `change`.
pub fn agent(change: impl FnOnce(&mut AgentSpec)) -> &'static AgentSpec {
    let mut agent = AgentSpec {
        tools: None,
        ..desk::SPEC
    };
    change(&mut agent);
    Box::leak(Box::new(agent))
}

/// The specification of `desk` with another policy.
pub fn desk_with(policy: Policy) -> &'static AgentSpec {
    agent(|agent| agent.policy = policy)
}

/// Settings with a provider at a port where nothing listens.
pub async fn unreachable_provider(kind: ProviderKind) -> Settings {
    let mut settings = MockServer::start().await.unwrap().settings(kind);
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let provider = settings.providers.get_mut("mock").unwrap();
    provider.base_url = Some(format!("http://{}", free.local_addr().unwrap()));
    settings
}

/// A registry of `agent` with `invoke` and the typed endpoint `/chat`.
pub fn registry_of(agent: &'static AgentSpec) -> Registry {
    let invoke = move |cx: RunContext, request| async move { cx.invoke(agent, request).await };
    let chat = move |cx: RunContext, request: desk::ChatRequest| async move {
        cx.run::<_, desk::ChatResponse>(agent, &desk::CHAT, request)
            .await
    };
    Registry::new("{}").service(
        Service::new(agent)
            .endpoint(&desk::INVOKE, invoke)
            .endpoint(&desk::CHAT, chat),
    )
}

/// A mock server that plays these scripts in order.
pub async fn mock_server(scripts: impl IntoIterator<Item = Script>) -> MockServer {
    let server = MockServer::start().await.unwrap();
    for script in scripts {
        server.push(script);
    }
    server
}

/// The router of `desk` on a mock server.
pub fn desk_app(server: &MockServer, kind: ProviderKind) -> Router {
    agent_app(desk_with(NO_RETRIES), server.settings(kind))
}

/// The router of an agent with settings.
pub fn agent_app(agent: &'static AgentSpec, settings: Settings) -> Router {
    registry_of(agent).into_router(settings).unwrap()
}

/// Posts `input` to the invoke endpoint.
pub async fn invoke(app: &Router, input: &str) -> TestResponse {
    let body = serde_json::json!({ "input": input }).to_string();
    let json = [("content-type", "application/json")];
    send(app, request("POST", "/v1/agents/desk/invoke", &json, &body)).await
}

/// Posts `body` and returns the events of the stream: names and data.
pub async fn stream_events(app: &Router, path: &str, body: &str) -> Vec<(String, Value)> {
    let headers = [
        ("content-type", "application/json"),
        ("accept", "text/event-stream"),
    ];
    let answer = send(app, request("POST", path, &headers, body)).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    parse_events(&answer.text)
}

/// Parses the events of a stream: names and data.
pub fn parse_events(text: &str) -> Vec<(String, Value)> {
    let datas = text.lines().filter_map(|line| line.strip_prefix("data: "));
    let event = |data| {
        let data = serde_json::from_str::<Value>(data).unwrap();
        (data["type"].as_str().unwrap().to_owned(), data)
    };
    datas.map(event).collect()
}

/// The conversation in a request: messages, or items.
pub fn conversation(body: &Value) -> &[Value] {
    let conversation = body["messages"].as_array().or(body["input"].as_array());
    conversation.unwrap()
}

/// The system message of a request.
pub fn system_message(body: &Value) -> &str {
    let text = body["system"].as_str().or(body["instructions"].as_str());
    text.or(body["messages"][0]["content"].as_str()).unwrap()
}

/// The names of the tools in a request.
pub fn offered_tools(body: &Value) -> Vec<String> {
    let tools = body["tools"].as_array().into_iter().flatten();
    let name = |tool: &Value| {
        let name = tool["name"].as_str();
        name.or(tool["function"]["name"].as_str())
            .unwrap()
            .to_owned()
    };
    tools.map(name).collect()
}

/// The concatenated text of all `output.delta` events.
pub fn output_text(events: &[(String, Value)]) -> String {
    let deltas = events.iter().filter(|(name, _)| name == "output.delta");
    deltas
        .map(|(_, data)| data["text"].as_str().unwrap())
        .collect()
}
