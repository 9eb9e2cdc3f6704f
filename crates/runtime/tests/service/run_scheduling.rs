//! Queued runs: their order, their cancellation, and the shutdown of the
//! service.

use std::time::Duration;

use agentgen_runtime::workflow::WorkflowLimits;
use agentgen_runtime::workflow::WorkflowSpec;
use agentgen_runtime::{Settings, Store};
use tokio::net::TcpStream;

use crate::durability::http_request;
use crate::event_assertions::parse_timestamp;
use crate::http_client::{eventually, get, post};
use crate::queue_delivery::start_run;
use crate::queue_fixture::serve;
use crate::run_events::event_lines;
use crate::store_fixture::on_each_store;
use crate::workflow_fixture::{
    RecordedInputs, WorkflowApp, registry_of, step, step_statuses, workflow,
};

/// Settings that allow one run at a time and never poll for runs.
fn one_at_a_time() -> Settings {
    Settings {
        workflows: WorkflowLimits {
            runs: 1,
            lease: Duration::from_secs(600),
            ..WorkflowLimits::default()
        },
        ..Settings::default()
    }
}

#[tokio::test]
async fn a_queued_run_is_cancelled_at_once() {
    on_each_store(async |test_store| {
        let spec = workflow(vec![step("a", &[], "hang")]);
        let service = WorkflowApp::with_store(spec, test_store.open().await, one_at_a_time());
        let (first, second) = (service.start_run().await, service.start_run().await);
        assert!(eventually(|| service.inputs().len() == 1).await);
        let report = get(&service.app, &second).await.json();
        assert_eq!(report["status"], "queued");
        let answer = post(&service.app, &format!("{second}/cancel"), "").await;
        assert_eq!(answer.status, 202, "{}", answer.text);
        let report = service.final_report(&second).await;
        assert_eq!(report["status"], "cancelled");
        assert_eq!(step_statuses(&report), ["skipped"]);
        let events = event_lines(&service.events(&second).await);
        assert_eq!(events.last().unwrap(), "run.finished");
        // The cancelled run used no slot, and its agent was not called.
        assert_eq!(get(&service.app, &first).await.json()["status"], "running");
        assert_eq!(service.inputs().len(), 1);
        post(&service.app, &format!("{first}/cancel"), "").await;
        service.final_report(&first).await;
    })
    .await;
}

#[tokio::test]
async fn queued_runs_are_scheduled_fairly_across_workflows() {
    let other = WorkflowSpec {
        name: "another",
        operation_id: "runAnother",
        ..workflow(vec![step("a", &[], "wait 60")])
    };
    let inputs = RecordedInputs::default();
    let registry = registry_of(workflow(vec![step("a", &[], "wait 60")]), &inputs)
        .workflow(Box::leak(Box::new(other)))
        .store(Store::memory());
    let service = WorkflowApp::from_registry(registry, one_at_a_time());
    let start_named = async |name: &str| {
        let path = format!("/v1/workflows/{name}/runs");
        let answer = post(&service.app, &path, r#"{"topic":"x"}"#).await;
        answer.header("location").to_owned()
    };
    let mut many = Vec::new();
    for _ in 0..8 {
        many.push(start_named("another").await);
    }
    let other_run = start_named("play").await;
    let mut ends = Vec::new();
    for location in &many {
        ends.push(parse_timestamp(
            &service.final_report(location).await["ended_at"],
        ));
    }
    let other_run = parse_timestamp(&service.final_report(&other_run).await["ended_at"]);
    // Runs of one workflow are in order, and do not delay the other workflow.
    assert!(ends.is_sorted());
    assert!(other_run < ends[7], "{other_run} {ends:?}");
}

#[tokio::test]
async fn many_queued_runs_all_complete() {
    let mut settings = one_at_a_time();
    settings.workflows.runs = 3;
    let spec = workflow(vec![step("a", &[], "wait 1")]);
    let service = WorkflowApp::with_store(spec, Store::memory(), settings);
    let mut places = Vec::new();
    for _ in 0..300 {
        places.push(service.start_run().await);
    }
    for location in &places {
        assert_eq!(service.final_report(location).await["status"], "completed");
    }
    assert_eq!(service.inputs().len(), 300);
}

#[tokio::test]
async fn requests_during_shutdown_get_a_503_while_steps_finish() {
    let spec = workflow(vec![step("a", &[], "wait 1000"), step("b", &["a"], "so")]);
    let service = serve(spec, Settings::default()).await;
    let (address, inputs) = (service.address, RecordedInputs::clone(&service.inputs));
    start_run(&service).await;
    assert!(eventually(|| !inputs.lock().unwrap().is_empty()).await);
    let stopped = tokio::spawn(service.stop());
    tokio::time::sleep(Duration::from_millis(100)).await;
    let (status, ready) = http_request(address, "GET", "/readyz", "").await;
    assert_eq!(status, 503, "{ready}");
    stopped.await.unwrap();
    assert!(TcpStream::connect(address).await.is_err());
    // The running step ended, and no other was started.
    assert_eq!(inputs.lock().unwrap().len(), 1);
}
