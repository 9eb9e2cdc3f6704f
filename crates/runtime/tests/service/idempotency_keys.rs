//! Repeated requests with an idempotency key.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use agentgen_runtime::Settings;
use agentgen_runtime::axum::Router;

use crate::desk_service::app;
use crate::desk_service::app_on;
use crate::http_client::{TestResponse, eventually, request, send};
use crate::store_fixture::on_each_store;
use crate::stub_providers::ConversationEcho;
use crate::stub_providers::{FailingProvider, HangingProvider};
use crate::workflow_fixture::{WorkflowApp, step, workflow};

const INVOKE: &str = "/v1/agents/desk/invoke";

async fn keyed(app: &Router, key: &str, body: &str) -> TestResponse {
    let headers = [
        ("content-type", "application/json"),
        ("idempotency-key", key),
    ];
    send(app, request("POST", INVOKE, &headers, body)).await
}

#[tokio::test]
async fn a_repeated_request_gets_the_first_response() {
    let app = app_on(ConversationEcho);
    let first = keyed(&app, "k1", r#"{"input":"a"}"#).await.json();
    let again = keyed(&app, "k1", r#"{ "input": "a" }"#).await.json();
    assert_eq!(first, again);
    let other = keyed(&app, "k2", r#"{"input":"a"}"#).await.json();
    assert_ne!(first["run_id"], other["run_id"]);
}

#[tokio::test]
async fn a_key_of_another_request_is_rejected() {
    let app = app();
    assert_eq!(keyed(&app, "k", r#"{"input":"a"}"#).await.status, 200);
    keyed(&app, "k", r#"{"input":"b"}"#).await.problem(422);
    keyed(&app, "", r#"{"input":"a"}"#).await.problem(400);
    keyed(&app, &"k".repeat(256), r#"{"input":"a"}"#)
        .await
        .problem(400);
}

#[tokio::test]
async fn a_failed_request_may_be_retried_with_its_key() {
    let app = app_on(FailingProvider(&["a"]));
    let failed = keyed(&app, "k", r#"{"input":"a"}"#).await;
    assert_eq!(failed.status, 503);
    let again = keyed(&app, "k", r#"{"input":"a"}"#).await;
    assert_eq!(again.status, 503);
}

#[tokio::test]
async fn a_key_in_use_is_a_conflict_until_its_client_disconnects() {
    let hangs = HangingProvider(Arc::new(AtomicUsize::new(0)));
    let under_way = hangs.0.clone();
    let app = app_on(hangs);
    let first = tokio::spawn({
        let app = app.clone();
        async move { keyed(&app, "k", r#"{"input":"a"}"#).await.status }
    });
    let count = || under_way.load(std::sync::atomic::Ordering::SeqCst);
    assert!(eventually(|| count() == 1).await);
    keyed(&app, "k", r#"{"input":"a"}"#).await.problem(409);
    first.abort();
    assert!(eventually(|| count() == 0).await);
    let second = tokio::spawn({
        let app = app.clone();
        async move { keyed(&app, "k", r#"{"input":"a"}"#).await.status }
    });
    assert!(eventually(|| count() == 1).await, "the key is free again");
    second.abort();
}

#[tokio::test]
async fn the_key_of_a_run_request_survives_a_restart() {
    on_each_store(async |test_store| {
        if !test_store.is_shared() {
            return;
        }
        let begin = async |service: &WorkflowApp, key: &str, body: &str| {
            let headers = [
                ("content-type", "application/json"),
                ("idempotency-key", key),
            ];
            let path = "/v1/workflows/play/runs";
            send(&service.app, request("POST", path, &headers, body)).await
        };
        let play = || workflow(vec![step("a", &[], "so")]);
        let before = WorkflowApp::with_store(play(), test_store.open().await, Settings::default());
        let first = begin(&before, "k", r#"{"topic":"ducks"}"#).await;
        assert_eq!(first.status, 202, "{}", first.text);
        before.final_report(first.header("location")).await;
        drop(before);

        // Only the store is shared with the first service.
        let after = WorkflowApp::with_store(play(), test_store.open().await, Settings::default());
        let again = begin(&after, "k", r#"{ "topic": "ducks" }"#).await;
        assert_eq!((again.status.as_u16(), &again.text), (202, &first.text));
        assert_eq!(again.header("location"), first.header("location"));
        begin(&after, "k", r#"{"topic":"geese"}"#)
            .await
            .problem(422);
        begin(&after, "a key", r#"{"topic":"geese"}"#)
            .await
            .problem(400);
        let other = begin(&after, "l", r#"{"topic":"ducks"}"#).await;
        assert_ne!(other.text, first.text);
        after.final_report(other.header("location")).await;
        assert_eq!(after.inputs(), ["so"], "the first one was over");
    })
    .await;
}
