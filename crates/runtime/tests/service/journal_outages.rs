//! Runs whose journal goes away for a while and comes back.

use std::net::SocketAddr;
use std::time::Duration;

use agentgen_runtime::workflow::{OnFailure, StepSpec};
use agentgen_runtime::{Secret, Settings, Store};
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

use crate::event_assertions::assert_outline;
use crate::http_client::{eventually, get};
use crate::run_events::gist;
use crate::store_fixture::database;
use crate::workflow_fixture::{Stage, of, step, workflow};

/// What stands between a service and its database, and can be cut.
struct Line {
    here: SocketAddr,
    there: String,
    carries: Option<JoinHandle<()>>,
}

impl Line {
    async fn to(there: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let here = listener.local_addr().unwrap();
        let carries = Some(carry(listener, there.clone()));
        Self {
            here,
            there,
            carries,
        }
    }

    async fn cut(&mut self) {
        if let Some(carries) = self.carries.take() {
            carries.abort();
            let _ = carries.await;
        }
    }

    async fn mend(&mut self) {
        let listener = TcpListener::bind(self.here).await.unwrap();
        self.carries = Some(carry(listener, self.there.clone()));
    }
}

fn carry(listener: TcpListener, there: String) -> JoinHandle<()> {
    tokio::spawn(async move {
        // Dropped with this task, they end.
        let mut connections = JoinSet::new();
        loop {
            let (mut caller, _) = listener.accept().await.unwrap();
            let there = there.clone();
            connections.spawn(async move {
                let mut server = TcpStream::connect(&*there).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut caller, &mut server).await;
            });
        }
    })
}

/// `HOST:PORT` in a database's URL.
fn place(url: &str) -> &str {
    let (_, rest) = url.split_once("://").unwrap();
    let authority = rest.split(['/', '?']).next().unwrap();
    authority.rsplit('@').next().unwrap()
}

/// A run of `steps` on a database that is away from soon after the first of them was asked, for longer than it takes: its
/// report, its events, and what was asked.
async fn with_an_outage(
    steps: Vec<StepSpec>,
) -> Option<(Value, Vec<(u64, Value)>, Vec<String>, String)> {
    let fresh = database().await?;
    let there = place(&fresh.url).to_owned();
    let mut line = Line::to(there.clone()).await;
    let url = fresh.url.replacen(&there, &line.here.to_string(), 1);
    let store = Store::open(&Secret::new(url)).await.unwrap();
    let stage = Stage::on(workflow(steps), store, Settings::default());
    let run = stage.begin().await;
    assert!(eventually(|| !stage.asked().is_empty()).await);
    line.cut().await;
    get(&stage.app, &run).await.problem(503);
    tokio::time::sleep(Duration::from_millis(900)).await;
    line.mend().await;
    let report = stage.over(&run).await;
    let events = stage.events(&run).await;
    let metrics = get(&stage.app, "/metrics").await.text;
    let asked = stage.asked();
    fresh.remove().await;
    Some((report, events, asked, metrics))
}

#[tokio::test]
async fn what_was_finished_while_the_journal_was_away_is_not_done_again() {
    let steps = vec![step("a", &[], "wait 300"), step("b", &["a"], "so")];
    let Some((report, events, asked, _)) = with_an_outage(steps).await else {
        return;
    };
    assert_eq!(report["status"], "completed", "{report}");
    assert_eq!(asked, ["wait 300", "so"]);
    let expected = [
        "run.started",
        "step.started a",
        "step.finished a",
        "step.started b",
        "step.finished b",
        "run.finished",
    ];
    assert_outline(&gist(&events), &expected);
}

#[tokio::test]
async fn what_was_decided_while_the_journal_was_away_is_told() {
    let late = StepSpec {
        timeout_ms: Some(200),
        attempts: 2,
        on_failure: OnFailure::Skip,
        ..step("a", &[], "hang")
    };
    let Some((report, events, asked, metrics)) = with_an_outage(vec![late]).await else {
        return;
    };
    assert_eq!(report["status"], "completed_with_failures", "{report}");
    assert_eq!(of(&report, "a")["attempts"], 2);
    assert_eq!(asked.len(), 2);
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
    assert_outline(&gist(&events), &expected);
    let counted =
        "agentgen_workflow_decisions_total{decision=\"retry\",step=\"a\",workflow=\"play\"} 1\n";
    assert!(metrics.contains(counted), "{metrics}");
}
