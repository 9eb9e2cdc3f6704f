//! Runs distributed by a queue: shutdown of a service, outages of the queue, and invalid or repeated
//! deliveries.

use std::time::Duration;

use agentgen_runtime::workflow::NewRun;
use agentgen_runtime::{Secret, Settings, StartError, Store, serve_on};
use async_nats::jetstream::stream::Config;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::time::Instant;

use crate::durability::http_request;
use crate::http_client::get;
use crate::journals::WAITING;
use crate::queue_fixture::{RunningService, serve, test_queue};
use crate::store_fixture::postgres_store;
use crate::workflow_fixture::{RecordedInputs, registry_of, step, workflow};

/// A lease that does not expire during a test.
const LONG: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(300);

/// Starts a run and returns its `Location`.
pub async fn start_run(service: &RunningService) -> String {
    let path = "/v1/workflows/play/runs";
    // A service that has just started may accept HTTP requests before queue deliveries.
    let (status, answer) = http_request(service.address, "POST", path, r#"{"topic":"x"}"#).await;
    assert_eq!(status, 202, "{answer}");
    format!("/v1/runs/{}", answer["run_id"].as_str().unwrap())
}

/// Waits for a run to end and returns its report.
pub async fn final_report(service: &RunningService, location: &str) -> Value {
    let start = Instant::now();
    loop {
        let (_, report) = http_request(service.address, "GET", location, "").await;
        if !matches!(report["status"].as_str().unwrap(), "queued" | "running") {
            return report;
        }
        assert!(start.elapsed() < LONG / 4, "{report}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Waits at least fifteen seconds for a condition.
pub async fn wait_until(is_so: impl AsyncFn() -> bool) {
    for _ in 0..1500 {
        if is_so().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it never is");
}

/// Two services, first the one that executed a step.
async fn ordered_by_work(
    left: RunningService,
    right: RunningService,
) -> (RunningService, RunningService) {
    wait_until(async || left.inputs() + right.inputs() > 0).await;
    match left.inputs() > 0 {
        true => (left, right),
        false => (right, left),
    }
}

#[tokio::test]
async fn a_run_of_a_stopping_service_is_resumed_by_another_at_once() {
    let Some(queue) = test_queue().await else {
        return;
    };
    let spec = || {
        workflow(vec![
            step("a", &[], "wait 300"),
            step("b", &["a"], "wait 1"),
        ])
    };
    let left = serve(spec(), queue.settings(LONG)).await;
    let right = serve(spec(), queue.settings(LONG)).await;
    let location = start_run(&left).await;
    let (works, waits) = ordered_by_work(left, right).await;
    works.stop().await;
    let report = final_report(&waits, &location).await;
    assert_eq!(report["status"], "completed", "{report}");
    assert_eq!(*waits.inputs.lock().unwrap(), ["wait 1"]);
    assert!(queue.is_drained().await);
    waits.stop().await;
    queue.remove().await;
}

#[tokio::test]
async fn a_run_is_cancelled_from_another_process_at_once() {
    let Some(queue) = test_queue().await else {
        return;
    };
    let spec = || workflow(vec![step("a", &[], "hang")]);
    let left = serve(spec(), queue.settings(LONG)).await;
    let right = serve(spec(), queue.settings(LONG)).await;
    let location = start_run(&left).await;
    let (works, waits) = ordered_by_work(left, right).await;
    let (status, answer) =
        http_request(waits.address, "POST", &format!("{location}/cancel"), "{}").await;
    assert_eq!(status, 202, "{answer}");
    let report = final_report(&works, &location).await;
    assert_eq!(report["status"], "cancelled", "{report}");
    assert!(queue.is_drained().await);
    works.stop().await;
    waits.stop().await;
    queue.remove().await;
}

#[tokio::test]
async fn invalid_queue_messages_are_discarded() {
    let Some(queue) = test_queue().await else {
        return;
    };
    let spec = workflow(vec![step("a", &[], "so")]);
    let service = serve(spec, queue.settings(SHORT)).await;
    let location = start_run(&service).await;
    assert_eq!(
        final_report(&service, &location).await["status"],
        "completed"
    );
    assert!(queue.is_drained().await);
    // A finished run, an unknown run, and an invalid id.
    queue
        .push(location.rsplit('/').next().unwrap().to_owned())
        .await;
    queue.push(uuid::Uuid::new_v4().to_string()).await;
    queue.push("nonsense".to_owned()).await;
    assert!(queue.is_drained().await);
    assert_eq!(service.inputs(), 1, "the run was over");
    let text = metrics(&service).await;
    let line = "agentgen_workflow_deliveries_total{delivery=\"new\"} 4";
    assert!(text.contains(line), "{text}");
    service.stop().await;
    queue.remove().await;
}

/// The metrics of the service.
pub async fn metrics(service: &RunningService) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::TcpStream::connect(service.address)
        .await
        .unwrap();
    let request = "GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn a_redelivered_run_is_not_executed_twice() {
    let Some(queue) = test_queue().await else {
        return;
    };
    let spec = || workflow(vec![step("a", &[], "wait 1500")]);
    let left = serve(spec(), queue.settings(SHORT * 2)).await;
    let right = serve(spec(), queue.settings(SHORT * 2)).await;
    let location = start_run(&left).await;
    // A duplicate message is published as well.
    for _ in 0..3 {
        queue
            .push(location.rsplit('/').next().unwrap().to_owned())
            .await;
    }
    assert_eq!(final_report(&left, &location).await["status"], "completed");
    assert!(queue.is_drained().await);
    assert_eq!(left.inputs() + right.inputs(), 1);
    left.stop().await;
    right.stop().await;
    queue.remove().await;
}

#[tokio::test]
async fn runs_continue_without_the_queue() {
    let Some(store) = postgres_store().await else {
        return;
    };
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("nats://{}", free.local_addr().unwrap());
    drop(free);
    let settings = Settings {
        store: Secret::new(store.url.clone()),
        queue: Some(Secret::new(url)),
        ..Settings::default()
    };
    let service = serve(workflow(vec![step("a", &[], "so")]), settings).await;
    let location = start_run(&service).await;
    assert_eq!(
        final_report(&service, &location).await["status"],
        "completed"
    );
    // The outage is reported, and the service still responds.
    let (status, ready) = http_request(service.address, "GET", "/readyz", "").await;
    assert_eq!((status, ready["status"].as_str()), (200, Some("degraded")));
    let checks = ready["checks"].as_array().unwrap();
    let check = checks
        .iter()
        .find(|check| check["name"] == "queue")
        .unwrap();
    assert_eq!(check["status"], "degraded");
    assert!(
        check["detail"]
            .as_str()
            .unwrap()
            .contains("can't be reached")
    );
    service.stop().await;
    store.remove().await;
}

#[tokio::test]
async fn runs_that_were_never_queued_are_found() {
    let Some(queue) = test_queue().await else {
        return;
    };
    let spec = || workflow(vec![step("a", &[], "so")]);
    // Stored as by a process that was killed before it queued the run.
    let store = queue.store.open().await;
    // The run is of a version that recorded no definitions.
    let run = NewRun {
        definition: String::new(),
        ..crate::journals::run_of("play", "anonymous")
    };
    store.journal().create(&run, WAITING).await.unwrap();
    let service = serve(spec(), queue.settings(SHORT)).await;
    let report = final_report(&service, &format!("/v1/runs/{}", run.id)).await;
    assert_eq!(report["status"], "completed", "{report}");
    let (_, ready) = http_request(service.address, "GET", "/readyz", "").await;
    let checks = ready["checks"].as_array().unwrap();
    assert!(
        checks
            .iter()
            .any(|check| check["name"] == "queue" && check["status"] == "ok"),
        "{ready}"
    );
    service.stop().await;
    drop(store);
    queue.remove().await;
}

/// The error of a service that fails to start with these settings.
pub async fn start_error(settings: Settings) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let registry = registry_of(
        workflow(vec![step("a", &[], "so")]),
        &RecordedInputs::default(),
    );
    let served = serve_on(listener, registry, settings, std::future::pending());
    let served = tokio::time::timeout(LONG, served).await.unwrap();
    let error = served.unwrap_err();
    assert!(matches!(error, StartError::Setting { .. }), "{error}");
    error.to_string()
}

#[tokio::test]
async fn a_stream_that_is_not_a_work_queue_is_a_startup_error() {
    let Some(queue) = test_queue().await else {
        return;
    };
    let other = Config {
        name: queue.stream.clone(),
        subjects: vec![format!("{}.runs", queue.stream)],
        ..Config::default()
    };
    queue.jetstream.create_stream(other).await.unwrap();
    let error = start_error(queue.settings(LONG)).await;
    assert!(error.starts_with("workflows.queue: "), "{error}");
    assert!(error.contains("is no work queue"), "{error}");
    assert!(error.contains(&queue.stream), "{error}");
    queue.remove().await;
}

#[tokio::test]
async fn a_queue_requires_a_shared_database() {
    let queue = Some(Secret::new("nats://me:hunter2@127.0.0.1:4222"));
    let settings = Settings {
        queue: queue.clone(),
        ..Settings::default()
    };
    let error = start_error(settings.clone()).await;
    assert!(
        error.starts_with("workflows.queue: needs store.url to be postgres://"),
        "{error}"
    );
    let registry = registry_of(
        workflow(vec![step("a", &[], "so")]),
        &RecordedInputs::default(),
    );
    let error = registry.into_router(settings).unwrap_err().to_string();
    assert!(
        error.starts_with("workflows.queue: a router has no queue"),
        "{error}"
    );
    // Without a queue the readiness response has no check of it.
    let service = crate::workflow_fixture::WorkflowApp::with_store(
        workflow(vec![step("a", &[], "so")]),
        Store::memory(),
        Settings::default(),
    );
    assert!(!get(&service.app, "/readyz").await.text.contains("queue"));
}

#[test]
fn a_queue_setting_must_be_a_nats_url() {
    let read = |queue: &str, store: &str| {
        let file = format!("[workflows]\nqueue = \"{queue}\"\n[store]\nurl = \"{store}\"\n");
        Settings::from_text("service.toml", &file, |_| Ok(None))
    };
    let postgres = "postgres://me@127.0.0.1/runs";
    for queue in [
        "nats://127.0.0.1:4222",
        "nats://nats.example/support-desk",
        "tls://me:hunter2%40@nats.example:4222/a_b",
        "nats://hunter2@[::1]",
    ] {
        let settings = read(queue, postgres).unwrap_or_else(|error| panic!("{queue}: {error}"));
        assert_eq!(settings.queue.as_ref().unwrap().expose(), queue);
        assert!(!format!("{settings:?}").contains("hunter2"));
    }
    for (queue, expected) in [
        ("http://me:hunter2@127.0.0.1", "must be nats://HOST:PORT"),
        ("nats://", "must be nats://HOST:PORT"),
        ("nats://:hunter2@127.0.0.1", "must be nats://HOST:PORT"),
        ("nats://127.0.0.1:port", "must be nats://HOST:PORT"),
        (
            "nats://127.0.0.1/a.hunter2",
            "other characters than letters",
        ),
        ("nats://127.0.0.1/a/b", "other characters than letters"),
        ("nats://127.0.0.1?token=hunter2", "has parameters"),
    ] {
        let error = read(queue, postgres).unwrap_err().to_string();
        assert!(
            error.starts_with("service.toml: workflows.queue: "),
            "{error}"
        );
        assert!(error.contains(expected), "{queue}: {error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
    for store in ["memory:", "sqlite:runs.db"] {
        let error = read("nats://127.0.0.1", store).unwrap_err().to_string();
        assert!(
            error.contains("needs store.url to be postgres://"),
            "{error}"
        );
    }
    // The variable sets the queue too, and also requires a database.
    let variable = |name: &str| {
        let is_queue = name == "AGENTGEN_WORKFLOWS_QUEUE";
        Ok(is_queue.then(|| "nats://127.0.0.1".to_owned()))
    };
    let error = Settings::from_variables(variable).unwrap_err().to_string();
    assert!(
        error.starts_with("AGENTGEN_WORKFLOWS_QUEUE: needs store.url"),
        "{error}"
    );
}

#[test]
fn the_certificate_authorities_of_a_queue_are_read_from_a_file() {
    let tls = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/tls");
    let read = |ca: &str, queue: &str| {
        let file = format!(
            "[workflows]\nqueue_ca = \"{ca}\"\n{queue}\n[store]\nurl = \"postgres://me@127.0.0.1/runs\"\n"
        );
        Settings::from_text("service.toml", &file, |_| Ok(None))
    };
    let queue = "queue = \"tls://nats.example\"";
    let ca = format!("{tls}/ca.pem");
    let settings = read(&ca, queue).unwrap();
    assert_eq!(settings.queue_ca, Some(ca.clone().into()));
    for (ca, queue, expected) in [
        (&*ca, "", "is of no use without workflows.queue"),
        (&*format!("{tls}/none.pem"), queue, "can't be read"),
        (
            &*format!("{tls}/server.key"),
            queue,
            "no certificate in PEM",
        ),
    ] {
        let error = read(ca, queue).unwrap_err().to_string();
        let prefix = "service.toml: workflows.queue_ca: ";
        assert!(error.starts_with(prefix), "{error}");
        assert!(error.contains(expected), "{error}");
    }
}
