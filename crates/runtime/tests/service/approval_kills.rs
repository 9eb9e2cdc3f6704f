//! Agents that ask, and processes that are killed while they ask, wait, take answers and call tools. No question is lost or asked again
//! under another id, and no call that was approved is made again without a person who knows that it may have run.
//!
//! `AGENTGEN_KILLS` sets the number of kills (default: a few), `AGENTGEN_SEED` the seed of the random moments.

use std::collections::BTreeMap;
use std::io::Write;
use std::net::SocketAddr;
use std::time::Duration;

use agentgen_runtime::Registry;
use agentgen_runtime::event::{StopReason, Usage};
use agentgen_runtime::model::{Chunk, ChunkStream, ModelRequest, Provider, ToolCall};
use agentgen_runtime::schema::Uuid;
use agentgen_runtime::spec::{Policy, ToolPolicy};
use agentgen_runtime::tools::{ToolContext, ToolError, tool};
use agentgen_runtime::workflow::{ActionKind, Journal, WorkflowEvent};
use futures_util::stream;
use reqwest::Client;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::durability::wait_for_address;
use crate::mock_model::{NO_RETRIES, agent, registry_of};
use crate::process_kills::{RandomDelays, env_number, start};
use crate::queue_fixture::test_queue;
use crate::store_fixture::{TestStore, postgres_store, sqlite_store};
use crate::waiting_kills::{Killed, post};

/// The default number of kills.
const USUAL_KILLS: u64 = 3;
/// The number of runs that are started before each kill.
const RUNS: usize = 4;
/// The calls of each run that somebody approves.
const CALLS: usize = 2;

/// Asks its user, then calls `mark` [`CALLS`] times, then answers.
struct Asking;

impl Provider for Asking {
    fn model(&self, _: Option<&str>) -> String {
        "asks".to_owned()
    }

    fn answer(&self, request: &ModelRequest) -> ChunkStream {
        let call = |name: &str, arguments: Value| {
            Chunk::ToolCall(ToolCall {
                id: format!("call_{}", request.steps.len()),
                name: name.to_owned(),
                arguments,
                metadata: Default::default(),
            })
        };
        let step = match request.steps.len() {
            0 => call("ask_user", json!({ "question": "Shall I?" })),
            number if number <= CALLS => call("mark", json!({ "number": number })),
            _ => Chunk::Text("done".to_owned()),
        };
        let done = Chunk::Done {
            stop_reason: StopReason::EndTurn,
            usage: Usage::default(),
        };
        Box::pin(stream::iter([Ok(step), Ok(done)]))
    }
}

#[derive(serde::Deserialize, agentgen_runtime::schemars::JsonSchema)]
struct Mark {
    number: usize,
}

/// The service that is killed: the agent `desk`, whose tool `mark` notes each call in a file that outlives the process.
pub fn asking_registry() -> Registry {
    let policy = Policy {
        tools: ToolPolicy {
            approve: &["mark"],
            ask_user: true,
            ..ToolPolicy::DEFAULT
        },
        ..NO_RETRIES
    };
    let mark = |cx: ToolContext, mark: Mark| async move {
        let path = std::env::var("TEST_MARKS").unwrap();
        let mut file = std::fs::OpenOptions::new().append(true).open(path).unwrap();
        let line = format!("{} {}\n", cx.run_id, mark.number);
        file.write_all(line.as_bytes()).unwrap();
        tokio::time::sleep(Duration::from_millis(40)).await;
        Ok::<_, ToolError>("marked")
    };
    registry_of(agent(|agent| agent.policy = policy))
        .provider(Asking)
        .tool(tool("mark", "Marks a number.", mark))
}

/// Starts a run, and adds its id.
async fn start_run(client: &Client, address: SocketAddr, runs: &mut Vec<Uuid>) {
    let request = client
        .post(format!("http://{address}/v1/agents/desk/invoke"))
        .header("content-type", "application/json")
        .header("prefer", "respond-async")
        .body(r#"{"input":"Mark them."}"#);
    if let Ok(started) = request.send().await
        && let Ok(text) = started.text().await
    {
        let report: Value = serde_json::from_str(&text).unwrap();
        runs.push(report["run_id"].as_str().unwrap().parse().unwrap());
    }
}

/// Answers all questions of `runs` as long as the process at `address` lives, three clients at once.
async fn answer_all(address: SocketAddr, runs: Vec<Uuid>) {
    let client = Client::new();
    let base = format!("http://{address}/v1/runs");
    loop {
        for run in &runs {
            let Ok(report) = client.get(format!("{base}/{run}")).send().await else {
                return;
            };
            let Ok(text) = report.text().await else {
                return;
            };
            let report: Value = serde_json::from_str(&text).unwrap();
            for action in report["actions"].as_array().into_iter().flatten() {
                let path = format!("{base}/{run}/actions/{}", action["id"].as_str().unwrap());
                let answer = match action["kind"].as_str() {
                    Some("approval") => json!({ "approved": true }),
                    _ => json!({ "answer": "yes" }),
                };
                let mut answers = JoinSet::new();
                for _ in 0..3 {
                    let (client, path, answer) = (client.clone(), path.clone(), answer.clone());
                    answers.spawn(async move { post(&client, &path, &answer).await });
                }
                while answers.join_next().await.is_some() {}
            }
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// What was asked in a run about one call: the ids of the questions, with whether each says that the call may have run.
type Asked = BTreeMap<String, Vec<(Uuid, bool)>>;

/// Checks a run that has ended; returns how many of its calls may have run twice. `marks` are the calls that were made.
async fn check(journal: &dyn Journal, run: Uuid, marks: &str, seed: u64) -> usize {
    let stored = journal.run(run, "anonymous").await.unwrap().unwrap();
    assert_eq!(
        stored.status.as_str(),
        "completed",
        "{stored:?} (seed {seed})"
    );
    assert_eq!(stored.steps[0].output["output"], "done");
    let events = journal.events(run, 0, 1000).await.unwrap();
    let (mut asked, mut ended) = (Asked::new(), BTreeMap::new());
    for (_, event) in events {
        match event {
            WorkflowEvent::ActionRequired { action, .. } => {
                let call = action.tool_call.unwrap();
                assert_eq!(
                    action.kind == ActionKind::Approval,
                    call.tool == "mark",
                    "{run}"
                );
                let all = asked.entry(call.call_id).or_default();
                all.push((action.id, call.may_have_run));
            }
            WorkflowEvent::ActionResolved { action, .. } => {
                *ended.entry(action).or_insert(0) += 1;
            }
            _ => {}
        }
    }
    assert_eq!(asked.len(), 1 + CALLS, "{run}: {asked:?}");
    let mut again = 0;
    for (number, (call, questions)) in asked.iter().enumerate() {
        // Asked once, and after that only because it may have run.
        let may_have_run: Vec<bool> = questions.iter().map(|(_, again)| *again).collect();
        assert!(!may_have_run[0], "{run} {call}");
        assert!(may_have_run[1..].iter().all(|again| *again), "{run} {call}");
        for (id, _) in questions {
            assert_eq!(ended.get(id), Some(&1), "{run} {call}");
        }
        if number > 0 {
            let line = format!("{run} {number}");
            let made = marks.lines().filter(|mark| *mark == line).count();
            assert!(
                (1..=questions.len()).contains(&made),
                "{run}: {call} was made {made} times, and approved {} times (seed {seed})",
                questions.len()
            );
        }
        again += questions.len() - 1;
    }
    again
}

/// Kills `processes` in turn, and starts each again.
async fn kill_while_asking(test_store: &TestStore, settings: &[(&str, &str)], processes: usize) {
    let (kills, seed) = (
        env_number("AGENTGEN_KILLS", USUAL_KILLS),
        env_number("AGENTGEN_SEED", 20_261_130),
    );
    let mut delays = RandomDelays(seed.max(1));
    let store = test_store.open().await;
    let journal = store.journal();
    let marks = std::env::temp_dir().join(format!("agentgen-marks-{}", uuid::Uuid::new_v4()));
    std::fs::write(&marks, "").unwrap();
    let more = [settings, &[("TEST_KILLED", "asking")]].concat();
    let begin = || {
        let mut child = Killed(start(&test_store.url, &marks, &more));
        let address = wait_for_address(&mut child.0);
        (child, address)
    };
    let client = Client::new();
    let mut children = (0..processes).map(|_| begin()).collect::<Vec<_>>();
    let mut runs = Vec::new();
    for round in 0..kills as usize {
        let address = children[(round + 1) % processes].1;
        for _ in 0..RUNS {
            start_run(&client, address, &mut runs).await;
        }
        let answering = tokio::spawn(answer_all(address, runs.clone()));
        tokio::time::sleep(Duration::from_millis(30) + delays.next(400)).await;
        children.remove(round % processes);
        answering.abort();
        children.insert(round % processes, begin());
    }
    let answering = tokio::spawn(answer_all(children[0].1, runs.clone()));
    for run in &runs {
        for _ in 0..1200 {
            let stored = journal.run(*run, "anonymous").await.unwrap().unwrap();
            if stored.status.is_over() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    answering.abort();
    drop(children);
    let marked = std::fs::read_to_string(&marks).unwrap();
    let mut again = 0;
    for run in &runs {
        again += check(&*journal, *run, &marked, seed).await;
    }
    let count = runs.len();
    let kind = test_store.url.split(':').next().unwrap();
    let message = format!(
        "{kind}, {processes} at a time: {kills} kills with seed {seed}; {count} agents asked their user and had {CALLS} calls approved, and \
         are complete; {again} calls were under way at a kill, and asked about again\n"
    );
    std::io::stdout().write_all(message.as_bytes()).unwrap();
    std::fs::remove_file(&marks).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_services_repeat_no_call_that_nobody_approved_again() {
    for test_store in [Some(sqlite_store()), postgres_store().await]
        .into_iter()
        .flatten()
    {
        kill_while_asking(&test_store, &[], 1).await;
        test_store.remove().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_workers_repeat_no_call_that_nobody_approved_again() {
    let Some(queue) = test_queue().await else {
        return;
    };
    let settings = [
        ("AGENTGEN_WORKFLOWS_QUEUE", &*queue.url),
        ("AGENTGEN_WORKFLOWS_LEASE", "400ms"),
    ];
    kill_while_asking(&queue.store, &settings, 3).await;
    queue.remove().await;
}
