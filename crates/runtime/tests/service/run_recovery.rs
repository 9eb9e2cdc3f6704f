//! Events of a run whose process was killed: earlier events remain, and the interrupted step starts again.

use std::net::SocketAddr;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::Duration;

use agentgen_runtime::model::ProviderKind;
use agentgen_runtime::spec::Policy;
use agentgen_runtime::testing::{MockServer, Script};
use agentgen_runtime::workflow::WorkflowLimits;
use agentgen_runtime::workflow::{StepSpec, WorkflowSpec};
use agentgen_runtime::{Registry, Secret, serve_with};
use serde_json::{Value, json};

use crate::durability::{http_request, wait_for_address};
use crate::event_assertions::assert_lines_of_types;
use crate::http_client::eventually;
use crate::mock_model::{desk_with, mock_server};
use crate::run_events::{ASKS, event_lines, with_desk};
use crate::store_fixture::{TestStore, postgres_store, sqlite_store};
use crate::workflow_fixture::{step, step_report, workflow};

/// When this variable is set, this test program runs as a service. Its value is the URL of the model server.
const MODELS: &str = "TEST_EVENTS_MODELS";
/// A workflow of a step in code and a step that calls a model with two attempts.
fn retrying_workflow() -> (Registry, WorkflowSpec) {
    let spec = workflow(vec![
        step("first", &[], "go"),
        StepSpec {
            needs: &["first"],
            ..ASKS
        },
    ]);
    let policy = Policy {
        retry_attempts: 2,
        retry_backoff_ms: 1,
        ..Policy::DEFAULT
    };
    let registry = crate::workflow_fixture::registry_of(spec, &Default::default());
    (with_desk(registry, desk_with(policy)), spec)
}

#[test]
fn program() {
    let Ok(models) = std::env::var(MODELS) else {
        return;
    };
    let lease = std::env::var("TEST_EVENTS_LEASE").unwrap();
    // The mock server runs in the parent process; only its settings are copied here.
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut settings = runtime.block_on(async {
        let server = MockServer::start().await.unwrap();
        server.settings(ProviderKind::Anthropic)
    });
    settings.providers.get_mut("mock").unwrap().base_url = Some(models);
    settings.address = Some("127.0.0.1:0".to_owned());
    settings.store = Secret::new(std::env::var("TEST_EVENTS_STORE").unwrap());
    settings.workflows = WorkflowLimits {
        lease: Duration::from_millis(lease.parse().unwrap()),
        ..WorkflowLimits::default()
    };
    let code = serve_with(retrying_workflow().0, settings);
    std::process::exit(i32::from(code != ExitCode::SUCCESS));
}

/// `lease` is in milliseconds.
fn start(server: &MockServer, test_store: &TestStore, lease: u32) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["run_recovery::program", "--exact", "--nocapture"])
        .env(MODELS, server.base_url())
        .env("TEST_EVENTS_STORE", &test_store.url)
        .env("TEST_EVENTS_LEASE", lease.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// The process is killed while the second step waits for its second model call. Another process resumes the run.
async fn events_restart_after_a_kill(test_store: TestStore) {
    let server = mock_server([Script::error(529, "busy"), Script::silence()]).await;
    let store = test_store.open().await;
    let journal = store.journal();
    let mut child = start(&server, &test_store, 150);
    let address = wait_for_address(&mut child);
    let path = "/v1/workflows/play/runs";
    let (status, run) = http_request(address, "POST", path, r#"{"topic":"ducks"}"#).await;
    assert_eq!(status, 202, "{run}");
    let id = run["run_id"].as_str().unwrap().parse().unwrap();
    let read_events = async || {
        let events = journal.events(id, 0, 100).await.unwrap().into_iter();
        let events = events.map(|(number, event)| (number, json!(event)));
        events.collect::<Vec<_>>()
    };
    let until = async |last: &str| {
        for _ in 0..500 {
            let events = read_events().await;
            if event_lines(&events)
                .last()
                .is_some_and(|event| event == last)
            {
                return events;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!(
            "{:?} do not end with {last}",
            event_lines(&read_events().await)
        )
    };
    let before = until("policy.applied a retry").await;
    // The second call takes the silence; otherwise the next process would.
    assert!(eventually(|| server.requests().len() == 2).await);
    child.kill().unwrap();
    child.wait().unwrap();

    server.push(Script::error(529, "busy"));
    server.push(Script::text("at last"));
    let mut child = start(&server, &test_store, 150);
    let address = wait_for_address(&mut child);
    let after = until("run.finished").await;
    // Earlier events are unchanged. Only the interrupted step starts again.
    assert_eq!(after[..before.len()], before);
    assert_lines_of_types(
        &event_lines(&after),
        &[
            "run.started",
            "step.started first",
            "step.finished first",
            "step.started a",
            "policy.applied a retry",
            "run.resumed",
            "step.started a",
            "policy.applied a retry",
            "step.finished a",
            "run.finished",
        ],
    );
    let numbers = after.iter().map(|(number, _)| *number);
    assert_eq!(
        numbers.collect::<Vec<_>>(),
        (1..=after.len() as u64).collect::<Vec<_>>()
    );
    let location = format!("/v1/runs/{}", run["run_id"].as_str().unwrap());
    let (_, report) = http_request(address, "GET", &location, "").await;
    assert_eq!(step_report(&report, "a")["output"], "at last");
    assert_eq!(
        step_report(&report, "a")["attempts"],
        1,
        "since it last began"
    );
    child.kill().unwrap();
    child.wait().unwrap();
    drop((journal, store));
    test_store.remove().await;
}

#[tokio::test]
async fn events_of_an_interrupted_step_restart_with_the_step() {
    events_restart_after_a_kill(sqlite_store()).await;
    if let Some(test_store) = postgres_store().await {
        events_restart_after_a_kill(test_store).await;
    }
}

/// The report of a run when it has ended, or after five seconds.
async fn report_within_five_seconds(address: SocketAddr, location: &str) -> Value {
    for _ in 0..250 {
        let (_, report) = http_request(address, "GET", location, "").await;
        if report["status"] == "completed" {
            return report;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    http_request(address, "GET", location, "").await.1
}

#[tokio::test]
async fn a_service_that_alone_uses_its_file_resumes_its_runs_at_startup() {
    let test_store = sqlite_store();
    let server = mock_server([Script::silence()]).await;
    let mut child = start(&server, &test_store, 600_000);
    let address = wait_for_address(&mut child);
    let path = "/v1/workflows/play/runs";
    let (_, run) = http_request(address, "POST", path, r#"{"topic":"ducks"}"#).await;
    let location = format!("/v1/runs/{}", run["run_id"].as_str().unwrap());
    assert!(eventually(|| server.in_flight() == 1).await);
    // A second process does not take over runs of a live one.
    let mut other = start(&server, &test_store, 600_000);
    let beside = wait_for_address(&mut other);
    tokio::time::sleep(Duration::from_millis(300)).await;
    let (_, report) = http_request(beside, "GET", &location, "").await;
    assert_eq!(report["status"], "running");
    assert_eq!(server.requests().len(), 1);
    for child in [&mut other, &mut child] {
        child.kill().unwrap();
        child.wait().unwrap();
    }

    server.push(Script::text("at last"));
    let mut child = start(&server, &test_store, 600_000);
    let report = report_within_five_seconds(wait_for_address(&mut child), &location).await;
    assert_eq!(step_report(&report, "a")["output"], "at last", "{report}");
    child.kill().unwrap();
    child.wait().unwrap();
    test_store.remove().await;
}
