//! The client against scripted bytes, and its types against the schemas of the runtime.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt};
use generated_client::flows::client::agents::writer::Writer;
use generated_client::flows::client::agents::writer::workflows;
use generated_client::flows::client::{
    ActionList, AgentEvent, Client, ClientError, Document, DocumentInput, PendingAction, PendingToolCall, DocumentList, DocumentSummary, DocumentsPut, InvokeRequest,
    InvokeResponse, ListedAction, Problem, PutDocument, Readiness, ReadinessCheck, RetrievedPassage, RunList, RunReport, RunSummary, RunsDeleted, Session, SessionList,
    SessionMessage, SessionMessageList, StepError, StepReport, StopReason, TokenResponse, Usage, Violation, WorkflowEvent,
    WorkflowRun,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// Answers one connection after the other with these bytes, each chunk alone, and gives the heads of the requests.
async fn scripted(answers: Vec<Vec<Vec<u8>>>) -> (Client, tokio::task::JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/base/", listener.local_addr().expect("an address"));
    let requests = tokio::spawn(async move {
        let mut requests = Vec::new();
        for chunks in answers {
            let (mut stream, _) = listener.accept().await.expect("a connection");
            let mut head = Vec::new();
            while !head.windows(4).any(|end| end == b"\r\n\r\n") {
                let mut part = [0; 4096];
                let read = stream.read(&mut part).await.expect("a request");
                head.extend_from_slice(&part[..read]);
            }
            requests.push(String::from_utf8_lossy(&head).to_lowercase());
            for chunk in chunks {
                stream.write_all(&chunk).await.expect("it is sent");
                stream.flush().await.expect("it is sent");
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            // Closed with something unread, the connection would be reset.
            stream.shutdown().await.expect("it ends");
            let _ = tokio::time::timeout(Duration::from_secs(1), stream.read_to_end(&mut Vec::new())).await;
        }
        requests
    });
    (Client::new(&url).expect("a client"), requests)
}

fn answer(status: &str, content_type: &str, body: &str) -> Vec<Vec<u8>> {
    vec![format!("HTTP/1.1 {status}\r\ncontent-type: {content_type}\r\nconnection: close\r\n\r\n{body}").into_bytes()]
}

#[tokio::test]
async fn events_are_read_byte_by_byte_with_each_end_of_a_line() {
    let delta = r#"{"type": "output.delta","#;
    for (end, body) in [("lf", "\n"), ("cr", "\r"), ("crlf", "\r\n")] {
        let lines = [
            ": keep-alive",
            "",
            "event: output.delta",
            &format!("data: {delta}"),
            "data: \"text\": \"ü\"}",
            "",
            "id",
            "data:{\"type\":\"later\",\"more\":[1]}",
            "",
            "data: {\"type\":\"output.delta\",\"text\":\"lost\"}",
        ];
        let mut chunks = answer("200 OK", "text/event-stream; charset=utf-8", "");
        let text = lines.join(body) + body;
        chunks.extend(text.bytes().map(|byte| vec![byte]));
        let (client, _requests) = scripted(vec![chunks]).await;
        let stream = Writer::new(&client).invoke(&InvokeRequest::new("x")).stream().await.expect("a stream");
        let events: Vec<_> = stream.collect().await;
        assert_eq!(events.len(), 3, "{end}: {events:?}");
        assert!(matches!(&events[0], Ok(AgentEvent::Delta { text }) if text == "ü"), "{end}: {events:?}");
        assert!(matches!(&events[1], Ok(AgentEvent::Unknown)), "{end}: {events:?}");
        assert!(matches!(&events[2], Err(ClientError::Interrupted)), "{end}: {events:?}");
    }
}

#[tokio::test]
async fn a_broken_stream_of_a_run_continues_behind_the_last_event() {
    let event = |id: u64, step: &str| {
        format!("id: {id}\ndata: {{\"type\":\"step.started\",\"step\":\"{step}\",\"agent\":\"a\",\"endpoint\":\"e\"}}\n\n")
    };
    let end = r#"{"type":"run.finished","run_id":"r/1","status":"completed"}"#;
    let sse = "text/event-stream";
    let (client, requests) = scripted(vec![
        answer("200 OK", sse, &(event(1, "one") + &event(2, "two"))),
        answer("503 Service Unavailable", "text/html", "<h1>starting</h1>"),
        answer("200 OK", sse, &(event(3, "three") + &format!("id: 4\ndata: {end}\n\n"))),
    ])
    .await;
    let client = client.with_bearer_token("secret").expect("a token");
    assert!(!format!("{client:?}").contains("secret"));
    let publish = workflows::publish(&client);
    let events: Vec<_> = publish.events(&"r/1".into()).try_collect().await.expect("events");
    let numbers: Vec<u64> = events.iter().map(|event| event.id).collect();
    assert_eq!(numbers, [1, 2, 3, 4]);
    let requests = requests.await.expect("requests");
    assert!(requests.iter().all(|head| head.starts_with("get /base/v1/runs/r%2f1/events http/1.1\r\n")), "{requests:?}");
    assert!(requests.iter().all(|head| head.contains("authorization: bearer secret\r\n")), "{requests:?}");
    assert!(!requests[0].contains("last-event-id"), "{requests:?}");
    assert!(requests[1].contains("last-event-id: 2\r\n") && requests[2].contains("last-event-id: 2\r\n"), "{requests:?}");
}

#[tokio::test]
async fn answers_of_others_are_errors_with_what_they_said() {
    let html = answer("502 Bad Gateway", "text/html", "<h1>gone</h1>");
    let wrong = answer("200 OK", "application/json", "{}");
    let page = answer("200 OK", "text/html", "<p>Sign in</p>");
    let (client, _requests) = scripted(vec![html, wrong, page]).await;
    let writer = Writer::new(&client);
    let call = || writer.invoke(&InvokeRequest::new("x"));
    let error = call().await.expect_err("a gateway");
    let problem = error.problem().expect("a problem");
    assert_eq!((problem.status, problem.title.as_str(), problem.detail.as_str()), (502, "Bad Gateway", "<h1>gone</h1>"));
    let error = call().await.expect_err("no answer");
    assert!(matches!(&error, ClientError::Answer { status: 200, detail } if detail.contains("output")), "{error}");
    let stream = call().stream().await.expect("a response");
    let events: Vec<_> = stream.collect().await;
    assert!(matches!(&events[..], [Err(ClientError::Answer { detail, .. })] if detail.contains("text/html")), "{events:?}");
}

fn schemas() -> Value {
    serde_json::from_str(include_str!("../schemas.json")).expect("JSON")
}

/// The examples of the schema `name`, which are written as they were read.
fn assert_read<T: Serialize + DeserializeOwned>(name: &str) -> Vec<T> {
    let schemas = schemas();
    let examples = schemas[name]["examples"].as_array();
    let examples = examples.unwrap_or_else(|| panic!("{name} has no examples"));
    let read = examples.iter().map(|example| {
        let value: T = serde_json::from_value(example.clone()).unwrap_or_else(|error| panic!("{name}: {error}"));
        let mut written = serde_json::to_value(&value).expect("JSON");
        // What the service may leave out is written as empty text.
        if let (Some(written), Some(example)) = (written.as_object_mut(), example.as_object()) {
            written.retain(|key, value| example.contains_key(key) || *value != "");
        }
        assert_eq!(written, *example, "{name}");
        value
    });
    read.collect()
}

/// The members of the union `name`, by the text of `type`.
fn members(name: &str) -> Vec<(String, String)> {
    let schemas = schemas();
    let mapping = schemas[name]["discriminator"]["mapping"].as_object().expect("a mapping");
    let last = |reference: &Value| reference.as_str().and_then(|text| text.rsplit('/').next()).map(str::to_owned);
    mapping.iter().map(|(tag, reference)| (tag.clone(), last(reference).expect("a name"))).collect()
}

/// The properties of the schema `name`.
fn properties(name: &str) -> BTreeSet<String> {
    let schemas = schemas();
    schemas[name]["properties"].as_object().expect("properties").keys().cloned().collect()
}

#[test]
fn every_event_of_the_runtime_is_known() {
    for (tag, name) in members("AgentEvent") {
        let events = assert_read::<AgentEvent>(&name);
        assert!(events.iter().all(|event| *event != AgentEvent::Unknown), "{tag}");
    }
    for (tag, name) in members("WorkflowEvent") {
        let events = assert_read::<WorkflowEvent>(&name);
        assert!(events.iter().all(|event| *event != WorkflowEvent::Unknown), "{tag}");
    }
    for policy in ["retry", "fallback", "breaker", "budget", "deadline", "skip", "stop", "escalate"] {
        let event = serde_json::json!({ "type": "policy.applied", "policy": policy, "detail": "x" });
        let read: WorkflowEvent = serde_json::from_value(event.clone()).expect("an event");
        assert_eq!(serde_json::to_value(read).expect("JSON"), event);
    }
    assert_read::<Usage>("Usage");
    assert_read::<RetrievedPassage>("RetrievedPassage");
    assert_read::<InvokeRequest>("InvokeRequest");
    assert_read::<InvokeResponse>("InvokeResponse");
    assert_read::<Problem>("Problem");
    assert_read::<Violation>("ProblemError");
    assert_read::<StepReport>("StepReport");
    assert_read::<StepError>("StepError");
    assert_read::<WorkflowRun>("WorkflowRun");
    assert_read::<RunReport>("WorkflowRunReport");
    assert_read::<RunList>("WorkflowRunList");
    assert_read::<ActionList>("ActionList");
    assert_read::<ListedAction>("ListedAction");
    assert_read::<RunSummary>("WorkflowRunSummary");
    assert_read::<RunsDeleted>("WorkflowRunsDeleted");
    assert_read::<Session>("Session");
    assert_read::<SessionList>("SessionList");
    assert_read::<SessionMessage>("SessionMessage");
    assert_read::<SessionMessageList>("SessionMessageList");
    assert_read::<Document>("Document");
    assert_read::<DocumentInput>("DocumentInput");
    assert_read::<DocumentList>("DocumentList");
    assert_read::<DocumentsPut>("DocumentsPut");
    assert_read::<PutDocument>("PutDocument");
    assert_read::<Readiness>("Readiness");
    assert_read::<TokenResponse>("TokenResponse");
}

#[test]
fn every_property_of_the_runtime_is_kept() {
    let usage = serde_json::json!({ "input_tokens": 1, "output_tokens": 2 });
    let violation = serde_json::json!({ "detail": "d", "pointer": "/p" });
    let error = serde_json::json!({ "status": 502, "detail": "d", "type": "/p", "code": "c", "errors": [violation] });
    let full = serde_json::json!({
        "step": "s", "agent": "a", "endpoint": "e", "status": "skipped", "needs": ["s"], "skipped": "condition", "output": 1,
        "error": error, "fallback": "f", "model": "m", "attempts": 1, "began_at": "2026-01-01T00:00:00Z",
        "ended_at": "2026-01-01T00:00:00Z", "usage": usage,
    });
    assert_full::<StepReport>("StepReport", &full);
    assert_full::<StepError>("StepError", &error);
    let call = serde_json::json!({ "call_id": "c", "agent": "a", "tool": "t", "arguments": {}, "may_have_run": true });
    assert_full::<PendingToolCall>("PendingToolCall", &call);
    let action = serde_json::json!({
        "id": "i", "step": "s", "kind": "event", "prompt": "p", "event": "e", "run": "r", "schema": {}, "roles": ["r"], "tool_call": call,
        "expires_at": "2026-01-01T00:00:00Z",
    });
    assert_full::<PendingAction>("PendingAction", &action);
    let listed = serde_json::json!({ "run_id": "r", "workflow": "w", "action": action });
    assert_full::<ListedAction>("ListedAction", &listed);
    assert_full::<RunReport>("WorkflowRunReport", &serde_json::json!({
        "run_id": "r", "parent": "p", "workflow": "w", "status": "completed", "error": "e", "created_at": "2026-01-01T00:00:00Z",
        "ended_at": "2026-01-01T00:00:00Z", "attempts": 2, "restarted_from": "o", "schedule": "w", "usage": usage, "steps": [full], "actions": [action],
    }));
    assert_full::<Problem>("Problem", &serde_json::json!({
        "type": "/p", "title": "t", "status": 400, "detail": "d", "instance": "/i", "errors": [violation],
        "requestId": "r", "code": "c",
    }));
    assert_full::<InvokeResponse>("InvokeResponse", &serde_json::json!({
        "output": "o", "run_id": "r", "agent": "a", "model": "m", "session_id": "s", "stop_reason": "refusal",
        "usage": usage,
    }));
    let summary = serde_json::json!({
        "id": "i", "title": "t", "language": "en", "updated_at": "2026-01-01T00:00:00Z", "passages": 1,
    });
    assert_full::<DocumentSummary>("DocumentSummary", &summary);
    let mut document = summary;
    document["text"] = "x".into();
    document["metadata"] = serde_json::json!({ "chapter": 3 });
    assert_full::<Document>("Document", &document);
    document.as_object_mut().expect("an object").remove("passages");
    assert_full::<DocumentInput>("DocumentInput", &document);
    let check = serde_json::json!({ "name": "models", "model": "m", "server": "s", "status": "degraded", "detail": "d" });
    assert_full::<ReadinessCheck>("ReadinessCheck", &check);
    let reasons = schemas()["StopReason"]["enum"].as_array().expect("reasons").clone();
    for reason in reasons {
        let read: StopReason = serde_json::from_value(reason.clone()).expect("a reason");
        assert_ne!(read, StopReason::Unknown, "{reason}");
    }
}

/// `full` has every property of the schema `name`, and a `T` keeps them all.
fn assert_full<T: Serialize + DeserializeOwned>(name: &str, full: &Value) {
    let keys: BTreeSet<String> = full.as_object().expect("an object").keys().cloned().collect();
    assert_eq!(keys, properties(name), "{name}");
    let read: T = serde_json::from_value(full.clone()).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_eq!(serde_json::to_value(read).expect("JSON"), *full, "{name}");
}
