//! The turns of callers: whose queued run begins next, and how many runs of one caller may wait.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use agentgen_runtime::workflow::{
    Journal, RunFilter, RunLease, RunReport, WorkflowLimits, WorkflowSpec,
};
use agentgen_runtime::{AgentError, Settings};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::http_client::{get, post, request, send};
use crate::journals::{WAITING, new_uuid, run_of};
use crate::queue_delivery::{final_report, start_run, wait_until};
use crate::queue_fixture::{serve_registry, test_queue};
use crate::store_fixture::{on_each_store, postgres_store};
use crate::workflow_fixture::{RecordedInputs, WorkflowApp, registry_of, step, workflow};

/// One run at a time, which no other process takes over.
fn one_at_a_time(queued: u32) -> Settings {
    Settings {
        workflows: WorkflowLimits {
            runs: 1,
            queued,
            lease: Duration::from_secs(600),
            ..WorkflowLimits::default()
        },
        ..Settings::default()
    }
}

async fn waiting(journal: &Arc<dyn Journal>) -> u64 {
    let waiting = journal.waiting_runs().await.unwrap();
    waiting.iter().map(|runs| runs.count).sum()
}

/// Begins `count` runs for `subject`; each of the tasks returns a report.
fn begin(
    service: &WorkflowApp,
    spec: &'static WorkflowSpec,
    subject: &'static str,
    count: usize,
    tasks: &mut JoinSet<Result<RunReport, AgentError>>,
) {
    for _ in 0..count {
        let workflows = service.workflows.clone();
        let input = serde_json::json!({"topic": "ducks"});
        tasks.spawn(async move { workflows.run(spec, input, subject).await });
    }
}

fn began_at(report: &RunReport) -> String {
    report.steps[0].began_at.as_ref().unwrap().to_string()
}

#[tokio::test]
async fn a_run_begins_before_the_queue_of_another_caller_is_done() {
    on_each_store(async |test_store| {
        let store = test_store.open().await;
        let journal = store.journal();
        let spec: &'static WorkflowSpec =
            Box::leak(Box::new(workflow(vec![step("a", &[], "wait 5")])));
        let service = WorkflowApp::with_store(*spec, store, one_at_a_time(1000));
        let (mut of_ann, mut of_bob) = (JoinSet::new(), JoinSet::new());
        begin(&service, spec, "ann", 200, &mut of_ann);
        // Most of them wait; how many have ended by then depends on the store.
        wait_until(async || waiting(&journal).await > 100).await;
        begin(&service, spec, "bob", 1, &mut of_bob);
        let one = of_bob.join_next().await.unwrap().unwrap().unwrap();
        let mut many = Vec::new();
        while let Some(report) = of_ann.join_next().await {
            many.push(report.unwrap().unwrap());
        }
        let (created, began) = (one.created_at.to_string(), began_at(&one));
        let before = many.iter().map(began_at);
        let before = before.filter(|other| *other >= created && *other < began);
        // One or two of ann's, and those that begin while a busy machine stores bob's. In the order of their creation they would be a hundred.
        assert!(before.count() <= 20, "{one:?}");
        assert_eq!(many.len(), 200);
    })
    .await;
}

#[tokio::test]
async fn the_runs_of_several_callers_are_claimed_in_turn() {
    on_each_store(async |test_store| {
        let store = test_store.open().await;
        let journal = store.journal();
        let create = async |subject: &str| {
            let run = run_of("play", subject);
            journal.create(&run, WAITING).await.unwrap();
        };
        let filter = RunFilter {
            workflow: "play",
            definition: "of today",
            resumptions: 0..=0,
        };
        let lease = RunLease {
            owner: "worker".to_owned(),
            ttl: Duration::from_secs(60),
        };
        let claim = async |count| {
            let claimed = journal.claim_unowned(&filter, &lease, count);
            let claimed = claimed.await.unwrap().into_iter();
            claimed.map(|run| run.subject).collect::<Vec<_>>()
        };
        for subject in ["ann", "ann", "ann", "ann", "bob", "bob", "cat"] {
            create(subject).await;
        }
        assert_eq!(claim(4).await, ["ann", "bob", "cat", "ann"]);
        // Who comes later does not get the turns that are over: one run of each other caller is first.
        for subject in ["dan", "dan", "dan"] {
            create(subject).await;
        }
        assert_eq!(claim(2).await, ["bob", "dan"]);
        // Who has had a turn comes after those who wait for theirs.
        for subject in ["bob", "bob"] {
            create(subject).await;
        }
        assert_eq!(claim(10).await, ["ann", "dan", "bob", "ann", "dan", "bob"]);
    })
    .await;
}

#[tokio::test]
async fn a_caller_whose_queue_is_full_gets_429() {
    on_each_store(async |test_store| {
        let store = test_store.open().await;
        let journal = store.journal();
        let spec: &'static WorkflowSpec =
            Box::leak(Box::new(workflow(vec![step("a", &[], "hang")])));
        let service = WorkflowApp::with_store(*spec, store, one_at_a_time(3));
        let path = "/v1/workflows/play/runs";
        let start = async |key: &str| {
            let headers = [
                ("content-type", "application/json"),
                ("idempotency-key", key),
            ];
            let request = request("POST", path, &headers, r#"{"topic":"x"}"#);
            send(&service.app, request).await
        };
        let mut accepted = Vec::new();
        for key in ["1", "2", "3", "4"] {
            let answer = start(key).await;
            assert_eq!(answer.status, 202, "{}", answer.text);
            accepted.push(answer.header("location").to_owned());
            // The first one begins.
            wait_until(async || waiting(&journal).await == accepted.len() as u64 - 1).await;
        }
        for _ in 0..2 {
            let refused = start("5").await;
            assert_eq!(refused.header("retry-after"), "5");
            refused.problem(429);
            assert_eq!(waiting(&journal).await, 3);
        }
        let metrics = get(&service.app, "/metrics").await.text;
        let counted = "agentgen_rate_limited_total{limit=\"queued_runs\"} 2\n";
        assert!(metrics.contains(counted), "{metrics}");
        // A repeated request is answered, and another caller has a queue of its own.
        assert_eq!(start("4").await.header("location"), accepted[3]);
        let mut of_bob = JoinSet::new();
        begin(&service, spec, "bob", 3, &mut of_bob);
        wait_until(async || waiting(&journal).await == 6).await;
        // There is room again.
        post(&service.app, &format!("{}/cancel", accepted[1]), "").await;
        service.final_report(&accepted[1]).await;
        assert_eq!(start("5").await.status, 202);
    })
    .await;
}

#[tokio::test]
async fn a_queue_delivers_the_runs_of_callers_and_workflows_in_turn() {
    let Some(queue) = test_queue().await else {
        return;
    };
    let store = queue.store.open().await;
    let mut settings = queue.settings(Duration::from_secs(60));
    settings.workflows.runs = 1;
    let serve = async |settings: &Settings| {
        let inputs = RecordedInputs::default();
        let other = WorkflowSpec {
            name: "another",
            operation_id: "runAnother",
            ..workflow(vec![step("a", &[], "wait 5")])
        };
        let registry = registry_of(workflow(vec![step("a", &[], "wait 5")]), &inputs);
        let registry = registry.workflow(Box::leak(Box::new(other)));
        serve_registry(registry, inputs, settings.clone()).await
    };
    // Creates the stream, and a run with the definition of both workflows.
    let service = serve(&settings).await;
    let location = start_run(&service).await;
    final_report(&service, &location).await;
    service.stop().await;
    let journal = store.journal();
    let id = location.rsplit('/').next().unwrap().parse().unwrap();
    let first = journal.run(id, "anonymous").await.unwrap().unwrap();
    let mut runs = vec![run_of("play", "anonymous"); 20];
    runs.extend([run_of("play", "bob"), run_of("another", "anonymous")]);
    for run in &mut runs {
        run.id = new_uuid();
        run.definition.clone_from(&first.definition);
        run.input.clone_from(&first.input);
        journal.create(run, WAITING).await.unwrap();
        queue.push(run.id.to_string()).await;
    }
    let service = serve(&settings).await;
    let mut began = Vec::new();
    for run in &runs {
        let journaled = async || journal.run(run.id, &run.subject).await.unwrap().unwrap();
        wait_until(async || journaled().await.status.is_over()).await;
        let began_at = journaled().await.steps[0]
            .began_at
            .as_ref()
            .unwrap()
            .to_string();
        began.push((began_at, &run.workflow, &run.subject));
    }
    began.sort();
    let place_of = |workflow: &str, subject: &str| {
        let mut places = began.iter();
        places.position(|run| run.1 == workflow && run.2 == subject)
    };
    assert!(place_of("play", "bob").unwrap() <= 2, "{began:?}");
    assert!(place_of("another", "anonymous").unwrap() <= 2, "{began:?}");
    assert!(queue.is_drained().await);
    service.stop().await;
    queue.remove().await;
}

#[tokio::test]
async fn processes_without_a_queue_share_the_runs_of_one() {
    const RUNS: u32 = 120;
    const SLOTS: u32 = 4;
    let Some(test_store) = postgres_store().await else {
        return;
    };
    let mut settings = one_at_a_time(1000);
    settings.workflows.runs = SLOTS;
    let steps = || {
        vec![
            step("a", &[], "wait 200"),
            step("b", &["a"], "wait 200"),
            step("c", &["b"], "wait 200"),
        ]
    };
    let mut workers = Vec::new();
    for _ in 0..3 {
        let store = test_store.open().await;
        let worker = WorkflowApp::with_store(workflow(steps()), store, settings.clone());
        // Its supervisor starts with the first run.
        worker.run_to_end().await;
        workers.push(worker);
    }
    let began = Instant::now();
    let mut locations = Vec::new();
    for _ in 0..RUNS {
        locations.push(workers[0].start_run().await);
    }
    for location in &locations {
        workers[0].final_report(location).await;
    }
    let ideal = Duration::from_millis(600) * RUNS / (3 * SLOTS);
    let ratio = began.elapsed().as_secs_f64() / ideal.as_secs_f64();
    let shares = workers.iter().map(|worker| worker.inputs().len() - 3);
    let shares = shares.collect::<Vec<_>>();
    let message = format!(
        "postgres: {RUNS} runs of one process were executed by three in {ratio:.2} times the ideal time; steps of each: \
         {shares:?}\n"
    );
    std::io::stdout().write_all(message.as_bytes()).unwrap();
    // An even share of the steps would be 120. The ratio of a busy machine says little.
    assert!(shares.iter().all(|steps| *steps >= 90), "{message}");
    drop(workers);
    test_store.remove().await;
}

#[test]
fn run_limits_are_settings() {
    let file = "[workflows]\nruns = 3\nqueued = 9\nlease = \"2s\"\nkeep = \"1d\"\nresumptions = 5\n[limits]\noutput_bytes = 7\n";
    let settings = Settings::from_text("service.toml", file, |_| Ok(None)).unwrap();
    let limits = settings.workflows;
    assert_eq!(
        (
            limits.runs,
            limits.queued,
            limits.resumptions,
            limits.output_bytes
        ),
        (3, 9, 5, 7)
    );
    assert_eq!(limits.lease, Duration::from_secs(2));
    assert_eq!(limits.keep, Duration::from_secs(24 * 60 * 60));
    for (file, expected) in [
        ("[workflows]\nruns = 0\n", "workflows.runs"),
        ("[workflows]\nqueued = 0\n", "workflows.queued"),
        ("[workflows]\nlease = \"1ms\"\n", "workflows.lease"),
    ] {
        let error = Settings::from_text("service.toml", file, |_| Ok(None)).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }
}
