//! The compiled agents, called as their clients call them; no key is needed, the echo provider answers.

#![allow(clippy::unwrap_used)]

use agentgen_example_service::agents::librarian::workflows::{AnswerLetterInput, answer_letter};
use agentgen_example_service::{Handlers, Library, agents, answer};
use agentgen_runtime::axum::Router;
use agentgen_runtime::axum::body::{Body, to_bytes};
use agentgen_runtime::axum::http::{Request, StatusCode, header};
use agentgen_runtime::workflow::{RunStatus, SkipReason, StepStatus};
use agentgen_runtime::{Settings, Workflows};
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
async fn an_invalid_request_is_a_problem_document() {
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

fn letter(topic: &str) -> AnswerLetterInput {
    AnswerLetterInput {
        letter: "What is there to read, plese?".to_owned(),
        topic: topic.to_owned(),
    }
}

#[tokio::test]
async fn a_workflow_is_a_function_with_typed_outputs() {
    let workflows = Workflows::default();
    let registry = agents::registry(&Handlers).workflows(&workflows);
    // What runs workflows is the router, for as long as it is there.
    let _router = registry.into_router(Settings::default()).unwrap();

    let report = answer_letter(&workflows, letter("clouds"), "ann")
        .await
        .unwrap();
    assert_eq!(report.status, RunStatus::Completed);
    let found = report.steps.found.output.unwrap();
    assert_eq!(found.total, 2);
    assert_eq!(found.titles[1], "Clouds over the Harbour");
    let tidied = report.steps.tidied.output.unwrap();
    assert!(tidied.contains("plese"), "{tidied}");
    assert_eq!(report.steps.advice.status, StepStatus::Skipped);
    assert_eq!(report.steps.advice.skipped, Some(SkipReason::Condition));

    let titles = answer(&workflows, letter("bees"), "ann").await.unwrap();
    assert_eq!(titles.len(), 1);
    let titles = answer(&workflows, letter("trains"), "ann").await.unwrap();
    assert_eq!(titles, ["Trains That Run on Time"]);
}

#[tokio::test]
async fn a_workflow_without_a_running_service_is_a_503() {
    let error = answer(&Workflows::default(), letter("clouds"), "ann")
        .await
        .unwrap_err();
    assert_eq!(error.to_problem().status, 503);
}
