//! The HTTP endpoints of sessions.

use agentgen_runtime::Settings;
use agentgen_runtime::axum::Router;
use agentgen_runtime::model::Provider;
use serde_json::{Value, json};

use crate::desk_service::{app, registry};
use crate::event_assertions::parse_timestamp;
use crate::http_client::{eventually, get, post, request, send};
use crate::store_fixture::{TestStore, on_each_store};
use crate::stub_providers::{ConversationEcho, FixedAnswer, HangingProvider};

const INVOKE: &str = "/v1/agents/desk/invoke";
const SESSIONS: &str = "/v1/agents/desk/sessions";

async fn app_in(test_store: &TestStore, provider: impl Provider) -> Router {
    let registry = registry().provider(provider).store(test_store.open().await);
    registry.into_router(Settings::default()).unwrap()
}

async fn invoke(app: &Router, body: Value) -> String {
    let answer = post(app, INVOKE, &body.to_string()).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json()["session_id"].as_str().unwrap().to_owned()
}

async fn delete(app: &Router, path: &str) -> crate::http_client::TestResponse {
    send(app, request("DELETE", path, &[], "")).await
}

#[tokio::test]
async fn a_session_can_be_read_listed_and_deleted() {
    on_each_store(async |test_store| {
        let app = app_in(test_store, FixedAnswer("fine".into())).await;
        let id = invoke(&app, json!({"input": "How are you?"})).await;
        invoke(&app, json!({"input": "Still?", "session_id": id})).await;
        let path = format!("{SESSIONS}/{id}");
        let answer = get(&app, &path).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("content-type"), "application/json");
        let facts = answer.json();
        assert_eq!(facts["id"], id.as_str());
        assert_eq!(facts["agent"], "desk");
        assert_eq!(facts["message_count"], 4);
        assert!(parse_timestamp(&facts["created_at"]) <= parse_timestamp(&facts["updated_at"]));
        assert!(parse_timestamp(&facts["updated_at"]) < parse_timestamp(&facts["expires_at"]));
        assert_eq!(facts.as_object().unwrap().len(), 6);
        assert_eq!(
            get(&app, SESSIONS).await.json(),
            json!({"sessions": [facts], "next_cursor": null})
        );

        let texts = get(&app, &format!("{path}/messages")).await.json();
        assert_eq!(texts["next_cursor"], Value::Null);
        let texts = texts["messages"].as_array().unwrap().iter().map(|message| {
            assert!(message["created_at"].as_str().unwrap().ends_with('Z'));
            assert_eq!(message["status"], "completed");
            (
                message["role"].as_str().unwrap(),
                message["text"].as_str().unwrap(),
            )
        });
        let texts = texts.collect::<Vec<_>>();
        let expected = [
            ("user", "How are you?"),
            ("assistant", "fine"),
            ("user", "Still?"),
            ("assistant", "fine"),
        ];
        assert_eq!(texts, expected);

        let deleted = delete(&app, &path).await;
        assert_eq!((deleted.status.as_u16(), deleted.text.as_str()), (204, ""));
        assert_eq!(deleted.header("x-request-id").len(), 36);
        delete(&app, &path).await.problem(404);
        get(&app, &path).await.problem(404);
        get(&app, &format!("{path}/messages")).await.problem(404);
        assert_eq!(
            get(&app, SESSIONS).await.json(),
            json!({"sessions": [], "next_cursor": null})
        );
        // The id is free again.
        invoke(&app, json!({"input": "Hello?", "session_id": id})).await;
        assert_eq!(get(&app, &path).await.json()["message_count"], 2);
    })
    .await;
}

#[tokio::test]
async fn lists_are_paginated() {
    on_each_store(async |test_store| {
        let app = app_in(test_store, FixedAnswer("fine".into())).await;
        let mut made = Vec::new();
        for _ in 0..5 {
            made.push(invoke(&app, json!({"input": "hello"})).await);
        }
        let mut seen = Vec::new();
        let mut path = format!("{SESSIONS}?limit=2");
        let sizes = loop {
            let page = get(&app, &path).await.json();
            let sessions = page["sessions"].as_array().unwrap();
            seen.push(sessions.clone());
            match page["next_cursor"].as_str() {
                Some(cursor) => path = format!("{SESSIONS}?limit=2&cursor={cursor}"),
                None => break seen.iter().map(Vec::len).collect::<Vec<_>>(),
            }
        };
        assert_eq!(sizes, [2, 2, 1]);
        let mut seen = seen.concat();
        assert!(
            seen.is_sorted_by(
                |a, b| parse_timestamp(&a["created_at"]) >= parse_timestamp(&b["created_at"])
            ),
            "{seen:?}"
        );
        seen.sort_by_key(|session| session["id"].to_string());
        made.sort();
        let seen = seen.iter().map(|session| session["id"].as_str().unwrap());
        assert_eq!(seen.collect::<Vec<_>>(), made);

        let id = &made[0];
        invoke(&app, json!({"input": "again", "session_id": id})).await;
        let messages = format!("{SESSIONS}/{id}/messages");
        let first = get(&app, &format!("{messages}?limit=3")).await.json();
        assert_eq!(first["messages"].as_array().unwrap().len(), 3);
        let cursor = first["next_cursor"].as_str().unwrap();
        let rest = get(&app, &format!("{messages}?limit=3&cursor={cursor}")).await;
        let rest = rest.json();
        assert_eq!(rest["messages"].as_array().unwrap().len(), 1);
        assert_eq!(rest["next_cursor"], Value::Null);
    })
    .await;
}

#[tokio::test]
async fn invalid_page_parameters_are_a_422() {
    let app = app();
    for (query, pointer) in [
        ("limit=0", "/limit"),
        ("limit=101", "/limit"),
        ("limit=-1", "/limit"),
        ("limit=many", "/limit"),
        ("limit=1&limit=2", "/limit"),
        ("cursor=", "/cursor"),
        ("cursor=123", "/cursor"),
        ("cursor=0123456789abc", "/cursor"),
        ("cursor=0123456789ag", "/cursor"),
        ("cursor=0123456789%C3%A4x", "/cursor"),
        (&format!("cursor={}", "0".repeat(1038)), "/cursor"),
    ] {
        let answer = get(&app, &format!("{SESSIONS}?{query}")).await;
        assert_eq!(answer.pointers(), [pointer], "{query}");
    }
    // Every well-formed cursor is accepted.
    for cursor in ["0123456789ab", "ffffffffffff00ff", "000000000000"] {
        let answer = get(&app, &format!("{SESSIONS}?cursor={cursor}")).await;
        assert_eq!(answer.status, 200, "{cursor}: {}", answer.text);
    }
    let id = invoke(&app, json!({"input": "hello"})).await;
    let messages = format!("{SESSIONS}/{id}/messages");
    for cursor in ["", "1", "000000000000000g", "00000000000000001"] {
        let answer = get(&app, &format!("{messages}?cursor={cursor}")).await;
        assert_eq!(answer.pointers(), ["/cursor"], "{cursor}");
    }
    let far = get(&app, &format!("{messages}?cursor=ffffffffffffffff")).await;
    assert_eq!(far.json()["messages"], json!([]));
}

#[tokio::test]
async fn unknown_session_paths_and_methods_are_rejected() {
    let app = app();
    for path in [
        "/v1/agents/nobody/sessions",
        "/v1/agents/nobody/sessions/x",
        "/v1/agents/desk/sessions/x",
        "/v1/agents/desk/sessions/x/messages",
        "/v1/agents/desk/sessions/%00",
        "/v1/agents/desk/sessions/x/notes",
        &format!("{SESSIONS}/{}", "x".repeat(129)),
    ] {
        get(&app, path).await.problem(404);
    }
    get(&app, "/v1/agents/desk/sessions/%FF").await.problem(400);
    let put = send(&app, request("PUT", "/v1/agents/desk/sessions/x", &[], "")).await;
    put.problem(405);
    assert_eq!(put.header("allow"), "GET, HEAD, DELETE, OPTIONS");
    let all = delete(&app, SESSIONS).await;
    all.problem(405);
    assert_eq!(all.header("allow"), "GET, HEAD, OPTIONS");
    let options = send(&app, request("OPTIONS", SESSIONS, &[], "")).await;
    assert_eq!(options.status, 204);
    let xml = request("GET", SESSIONS, &[("accept", "text/html")], "");
    send(&app, xml).await.problem(406);
    let head = send(&app, request("HEAD", SESSIONS, &[], "")).await;
    assert_eq!(head.status, 200);
}

#[tokio::test]
async fn a_client_chosen_session_id_needs_no_escape() {
    on_each_store(async |test_store| {
        let app = app_in(test_store, FixedAnswer("ok".into())).await;
        for id in ["ada@example.com", "chat:1:2", "a=b+c~d", "-1.5"] {
            invoke(&app, json!({"input": "hi", "session_id": id})).await;
            let path = format!("{SESSIONS}/{id}");
            assert_eq!(get(&app, &path).await.json()["id"], id);
            let listed = get(&app, &format!("{SESSIONS}?limit=1")).await.json();
            assert_eq!(listed["sessions"][0]["id"], id);
            assert_eq!(delete(&app, &path).await.status, 204);
        }
    })
    .await;
}

#[tokio::test]
async fn deleting_a_session_during_a_turn_is_a_conflict() {
    let provider = HangingProvider::default();
    let app = registry().provider(provider.clone());
    let app = app.into_router(Settings::default()).unwrap();
    let body = r#"{"message":"a","session_id":"mine"}"#;
    let turn = tokio::spawn({
        let app = app.clone();
        async move { post(&app, "/chat", body).await }
    });
    assert!(eventually(|| provider.in_flight() == 1).await);
    let path = format!("{SESSIONS}/mine");
    delete(&app, &path).await.problem(409);
    turn.abort();
    assert!(eventually(|| provider.in_flight() == 0).await);
    delete(&app, &path).await.problem(404);
}

#[tokio::test]
async fn only_one_of_two_services_on_one_store_runs_a_turn() {
    on_each_store(async |test_store| {
        let store = test_store.open().await;
        let other = match test_store.is_shared() {
            true => test_store.open().await,
            false => store.clone(),
        };
        let provider = HangingProvider::default();
        let service = |provider, store| {
            let registry = registry().provider(provider).store(store);
            registry.into_router(Settings::default()).unwrap()
        };
        let here = service(provider.clone(), store);
        let there = registry().provider(ConversationEcho).store(other);
        let there = there.into_router(Settings::default()).unwrap();
        let id = invoke(&there, json!({"input": "one"})).await;
        let body = json!({"input": "two", "session_id": id}).to_string();
        let turn = tokio::spawn({
            let (here, body) = (here.clone(), body.clone());
            async move { post(&here, INVOKE, &body).await }
        });
        assert!(eventually(|| provider.in_flight() == 1).await);
        post(&there, INVOKE, &body).await.problem(409);
        let path = format!("{SESSIONS}/{id}");
        delete(&there, &path).await.problem(409);
        assert_eq!(get(&there, &path).await.json()["message_count"], 2);
        // A client disconnect releases the session.
        turn.abort();
        assert!(eventually(|| provider.in_flight() == 0).await);
        let mut answer = post(&there, INVOKE, &body).await;
        for _ in 0..100 {
            if answer.status != 409 {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            answer = post(&there, INVOKE, &body).await;
        }
        assert_eq!(
            answer.json()["output"],
            "User=one|Assistant=User=one|User=two"
        );
    })
    .await;
}
