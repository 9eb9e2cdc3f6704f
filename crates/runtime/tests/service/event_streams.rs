//! Streams of events through proxies: their head and keep-alives go out although nothing has happened yet.

use std::time::Duration;

use agentgen_runtime::axum::Router;
use agentgen_runtime::axum::body::{Body, BodyDataStream};
use agentgen_runtime::axum::http::HeaderMap;
use agentgen_runtime::event::{StopReason, Usage};
use agentgen_runtime::model::{Chunk, ChunkStream, ModelRequest, Provider};
use agentgen_runtime::spec::Policy;
use agentgen_runtime::{AgentError, Settings};
use futures_util::{StreamExt, stream};
use serde_json::Value;
use tokio::time::Instant;
use tower::ServiceExt;

use crate::event_assertions::{event_types, find_event};
use crate::http_client::{TestResponse, request, send};
use crate::mock_model::{NO_RETRIES, desk_with, parse_events, registry_of};
use crate::workflow_fixture::{WorkflowApp, step, workflow};

const STREAM: [(&str, &str); 2] = [
    ("content-type", "application/json"),
    ("accept", "text/event-stream"),
];
/// Proxies and load balancers close connections that are silent for longer.
const SOON: Duration = Duration::from_secs(5);
const SILENCE: Duration = Duration::from_secs(40);

/// A provider that is silent for [`SILENCE`] and then fails, or answers.
struct SlowProvider(Option<AgentError>);

impl Provider for SlowProvider {
    fn model(&self, _: Option<&str>) -> String {
        "thinks".to_owned()
    }

    fn answer(&self, _: &ModelRequest) -> ChunkStream {
        let answer = match self.0.clone() {
            Some(error) => vec![Err(error)],
            None => vec![
                Ok(Chunk::Text("So.".to_owned())),
                Ok(Chunk::Done {
                    stop_reason: StopReason::EndTurn,
                    usage: Usage::default(),
                }),
            ],
        };
        let silence = stream::once(tokio::time::sleep(SILENCE)).filter_map(async |()| None);
        Box::pin(silence.chain(stream::iter(answer)))
    }
}

fn app(failure: Option<AgentError>, policy: Policy) -> Router {
    registry_of(desk_with(policy))
        .provider(SlowProvider(failure))
        .into_router(Settings::default())
        .unwrap()
}

/// Sends a request, and returns the head of the response as soon as it is there.
async fn open(app: &Router, path: &str, body: &str) -> (HeaderMap, BodyDataStream) {
    let method = if body.is_empty() { "GET" } else { "POST" };
    let sent = app.clone().oneshot(request(method, path, &STREAM, body));
    let (parts, body) = sent.await.unwrap().into_parts();
    assert_eq!(parts.status, 200);
    (parts.headers, body.into_data_stream())
}

async fn next_text(body: &mut BodyDataStream) -> Option<String> {
    let bytes = body.next().await?.unwrap();
    Some(String::from_utf8(bytes.to_vec()).unwrap())
}

/// Reads a stream to its end, and checks that it never was silent for long.
async fn read_lively(body: &mut BodyDataStream) -> Vec<(String, Value)> {
    let mut text = String::new();
    let mut last = Instant::now();
    while let Some(piece) = next_text(body).await {
        assert!(last.elapsed() <= SOON, "silent for {:?}", last.elapsed());
        last = Instant::now();
        text.push_str(&piece);
    }
    parse_events(&text)
}

const INVOKE: &str = "/v1/agents/desk/invoke";
const HI: &str = r#"{"input":"hi"}"#;

#[tokio::test(start_paused = true)]
async fn a_stream_begins_and_stays_alive_while_the_model_is_silent() {
    let app = app(None, NO_RETRIES);
    let sent = Instant::now();
    let (headers, mut body) = open(&app, INVOKE, HI).await;
    assert_eq!(headers["content-type"], "text/event-stream");
    assert_eq!(headers["x-accel-buffering"], "no");
    let cache_control = headers["cache-control"].to_str().unwrap();
    for directive in ["no-cache", "no-store", "no-transform"] {
        assert!(cache_control.contains(directive), "{cache_control}");
    }
    let first = next_text(&mut body).await.unwrap();
    assert_eq!(first, ": keep-alive\n\n");
    assert!(sent.elapsed() < SOON, "{:?}", sent.elapsed());
    let events = read_lively(&mut body).await;
    assert_eq!(
        event_types(&events),
        ["run.started", "output.delta", "run.completed"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_failure_after_the_head_is_an_event_with_its_status_and_policies() {
    let twice = Policy {
        retry_attempts: 2,
        ..Policy::DEFAULT
    };
    let overloaded = AgentError::unavailable("the model is overloaded");
    for (policy, kinds) in [
        (NO_RETRIES, &["run.started", "run.failed"][..]),
        (twice, &["run.started", "policy.applied", "run.failed"]),
    ] {
        let app = app(Some(overloaded.clone()), policy);
        let (_, mut body) = open(&app, INVOKE, HI).await;
        let events = read_lively(&mut body).await;
        assert_eq!(event_types(&events), kinds);
        assert_eq!(find_event(&events, "run.started")["model"], "thinks");
        let problem = &find_event(&events, "run.failed")["problem"];
        assert_eq!(problem["status"], 503);
        assert_eq!(problem["detail"], "the model is overloaded");
    }
}

#[tokio::test(start_paused = true)]
async fn a_time_limit_after_the_head_is_an_event() {
    let policy = Policy {
        timeout_ms: Some(20_000),
        ..NO_RETRIES
    };
    let (_, mut body) = open(&app(None, policy), INVOKE, HI).await;
    let events = read_lively(&mut body).await;
    let kinds = ["run.started", "policy.applied", "run.failed"];
    assert_eq!(event_types(&events), kinds);
    let failed = find_event(&events, "run.failed");
    assert_eq!(failed["problem"]["status"], 504);
}

#[tokio::test(start_paused = true)]
async fn a_failure_before_the_head_keeps_its_status() {
    let policy = Policy {
        timeout_ms: Some(2_000),
        ..NO_RETRIES
    };
    let app = app(None, policy);
    let answer: TestResponse = send(&app, request("POST", INVOKE, &STREAM, HI)).await;
    answer.problem(504);
    let broken = request("POST", INVOKE, &STREAM, r#"{"input":7}"#);
    send(&app, broken).await.problem(422);
}

#[tokio::test(start_paused = true)]
async fn the_events_of_a_workflow_run_stay_alive_while_a_step_is_silent() {
    let service = WorkflowApp::new(workflow(vec![step("a", &[], "wait 40000")]));
    let location = service.start_run().await;
    let sent = Instant::now();
    let (headers, mut body) = open(&service.app, &format!("{location}/events"), "").await;
    assert!(sent.elapsed() < SOON);
    assert_eq!(headers["x-accel-buffering"], "no");
    let cache_control = headers["cache-control"].to_str().unwrap();
    assert!(cache_control.contains("no-transform"), "{cache_control}");
    let events = read_lively(&mut body).await;
    assert_eq!(events.last().unwrap().0, "run.finished");
}

#[tokio::test(start_paused = true)]
async fn a_resumed_stream_of_a_workflow_run_is_alive_before_its_first_event() {
    let service = WorkflowApp::new(workflow(vec![step("a", &[], "wait 40000")]));
    let location = service.start_run().await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let path = format!("{location}/events");
    let headers = [("last-event-id", "2")];
    let resumed = request("GET", &path, &headers, "");
    let response = service.app.clone().oneshot(resumed).await.unwrap();
    let mut body: BodyDataStream = Body::into_data_stream(response.into_body());
    let sent = Instant::now();
    assert_eq!(next_text(&mut body).await.unwrap(), ": keep-alive\n\n");
    assert!(sent.elapsed() <= SOON);
}
