//! Recovery after crashes: a service is killed at random moments and restarted. Every run completes and no finished
//! step is executed again.
//!
//! `AGENTGEN_KILLS` sets the number of kills (default: a few), `AGENTGEN_SEED` the seed of the random moments.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use agentgen_runtime::schema::Uuid;
use agentgen_runtime::serve_args;
use agentgen_runtime::workflow::{
    Comparison, Expression, Journal, RunQuery, RunStatus, StepSpec, StepStatus, WorkflowSpec,
};

use crate::approval_kills::asking_registry;
use crate::child_runs::{INNER, nested};
use crate::durability::{http_request, wait_for_address};
use crate::many_calls::{UNITS, marking_units};
use crate::store_fixture::{TestStore, postgres_store, sqlite_store};
use crate::waiting_kills::waiting_workflow;
use crate::workflow_fixture::{registry_of, step, workflow};

/// When this variable is set, this test program runs as a service.
const SERVE: &str = "TEST_KILLED";
/// The default number of kills.
const USUAL_KILLS: u64 = 8;
/// The steps of a run.
pub const STEPS: [&str; 6] = ["plan", "left", "middle", "right", "join", "end"];

pub fn marking_workflow() -> WorkflowSpec {
    workflow(vec![
        step("plan", &[], "mark plan 15"),
        step("left", &["plan"], "mark left 5"),
        step("middle", &["plan"], "mark middle 20"),
        step("right", &["plan"], "mark right 35"),
        step("join", &["left", "middle", "right"], "mark join 10"),
        step("end", &["join"], "mark end 10"),
    ])
}

/// A workflow whose first step ends the process if the run's topic is `poison`.
fn poisonous_workflow() -> WorkflowSpec {
    let is_poison = Expression::Compare(
        Comparison::Equal,
        &Expression::Path(&["input", "topic"]),
        &Expression::Text("poison"),
    );
    let dies = StepSpec {
        when: Some(is_poison),
        ..step("dies", &[], "die")
    };
    workflow(vec![
        dies,
        step("one", &["dies"], "mark one 200"),
        step("two", &["one"], "mark two 200"),
    ])
}

#[test]
fn program() {
    if let Some(kind) = std::env::var_os(SERVE) {
        let of = |spec| registry_of(spec, &Default::default());
        let registry = match kind.to_str() {
            Some("poison") => of(poisonous_workflow()),
            Some("waiting") => of(waiting_workflow()),
            Some("units") => marking_units(),
            Some("children") => marking_children(),
            Some("asking") => asking_registry(),
            _ => of(marking_workflow()),
        };
        let code = serve_args(registry, []);
        std::process::exit(i32::from(code != std::process::ExitCode::SUCCESS));
    }
}

pub fn start(url: &str, marks: &Path, more: &[(&str, &str)]) -> Child {
    let program = std::env::current_exe().unwrap();
    Command::new(program)
        .args(["process_kills::program", "--exact", "--nocapture"])
        .env(SERVE, "1")
        .env("TEST_MARKS", marks)
        .env("AGENTGEN_ADDRESS", "127.0.0.1:0")
        .env("AGENTGEN_STORE_URL", url)
        .env("AGENTGEN_WORKFLOWS_LEASE", "150ms")
        .env("AGENTGEN_WORKFLOWS_RESUMPTIONS", "1000")
        .envs(more.iter().copied())
        .current_dir(std::env::temp_dir())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// An xorshift64 generator: the same delays for the same seed.
pub struct RandomDelays(pub u64);

impl RandomDelays {
    pub fn next(&mut self, most: u64) -> Duration {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        Duration::from_millis(self.0 % most)
    }
}

pub fn env_number(variable: &str, usual: u64) -> u64 {
    let text = std::env::var(variable).ok();
    text.map_or(usual, |text| text.parse().unwrap())
}

/// How many times each step of each run was started.
pub fn executions(marks: &[PathBuf]) -> BTreeMap<String, usize> {
    let mut times = BTreeMap::new();
    for path in marks {
        for line in std::fs::read_to_string(path).unwrap().lines() {
            *times.entry(line.to_owned()).or_default() += 1;
        }
    }
    times
}

/// The finished steps in the journal, in the format of the marks file, and the number of unfinished runs.
pub async fn finished(journal: &dyn Journal, runs: &[Uuid]) -> (Vec<String>, usize) {
    let (mut over, mut open) = (Vec::new(), 0);
    for id in runs {
        let run = journal.run(*id, "anonymous").await.unwrap().unwrap();
        open += usize::from(!run.status.is_over());
        let steps = run.steps.iter();
        let steps = steps.filter(|step| step.status == StepStatus::Succeeded);
        over.extend(steps.map(|step| format!("{id} {}", step.step)));
    }
    (over, open)
}

pub async fn start_run(address: std::net::SocketAddr, runs: &mut Vec<Uuid>) {
    let path = "/v1/workflows/play/runs";
    let (status, answer) = http_request(address, "POST", path, r#"{"topic":"x"}"#).await;
    assert_eq!(status, 202, "{answer}");
    runs.push(answer["run_id"].as_str().unwrap().parse().unwrap());
}

/// Kills a service of `kind` again and again. Its runs leave a mark for each of the steps `names`.
async fn kill_repeatedly(test_store: TestStore, kind: &str, names: &[&str]) {
    let more = [(SERVE, kind)];
    let (kills, seed) = (
        env_number("AGENTGEN_KILLS", USUAL_KILLS),
        env_number("AGENTGEN_SEED", 20_261_121),
    );
    let mut delays = RandomDelays(seed.max(1));
    let marks = std::env::temp_dir().join(format!("agentgen-marks-{}", uuid::Uuid::new_v4()));
    std::fs::write(&marks, "").unwrap();
    let store = test_store.open().await;
    let journal = store.journal();
    let mut runs = Vec::new();
    // Steps that were finished at a kill, with the number of their starts by then.
    let mut settled = BTreeMap::new();
    let (mut mid_run, mut early) = (0, 0);
    for round in 0..kills {
        let mut child = start(&test_store.url, &marks, &more);
        // Every fourth process is killed during startup.
        if round % 4 == 3 {
            early += 1;
            tokio::time::sleep(delays.next(250)).await;
        } else {
            let address = wait_for_address(&mut child);
            start_run(address, &mut runs).await;
            start_run(address, &mut runs).await;
            tokio::time::sleep(delays.next(120)).await;
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let (over, open) = finished(&*journal, &runs).await;
        mid_run += usize::from(open > 0);
        let times = executions(std::slice::from_ref(&marks));
        let is_marked =
            |step: &String| names.iter().any(|name| step.ends_with(&format!(" {name}")));
        for step in over.into_iter().filter(is_marked) {
            let now = times[&step];
            let before = *settled.entry(step.clone()).or_insert(now);
            assert_eq!(
                before, now,
                "{step} was over, and was run again (seed {seed})"
            );
        }
    }
    let mut child = start(&test_store.url, &marks, &more);
    wait_for_address(&mut child);
    for _ in 0..600 {
        if finished(&*journal, &runs).await.1 == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let times = executions(std::slice::from_ref(&marks));
    let mut again = 0;
    for id in &runs {
        let run = journal.run(*id, "anonymous").await.unwrap().unwrap();
        assert_eq!(run.status.as_str(), "completed", "{run:?} (seed {seed})");
        for name in names {
            let step = format!("{id} {name}");
            let now = times[&step];
            assert_eq!(
                *settled.get(&step).unwrap_or(&now),
                now,
                "{step} (seed {seed})"
            );
            again += now - 1;
        }
    }
    let query = RunQuery {
        subject: "anonymous",
        ..RunQuery::default()
    };
    let all = journal.list(&query, 10_000).await.unwrap();
    let children = all.iter().filter_map(|run| run.parent);
    let parents = children.clone().collect::<BTreeSet<_>>();
    let expected = if kind == "children" { runs.len() } else { 0 };
    assert_eq!((children.count(), parents.len()), (expected, expected));
    assert!(mid_run * 4 > kills as usize, "too few kills during a run");
    let (store_kind, count, total) = (
        test_store.url.split(':').next().unwrap(),
        runs.len(),
        names.len() * runs.len(),
    );
    let message = format!(
        "{store_kind}, {kind}: {kills} kills with seed {seed}, {mid_run} during runs, {early} at the start; {count} runs with {total} \
         steps are complete, {} steps were over at a kill and none of them ran again, {again} were cut off and did\n",
        settled.len(),
    );
    std::io::stdout().write_all(message.as_bytes()).unwrap();
    std::fs::remove_file(&marks).unwrap();
    drop((journal, store));
    test_store.remove().await;
}

#[tokio::test]
async fn a_killed_service_resumes_its_runs_without_repeating_finished_steps() {
    kill_repeatedly(sqlite_store(), "1", &STEPS).await;
    if let Some(test_store) = postgres_store().await {
        kill_repeatedly(test_store, "1", &STEPS).await;
    }
}

/// A workflow that runs another one between two steps.
fn marking_children() -> agentgen_runtime::Registry {
    let child = StepSpec {
        needs: &["before"],
        ..INNER
    };
    let outer = vec![
        step("before", &[], "mark before 10"),
        child,
        step("after", &["child"], "mark after 10"),
    ];
    nested(outer, vec![step("inside", &[], "mark inside 25")])
}

#[tokio::test]
async fn a_killed_service_starts_each_child_run_once() {
    for test_store in [Some(sqlite_store()), postgres_store().await] {
        let Some(test_store) = test_store else {
            continue;
        };
        kill_repeatedly(test_store, "children", &["before", "after"]).await;
    }
}

#[tokio::test]
async fn a_killed_service_repeats_no_item_and_no_subtask_that_has_ended() {
    kill_repeatedly(sqlite_store(), "units", &UNITS).await;
    if let Some(test_store) = postgres_store().await {
        kill_repeatedly(test_store, "units", &UNITS).await;
    }
}

/// One run ends its process whenever it is executed. The process starts again each time, as under a supervisor.
async fn run_with_poison(test_store: TestStore) {
    let marks = std::env::temp_dir().join(format!("agentgen-marks-{}", uuid::Uuid::new_v4()));
    std::fs::write(&marks, "").unwrap();
    let more = [(SERVE, "poison"), ("AGENTGEN_WORKFLOWS_RESUMPTIONS", "3")];
    let mut child = start(&test_store.url, &marks, &more);
    let address = wait_for_address(&mut child);
    let path = "/v1/workflows/play/runs";
    let mut innocent = Vec::new();
    for _ in 0..4 {
        start_run(address, &mut innocent).await;
    }
    let (status, poison) = http_request(address, "POST", path, r#"{"topic":"poison"}"#).await;
    assert_eq!(status, 202, "{poison}");
    let poison: Uuid = poison["run_id"].as_str().unwrap().parse().unwrap();
    let store = test_store.open().await;
    let journal = store.journal();
    let mut deaths = 0;
    let mut all = innocent.clone();
    all.push(poison);
    for _ in 0..1500 {
        if child.try_wait().unwrap().is_some() {
            deaths += 1;
            assert!(deaths < 12, "it dies for ever");
            child = start(&test_store.url, &marks, &more);
        }
        if finished(&*journal, &all).await.1 == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    child.kill().unwrap();
    child.wait().unwrap();
    for id in innocent {
        let run = journal.run(id, "anonymous").await.unwrap().unwrap();
        assert_eq!(run.status, RunStatus::Completed, "{run:?}");
    }
    let run = journal.run(poison, "anonymous").await.unwrap().unwrap();
    assert_eq!(run.status, RunStatus::Failed, "{run:?}");
    let expected = "its process ended 4 times while `dies` ran";
    assert_eq!(run.error.as_deref(), Some(expected));
    assert_eq!(deaths, 4);
    let dies = run.steps.iter().find(|step| step.step == "dies").unwrap();
    assert_eq!(dies.status, StepStatus::Failed);
    assert_eq!(
        dies.error.as_ref().unwrap().detail,
        "its process ended 4 times while it ran"
    );
    std::fs::remove_file(&marks).unwrap();
    drop((journal, store));
    test_store.remove().await;
}

#[tokio::test]
async fn a_run_that_ends_its_process_fails_and_spares_the_others() {
    run_with_poison(sqlite_store()).await;
    if let Some(test_store) = postgres_store().await {
        run_with_poison(test_store).await;
    }
}
