//! The contract of run journals: one lease owner at a time, and finished runs do not change.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use agentgen_runtime::Settings;
use agentgen_runtime::event::Usage;
use agentgen_runtime::schema::Uuid;
use agentgen_runtime::workflow::{
    Change, ClaimOutcome, Journal, JournaledRun, RunLease, RunStatus, StepReport, StepStatus,
    WorkflowEvent,
};
use serde_json::{Value, json};

use crate::store_fixture::on_each_store;

fn run() -> JournaledRun {
    run_of("play", "ann\0 100%")
}

/// A run of `workflow` that has not started.
pub fn run_of(workflow: &str, subject: &str) -> JournaledRun {
    JournaledRun {
        id: Uuid::from_bytes(uuid::Uuid::now_v7().into_bytes()),
        workflow: workflow.to_owned(),
        subject: subject.to_owned(),
        roles: vec!["planner".to_owned()],
        input: json!({"topic": "a\u{0}b"}),
        status: RunStatus::Queued,
        error: None,
        created_at: UNIX_EPOCH + Duration::from_millis(1_790_000_000_123),
        ended_at: None,
        cancel_requested: false,
        steps: Vec::new(),
    }
}

fn lease(owner: &str, ttl: Duration) -> RunLease {
    RunLease {
        owner: owner.to_owned(),
        ttl,
    }
}

fn step(status: StepStatus, output: &str) -> StepReport {
    StepReport {
        step: "a".to_owned(),
        agent: "worker".to_owned(),
        endpoint: "invoke".to_owned(),
        status,
        skipped: None,
        output: Value::from(output),
        error: None,
        fallback: None,
        model: None,
        attempts: 1,
        began_at: None,
        ended_at: None,
        usage: Usage::default(),
    }
}

fn change(run: &JournaledRun, owner: &str, step: StepReport) -> Change {
    Change {
        run: run.id,
        owner: owner.to_owned(),
        events: vec![WorkflowEvent::StepFinished {
            report: step.clone(),
        }],
        steps: vec![step],
        status: RunStatus::Running,
        error: None,
        ended: None,
    }
}

const LONG: Duration = Duration::from_secs(60);
/// Long enough for a few requests on a busy machine.
const SHORT: Duration = Duration::from_secs(1);

async fn try_write(journal: &dyn Journal, change: &Change) -> bool {
    journal.write(change).await.unwrap()
}

async fn claimed(journal: &dyn Journal, lease: &RunLease) -> Vec<Uuid> {
    let claimed = journal.claim_unowned("play", lease, 10).await.unwrap();
    claimed.iter().map(|run| run.id).collect()
}

#[tokio::test]
async fn only_the_lease_owner_can_update_a_run() {
    on_each_store(async |test_store| {
        let store = test_store.open().await;
        let journal = &*store.journal();
        let (ann, bob) = (lease("ann", SHORT), lease("bob", LONG));
        let run = run();
        journal.create(&run, Some(&ann), None).await.unwrap();
        assert_eq!(
            journal.run(run.id, &run.subject).await.unwrap(),
            Some(run.clone())
        );
        assert_eq!(journal.run(run.id, "bob").await.unwrap(), None);
        assert_eq!(claimed(journal, &bob).await, []);
        assert!(try_write(journal, &change(&run, "ann", step(StepStatus::Running, ""))).await);
        assert!(!try_write(journal, &change(&run, "bob", step(StepStatus::Running, ""))).await);
        assert_eq!(journal.renew(run.id, &bob).await.unwrap(), None);

        // An expired lease can be claimed by others; the previous owner can't renew it.
        tokio::time::sleep(SHORT + Duration::from_millis(50)).await;
        assert_eq!(claimed(journal, &bob).await, [run.id]);
        assert_eq!(claimed(journal, &lease("cat", LONG)).await, []);
        assert_eq!(journal.renew(run.id, &ann).await.unwrap(), None);
        let late = change(&run, "ann", step(StepStatus::Succeeded, "late"));
        assert!(!try_write(journal, &late).await);
        let done = change(&run, "bob", step(StepStatus::Succeeded, "in time"));
        assert!(try_write(journal, &done).await);

        // Finished runs do not change, and rejected changes append no event.
        assert!(!try_write(journal, &done).await);
        let stored = journal.run(run.id, &run.subject).await.unwrap().unwrap();
        assert_eq!(stored.steps, [step(StepStatus::Succeeded, "in time")]);
        let events = journal.events(run.id, 0, 10).await.unwrap();
        let numbers = events.iter().map(|(number, _)| *number).collect::<Vec<_>>();
        assert_eq!(numbers, [1, 2]);
        assert_eq!(journal.events(run.id, 1, 10).await.unwrap(), events[1..]);

        // A released run can be claimed by anyone.
        journal.release(run.id, "ann").await.unwrap();
        assert_eq!(claimed(journal, &lease("cat", LONG)).await, []);
        journal.release(run.id, "bob").await.unwrap();
        assert_eq!(claimed(journal, &lease("cat", LONG)).await, [run.id]);
    })
    .await;
}

#[tokio::test]
async fn a_run_can_be_claimed_by_id_unless_it_is_leased() {
    on_each_store(async |test_store| {
        let store = test_store.open().await;
        let journal = &*store.journal();
        let (ann, bob) = (lease("ann", SHORT), lease("bob", LONG));
        let (run, other) = (run(), self::run());
        for run in [&run, &other] {
            journal.create(run, None, None).await.unwrap();
        }
        let claim = async |run: &JournaledRun, lease| journal.claim(run.id, lease).await.unwrap();
        assert_eq!(
            claim(&run, &ann).await,
            ClaimOutcome::Claimed(Box::new(run.clone()))
        );
        let before = SystemTime::now();
        let ClaimOutcome::LeasedUntil(until) = claim(&run, &bob).await else {
            panic!("the run is leased");
        };
        assert!(until > before && until <= before + SHORT, "{until:?}");
        assert!(matches!(
            claim(&run, &ann).await,
            ClaimOutcome::LeasedUntil(_)
        ));

        // The other run can be claimed at once, and this one when its lease has expired.
        assert_eq!(
            claim(&other, &bob).await,
            ClaimOutcome::Claimed(Box::new(other.clone()))
        );
        assert!(
            try_write(
                journal,
                &change(&run, "ann", step(StepStatus::Succeeded, "a"))
            )
            .await
        );
        tokio::time::sleep(SHORT + Duration::from_millis(50)).await;
        let ClaimOutcome::Claimed(taken) = claim(&run, &bob).await else {
            panic!("the lease has expired");
        };
        assert_eq!(taken.steps, [step(StepStatus::Succeeded, "a")]);
        assert!(!try_write(journal, &change(&run, "ann", step(StepStatus::Failed, ""))).await);

        // A released run can be claimed at once, a finished one can't.
        journal.release(run.id, "bob").await.unwrap();
        assert!(matches!(claim(&run, &ann).await, ClaimOutcome::Claimed(_)));
        let now = SystemTime::now();
        let end = Change {
            status: RunStatus::Completed,
            ended: Some((now, now + LONG)),
            steps: Vec::new(),
            ..change(&run, "ann", step(StepStatus::Failed, ""))
        };
        assert!(try_write(journal, &end).await);
        assert_eq!(claim(&run, &bob).await, ClaimOutcome::Finished);
        assert_eq!(
            journal
                .claim(Uuid::from_bytes(uuid::Uuid::now_v7().into_bytes()), &bob)
                .await
                .unwrap(),
            ClaimOutcome::NotFound
        );
    })
    .await;
}

#[tokio::test]
async fn an_idempotent_request_creates_one_run() {
    on_each_store(async |test_store| {
        let store = test_store.open().await;
        let journal = store.journal();
        let ann = lease("ann", LONG);
        let first = run();
        let create = async |run: &JournaledRun, key| journal.create(run, Some(&ann), key).await;
        assert_eq!(create(&first, Some("k%1")).await.unwrap(), None);
        let done = change(&first, "ann", step(StepStatus::Succeeded, "a"));
        assert!(try_write(&*journal, &done).await);
        // The existing run is returned, and the new one is not created.
        let again = run();
        let earlier = create(&again, Some("k%1")).await.unwrap().unwrap();
        assert_eq!((earlier.id, earlier.status), (first.id, RunStatus::Running));
        assert_eq!(earlier.steps, done.steps);
        assert_eq!(journal.run(again.id, &again.subject).await.unwrap(), None);

        // A different key, owner or workflow, or no key, makes a different request.
        for (run, key) in [
            (run(), Some("k")),
            (run_of("play", "bob"), Some("k%1")),
            (run_of("other", &first.subject), Some("k%1")),
            (run(), None),
            (run(), None),
        ] {
            assert_eq!(create(&run, key).await.unwrap(), None, "{key:?}");
        }

        // Purging a run deletes its key.
        let now = SystemTime::now();
        let end = Change {
            status: RunStatus::Completed,
            ended: Some((now, now)),
            steps: Vec::new(),
            ..done
        };
        assert!(try_write(&*journal, &end).await);
        assert_eq!(journal.purge_runs(10).await.unwrap(), 1);
        assert_eq!(create(&again, Some("k%1")).await.unwrap(), None);

        // One of several concurrent requests creates the run.
        let mut tasks = Vec::new();
        for _ in 0..8 {
            let journal = store.journal();
            tasks.push(tokio::spawn(async move {
                let run = run();
                let earlier = journal.create(&run, None, Some("at once")).await.unwrap();
                earlier.map_or((run.id, true), |earlier| (earlier.id, false))
            }));
        }
        let mut expected = Vec::new();
        for task in tasks {
            expected.push(task.await.unwrap());
        }
        let new = expected.iter().filter(|(_, is_new)| *is_new).count();
        assert_eq!(new, 1, "{expected:?}");
        assert!(
            expected.iter().all(|(id, _)| *id == expected[0].0),
            "{expected:?}"
        );
    })
    .await;
}

#[tokio::test]
async fn a_finished_run_is_stored_until_it_expires() {
    on_each_store(async |test_store| {
        let store = test_store.open().await;
        let journal = &*store.journal();
        let ann = lease("ann", LONG);
        let (run, other) = (run(), run());
        for run in [&run, &other] {
            journal.create(run, Some(&ann), None).await.unwrap();
        }
        assert!(journal.request_cancel(run.id).await.unwrap());
        assert_eq!(journal.renew(run.id, &ann).await.unwrap(), Some(true));
        assert_eq!(journal.renew(other.id, &ann).await.unwrap(), Some(false));
        let now = SystemTime::now();
        for (run, expires_at) in [(&run, now), (&other, now + LONG)] {
            let end = Change {
                status: RunStatus::Failed,
                error: Some("so it is".to_owned()),
                ended: Some((now, expires_at)),
                steps: Vec::new(),
                ..change(run, "ann", step(StepStatus::Failed, ""))
            };
            assert!(try_write(journal, &end).await);
            assert!(!try_write(journal, &end).await, "the run has finished");
        }
        assert!(!journal.request_cancel(run.id).await.unwrap());
        assert_eq!(claimed(journal, &lease("bob", LONG)).await, []);
        assert_eq!(journal.purge_runs(10).await.unwrap(), 1);
        assert_eq!(journal.run(run.id, &run.subject).await.unwrap(), None);
        assert_eq!(journal.events(run.id, 0, 10).await.unwrap(), []);
        let stored = journal
            .run(other.id, &other.subject)
            .await
            .unwrap()
            .unwrap();
        assert_eq!(
            (stored.status, stored.error.as_deref()),
            (RunStatus::Failed, Some("so it is"))
        );
    })
    .await;
}

#[tokio::test]
async fn concurrent_claims_return_each_run_once() {
    on_each_store(async |test_store| {
        if !test_store.is_shared() {
            return;
        }
        let first = test_store.open().await;
        let mut created = Vec::new();
        for _ in 0..20 {
            let run = run();
            first.journal().create(&run, None, None).await.unwrap();
            created.push(run.id);
        }
        let mut tasks = Vec::new();
        for name in ["a", "b", "c", "d"] {
            let journal = test_store.open().await.journal();
            tasks.push(tokio::spawn(async move {
                let mut got = Vec::new();
                loop {
                    let runs = journal
                        .claim_unowned("play", &lease(name, LONG), 2)
                        .await
                        .unwrap();
                    if runs.is_empty() {
                        return got;
                    }
                    got.extend(runs.iter().map(|run| run.id));
                }
            }));
        }
        let mut got = Vec::new();
        for task in tasks {
            got.extend(task.await.unwrap());
        }
        // A run skipped because of a concurrent claim is returned by the next claim.
        got.extend(claimed(&*first.journal(), &lease("e", LONG)).await);
        got.sort_unstable();
        created.sort_unstable();
        assert_eq!(got, created);
    })
    .await;
}

#[test]
fn run_limits_are_settings() {
    let file = "[workflows]\nruns = 3\nlease = \"2s\"\nkeep = \"1d\"\n";
    let settings = Settings::from_text("service.toml", file, |_| Ok(None)).unwrap();
    let limits = settings.workflows;
    assert_eq!(limits.runs, 3);
    assert_eq!(limits.lease, Duration::from_secs(2));
    assert_eq!(limits.keep, Duration::from_secs(24 * 60 * 60));
    for (file, expected) in [
        ("[workflows]\nruns = 0\n", "workflows.runs"),
        ("[workflows]\nlease = \"1ms\"\n", "workflows.lease"),
    ] {
        let error = Settings::from_text("service.toml", file, |_| Ok(None)).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }
}
