//! OpenAI's Responses: answers, streams, client-side tools, and what runs wait for.

use std::sync::{Arc, Mutex};

use agentgen_runtime::Settings;
use agentgen_runtime::auth::Auth;
use agentgen_runtime::axum::Router;
use agentgen_runtime::model::ProviderKind;
use agentgen_runtime::spec::{AgentSpec, ToolPolicy};
use agentgen_runtime::testing::Script;
use agentgen_runtime::tools::{ToolContext, ToolError, tool};
use agentgen_runtime::{Registry, Store, schemars};
use serde_json::{Value, json};

use crate::desk_service::app;
use crate::http_client::{TestResponse, post};
use crate::mock_model::{
    KINDS, NO_RETRIES, agent, conversation, mock_server, parse_events, registry_of,
};
use crate::store_fixture::on_each_store;
use crate::waiting_runs::{SECRET, TestCaller};

const RESPONSES: &str = "/v1/responses";

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Shelve {
    book: String,
}

type Shelf = Arc<Mutex<Vec<String>>>;

/// An agent whose calls of `shelve` a person approves, and which may ask its user.
fn careful() -> &'static AgentSpec {
    agent(|agent| {
        agent.policy = NO_RETRIES;
        agent.policy.tools = ToolPolicy {
            approve: &["shelve"],
            ask_user: true,
            ..ToolPolicy::DEFAULT
        };
    })
}

/// A service of [`careful`] with the tool `shelve`, which notes its books.
fn service(settings: Settings, store: Store, shelf: &Shelf) -> Router {
    let shelf = Arc::clone(shelf);
    let shelve = move |_: ToolContext, input: Shelve| {
        let shelf = Arc::clone(&shelf);
        async move {
            shelf.lock().unwrap().push(input.book.clone());
            Ok::<_, ToolError>(format!("shelved {}", input.book))
        }
    };
    let registry: Registry = registry_of(careful()).tool(tool("shelve", "Shelves.", shelve));
    registry.store(store).into_router(settings).unwrap()
}

async fn ask(app: &Router, body: &Value) -> TestResponse {
    post(app, RESPONSES, &body.to_string()).await
}

fn asks(input: Value) -> Value {
    json!({ "model": "desk", "input": input })
}

/// The response of a stream, whose events are numbered.
fn streamed(answer: &TestResponse, last: &str) -> (Vec<(String, Value)>, Value) {
    assert_eq!(answer.status, 200, "{}", answer.text);
    let events = parse_events(&answer.text);
    for (index, (_, event)) in events.iter().enumerate() {
        assert_eq!(event["sequence_number"], index);
    }
    let (name, event) = events.last().unwrap();
    assert_eq!(name, last, "{event}");
    let response = event["response"].clone();
    (events, response)
}

fn error(answer: &TestResponse, status: u16) -> Value {
    assert_eq!(answer.status, status, "{}", answer.text);
    answer.json()["error"].clone()
}

#[tokio::test]
async fn a_response_has_the_answer_and_its_usage() {
    let server = mock_server([Script::text("It rains.").usage(10, 3)]).await;
    let app = service(
        server.settings(ProviderKind::OpenAi),
        Store::memory(),
        &Shelf::default(),
    );
    let mut body = asks(json!("How is the weather?"));
    body["instructions"] = "Be brief.".into();
    let answer = ask(&app, &body).await.json();
    assert_eq!(answer["object"], "response");
    assert_eq!(answer["status"], "completed");
    assert_eq!(answer["instructions"], "Be brief.");
    let message = &answer["output"][0];
    assert_eq!(message["content"][0]["text"], "It rains.");
    assert_eq!(answer["usage"]["total_tokens"], 13);
    let sent = json!(conversation(&server.requests()[0].body)).to_string();
    assert!(
        sent.contains("Be brief.\\n\\nHow is the weather?"),
        "{sent}"
    );
}

#[tokio::test]
async fn a_stream_tells_the_text_and_the_items() {
    let (events, response) = {
        let mut body = asks(json!([{ "role": "user", "content": "some words to be told" }]));
        body["stream"] = true.into();
        streamed(&ask(&app(), &body).await, "response.completed")
    };
    let names: Vec<_> = events.iter().map(|(name, _)| &**name).collect();
    let (first, last) = (&names[..4], &names[names.len() - 4..]);
    let added = ["response.output_item.added", "response.content_part.added"];
    assert_eq!(
        first,
        [&["response.created", "response.in_progress"], &added[..]].concat()
    );
    let done = [
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ];
    assert_eq!(last, done);
    let deltas = events
        .iter()
        .filter(|(name, _)| name == "response.output_text.delta");
    let text: String = deltas
        .map(|(_, event)| event["delta"].as_str().unwrap())
        .collect();
    assert_eq!(response["output"][0]["content"][0]["text"], text);
    assert!(text.contains("some words to be told"));
}

#[tokio::test]
async fn calls_of_a_client_s_tool_are_items_and_so_are_their_results() {
    for (kind, stream) in KINDS.into_iter().zip([false, true, true]) {
        let city = json!({ "city": "Oslo" });
        let server = mock_server([
            Script::text("I look.").then_tool_call("weather", &city),
            Script::text("It snows."),
        ])
        .await;
        let app = service(server.settings(kind), Store::memory(), &Shelf::default());
        let mut body = asks(json!([{ "role": "user", "content": "How is the weather?" }]));
        body["tools"] = json!([{ "type": "function", "name": "weather", "parameters": {
            "type": "object", "properties": { "city": { "type": "string" } },
        } }]);
        body["stream"] = stream.into();
        let answer = ask(&app, &body).await;
        let response = match stream {
            true => {
                let (events, response) = streamed(&answer, "response.completed");
                let name = "response.function_call_arguments.done";
                assert!(events.iter().any(|(event, _)| event == name));
                response
            }
            false => answer.json(),
        };
        let call = response["output"][1].clone();
        assert_eq!(
            (&call["type"], &call["name"]),
            (&json!("function_call"), &json!("weather"))
        );
        assert_eq!(call["arguments"], city.to_string());
        let input = body["input"].as_array_mut().unwrap();
        input.extend(response["output"].as_array().unwrap().clone());
        let id = &call["call_id"];
        input.push(json!({ "type": "function_call_output", "call_id": id, "output": "snow" }));
        body["stream"] = false.into();
        let answer = ask(&app, &body).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        assert_eq!(
            answer.json()["output"][0]["content"][0]["text"],
            "It snows."
        );
        let sent = json!(conversation(&server.requests()[1].body)).to_string();
        assert!(sent.contains("snow") && sent.contains("I look."), "{sent}");
    }
}

#[tokio::test]
async fn an_approval_is_an_item_and_the_run_goes_on_in_another_process() {
    on_each_store(async |store| {
        for stream in [false, true] {
            let server = mock_server([
                Script::text("I shelve. ").then_tool_call("shelve", &json!({ "book": "Maps" })),
                Script::tool_call("shelve", &json!({ "book": "Tides" })),
                Script::text("Done."),
            ])
            .await;
            let (settings, shelf) = (server.settings(ProviderKind::OpenAi), Shelf::default());
            let mut app = service(settings.clone(), store.open().await, &shelf);
            let mut body = asks(json!([{ "role": "user", "content": "Shelve them." }]));
            body["stream"] = stream.into();
            let mut text = String::new();
            for (round, approve) in [true, false].into_iter().enumerate() {
                let answer = ask(&app, &body).await;
                let response = match stream {
                    true => streamed(&answer, "response.completed").1,
                    false => answer.json(),
                };
                assert_eq!(response["status"], "completed", "{response}");
                let output = response["output"].as_array().unwrap();
                let request = output.last().unwrap().clone();
                assert_eq!(request["type"], "mcp_approval_request", "{response}");
                assert_eq!(request["name"], "shelve");
                assert_eq!(shelf.lock().unwrap().len(), round);
                if store.is_shared() {
                    app = service(settings.clone(), store.open().await, &shelf);
                }
                let input = body["input"].as_array_mut().unwrap();
                input.extend(output.clone());
                input.push(json!({
                    "type": "mcp_approval_response",
                    "approval_request_id": request["id"],
                    "approve": approve,
                    "reason": "Leave the tides.",
                }));
            }
            let answer = ask(&app, &body).await;
            let response = match stream {
                true => streamed(&answer, "response.completed").1,
                false => answer.json(),
            };
            for item in response["output"].as_array().unwrap() {
                text.push_str(item["content"][0]["text"].as_str().unwrap());
            }
            assert!(text.ends_with("Done."), "{response}");
            assert_eq!(*shelf.lock().unwrap(), ["Maps"]);
            let sent = server.requests()[2].body.to_string();
            assert!(sent.contains("Leave the tides."), "{sent}");
            // Both answers count once.
            assert_eq!(
                error(&ask(&app, &body).await, 409)["type"],
                "invalid_request_error"
            );
        }
    })
    .await;
}

#[tokio::test]
async fn a_question_of_the_model_is_a_call_of_ask_user() {
    let question = json!({ "question": "Which shelf?", "options": ["left", "right"] });
    let server = mock_server([
        Script::tool_call("ask_user", &question),
        Script::text("On the left one, then."),
    ])
    .await;
    let app = service(
        server.settings(ProviderKind::OpenAi),
        Store::memory(),
        &Shelf::default(),
    );
    let mut body = asks(json!([{ "role": "user", "content": "Shelve it." }]));
    let response = ask(&app, &body).await.json();
    let call = response["output"][0].clone();
    assert_eq!(
        (&call["type"], &call["name"]),
        (&json!("function_call"), &json!("ask_user"))
    );
    let arguments = call["arguments"].as_str().unwrap();
    assert_eq!(serde_json::from_str::<Value>(arguments).unwrap(), question);
    let with_answer = |text: &str| {
        let mut body = body.clone();
        let input = body["input"].as_array_mut().unwrap();
        input.push(call.clone());
        let id = &call["call_id"];
        input.push(json!({ "type": "function_call_output", "call_id": id, "output": text }));
        body
    };
    assert_eq!(
        error(&ask(&app, &with_answer("up")).await, 422)["param"],
        Value::Null
    );
    let mut mixed = with_answer("left");
    let more = json!({ "role": "user", "content": "And another thing." });
    mixed["input"].as_array_mut().unwrap().push(more);
    assert_eq!(error(&ask(&app, &mixed).await, 400)["param"], "input[3]");
    body = with_answer("left");
    let answer = ask(&app, &body).await.json();
    assert_eq!(
        answer["output"][0]["content"][0]["text"],
        "On the left one, then."
    );
}

#[tokio::test]
async fn nobody_answers_or_reads_the_run_of_somebody_else() {
    let server = mock_server([Script::tool_call("shelve", &json!({ "book": "Maps" }))]).await;
    let settings = Settings {
        auth: Auth::hs256(SECRET.as_bytes()),
        ..server.settings(ProviderKind::OpenAi)
    };
    let shelf = Shelf::default();
    let app = service(settings, Store::memory(), &shelf);
    let (ann, bob) = (
        TestCaller::new("ann", "user"),
        TestCaller::new("bob", "user"),
    );
    let mut body = asks(json!([{ "role": "user", "content": "Shelve them." }]));
    let response = ann.post(&app, RESPONSES, &body.to_string()).await.json();
    let id = response["output"][0]["id"].clone();
    let answer =
        json!({ "type": "mcp_approval_response", "approval_request_id": id, "approve": true });
    body["input"].as_array_mut().unwrap().push(answer);
    error(&bob.post(&app, RESPONSES, &body.to_string()).await, 404);
    assert!(shelf.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_client_s_call_beside_one_that_waits_is_handed_over_at_the_end() {
    let server = mock_server([Script::tool_call("shelve", &json!({ "book": "Maps" }))
        .then_tool_call("weather", &json!({}))])
    .await;
    let shelf = Shelf::default();
    let app = service(
        server.settings(ProviderKind::OpenAi),
        Store::memory(),
        &shelf,
    );
    let mut body = asks(json!([{ "role": "user", "content": "Shelve them." }]));
    body["tools"] = json!([{ "type": "function", "name": "weather" }]);
    let response = ask(&app, &body).await.json();
    let output = response["output"].as_array().unwrap();
    assert_eq!(output.len(), 1, "{response}");
    let id = &output[0]["id"];
    let answer =
        json!({ "type": "mcp_approval_response", "approval_request_id": id, "approve": true });
    body["input"].as_array_mut().unwrap().push(answer);
    let response = ask(&app, &body).await.json();
    assert_eq!(response["output"][0]["name"], "weather", "{response}");
    assert_eq!(*shelf.lock().unwrap(), ["Maps"]);
}

#[tokio::test]
async fn what_a_response_can_t_have_is_refused_by_name() {
    let app = app();
    for (change, param) in [
        (
            json!({ "previous_response_id": "resp_1" }),
            "previous_response_id",
        ),
        (json!({ "store": true }), "store"),
        (json!({ "background": true }), "background"),
        (
            json!({ "tools": [{ "type": "web_search" }] }),
            "tools[0].type",
        ),
        (
            json!({ "text": { "format": { "type": "xml" } } }),
            "text.format.type",
        ),
        (
            json!({ "input": [{ "type": "item_reference", "id": "x" }] }),
            "input[0].type",
        ),
        (
            json!({ "input": [{ "type": "reasoning" }, { "role": "user", "content": "x" }, { "role": "assistant", "content": "y" }] }),
            "input[2]",
        ),
    ] {
        let mut body = asks(json!("Hi"));
        body.as_object_mut()
            .unwrap()
            .extend(change.as_object().unwrap().clone());
        let error = error(&ask(&app, &body).await, 400);
        assert_eq!(error["param"], param, "{error}");
    }
}
