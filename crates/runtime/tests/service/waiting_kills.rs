//! Runs that wait, and processes that are killed while they ask, wait and take answers. No question is lost or asked again under
//! another id, and no answer counts twice.
//!
//! `AGENTGEN_KILLS` sets the number of kills (default: a few), `AGENTGEN_SEED` the seed of the random moments.

use std::collections::BTreeMap;
use std::io::Write;
use std::net::SocketAddr;
use std::process::Child;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use agentgen_runtime::schema::Uuid;
use agentgen_runtime::workflow::{
    ActionKind, ActionOutcome, Journal, StepKind, StepSpec, Template, WorkflowEvent, WorkflowSpec,
};
use reqwest::Client;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::durability::wait_for_address;
use crate::process_kills::{RandomDelays, env_number, start, start_run};
use crate::queue_fixture::test_queue;
use crate::store_fixture::{TestStore, postgres_store, sqlite_store};
use crate::workflow_fixture::{STEP, step, workflow};

/// The default number of kills.
const USUAL_KILLS: u64 = 3;
/// The number of runs that are started before each kill.
const RUNS: usize = 4;

/// Three kinds of waiting at once, between two steps.
pub fn waiting_workflow() -> WorkflowSpec {
    let after = |id, kind| StepSpec {
        id,
        kind,
        needs: &["first"],
        ..STEP
    };
    let ask = StepKind::Ask {
        prompt: Template::Json("\"Which number?\""),
        answer_schema: r#"{"type":"object","required":["number"],"properties":{"number":{"type":"integer"}}}"#,
        roles: &[],
    };
    let wait_for = StepKind::WaitFor {
        event: "paid",
        payload_schema: r#"{"type":"object"}"#,
    };
    workflow(vec![
        step("first", &[], "wait 5"),
        after("ask", ask),
        after("paid", wait_for),
        after("rest", StepKind::Wait { duration_ms: 1200 }),
        step("last", &["ask", "paid", "rest"], "wait 5"),
    ])
}

/// What the answers and events of a test met.
#[derive(Debug, Default)]
struct Sent {
    /// The answers that were taken, by run.
    answers: BTreeMap<Uuid, Vec<i64>>,
    /// The runs to which the event was sent.
    events: BTreeMap<Uuid, usize>,
    next: i64,
}

/// The status that answers `body`; `None` if the process is gone.
pub async fn post(client: &Client, path: &str, body: &Value) -> Option<u16> {
    let request = client.post(path).header("content-type", "application/json");
    let answer = request.body(body.to_string()).send().await.ok()?;
    Some(answer.status().as_u16())
}

/// Answers the questions of `runs`, three clients at once, and sends them events, as long as the process at `address` lives.
async fn answer_all(address: SocketAddr, runs: Vec<Uuid>, sent: Arc<Mutex<Sent>>) {
    let client = Client::new();
    let base = format!("http://{address}/v1/runs");
    loop {
        for run in &runs {
            let is_paid = sent.lock().unwrap().events.contains_key(run);
            if !is_paid {
                let path = format!("{base}/{run}/events/paid");
                let Some(status) = post(&client, &path, &json!({})).await else {
                    return;
                };
                if status == 202 {
                    *sent.lock().unwrap().events.entry(*run).or_default() += 1;
                }
            }
            let Ok(report) = client.get(format!("{base}/{run}")).send().await else {
                return;
            };
            let report = report.text().await.ok();
            let report = report.and_then(|text| serde_json::from_str::<Value>(&text).ok());
            let Some(report) = report else {
                return;
            };
            let actions = report["actions"].as_array().into_iter().flatten();
            for action in actions.filter(|action| action["kind"] == "question") {
                let path = format!("{base}/{run}/actions/{}", action["id"].as_str().unwrap());
                let mut answers = JoinSet::new();
                for _ in 0..3 {
                    let number = {
                        let mut sent = sent.lock().unwrap();
                        sent.next += 1;
                        sent.next
                    };
                    let (client, path) = (client.clone(), path.clone());
                    answers.spawn(async move {
                        let answer = json!({ "number": number });
                        (number, post(&client, &path, &answer).await)
                    });
                }
                while let Some(Ok((number, status))) = answers.join_next().await {
                    if status == Some(202) {
                        let mut sent = sent.lock().unwrap();
                        sent.answers.entry(*run).or_default().push(number);
                    }
                }
            }
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Checks that each thing that `run` waited for was asked once, that it ended once, and that the answer that was taken is the one that
/// counts.
async fn check(journal: &dyn Journal, run: Uuid, sent: &Sent, seed: u64) {
    let events = journal.events(run, 0, 1000).await.unwrap();
    let (mut asked, mut ended) = (BTreeMap::new(), BTreeMap::new());
    for (_, event) in &events {
        match event {
            WorkflowEvent::ActionRequired { action, .. } => {
                let twice = asked.insert(action.step.clone(), (action.id, action.kind));
                assert_eq!(twice, None, "{run} asks twice (seed {seed})");
            }
            WorkflowEvent::ActionResolved {
                action,
                step,
                outcome,
                ..
            } => {
                let twice = ended.insert(step.clone(), (*action, *outcome));
                assert_eq!(twice, None, "{run} (seed {seed})");
            }
            _ => {}
        }
    }
    for (step, kind, outcome) in [
        ("ask", ActionKind::Question, ActionOutcome::Answered),
        ("paid", ActionKind::Event, ActionOutcome::Received),
        ("rest", ActionKind::Timer, ActionOutcome::Elapsed),
    ] {
        let (id, asked) = asked[step];
        assert_eq!((asked, ended[step]), (kind, (id, outcome)), "{run}");
    }
    let stored = journal.run(run, "anonymous").await.unwrap().unwrap();
    assert_eq!(stored.status.as_str(), "completed", "{stored:?}");
    let answer = stored.steps.iter().find(|step| step.step == "ask");
    let number = answer.unwrap().output["number"].as_i64().unwrap();
    // An answer whose response the kill cut off may be the one that counts.
    let taken = sent.answers.get(&run).map_or(&[][..], Vec::as_slice);
    assert!(
        taken.is_empty() || *taken == [number],
        "{run}: {taken:?} were taken, {number} counts (seed {seed})"
    );
}

/// Kills `processes` in turn, and starts each again.
async fn kill_while_waiting(test_store: &TestStore, settings: &[(&str, &str)], processes: usize) {
    let (kills, seed) = (
        env_number("AGENTGEN_KILLS", USUAL_KILLS),
        env_number("AGENTGEN_SEED", 20_261_121),
    );
    let mut delays = RandomDelays(seed.max(1));
    let store = test_store.open().await;
    let journal = store.journal();
    let marks = std::env::temp_dir().join(format!("agentgen-marks-{}", uuid::Uuid::new_v4()));
    std::fs::write(&marks, "").unwrap();
    let more = [settings, &[("TEST_KILLED", "waiting")]].concat();
    let begin = || {
        let mut child = Killed(start(&test_store.url, &marks, &more));
        let address = wait_for_address(&mut child.0);
        (child, address)
    };
    let mut children = (0..processes).map(|_| begin()).collect::<Vec<_>>();
    let sent = Arc::new(Mutex::new(Sent::default()));
    let mut runs = Vec::new();
    let mut waited = 0;
    for round in 0..kills as usize {
        let address = children[(round + 1) % processes].1;
        for _ in 0..RUNS {
            start_run(address, &mut runs).await;
        }
        let answering = tokio::spawn(answer_all(address, runs.clone(), Arc::clone(&sent)));
        tokio::time::sleep(Duration::from_millis(30) + delays.next(400)).await;
        children.remove(round % processes);
        answering.abort();
        for run in &runs {
            let run = journal.run(*run, "anonymous").await.unwrap().unwrap();
            waited += usize::from(!run.actions.is_empty());
        }
        children.insert(round % processes, begin());
    }
    let answering = tokio::spawn(answer_all(children[0].1, runs.clone(), Arc::clone(&sent)));
    for run in &runs {
        let is_over = async || {
            let run = journal.run(*run, "anonymous").await.unwrap().unwrap();
            run.status.is_over()
        };
        for _ in 0..1200 {
            if is_over().await {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    answering.abort();
    drop(children);
    let sent = std::mem::take(&mut *sent.lock().unwrap());
    for run in &runs {
        check(&*journal, *run, &sent, seed).await;
    }
    assert!(waited > 0, "no run waited at a kill");
    let (count, taken) = (runs.len(), sent.answers.len());
    let kind = test_store.url.split(':').next().unwrap();
    let message = format!(
        "{kind}, {processes} at a time: {kills} kills with seed {seed}; {count} runs waited for an answer, an event and a moment and are \
         complete, {waited} of them waited at a kill; {taken} answers were taken, each is the one that counts\n"
    );
    std::io::stdout().write_all(message.as_bytes()).unwrap();
    std::fs::remove_file(&marks).unwrap();
}

/// A process that is killed when it is dropped.
pub struct Killed(pub Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_services_keep_what_their_runs_wait_for() {
    for test_store in [Some(sqlite_store()), postgres_store().await]
        .into_iter()
        .flatten()
    {
        kill_while_waiting(&test_store, &[], 1).await;
        test_store.remove().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_workers_keep_what_their_runs_wait_for() {
    let Some(queue) = test_queue().await else {
        return;
    };
    let settings = [
        ("AGENTGEN_WORKFLOWS_QUEUE", &*queue.url),
        ("AGENTGEN_WORKFLOWS_LEASE", "400ms"),
    ];
    kill_while_waiting(&queue.store, &settings, 3).await;
    queue.remove().await;
}
