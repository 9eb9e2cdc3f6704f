//! Chat completions of OpenAI's API: conversations, client-side tools, forms of answers, streams, errors, and who may call.

use agentgen_runtime::auth::Auth;
use agentgen_runtime::axum::Router;
use agentgen_runtime::model::ProviderKind;
use agentgen_runtime::settings::Rates;
use agentgen_runtime::spec::{Rate, ToolPolicy};
use agentgen_runtime::testing::{MockServer, Script};
use agentgen_runtime::tools::{ToolContext, ToolError, tool};
use agentgen_runtime::{Registry, Service, Settings, schemars};
use serde_json::{Value, json};

use crate::desk_service::{app, app_on, registry};
use crate::http_client::{TestResponse, eventually, get, request, send};
use crate::mock_model::{
    KINDS, NO_RETRIES, agent, conversation, mock_server, offered_tools, registry_of, system_message,
};
use crate::stub_providers::HangingProvider;

const CHAT: &str = "/v1/chat/completions";
const SECRET: &str = "a-secret-of-thirty-two-bytes-12345678";

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Nothing {}

/// `desk` with the tool `clock` of the service.
fn with_clock(registry: Registry) -> Registry {
    let clock = |_: ToolContext, _: Nothing| async move { Ok::<_, ToolError>("noon") };
    registry.tool(tool("clock", "Tells the time.", clock))
}

async fn service(
    kind: ProviderKind,
    scripts: impl IntoIterator<Item = Script>,
) -> (Router, MockServer) {
    let server = mock_server(scripts).await;
    let registry = with_clock(registry_of(agent(|agent| agent.policy = NO_RETRIES)));
    let app = registry.into_router(server.settings(kind)).unwrap();
    (app, server)
}

async fn post(app: &Router, body: &Value) -> TestResponse {
    crate::http_client::post(app, CHAT, &body.to_string()).await
}

fn chat(messages: Value) -> Value {
    json!({ "model": "desk", "messages": messages })
}

fn say(text: &str) -> Value {
    chat(json!([{ "role": "user", "content": text }]))
}

/// `body` with the client's tool `weather`.
fn with_weather(mut body: Value) -> Value {
    body["tools"] = json!([{
        "type": "function",
        "function": {
            "name": "weather",
            "description": "Tells the weather.",
            "parameters": { "type": "object", "properties": { "city": { "type": "string" } } },
        },
    }]);
    body
}

/// The chunks of a stream, which ends as it should.
fn chunks(answer: &TestResponse) -> Vec<Value> {
    assert_eq!(answer.status, 200, "{}", answer.text);
    let datas = answer
        .text
        .lines()
        .filter_map(|line| line.strip_prefix("data: "));
    let mut datas: Vec<_> = datas.collect();
    assert_eq!(datas.pop(), Some("[DONE]"));
    datas
        .into_iter()
        .map(|data| serde_json::from_str(data).unwrap())
        .collect()
}

/// The error of a response, which has the form of the protocol.
fn error(answer: &TestResponse, status: u16) -> Value {
    assert_eq!(answer.status, status, "{}", answer.text);
    assert_eq!(answer.header("content-type"), "application/json");
    let error = answer.json()["error"].clone();
    assert!(
        error["message"].is_string() && error["type"].is_string(),
        "{error}"
    );
    error
}

#[tokio::test]
async fn agents_are_models() {
    let app = app();
    let list = get(&app, "/v1/models").await.json();
    assert_eq!(list["object"], "list");
    let ids: Vec<_> = list["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|model| &model["id"])
        .collect();
    assert!(ids.contains(&&json!("desk")), "{ids:?}");
    let model = get(&app, "/v1/models/desk").await.json();
    assert_eq!(model["object"], "model");
    let error = error(&get(&app, "/v1/models/nobody").await, 404);
    assert_eq!(error["code"], "model_not_found");
}

#[tokio::test]
async fn an_agent_answers_a_conversation_in_the_form_of_the_protocol() {
    for kind in KINDS {
        let (app, server) = service(kind, [Script::text("It rains.").usage(10, 3)]).await;
        let body = chat(json!([
            { "role": "system", "content": "Be brief." },
            { "role": "user", "content": "Hello" },
            { "role": "assistant", "content": "Good day." },
            { "role": "user", "content": [{ "type": "text", "text": "How is the weather?" }] },
        ]));
        let answer = post(&app, &body).await.json();
        assert_eq!(answer["object"], "chat.completion");
        assert_eq!(answer["model"], "desk");
        let choice = &answer["choices"][0];
        assert_eq!(choice["message"]["content"], "It rains.");
        assert_eq!(choice["finish_reason"], "stop");
        let usage = json!({ "prompt_tokens": 10, "completion_tokens": 3, "total_tokens": 13 });
        assert_eq!(answer["usage"], usage);
        let sent = &server.requests()[0].body;
        // The agent's prompt stays what it is.
        let prompt = crate::agents::desk::SPEC.prompt.text();
        assert_eq!(system_message(sent), prompt);
        let texts = json!(conversation(sent)).to_string();
        assert!(texts.contains("Be brief.\\n\\nHello"), "{texts}");
        assert!(
            texts.contains("Good day.") && texts.contains("How is the weather?"),
            "{texts}"
        );
    }
}

#[tokio::test]
async fn nothing_is_stored_of_a_conversation() {
    let app = app();
    assert_eq!(post(&app, &say("Hello")).await.status, 200);
    let sessions = get(&app, "/v1/agents/desk/sessions").await;
    assert_eq!(sessions.json()["sessions"], json!([]), "{}", sessions.text);
}

#[tokio::test]
async fn calls_of_a_client_s_tool_are_handed_to_it_and_their_results_go_to_the_model() {
    for kind in KINDS {
        let city = json!({ "city": "Oslo" });
        let scripts = [
            Script::text("I look. ")
                .then_tool_call("clock", &json!({}))
                .then_tool_call("weather", &city),
            Script::text("It snows in Oslo."),
        ];
        let (app, server) = service(kind, scripts).await;
        let first = with_weather(say("How is the weather in Oslo?"));
        let answer = post(&app, &first).await.json();
        let choice = &answer["choices"][0];
        assert_eq!(choice["finish_reason"], "tool_calls", "{answer}");
        let calls = choice["message"]["tool_calls"].as_array().unwrap();
        assert_eq!(calls.len(), 1, "the service calls its own tool: {calls:?}");
        assert_eq!(calls[0]["function"]["name"], "weather");
        let arguments = calls[0]["function"]["arguments"].as_str().unwrap();
        assert_eq!(serde_json::from_str::<Value>(arguments).unwrap(), city);
        let offered = offered_tools(&server.requests()[0].body);
        assert!(offered.contains(&"weather".to_owned()) && offered.contains(&"clock".to_owned()));

        let mut second = first.clone();
        let messages = second["messages"].as_array_mut().unwrap();
        messages.push(choice["message"].clone());
        messages.push(json!({ "role": "tool", "tool_call_id": calls[0]["id"], "content": "snow" }));
        let answer = post(&app, &second).await.json();
        assert_eq!(
            answer["choices"][0]["message"]["content"],
            "It snows in Oslo."
        );
        let sent = json!(conversation(&server.requests()[1].body)).to_string();
        assert!(sent.contains("snow") && sent.contains("weather"), "{sent}");
    }
}

#[tokio::test]
async fn a_client_s_tool_takes_no_name_of_the_service_s_tools() {
    let (app, server) = service(ProviderKind::OpenAi, []).await;
    for (name, words) in [
        ("clock", "this service has itself"),
        ("final_answer", "this service has itself"),
        ("a b", "1 to 64 letters"),
    ] {
        let mut body = with_weather(say("Hi"));
        body["tools"][0]["function"]["name"] = name.into();
        let error = error(&post(&app, &body).await, 400);
        assert_eq!(error["param"], "tools[0].function.name");
        assert!(
            error["message"].as_str().unwrap().contains(words),
            "{error}"
        );
    }
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn an_answer_fits_the_client_s_schema() {
    for kind in KINDS {
        let scripts = [Script::text("no JSON"), Script::text(r#"{"city":"Oslo"}"#)];
        let (app, server) = service(kind, scripts).await;
        let mut body = say("Where?");
        body["response_format"] = json!({
            "type": "json_schema",
            "json_schema": { "name": "place", "strict": true, "schema": {
                "type": "object",
                "properties": { "city": { "type": "string" } },
                "required": ["city"],
                "additionalProperties": false,
            } },
        });
        body["stream"] = true.into();
        let answer = post(&app, &body).await;
        let text: String = chunks(&answer)
            .iter()
            .filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str())
            .collect();
        assert_eq!(
            text, r#"{"city":"Oslo"}"#,
            "what does not fit is not streamed"
        );
        assert_eq!(server.requests().len(), 2);
        let mut broken = body.clone();
        broken["response_format"]["json_schema"]["schema"]["type"] = 7.into();
        let error = error(&post(&app, &broken).await, 400);
        assert_eq!(error["param"], "response_format.json_schema.schema");
    }
}

#[tokio::test]
async fn a_stream_has_chunks_usage_and_an_end() {
    let scripts = [Script::pieces(["It ", "rains."]).usage(10, 3)];
    let (app, _server) = service(ProviderKind::OpenAi, scripts).await;
    let mut body = say("How is the weather?");
    body["stream"] = true.into();
    body["stream_options"] = json!({ "include_usage": true });
    let chunks = chunks(&post(&app, &body).await);
    assert!(
        chunks
            .iter()
            .all(|chunk| chunk["object"] == "chat.completion.chunk")
    );
    assert_eq!(chunks[0]["choices"][0]["delta"]["role"], "assistant");
    let deltas = chunks
        .iter()
        .filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str());
    assert_eq!(deltas.collect::<Vec<_>>(), ["", "It ", "rains."]);
    let last = chunks.last().unwrap();
    assert_eq!(last["choices"], json!([]));
    assert_eq!(last["usage"]["total_tokens"], 13);
    assert_eq!(
        chunks[chunks.len() - 2]["choices"][0]["finish_reason"],
        "stop"
    );
}

#[tokio::test]
async fn a_streamed_call_of_a_client_s_tool_has_its_arguments() {
    let scripts = [Script::tool_call("weather", &json!({ "city": "Oslo" }))];
    let (app, _server) = service(ProviderKind::OpenAi, scripts).await;
    let mut body = with_weather(say("How is the weather?"));
    body["stream"] = true.into();
    let chunks = chunks(&post(&app, &body).await);
    let call = chunks
        .iter()
        .find_map(|chunk| chunk["choices"][0]["delta"].get("tool_calls"));
    let call = &call.unwrap()[0];
    assert_eq!(call["index"], 0);
    assert_eq!(call["function"]["name"], "weather");
    assert_eq!(
        chunks.last().unwrap()["choices"][0]["finish_reason"],
        "tool_calls"
    );
}

#[tokio::test]
async fn what_an_agent_can_t_do_is_refused_by_name() {
    let app = app();
    let image = json!([{ "role": "user", "content": [{ "type": "image_url", "image_url": {} }] }]);
    for (change, param) in [
        (json!({ "temperature": 0.2 }), "temperature"),
        (json!({ "n": 2 }), "n"),
        (json!({ "stop": ["x"] }), "stop"),
        (json!({ "tool_choice": "required" }), "tool_choice"),
        (json!({ "no_such_parameter": 1 }), "no_such_parameter"),
        (json!({ "messages": image }), "messages[0].content[0].type"),
        (json!({ "messages": [] }), "messages[0]"),
        (json!({ "messages": "x" }), "messages"),
        (json!({ "max_tokens": 0 }), "max_completion_tokens"),
        (
            json!({ "tools": [{ "type": "web_search" }] }),
            "tools[0].type",
        ),
    ] {
        let mut body = say("Hi");
        body.as_object_mut()
            .unwrap()
            .extend(change.as_object().unwrap().clone());
        let error = error(&post(&app, &body).await, 400);
        assert_eq!(error["param"], param, "{error}");
        assert_eq!(error["type"], "invalid_request_error");
    }
    let mut body = say("Hi");
    let defaults =
        json!({ "temperature": 1.0, "n": 1, "user": "ann", "stop": null, "max_tokens": 50 });
    body.as_object_mut()
        .unwrap()
        .extend(defaults.as_object().unwrap().clone());
    assert_eq!(post(&app, &body).await.status, 200);
    body["model"] = "nobody".into();
    assert_eq!(
        error(&post(&app, &body).await, 404)["code"],
        "model_not_found"
    );
}

#[tokio::test]
async fn a_limit_of_tokens_reaches_the_model() {
    let (app, server) = service(ProviderKind::OpenAi, [Script::text("It rains.")]).await;
    let mut body = say("How is the weather?");
    body["max_completion_tokens"] = 77.into();
    assert_eq!(post(&app, &body).await.status, 200);
    let sent = server.requests()[0].body.to_string();
    assert!(sent.contains(":77"), "{sent}");
}

#[tokio::test]
async fn nobody_is_asked_in_a_chat_and_the_model_is_told_so() {
    let server = mock_server([
        Script::tool_call("clock", &json!({})),
        Script::text("I may not look."),
    ])
    .await;
    let careful = agent(|agent| {
        agent.policy = NO_RETRIES;
        agent.policy.tools = ToolPolicy {
            approve: &["clock"],
            ..ToolPolicy::DEFAULT
        };
    });
    let registry = with_clock(registry_of(careful));
    let app = registry
        .into_router(server.settings(ProviderKind::OpenAi))
        .unwrap();
    let answer = post(&app, &say("What time is it?")).await.json();
    assert_eq!(
        answer["choices"][0]["message"]["content"],
        "I may not look."
    );
    let sent = server.requests()[1].body.to_string();
    assert!(sent.contains("denied") && !sent.contains("noon"), "{sent}");
}

fn bearer(roles: &[&str]) -> String {
    let exp = jsonwebtoken::get_current_timestamp() + 60;
    let claims = json!({ "sub": "ann", "exp": exp, "roles": roles });
    let key = jsonwebtoken::EncodingKey::from_secret(SECRET.as_bytes());
    let token = jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key);
    format!("Bearer {}", token.unwrap())
}

/// A service with authentication: `desk` for everybody, `vault` for admins.
fn guarded(rates: Rates) -> Router {
    let spec = agentgen_runtime::spec::EndpointSpec {
        roles: &["admin"],
        path: "/v1/agents/vault/invoke",
        operation_id: "vault_invoke",
        ..crate::agents::desk::INVOKE
    };
    let vault = agent(|agent| {
        agent.slug = "vault";
        agent.roles = &["admin"];
    });
    let service =
        Service::new(vault).endpoint(
            Box::leak(Box::new(spec)),
            move |cx: agentgen_runtime::RunContext, request| async move {
                cx.invoke(vault, request).await
            },
        );
    let settings = Settings {
        auth: Auth::hs256(SECRET.as_bytes()),
        body_limit: 2_000,
        rates,
        ..Settings::default()
    };
    registry().service(service).into_router(settings).unwrap()
}

async fn call(
    app: &Router,
    method: &str,
    path: &str,
    authorization: &str,
    body: &str,
) -> TestResponse {
    let headers = [
        ("content-type", "application/json"),
        ("authorization", authorization),
    ];
    send(app, request(method, path, &headers, body)).await
}

#[tokio::test]
async fn callers_authenticate_and_have_the_roles_of_a_model() {
    let app = guarded(Rates::default());
    let hi = say("Hi").to_string();
    for (method, path) in [
        ("POST", CHAT),
        ("GET", "/v1/models"),
        ("GET", "/v1/models/desk"),
    ] {
        for token in ["Bearer x", "Basic eDp5"] {
            let answer = call(&app, method, path, token, &hi).await;
            assert_eq!(error(&answer, 401)["code"], "invalid_api_key");
            assert!(answer.header("www-authenticate").starts_with("Bearer"));
        }
    }
    let (guest, admin) = (bearer(&["guest"]), bearer(&["admin"]));
    let vault = json!({ "model": "vault", "messages": [{ "role": "user", "content": "Hi" }] });
    let vault = vault.to_string();
    let answer = call(&app, "POST", CHAT, &guest, &vault).await;
    assert_eq!(error(&answer, 403)["code"], "permission_denied");
    assert_eq!(call(&app, "POST", CHAT, &admin, &vault).await.status, 200);
    let listed = |answer: TestResponse| answer.text.contains("vault");
    assert!(!listed(call(&app, "GET", "/v1/models", &guest, "").await));
    assert!(listed(call(&app, "GET", "/v1/models", &admin, "").await));
    error(
        &call(&app, "GET", "/v1/models/vault", &guest, "").await,
        404,
    );
    let long = say(&"x".repeat(3_000)).to_string();
    let answer = call(&app, "POST", CHAT, &guest, &long).await;
    assert_eq!(error(&answer, 413)["code"], "request_too_large");
}

#[tokio::test]
async fn the_rates_of_the_service_count() {
    let app = guarded(Rates {
        subject: Some(Rate {
            requests: 2,
            seconds: 3_600,
        }),
        ..Rates::default()
    });
    let own = bearer(&["user"]);
    let hi = say("Hi").to_string();
    assert_eq!(call(&app, "POST", CHAT, &own, &hi).await.status, 200);
    // What is refused counts, too.
    error(&call(&app, "POST", CHAT, &own, "{}").await, 400);
    let answer = call(&app, "POST", CHAT, &own, &hi).await;
    assert_eq!(error(&answer, 429)["type"], "rate_limit_error");
    assert!(!answer.header("retry-after").is_empty());
    error(&call(&app, "GET", "/v1/models", &own, "").await, 429);
}

#[tokio::test]
async fn a_stream_that_is_cancelled_ends_the_run() {
    let provider = HangingProvider::default();
    let app = app_on(provider.clone());
    let mut body = say("Hi");
    body["stream"] = true.into();
    let headers = [("content-type", "application/json")];
    let sent = tower::ServiceExt::oneshot(app, request("POST", CHAT, &headers, &body.to_string()));
    let sent = tokio::spawn(sent);
    assert!(eventually(|| provider.in_flight() == 1).await);
    let response = sent.await.unwrap().unwrap();
    assert_eq!(response.status(), 200);
    drop(response);
    assert!(eventually(|| provider.in_flight() == 0).await);
}
