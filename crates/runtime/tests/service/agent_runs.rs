//! Runs of agents: their events, results and errors.

use std::time::Duration;

use agentgen_runtime::axum::Router;
use agentgen_runtime::spec::{AgentSpec, EndpointSpec, Handler, Policy};
use agentgen_runtime::{Registry, RunContext, Service, Settings};
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::agents::desk;
use crate::desk_service::{app, app_on};
use crate::event_assertions::{assert_lines_of_types, event_types, find_event, find_events};
use crate::http_client::{TestResponse, eventually, get, request, send};
use crate::mock_model::{NO_RETRIES, output_text, parse_events};
use crate::stub_providers::{FailingProvider, FixedAnswer, HangingProvider};

/// A server-sent event: id, name, data.
type Wire = (String, String, Value);

fn events(text: &str) -> Vec<Wire> {
    let blocks = text
        .split("\n\n")
        .filter(|block| !block.is_empty() && !block.starts_with(':'));
    let field = |block: &str, name: &str| {
        let mut lines = block
            .lines()
            .filter_map(|line| line.strip_prefix(&format!("{name}: ")));
        let line = lines.next().unwrap().to_owned();
        assert_eq!(lines.next(), None, "one {name} for each event");
        line
    };
    let event = |block| {
        let data = serde_json::from_str(&field(block, "data")).unwrap();
        (field(block, "id"), field(block, "event"), data)
    };
    blocks.map(event).collect()
}

async fn stream(app: &Router, path: &str, body: &str) -> TestResponse {
    let headers = [
        ("content-type", "application/json"),
        ("accept", "text/event-stream"),
    ];
    send(app, request("POST", path, &headers, body)).await
}

#[tokio::test]
async fn a_stream_starts_sends_deltas_and_completes() {
    let answer = stream(&app(), "/chat", r#"{"message":"some words to be told"}"#).await;
    assert_eq!(answer.header("content-type"), "text/event-stream");
    assert_eq!(answer.header("x-accel-buffering"), "no");
    assert_eq!(
        answer.header("cache-control"),
        "no-cache, no-store, no-transform"
    );
    let events = events(&answer.text);
    for (index, (id, name, data)) in events.iter().enumerate() {
        assert_eq!(id, &(index + 1).to_string());
        assert_eq!(data["type"], *name);
    }
    assert_eq!(events.first().unwrap().1, "run.started");
    assert_eq!(events.last().unwrap().1, "run.completed");
    let events = parse_events(&answer.text);
    let run = &find_event(&events, "run.started")["run_id"];
    assert_eq!(
        *find_event(&events, "run.started"),
        json!({"type": "run.started", "run_id": run, "agent": "desk", "model": "echo"})
    );
    assert!(find_events(&events, "output.delta").len() > 1);
    let last = find_event(&events, "run.completed");
    assert_eq!(&last["run_id"], run);
    assert_eq!(last["stop_reason"], "end_turn");
    let text = output_text(&events);
    assert_eq!(
        last["output"],
        serde_json::from_str::<Value>(&text).unwrap()
    );
    assert!(last["usage"]["output_tokens"].as_u64().unwrap() > 0);
}

#[tokio::test]
async fn an_invoke_stream_ends_with_the_complete_output() {
    let answer = stream(&app(), "/v1/agents/desk/invoke", r#"{"input":"hello"}"#).await;
    let events = events(&answer.text);
    let (_, _, last) = events.last().unwrap();
    assert_eq!(
        last["output"]["output"],
        "[echo] desk received 5 characters: hello"
    );
    assert_eq!(last["output"]["run_id"], last["run_id"]);
    assert!(last["output"]["session_id"].is_string());
}

#[tokio::test]
async fn failures_before_the_first_event_are_plain_error_responses() {
    let app = app_on(FailingProvider(&[]));
    stream(&app, "/chat", r#"{"message":"hi"}"#)
        .await
        .problem(503);
    stream(&app, "/chat", r#"{"message":""}"#)
        .await
        .problem(422);
    stream(&app, "/chat", "{").await.problem(400);
}

#[tokio::test]
async fn failures_after_the_first_event_are_the_last_event() {
    let answer = stream(
        &app_on(FailingProvider(&["one ", "two"])),
        "/chat",
        r#"{"message":"hi"}"#,
    )
    .await;
    assert_eq!(answer.status, 200);
    let events = parse_events(&answer.text);
    assert_lines_of_types(
        &event_types(&events),
        &["run.started", "output.delta", "output.delta", "run.failed"],
    );
    let failed = find_event(&events, "run.failed");
    assert_eq!(
        failed["run_id"],
        find_event(&events, "run.started")["run_id"]
    );
    assert_eq!(failed["problem"]["status"], 503);
    assert_eq!(failed["problem"]["instance"], "/chat");
    assert_eq!(
        failed["problem"]["requestId"],
        answer.header("x-request-id")
    );
    let broken = stream(
        &app_on(FixedAnswer("no JSON".into())),
        "/chat",
        r#"{"message":"hi"}"#,
    )
    .await;
    assert!(broken.text.contains("\"status\":502"));
}

#[tokio::test]
async fn handler_failures_map_to_statuses() {
    let problem = get(&app(), "/shelves/1/search?query=panic")
        .await
        .problem(500);
    assert!(!problem.to_string().contains("fell over"));
    let problem = get(&app(), "/shelves/1/search?query=broken")
        .await
        .problem(500);
    assert!(!problem.to_string().contains("hunter2"));
    let problem = get(&app(), "/shelves/1/search?query=unwritten")
        .await
        .problem(501);
    assert_eq!(problem["detail"], "search is not implemented yet");
    let problem = get(&app(), "/shelves/1/search?query=slow")
        .await
        .problem(504);
    assert_eq!(problem["detail"], "the answer took longer than 200 ms");
}

#[tokio::test]
async fn a_stream_timeout_ends_with_a_504_event() {
    let short = Settings {
        timeout: Duration::from_millis(50),
        ..Settings::default()
    };
    for (settings, timeout_ms) in [(short, None), (Settings::default(), Some(50))] {
        let policy = Policy {
            timeout_ms,
            ..NO_RETRIES
        };
        let agent = Box::leak(Box::new(AgentSpec {
            policy,
            ..desk::SPEC
        }));
        let invoke = |cx: RunContext, request| async move { cx.invoke(&desk::SPEC, request).await };
        let service = Service::new(agent).endpoint(&desk::INVOKE, invoke);
        let registry = Registry::new("{}")
            .service(service)
            .provider(HangingProvider::default());
        let app = registry.into_router(settings).unwrap();
        let answer = stream(&app, "/v1/agents/desk/invoke", r#"{"input":"hi"}"#).await;
        let events = parse_events(&answer.text);
        assert_lines_of_types(
            &event_types(&events),
            &[
                "run.started",
                "output.delta",
                "policy.applied",
                "run.failed",
            ],
        );
        assert_eq!(find_event(&events, "policy.applied")["policy"], "deadline");
        let problem = &find_event(&events, "run.failed")["problem"];
        assert_eq!(problem["status"], 504);
        assert_eq!(problem["detail"], "the answer took longer than 50 ms");
    }
}

#[tokio::test]
async fn a_client_disconnect_cancels_the_run() {
    let provider = HangingProvider::default();
    let app = app_on(provider.clone());
    let json = [("content-type", "application/json")];
    let waiting = send(&app, request("POST", "/chat", &json, r#"{"message":"hi"}"#));
    assert!(
        tokio::time::timeout(Duration::from_millis(50), waiting)
            .await
            .is_err()
    );
    assert!(eventually(|| provider.in_flight() == 0).await);

    let headers = [
        ("content-type", "application/json"),
        ("accept", "text/event-stream"),
    ];
    let request = request("POST", "/chat", &headers, r#"{"message":"hi"}"#);
    let response = app.clone().oneshot(request).await.unwrap();
    assert_eq!((response.status().as_u16(), provider.in_flight()), (200, 1));
    drop(response);
    assert!(eventually(|| provider.in_flight() == 0).await);
}

#[tokio::test]
async fn output_of_nested_runs_is_not_streamed() {
    static OTHER: EndpointSpec = EndpointSpec {
        operation_id: "other",
        path: "/other",
        handler: Handler::Code,
        ..desk::CHAT
    };
    let service = Service::new(&desk::SPEC).endpoint(
        &OTHER,
        |cx: RunContext, request: desk::ChatRequest| async move {
            let reply = cx
                .run::<_, desk::ChatResponse>(&desk::SPEC, &desk::CHAT, request)
                .await?;
            cx.delta("said ").await;
            Ok(reply.map(|inner| inner.reply.len()))
        },
    );
    let app = Registry::new("{}")
        .service(service)
        .into_router(Settings::default())
        .unwrap();
    let answer = stream(&app, "/other", r#"{"message":"hi"}"#).await;
    let events = parse_events(&answer.text);
    assert_eq!(output_text(&events), "said ");
    assert_eq!(
        find_event(&events, "run.completed")["output"],
        "[echo] desk received 2 characters: hi".len()
    );
}
