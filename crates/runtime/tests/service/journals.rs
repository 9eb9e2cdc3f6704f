//! The contract of run journals: one lease owner at a time, and finished runs do not change.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use agentgen_runtime::event::Usage;
use agentgen_runtime::schema::Uuid;
use agentgen_runtime::workflow::{
    Change, ClaimOutcome, CreateOutcome, Journal, JournaledRun, NewRun, RunFilter, RunLease,
    RunRequests, RunState, RunStatus, Start, StepReport, StepStatus, WorkflowEvent,
};
use serde_json::{Value, json};

use crate::store_fixture::on_each_store;

fn run() -> NewRun {
    run_of("play", "ann\0 100%")
}

pub fn new_uuid() -> Uuid {
    Uuid::from_bytes(uuid::Uuid::now_v7().into_bytes())
}

/// A run of `workflow` that has not started.
pub fn run_of(workflow: &str, subject: &str) -> NewRun {
    NewRun {
        id: new_uuid(),
        parent: None,
        workflow: workflow.to_owned(),
        definition: "of today".to_owned(),
        subject: subject.to_owned(),
        roles: Some(vec!["planner".to_owned()]),
        input: json!({"topic": "a\u{0}b"}),
        idempotency_key: None,
        restarted_from: None,
    }
}

/// `run` with this idempotency key.
fn with_key(run: NewRun, key: &str) -> NewRun {
    NewRun {
        idempotency_key: Some(key.to_owned()),
        ..run
    }
}

pub async fn create(journal: &dyn Journal, run: &NewRun, lease: Option<&RunLease>) -> JournaledRun {
    let start = lease.map_or(WAITING, Start::Leased);
    match journal.create(run, start).await.unwrap() {
        CreateOutcome::Created(run) => *run,
        existing => panic!("{existing:?}"),
    }
}

/// A run that waits, as many as there are.
pub const WAITING: Start<'static> = Start::Waiting { limit: u32::MAX };

pub fn lease(owner: &str, ttl: Duration) -> RunLease {
    RunLease {
        owner: owner.to_owned(),
        ttl,
    }
}

pub fn step(status: StepStatus, output: &str) -> StepReport {
    StepReport {
        step: "a".to_owned(),
        agent: Some("worker".to_owned()),
        endpoint: Some("invoke".to_owned()),
        status,
        needs: Vec::new(),
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

/// A change that ends a step, or starts it.
pub fn change(run: &NewRun, owner: &str, first_event: u64, step: StepReport) -> Change {
    let event = match step.status {
        StepStatus::Running => WorkflowEvent::StepStarted {
            step: step.step,
            agent: step.agent.unwrap(),
            endpoint: step.endpoint.unwrap(),
        },
        _ => WorkflowEvent::StepFinished { report: step },
    };
    Change {
        id: new_uuid(),
        run: run.id,
        owner: owner.to_owned(),
        first_event,
        events: vec![event],
        state: None,
    }
}

/// A change that ends a run, which is stored for `keep` from then on.
fn end(run: &NewRun, owner: &str, first_event: u64, status: RunStatus, keep: Duration) -> Change {
    let error = (status == RunStatus::Failed).then(|| "so it is".to_owned());
    Change {
        id: new_uuid(),
        run: run.id,
        owner: owner.to_owned(),
        first_event,
        events: vec![WorkflowEvent::Finished {
            run_id: run.id,
            status,
            error: error.clone(),
        }],
        state: Some(RunState {
            status,
            error,
            resumptions: 0,
            keep: Some(keep),
        }),
    }
}

/// `run` as it was created with `status`, at the age that the journal says.
fn as_created(run: &NewRun, status: RunStatus, stored: &JournaledRun) -> JournaledRun {
    JournaledRun {
        id: run.id,
        parent: run.parent,
        workflow: run.workflow.clone(),
        definition: run.definition.clone(),
        subject: run.subject.clone(),
        roles: run.roles.clone(),
        input: run.input.clone(),
        status,
        error: None,
        created_at: stored.created_at,
        age: stored.age,
        ended_at: None,
        cancel_requested: false,
        pause_requested: false,
        restarted_from: None,
        attempts: 1,
        retried_at: None,
        resumptions: 0,
        event_count: 0,
        steps: Vec::new(),
        actions: Vec::new(),
        received_events: Vec::new(),
    }
}

pub const LONG: Duration = Duration::from_secs(60);
/// Long enough for a few requests on a busy machine.
const SHORT: Duration = Duration::from_secs(1);

/// The current time to the millisecond, as a journal knows it.
fn now() -> SystemTime {
    let millis = UNIX_EPOCH.elapsed().unwrap().as_millis();
    UNIX_EPOCH + Duration::from_millis(millis as u64)
}

pub async fn try_write(journal: &dyn Journal, change: &Change) -> bool {
    journal.write(change).await.unwrap()
}

/// All runs of the workflow `play` and its definition.
const ALL: RunFilter<'static> = RunFilter {
    workflow: "play",
    definition: "of today",
    resumptions: 0..=u32::MAX,
};

pub async fn claimed(journal: &dyn Journal, lease: &RunLease) -> Vec<Uuid> {
    let claimed = journal.claim_unowned(&ALL, lease, 10).await.unwrap();
    claimed.iter().map(|run| run.id).collect()
}

#[tokio::test]
async fn only_the_lease_owner_can_update_a_run() {
    on_each_store(async |test_store| {
        let store = test_store.open().await;
        let journal = &*store.journal();
        let (ann, bob) = (lease("ann", SHORT), lease("bob", LONG));
        let run = run();
        let before = now();
        let created = create(journal, &run, Some(&ann)).await;
        assert_eq!(created, as_created(&run, RunStatus::Running, &created));
        let stored = journal.run(run.id, &run.subject).await.unwrap().unwrap();
        assert_eq!(stored, as_created(&run, RunStatus::Running, &stored));
        assert!(stored.created_at >= before && stored.created_at <= SystemTime::now());
        assert!(stored.age < LONG);
        assert_eq!(journal.run(run.id, "bob").await.unwrap(), None);
        assert_eq!(claimed(journal, &bob).await, []);
        assert!(
            try_write(
                journal,
                &change(&run, "ann", 1, step(StepStatus::Running, ""))
            )
            .await
        );
        assert!(
            !try_write(
                journal,
                &change(&run, "bob", 2, step(StepStatus::Running, ""))
            )
            .await
        );
        assert_eq!(journal.renew(run.id, &bob).await.unwrap(), None);

        // An expired lease can be claimed by others; the previous owner can't renew it.
        tokio::time::sleep(SHORT + Duration::from_millis(50)).await;
        assert_eq!(claimed(journal, &bob).await, [run.id]);
        assert_eq!(claimed(journal, &lease("cat", LONG)).await, []);
        assert_eq!(journal.renew(run.id, &ann).await.unwrap(), None);
        let late = change(&run, "ann", 2, step(StepStatus::Succeeded, "late"));
        assert!(!try_write(journal, &late).await);
        let done = change(&run, "bob", 2, step(StepStatus::Succeeded, "in time"));
        assert!(try_write(journal, &done).await);

        // A rejected change appends no event.
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
            create(journal, run, None).await;
        }
        let claim = async |run: &NewRun, lease| journal.claim(run.id, lease).await.unwrap();
        let ClaimOutcome::Claimed(taken) = claim(&run, &ann).await else {
            panic!("nobody has it");
        };
        assert_eq!(*taken, as_created(&run, RunStatus::Queued, &taken));
        let ClaimOutcome::Leased(left) = claim(&run, &bob).await else {
            panic!("the run is leased");
        };
        assert!(left > Duration::ZERO && left <= SHORT, "{left:?}");
        assert!(matches!(claim(&run, &ann).await, ClaimOutcome::Leased(_)));

        // The other run can be claimed at once, and this one when its lease has expired.
        assert!(matches!(
            claim(&other, &bob).await,
            ClaimOutcome::Claimed(_)
        ));
        let done = change(&run, "ann", 1, step(StepStatus::Succeeded, "a"));
        assert!(try_write(journal, &done).await);
        tokio::time::sleep(SHORT + Duration::from_millis(50)).await;
        let ClaimOutcome::Claimed(taken) = claim(&run, &bob).await else {
            panic!("the lease has expired");
        };
        assert_eq!(taken.steps, [step(StepStatus::Succeeded, "a")]);
        assert_eq!((taken.event_count, taken.resumptions), (1, 1));
        assert!(
            !try_write(
                journal,
                &change(&run, "ann", 2, step(StepStatus::Failed, ""))
            )
            .await
        );

        // A released run can be claimed at once, a finished one can't. A run that was released has not lost its process.
        journal.release(run.id, "bob").await.unwrap();
        let ClaimOutcome::Claimed(taken) = claim(&run, &ann).await else {
            panic!("the run is released");
        };
        assert_eq!(taken.resumptions, 1);
        let end = end(&run, "ann", 2, RunStatus::Completed, LONG);
        assert!(try_write(journal, &end).await);
        assert_eq!(claim(&run, &bob).await, ClaimOutcome::Finished);
        assert_eq!(
            journal.claim(new_uuid(), &bob).await.unwrap(),
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
        let again =
            async |run: &NewRun| match journal.create(run, Start::Leased(&ann)).await.unwrap() {
                CreateOutcome::Created(_) => None,
                CreateOutcome::Existing(earlier) => Some(*earlier),
                other => panic!("{other:?}"),
            };
        let first = with_key(first, "k%1");
        assert_eq!(again(&first).await, None);
        let done = change(&first, "ann", 1, step(StepStatus::Succeeded, "a"));
        assert!(try_write(&*journal, &done).await);
        // The existing run is returned, and the new one is not created.
        let other = with_key(run(), "k%1");
        let earlier = again(&other).await.unwrap();
        assert_eq!((earlier.id, earlier.status), (first.id, RunStatus::Running));
        assert_eq!(earlier.steps, [step(StepStatus::Succeeded, "a")]);
        assert_eq!(journal.run(other.id, &other.subject).await.unwrap(), None);

        // A different key, owner or workflow, or no key, makes a different request.
        for run in [
            with_key(run(), "k"),
            with_key(run_of("play", "bob"), "k%1"),
            with_key(run_of("other", &first.subject), "k%1"),
            run(),
            run(),
        ] {
            assert_eq!(again(&run).await, None, "{run:?}");
        }

        // Purging a run deletes its key.
        let end = end(&first, "ann", 2, RunStatus::Completed, Duration::ZERO);
        assert!(try_write(&*journal, &end).await);
        assert_eq!(journal.purge_runs(10).await.unwrap(), 1);
        assert_eq!(again(&other).await, None);

        // One of several concurrent requests creates the run.
        let mut tasks = Vec::new();
        for _ in 0..8 {
            let journal = store.journal();
            tasks.push(tokio::spawn(async move {
                let run = with_key(run(), "at once");
                match journal.create(&run, WAITING).await.unwrap() {
                    CreateOutcome::Created(run) => (run.id, true),
                    CreateOutcome::Existing(earlier) => (earlier.id, false),
                    other => panic!("{other:?}"),
                }
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
            create(journal, run, Some(&ann)).await;
        }
        assert!(journal.request_cancel(run.id).await.unwrap());
        let asked = journal.renew(run.id, &ann).await.unwrap().unwrap();
        assert!(asked.cancel && !asked.pause);
        let asked = journal.renew(other.id, &ann).await.unwrap();
        assert_eq!(asked, Some(RunRequests::default()));
        for (run, keep) in [(&run, Duration::ZERO), (&other, LONG)] {
            assert!(try_write(journal, &end(run, "ann", 1, RunStatus::Failed, keep)).await);
            let late = end(run, "ann", 2, RunStatus::Failed, keep);
            assert!(!try_write(journal, &late).await, "the run has finished");
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
        assert!(stored.ended_at.unwrap() >= stored.created_at);
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
            create(&*first.journal(), &run, None).await;
            created.push(run.id);
        }
        let mut tasks = Vec::new();
        for name in ["a", "b", "c", "d"] {
            let journal = test_store.open().await.journal();
            tasks.push(tokio::spawn(async move {
                let mut got = Vec::new();
                loop {
                    let runs = journal
                        .claim_unowned(&ALL, &lease(name, LONG), 2)
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

#[tokio::test]
async fn a_change_that_is_written_again_is_recognised() {
    on_each_store(async |test_store| {
        let store = test_store.open().await;
        let journal = &*store.journal();
        let ann = lease("ann", LONG);
        let run = run();
        create(journal, &run, Some(&ann)).await;
        let first = change(&run, "ann", 1, step(StepStatus::Running, ""));
        let with_state = Change {
            state: Some(RunState {
                status: RunStatus::Running,
                error: None,
                resumptions: 0,
                keep: None,
            }),
            ..change(&run, "ann", 2, step(StepStatus::Succeeded, "so"))
        };
        let last = end(&run, "ann", 3, RunStatus::Failed, LONG);
        for change in [&first, &first, &with_state, &with_state] {
            assert!(try_write(journal, change).await, "{change:?}");
        }
        // Another change of that number is one of somebody else, also while the run has its owner.
        let other = change(&run, "ann", 2, step(StepStatus::Failed, ""));
        assert!(!try_write(journal, &other).await);
        for change in [&last, &last] {
            assert!(try_write(journal, change).await, "{change:?}");
        }
        let events = journal.events(run.id, 0, 10).await.unwrap();
        let expected = [&first, &with_state, &last];
        let expected = (1..).zip(expected.map(|change| change.events[0].clone()));
        let expected = expected.collect::<Vec<_>>();
        assert_eq!(events, expected);

        for number in [1, 2, 3] {
            let other = change(&run, "ann", number, step(StepStatus::Failed, ""));
            assert!(!try_write(journal, &other).await);
        }
        assert_eq!(journal.events(run.id, 0, 10).await.unwrap(), expected);
    })
    .await;
}

#[tokio::test]
async fn events_are_read_from_the_middle_of_a_change() {
    on_each_store(async |test_store| {
        let store = test_store.open().await;
        let journal = &*store.journal();
        let run = run();
        create(journal, &run, Some(&lease("ann", LONG))).await;
        for first in [1, 4, 7] {
            let one = change(&run, "ann", first, step(StepStatus::Failed, ""));
            let three = Change {
                events: vec![one.events[0].clone(); 3],
                ..one
            };
            assert!(try_write(journal, &three).await);
        }
        for after in 0..10 {
            for limit in 1..10 {
                let events = journal.events(run.id, after, limit).await.unwrap();
                let numbers = events.iter().map(|(number, _)| *number).collect::<Vec<_>>();
                let last = 9.min(after + u64::from(limit));
                assert_eq!(numbers, (after + 1..=last).collect::<Vec<_>>());
            }
        }
        assert_eq!(journal.events(run.id, u64::MAX, 1).await.unwrap(), []);
    })
    .await;
}

#[tokio::test]
async fn resumptions_are_counted_until_a_change_says_otherwise() {
    on_each_store(async |test_store| {
        let store = test_store.open().await;
        let journal = &*store.journal();
        let run = run();
        create(journal, &run, Some(&lease("0", Duration::ZERO))).await;
        let filter = |resumptions| RunFilter { resumptions, ..ALL };
        let claim = async |owner: &str, resumptions| {
            let lease = lease(owner, Duration::from_millis(1));
            tokio::time::sleep(Duration::from_millis(20)).await;
            let filter = filter(resumptions);
            let claimed = journal.claim_unowned(&filter, &lease, 1);
            claimed.await.unwrap().pop().map(|run| run.resumptions)
        };
        assert_eq!(claim("1", 0..=0).await, None);
        assert_eq!(claim("1", 0..=1).await, Some(1));
        // An owner whose own lease has expired has not died.
        assert_eq!(claim("1", 0..=1).await, Some(1));
        assert_eq!(claim("2", 2..=u32::MAX).await, Some(2));
        assert_eq!(claim("3", 0..=2).await, None);
        let lease = lease("3", LONG);
        let ClaimOutcome::Claimed(claimed) = journal.claim(run.id, &lease).await.unwrap() else {
            panic!("the lease has expired");
        };
        assert_eq!(claimed.resumptions, 3);
        let progress = Change {
            state: Some(RunState {
                status: RunStatus::Running,
                error: None,
                resumptions: 0,
                keep: None,
            }),
            ..change(&run, "3", 1, step(StepStatus::Succeeded, ""))
        };
        assert!(try_write(journal, &progress).await);
        let stored = journal.run(run.id, &run.subject).await.unwrap().unwrap();
        assert_eq!(stored.resumptions, 0);
    })
    .await;
}
