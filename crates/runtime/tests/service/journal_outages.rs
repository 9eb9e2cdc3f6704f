//! Runs during an outage of the journal.

use std::net::SocketAddr;
use std::time::Duration;

use agentgen_runtime::workflow::{OnFailure, StepSpec};
use agentgen_runtime::{Secret, Settings, Store};
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

use crate::event_assertions::assert_lines_of_types;
use crate::http_client::{eventually, get};
use crate::run_events::event_lines;
use crate::store_fixture::postgres_store;
use crate::workflow_fixture::{WorkflowApp, step, step_report, workflow};

/// A TCP proxy between a service and its database that can be interrupted.
pub struct InterruptibleProxy {
    pub here: SocketAddr,
    upstream: String,
    carries: Option<JoinHandle<()>>,
}

impl InterruptibleProxy {
    pub async fn start(upstream: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let here = listener.local_addr().unwrap();
        let carries = Some(forward_connections(listener, upstream.clone()));
        Self {
            here,
            upstream,
            carries,
        }
    }

    pub async fn interrupt(&mut self) {
        if let Some(carries) = self.carries.take() {
            carries.abort();
            let _ = carries.await;
        }
    }

    pub async fn restore(&mut self) {
        let listener = TcpListener::bind(self.here).await.unwrap();
        self.carries = Some(forward_connections(listener, self.upstream.clone()));
    }
}

fn forward_connections(listener: TcpListener, upstream: String) -> JoinHandle<()> {
    tokio::spawn(async move {
        // Dropping the set with this task ends all connections.
        let mut connections = JoinSet::new();
        loop {
            let (mut caller, _) = listener.accept().await.unwrap();
            let upstream = upstream.clone();
            connections.spawn(async move {
                let mut server = TcpStream::connect(&*upstream).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut caller, &mut server).await;
            });
        }
    })
}

/// `HOST:PORT` in a database's URL.
pub fn host_and_port(url: &str) -> &str {
    let (_, rest) = url.split_once("://").unwrap();
    let authority = rest.split(['/', '?']).next().unwrap();
    authority.rsplit('@').next().unwrap()
}

/// Runs `steps` on a database that becomes unreachable after the first step has started and until after the last one
/// has ended. Returns the report, the events, the inputs of the agents and the metrics.
async fn with_an_outage(
    steps: Vec<StepSpec>,
) -> Option<(Value, Vec<(u64, Value)>, Vec<String>, String)> {
    let test_store = postgres_store().await?;
    let upstream = host_and_port(&test_store.url).to_owned();
    let mut proxy = InterruptibleProxy::start(upstream.clone()).await;
    let url = test_store
        .url
        .replacen(&upstream, &proxy.here.to_string(), 1);
    let store = Store::open(&Secret::new(url)).await.unwrap();
    let service = WorkflowApp::with_store(workflow(steps), store, Settings::default());
    let run = service.start_run().await;
    assert!(eventually(|| !service.inputs().is_empty()).await);
    proxy.interrupt().await;
    get(&service.app, &run).await.problem(503);
    tokio::time::sleep(Duration::from_millis(900)).await;
    proxy.restore().await;
    let report = service.final_report(&run).await;
    let events = service.events(&run).await;
    let metrics = get(&service.app, "/metrics").await.text;
    let inputs = service.inputs();
    test_store.remove().await;
    Some((report, events, inputs, metrics))
}

#[tokio::test]
async fn a_step_finished_during_a_journal_outage_is_not_repeated() {
    let steps = vec![step("a", &[], "wait 300"), step("b", &["a"], "so")];
    let Some((report, events, inputs, _)) = with_an_outage(steps).await else {
        return;
    };
    assert_eq!(report["status"], "completed", "{report}");
    assert_eq!(inputs, ["wait 300", "so"]);
    let expected = [
        "run.started",
        "step.started a",
        "step.finished a",
        "step.started b",
        "step.finished b",
        "run.finished",
    ];
    assert_lines_of_types(&event_lines(&events), &expected);
}

#[tokio::test]
async fn decisions_made_during_a_journal_outage_are_recorded() {
    let late = StepSpec {
        timeout_ms: Some(200),
        attempts: 2,
        on_failure: OnFailure::Skip,
        ..step("a", &[], "hang")
    };
    let Some((report, events, inputs, metrics)) = with_an_outage(vec![late]).await else {
        return;
    };
    assert_eq!(report["status"], "completed_with_failures", "{report}");
    assert_eq!(step_report(&report, "a")["attempts"], 2);
    assert_eq!(inputs.len(), 2);
    let expected = [
        "run.started",
        "step.started a",
        "policy.applied a deadline",
        "step.retried a",
        "policy.applied a deadline",
        "step.finished a",
        "policy.applied a skip",
        "run.finished",
    ];
    assert_lines_of_types(&event_lines(&events), &expected);
    let counted =
        "agentgen_workflow_decisions_total{decision=\"retry\",step=\"a\",workflow=\"play\"} 1\n";
    assert!(metrics.contains(counted), "{metrics}");
}
