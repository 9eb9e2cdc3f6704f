//! Conversations over several requests.

use std::time::Duration;

use agentgen_runtime::axum::Router;
use agentgen_runtime::schema::JsonValue;
use agentgen_runtime::spec::{EndpointSpec, SessionUse};
use agentgen_runtime::{Registry, RunContext, Settings};
use serde_json::{Value, json};

use crate::agents::desk;
use crate::desk_service::{DeskHandler, app_on};
use crate::http_client::{eventually, get, post};
use crate::stub_providers::{ConversationEcho, FixedAnswer, HangingProvider};

const INVOKE: &str = "/v1/agents/desk/invoke";

async fn invoke(app: &Router, body: Value) -> Value {
    post(app, INVOKE, &body.to_string()).await.json()
}

#[tokio::test]
async fn a_session_sends_earlier_messages_to_the_model() {
    let app = app_on(ConversationEcho);
    let first = invoke(&app, json!({"input": "a"})).await;
    assert_eq!(first["output"], "User=a");
    let id = &first["session_id"];
    let second = invoke(&app, json!({"input": "b", "session_id": id})).await;
    assert_eq!(second["output"], "User=a|Assistant=User=a|User=b");
    assert_eq!(&second["session_id"], id);
    let other = invoke(&app, json!({"input": "c"})).await;
    assert_eq!(other["output"], "User=c");
    assert_ne!(&other["session_id"], id);
}

#[tokio::test]
async fn turns_beyond_the_history_limit_are_not_sent() {
    // The history limit of the agent is 60 tokens, estimated as 240 bytes.
    let app = app_on(ConversationEcho);
    let first = invoke(&app, json!({"input": "first"})).await;
    let id = first["session_id"].clone();
    let long = "l".repeat(100);
    let second = invoke(&app, json!({"input": long, "session_id": id})).await;
    assert!(
        second["output"]
            .as_str()
            .unwrap()
            .starts_with("User=first|")
    );
    let third = invoke(&app, json!({"input": "third", "session_id": id})).await;
    assert!(
        !third["output"].as_str().unwrap().starts_with("User=first|"),
        "{third}"
    );
}

#[tokio::test]
async fn a_session_id_of_the_clients_choice_begins_a_session() {
    let app = app_on(ConversationEcho);
    let mine = |input: &str| json!({"input": input, "session_id": "chat:ada@example.com=1+2~3"});
    let first = invoke(&app, mine("a")).await;
    assert_eq!(first["output"], "User=a");
    assert_eq!(first["session_id"], "chat:ada@example.com=1+2~3");
    let second = invoke(&app, mine("b")).await;
    assert_eq!(second["output"], "User=a|Assistant=User=a|User=b");
}

#[tokio::test]
async fn a_session_id_has_a_length_and_an_alphabet() {
    let app = app_on(FixedAnswer(r#"{"mood":"calm","reply":"ok"}"#.into()));
    let long = "x".repeat(128);
    for id in [
        "x",
        "-1001234",
        "_",
        "01936f2e-7b1c-7000-8000-000000000002",
        &*long,
    ] {
        for (path, member) in [(INVOKE, "input"), ("/chat", "message")] {
            let body = json!({member: "a", "session_id": id}).to_string();
            let answer = post(&app, path, &body).await;
            assert_eq!(answer.status, 200, "{}", answer.text);
        }
    }
    let longer = "x".repeat(129);
    for id in [
        "", ".", "..", "a/b", "a b", "a?b", "\0", "%00", "☃", "a\n", &*longer,
    ] {
        for (path, member) in [(INVOKE, "input"), ("/chat", "message")] {
            let body = json!({member: "a", "session_id": id}).to_string();
            let mut pointers = post(&app, path, &body).await.pointers();
            pointers.dedup();
            assert_eq!(pointers, ["/session_id"], "{path} {id:?}");
        }
    }
}

#[tokio::test]
async fn a_declared_endpoint_continues_a_client_chosen_session() {
    let reply = r#"{"mood":"calm","reply":"ok"}"#;
    let app = app_on(FixedAnswer(reply.into()));
    let body = r#"{"message":"a","session_id":"mine"}"#;
    assert_eq!(post(&app, "/chat", body).await.status, 200);
    assert_eq!(post(&app, "/chat", body).await.status, 200);
    // Sessions belong to the agent, so invoke continues them too.
    assert_eq!(
        post(&app, INVOKE, r#"{"input":"b","session_id":"mine"}"#)
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn the_session_id_in_an_output_is_set_by_the_runtime() {
    static TALK: EndpointSpec = EndpointSpec {
        operation_id: "talkDesk",
        path: "/talk",
        session: SessionUse::InputAndOutput,
        output_schema: r#"{"type":"object","properties":{"reply":{"type":"string"},"session_id":{"type":"string"}},"required":["reply","session_id"]}"#,
        output_example: r#"{"reply":"","session_id":"an example"}"#,
        ..desk::CHAT
    };
    let provider = FixedAnswer(r#"{"reply":"ok","session_id":"made up"}"#.into());
    for registry in [Registry::new("{}"), Registry::new("{}").provider(provider)] {
        let talk = |cx: RunContext, request: desk::ChatRequest| async move {
            cx.run::<_, JsonValue>(&desk::SPEC, &TALK, request).await
        };
        let desk = desk::service(DeskHandler).endpoint(&TALK, talk);
        let app = registry
            .service(desk)
            .into_router(Settings::default())
            .unwrap();
        let first = post(&app, "/talk", r#"{"message":"a"}"#).await.json();
        let id = &first["session_id"];
        assert_eq!(id.as_str().unwrap().len(), 36, "{first}");
        let body = json!({"message": "b", "session_id": id}).to_string();
        let second = post(&app, "/talk", &body).await.json();
        assert_eq!(&second["session_id"], id);
        let messages = format!("/v1/agents/desk/sessions/{}/messages", id.as_str().unwrap());
        let messages = get(&app, &messages).await.json();
        assert_eq!(messages["messages"].as_array().unwrap().len(), 4);
        let other = post(&app, "/talk", r#"{"message":"c"}"#).await.json();
        assert_ne!(&other["session_id"], id);
    }
}

#[tokio::test]
async fn a_failed_turn_is_not_stored() {
    let app = app_on(FixedAnswer("no JSON".into()));
    let body = r#"{"message":"a","session_id":"mine"}"#;
    post(&app, "/chat", body).await.problem(502);
    get(&app, "/v1/agents/desk/sessions/mine")
        .await
        .problem(404);
}

#[tokio::test]
async fn concurrent_turns_of_one_session_are_a_conflict() {
    let provider = HangingProvider::default();
    let app = app_on(provider.clone());
    let body = r#"{"message":"a","session_id":"mine"}"#;
    let first = tokio::spawn({
        let app = app.clone();
        async move { post(&app, "/chat", body).await }
    });
    assert!(eventually(|| provider.in_flight() == 1).await);
    post(&app, "/chat", body).await.problem(409);
    let elsewhere = post(&app, "/chat", r#"{"message":"a","session_id":"other"}"#);
    assert!(
        tokio::time::timeout(Duration::from_millis(50), elsewhere)
            .await
            .is_err()
    );
    first.abort();
    assert!(eventually(|| provider.in_flight() == 0).await);
    let again = post(&app, "/chat", body);
    assert!(
        tokio::time::timeout(Duration::from_millis(50), again)
            .await
            .is_err(),
        "it is free again"
    );
}
