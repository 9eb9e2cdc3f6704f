//! Work that takes longer than a moment leaves the async workers: other requests are answered meanwhile. All of a test's tasks share one
//! thread, so that the time between two turns of a watcher is what one of the others took.
#![cfg(target_os = "linux")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use agentgen_runtime::axum::Router;
use agentgen_runtime::schema::JsonValue;
use agentgen_runtime::spec::EndpointSpec;
use agentgen_runtime::{Registry, RunContext, Settings};
use serde_json::{Value, json};

use crate::agents::desk;
use crate::desk_service::DeskHandler;
use crate::document_fixture;
use crate::http_client::{get, post};
use crate::store_fixture::sqlite_store;
use crate::stub_providers::FixedAnswer;

/// The most that one task may take at a time, of processor time: what the machine does besides does not count.
const MOST: Duration = Duration::from_millis(50);

/// How long this thread has worked.
fn worked() -> u64 {
    let times = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    times.split(' ').next().unwrap().parse().unwrap()
}

/// Runs `work`, and gives the longest time that no other task had its turn.
async fn longest_pause(work: impl Future<Output = ()>) -> Duration {
    let longest = Arc::new(AtomicU64::new(0));
    let watcher = tokio::spawn({
        let longest = Arc::clone(&longest);
        async move {
            let mut last = worked();
            loop {
                tokio::time::sleep(Duration::from_millis(1)).await;
                let now = worked();
                longest.fetch_max(now - last, Ordering::Relaxed);
                last = now;
            }
        }
    });
    tokio::time::sleep(Duration::from_millis(5)).await;
    longest.store(0, Ordering::Relaxed);
    work.await;
    tokio::time::sleep(Duration::from_millis(5)).await;
    watcher.abort();
    Duration::from_nanos(longest.load(Ordering::Relaxed))
}

/// An app with an endpoint for each of `schemas`, at `/check/0` and so on. Its handler answers with what it was asked.
fn checking_app(schemas: &[Value]) -> Router {
    let mut service = desk::service(DeskHandler);
    for (number, schema) in schemas.iter().enumerate() {
        let leak = |text: String| -> &'static str { text.leak() };
        let spec: &'static EndpointSpec = Box::leak(Box::new(EndpointSpec {
            operation_id: leak(format!("check{number}")),
            name: leak(format!("check{number}")),
            path: leak(format!("/check/{number}")),
            input_schema: leak(schema.to_string()),
            output_schema: "{}",
            parameters: &[],
            roles: &[],
            ..desk::CHAT
        }));
        let answer = |_: RunContext, request: JsonValue| async move { Ok(request.into()) };
        service = service.endpoint(spec, answer);
    }
    let settings = Settings {
        body_limit: 4 * 1024 * 1024,
        ..Settings::default()
    };
    Registry::new("{}")
        .provider(FixedAnswer("[]".to_owned()))
        .service(service)
        .into_router(settings)
        .unwrap()
}

#[tokio::test]
async fn a_large_request_is_checked_beside_other_requests() {
    let numbers: Value = (0..150_000).map(|n| json!(n)).collect();
    let texts: Value = (0..80_000).map(|n| json!(format!("t{n:08}"))).collect();
    let objects: Value = (0..50_000).map(|n| json!({ "a": n, "b": [n] })).collect();
    let members = (0..50_000).map(|n| (format!("n{n:08}"), json!([n])));
    let members: Value = Value::Object(members.collect());
    let text = json!(["a1-".repeat(330_000)]);
    let cases = [
        (json!({ "items": { "type": "integer" } }), &numbers),
        (
            json!({ "items": { "multipleOf": 0.5, "minimum": 0 } }),
            &numbers,
        ),
        (json!({ "items": { "enum": [1, 2] } }), &numbers),
        (json!({ "uniqueItems": true }), &numbers),
        (json!({ "uniqueItems": true }), &objects),
        (json!({ "contains": { "const": "x" } }), &texts),
        (
            json!({ "items": { "pattern": "^t[0-9]{8}$", "format": "uri-reference" } }),
            &texts,
        ),
        (
            json!({ "items": { "pattern": "^(a1-|a|1-|-)*$", "maxLength": 10 } }),
            &text,
        ),
        (
            json!({ "items": { "oneOf": [{ "required": ["a"] }, { "type": "string" }] } }),
            &objects,
        ),
        (
            json!({ "items": { "properties": { "a": { "type": "integer" } }, "unevaluatedProperties": { "type": "array" } } }),
            &objects,
        ),
        (
            json!({ "propertyNames": { "pattern": "^n" }, "patternProperties": { "1$": { "type": "array" } } }),
            &members,
        ),
        (
            json!({ "additionalProperties": { "unevaluatedItems": { "type": "integer" } } }),
            &members,
        ),
        (
            json!({ "if": { "minProperties": 3 }, "then": { "additionalProperties": { "not": { "type": "null" } } } }),
            &members,
        ),
    ];
    let app = checking_app(&cases.clone().map(|(schema, _)| schema));
    let bodies = cases.clone().map(|(_, value)| value.to_string());
    for (number, body) in bodies.iter().enumerate() {
        let path = format!("/check/{number}");
        let pause = longest_pause(async {
            let (answer, live) = tokio::join!(post(&app, &path, body), get(&app, "/livez"));
            assert!(
                matches!(answer.status.as_u16(), 200 | 422),
                "{}",
                answer.text
            );
            assert_eq!(live.status, 200);
        });
        let pause = pause.await;
        assert!(pause < MOST, "{}: {pause:?}", cases[number].0);
    }
    // So is one with a key, whose request is hashed, and one whose answer is long.
    let pause = longest_pause(async {
        let headers = [
            ("content-type", "application/json"),
            ("idempotency-key", "k"),
        ];
        let request = crate::http_client::request("POST", "/check/0", &headers, &bodies[0]);
        let answer = crate::http_client::send(&app, request).await;
        assert_eq!(answer.status, 200);
    });
    let pause = pause.await;
    assert!(pause < MOST, "{pause:?}");
}

#[tokio::test]
async fn a_large_document_is_embedded_and_searched_beside_other_requests() {
    let test_store = sqlite_store();
    let store = test_store.open().await;
    let text = "Keys are rotated every thirty days, unless somebody leaves.\n\n".repeat(6_000);
    let body = json!({ "documents": [{ "id": "handbook", "text": text }] }).to_string();
    let path = "/v1/agents/reader/documents";
    let app = document_fixture::documents_app_on(&store);
    let other = document_fixture::documents_app_on(&test_store.open().await);
    let pause = longest_pause(async {
        let (put, live) = tokio::join!(post(&app, path, &body), get(&app, "/livez"));
        assert_eq!(
            (put.status.as_u16(), live.status.as_u16()),
            (200, 200),
            "{}",
            put.text
        );
    });
    let pause = pause.await;
    assert!(pause < MOST, "{pause:?} to put");
    // The other process loads the index.
    for app in [&app, &other] {
        let pause = longest_pause(async {
            let query = json!({ "query": "rotated keys" }).to_string();
            let (found, live) = tokio::join!(post(app, "/search", &query), get(app, "/livez"));
            assert_eq!(
                (found.status.as_u16(), live.status.as_u16()),
                (200, 200),
                "{}",
                found.text
            );
        });
        let pause = pause.await;
        assert!(pause < MOST, "{pause:?} to search");
    }
    drop((app, other, store));
    test_store.remove().await;
}

#[tokio::test]
async fn a_long_answer_of_a_model_is_read_beside_other_requests() {
    let reply = "word ".repeat(200_000);
    let answer = json!({ "mood": "calm", "reply": reply }).to_string();
    let app = crate::desk_service::app_on(FixedAnswer(answer));
    let pause = longest_pause(async {
        let (answer, live) = tokio::join!(
            post(&app, "/chat", r#"{"message":"hi"}"#),
            get(&app, "/livez")
        );
        // It is longer than the schema allows, and so is the correction.
        assert_eq!((answer.status.as_u16(), live.status.as_u16()), (502, 200));
    });
    let pause = pause.await;
    assert!(pause < MOST, "{pause:?}");
}
