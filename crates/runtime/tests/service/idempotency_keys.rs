//! Repeated requests with an idempotency key.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use agentgen_runtime::Settings;
use agentgen_runtime::axum::Router;
use agentgen_runtime::event::{StopReason, Usage};
use agentgen_runtime::model::{Chunk, ChunkStream, ModelRequest, Provider};
use futures_util::{StreamExt, stream};

use crate::desk_service::app;
use crate::desk_service::{app_on, registry};
use crate::http_client::{TestResponse, eventually, get, request, send};
use crate::store_fixture::on_each_store;
use crate::stub_providers::ConversationEcho;
use crate::stub_providers::FailingProvider;
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

/// A provider that counts its calls, and answers each after a while.
#[derive(Clone, Default)]
struct SlowAnswer(Arc<AtomicUsize>);

impl Provider for SlowAnswer {
    fn model(&self, _: Option<&str>) -> String {
        "thinks".to_owned()
    }

    fn answer(&self, _: &ModelRequest) -> ChunkStream {
        self.0.fetch_add(1, Ordering::SeqCst);
        let done = Chunk::Done {
            stop_reason: StopReason::EndTurn,
            usage: Usage::default(),
        };
        let wait = stream::once(async {
            tokio::time::sleep(Duration::from_millis(300)).await;
            Ok(Chunk::Text("yes".to_owned()))
        });
        Box::pin(wait.chain(stream::iter([Ok(done)])))
    }
}

#[tokio::test]
async fn a_request_with_a_key_runs_once_though_its_connection_breaks() {
    let provider = SlowAnswer::default();
    let app = app_on(provider.clone());
    let first = tokio::spawn({
        let app = app.clone();
        async move { keyed(&app, "k", r#"{"input":"a"}"#).await.status }
    });
    let calls = || provider.0.load(Ordering::SeqCst);
    assert!(eventually(|| calls() == 1).await);
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    keyed(&app, "k", r#"{"input":"a"}"#).await.problem(409);
    tokio::time::sleep(Duration::from_millis(600)).await;
    let again = keyed(&app, "k", r#"{"input":"a"}"#).await;
    assert_eq!(again.json()["output"], "yes", "{}", again.text);
    assert_eq!(calls(), 1);
}

#[tokio::test]
async fn a_caller_that_leaves_still_counts() {
    let provider = SlowAnswer::default();
    let settings = Settings {
        concurrency: 1,
        ..Settings::default()
    };
    let registry = registry().provider(provider.clone());
    let app = registry.into_router(settings).unwrap();
    let first = tokio::spawn({
        let app = app.clone();
        async move { keyed(&app, "k", r#"{"input":"a"}"#).await.status }
    });
    assert!(eventually(|| provider.0.load(Ordering::SeqCst) == 1).await);
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    get(&app, "/v1/agents").await.problem(503);
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert_eq!(get(&app, "/v1/agents").await.status, 200);
}

#[tokio::test]
async fn the_answer_to_a_key_survives_a_restart() {
    on_each_store(async |test_store| {
        if !test_store.is_shared() {
            return;
        }
        let provider = SlowAnswer::default();
        let open = async || {
            let registry = registry().provider(provider.clone());
            let registry = registry.store(test_store.open().await);
            registry.into_router(Settings::default()).unwrap()
        };
        let before = open().await;
        let first = keyed(&before, "k", r#"{"input":"a"}"#).await.json();
        drop(before);
        let after = open().await;
        let again = keyed(&after, "k", r#"{"input":"a"}"#).await.json();
        assert_eq!(first, again);
        keyed(&after, "k", r#"{"input":"b"}"#).await.problem(422);
        // One that fails frees its key, in the store too.
        let failing = registry()
            .provider(FailingProvider(&["a"]))
            .store(test_store.open().await)
            .into_router(Settings::default())
            .unwrap();
        keyed(&failing, "f", r#"{"input":"a"}"#).await.problem(503);
        assert_eq!(keyed(&after, "f", r#"{"input":"a"}"#).await.status, 200);
        assert_eq!(provider.0.load(Ordering::SeqCst), 2);
    })
    .await;
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
