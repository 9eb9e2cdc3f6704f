//! Runs that wait for their turn: who comes next, what it means to call one off that waits, and what it means to all that
//! the service stops.

use std::time::Duration;

use agentgen_runtime::workflow::WorkflowLimits;
use agentgen_runtime::workflow::WorkflowSpec;
use agentgen_runtime::{Settings, Store};
use tokio::net::TcpStream;

use crate::durability::ask;
use crate::event_assertions::moment;
use crate::http_client::{eventually, get, post};
use crate::queue_delivery::begin;
use crate::queue_fixture::serve;
use crate::run_events::gist;
use crate::store_fixture::on_each;
use crate::workflow_fixture::{Asked, Stage, registry_of, statuses, step, workflow};

/// Settings with which one run is under way at a time, and nothing is found by looking for it again.
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
async fn a_run_that_waits_ends_at_once_when_it_is_called_off() {
    on_each(async |fresh| {
        let spec = workflow(vec![step("a", &[], "hang")]);
        let stage = Stage::on(spec, fresh.open().await, one_at_a_time());
        let (first, second) = (stage.begin().await, stage.begin().await);
        assert!(eventually(|| stage.asked().len() == 1).await);
        let report = get(&stage.app, &second).await.json();
        assert_eq!(report["status"], "queued");
        let answer = post(&stage.app, &format!("{second}/cancel"), "").await;
        assert_eq!(answer.status, 202, "{}", answer.text);
        let report = stage.over(&second).await;
        assert_eq!(report["status"], "cancelled");
        assert_eq!(statuses(&report), ["skipped"]);
        let events = gist(&stage.events(&second).await);
        assert_eq!(events.last().unwrap(), "run.finished");
        // It took nobody's place, and nobody's work was done.
        assert_eq!(get(&stage.app, &first).await.json()["status"], "running");
        assert_eq!(stage.asked().len(), 1);
        post(&stage.app, &format!("{first}/cancel"), "").await;
        stage.over(&first).await;
    })
    .await;
}

#[tokio::test]
async fn every_workflow_has_its_turn() {
    let other = WorkflowSpec {
        name: "another",
        operation_id: "runAnother",
        ..workflow(vec![step("a", &[], "wait 60")])
    };
    let asked = Asked::default();
    let registry = registry_of(workflow(vec![step("a", &[], "wait 60")]), &asked)
        .workflow(Box::leak(Box::new(other)))
        .store(Store::memory());
    let stage = Stage::of(registry, one_at_a_time());
    let begin = async |name: &str| {
        let path = format!("/v1/workflows/{name}/runs");
        let answer = post(&stage.app, &path, r#"{"topic":"x"}"#).await;
        answer.header("location").to_owned()
    };
    let mut many = Vec::new();
    for _ in 0..8 {
        many.push(begin("another").await);
    }
    let lone = begin("play").await;
    let mut ends = Vec::new();
    for place in &many {
        ends.push(moment(&stage.over(place).await["ended_at"]));
    }
    let lone = moment(&stage.over(&lone).await["ended_at"]);
    // What was asked for first comes first, and the others of its workflow are no reason to wait.
    assert!(ends.is_sorted());
    assert!(lone < ends[7], "{lone} {ends:?}");
}

#[tokio::test]
async fn many_runs_that_wait_all_come_to_their_end() {
    let mut settings = one_at_a_time();
    settings.workflows.runs = 3;
    let spec = workflow(vec![step("a", &[], "wait 1")]);
    let stage = Stage::on(spec, Store::memory(), settings);
    let mut places = Vec::new();
    for _ in 0..300 {
        places.push(stage.begin().await);
    }
    for place in &places {
        assert_eq!(stage.over(place).await["status"], "completed");
    }
    assert_eq!(stage.asked().len(), 300);
}

#[tokio::test]
async fn who_comes_while_only_runs_are_waited_for_is_told_that_the_service_stops() {
    let spec = workflow(vec![step("a", &[], "wait 1000"), step("b", &["a"], "so")]);
    let service = serve(spec, Settings::default()).await;
    let (address, asked) = (service.address, Asked::clone(&service.asked));
    begin(&service).await;
    assert!(eventually(|| !asked.lock().unwrap().is_empty()).await);
    let stopped = tokio::spawn(service.stop());
    tokio::time::sleep(Duration::from_millis(100)).await;
    let (status, ready) = ask(address, "GET", "/readyz", "").await;
    assert_eq!(status, 503, "{ready}");
    stopped.await.unwrap();
    assert!(TcpStream::connect(address).await.is_err());
    // The step that was under way ended, and none began any more.
    assert_eq!(asked.lock().unwrap().len(), 1);
}
