//! The compiled agents, called as their clients call them; no key is needed, the echo provider answers.

#![allow(clippy::unwrap_used)]

use agentgen_example_service::{Library, agents};
use agentgen_runtime::axum::Router;
use agentgen_runtime::axum::body::{Body, to_bytes};
use agentgen_runtime::axum::http::{Request, StatusCode, header};
use serde_json::{Value, json};
use tower::ServiceExt;

async fn post(router: Router, path: &str, body: Value) -> (StatusCode, Value) {
    let request = Request::post(path)
        .header(header::CONTENT_TYPE, "application/json")
        .body(Body::from(body.to_string()))
        .unwrap();
    let response = router.oneshot(request).await.unwrap();
    let status = response.status();
    let bytes = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    (status, serde_json::from_slice(&bytes).unwrap())
}

fn library() -> Router {
    agents::librarian::router(Library)
}

#[tokio::test]
async fn code_answers_the_search() {
    let (status, answer) = post(
        library(),
        "/books/search",
        json!({ "query": "clouds", "limit": 1 }),
    )
    .await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(
        answer,
        json!({ "titles": ["A Field Guide to Clouds"], "total": 2 })
    );
}

#[tokio::test]
async fn the_prompt_answers_the_recommendation_in_its_type() {
    let (status, answer) = post(
        library(),
        "/books/recommend",
        json!({ "reader": "a child who collects stones" }),
    )
    .await;
    assert_eq!(status, StatusCode::OK);
    assert!(answer["title"].is_string(), "{answer}");
    assert!(answer["reason"].is_string(), "{answer}");
}

#[tokio::test]
async fn a_wrong_request_is_a_problem() {
    let (status, problem) = post(library(), "/books/search", json!({ "limit": 1 })).await;
    assert!(status.is_client_error(), "{status}");
    assert_eq!(problem["status"], status.as_u16());
}

#[tokio::test]
async fn an_agent_without_a_service_block_can_be_invoked() {
    let router = agents::proofreader::router(agents::proofreader::Prompted);
    let (status, answer) = post(
        router,
        "/v1/agents/proofreader/invoke",
        json!({ "input": "Its late." }),
    )
    .await;
    assert_eq!(status, StatusCode::OK);
    assert!(answer["output"].is_string(), "{answer}");
    assert_eq!(answer["agent"], "proofreader");
}
