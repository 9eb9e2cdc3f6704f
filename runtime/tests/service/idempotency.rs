//! Requests that are sent again with the key of an earlier one.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use agentgen_runtime::axum::Router;

use crate::support::{Answer, Fails, Hangs, app_on, eventually, request, send};
use crate::support::{Recalls, app};

const INVOKE: &str = "/v1/agents/desk/invoke";

async fn keyed(app: &Router, key: &str, body: &str) -> Answer {
    let headers = [
        ("content-type", "application/json"),
        ("idempotency-key", key),
    ];
    send(app, request("POST", INVOKE, &headers, body)).await
}

#[tokio::test]
async fn a_request_that_is_sent_again_gets_the_first_answer() {
    let app = app_on(Recalls);
    let first = keyed(&app, "k1", r#"{"input":"a"}"#).await.json();
    let again = keyed(&app, "k1", r#"{ "input": "a" }"#).await.json();
    assert_eq!(first, again);
    let other = keyed(&app, "k2", r#"{"input":"a"}"#).await.json();
    assert_ne!(first["run_id"], other["run_id"]);
}

#[tokio::test]
async fn a_key_belongs_to_one_request() {
    let app = app();
    assert_eq!(keyed(&app, "k", r#"{"input":"a"}"#).await.status, 200);
    keyed(&app, "k", r#"{"input":"b"}"#).await.problem(422);
    keyed(&app, "", r#"{"input":"a"}"#).await.problem(400);
    keyed(&app, &"k".repeat(256), r#"{"input":"a"}"#)
        .await
        .problem(400);
}

#[tokio::test]
async fn a_failure_may_be_tried_again() {
    let app = app_on(Fails(&["a"]));
    let failed = keyed(&app, "k", r#"{"input":"a"}"#).await;
    assert_eq!(failed.status, 503);
    let again = keyed(&app, "k", r#"{"input":"a"}"#).await;
    assert_eq!(again.status, 503);
}

#[tokio::test]
async fn a_key_in_use_is_a_conflict_until_its_caller_goes() {
    let hangs = Hangs(Arc::new(AtomicUsize::new(0)));
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
