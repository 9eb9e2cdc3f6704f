//! The contract of run journals, about what processes leave to others: runs of another definition, and turns that wait.

use std::time::Duration;

use agentgen_runtime::workflow::{
    Change, ClaimOutcome, NewRun, RunState, RunStatus, StepStatus, StoredTurn, WaitingRuns,
};
use serde_json::{Value, json};

use crate::journals::{LONG, change, claimed, create, lease, run_of, step, try_write};
use crate::store_fixture::on_each_store;

#[tokio::test]
async fn runs_of_another_definition_wait_until_they_expire() {
    on_each_store(async |test_store| {
        let store = test_store.open().await;
        let journal = &*store.journal();
        let of = |workflow: &str, definition: &str| NewRun {
            definition: definition.to_owned(),
            ..run_of(workflow, "ann")
        };
        let (old, again, own) = (of("play", "old"), of("play", "old"), of("play", "of today"));
        let gone = of("gone", "old");
        for run in [&old, &again, &own, &gone] {
            create(journal, run, None).await;
        }
        let ann = lease("ann", LONG);
        assert_eq!(claimed(journal, &ann).await, [own.id]);
        let waiting = |workflow: &str, count| WaitingRuns {
            workflow: workflow.to_owned(),
            definition: "old".to_owned(),
            count,
        };
        let runs = journal.waiting_runs().await.unwrap();
        assert_eq!(runs, [waiting("gone", 1), waiting("play", 2)]);

        // One that is executed in time does not expire, and the first time to expire counts.
        for keep in [Duration::ZERO, LONG] {
            let expire = journal.expire_waiting_runs("play", "old", keep);
            expire.await.unwrap();
        }
        assert!(matches!(
            journal.claim(again.id, &ann).await.unwrap(),
            ClaimOutcome::Claimed(_)
        ));
        assert_eq!(journal.purge_runs(10).await.unwrap(), 1);
        assert_eq!(journal.run(old.id, "ann").await.unwrap(), None);
        let state = RunState {
            status: RunStatus::Running,
            error: None,
            resumptions: 0,
            keep: None,
        };
        let begin = Change {
            state: Some(state),
            ..change(&again, "ann", 1, step(StepStatus::Running, ""))
        };
        assert!(try_write(journal, &begin).await);
        journal.release(again.id, "ann").await.unwrap();
        assert_eq!(journal.purge_runs(10).await.unwrap(), 0);
        let runs = journal.waiting_runs().await.unwrap();
        assert_eq!(runs, [waiting("gone", 1), waiting("play", 1)]);
    })
    .await;
}

#[tokio::test]
async fn turns_are_stored_by_the_owner_of_the_lease_until_they_are_forgotten() {
    on_each_store(async |test_store| {
        let store = test_store.open().await;
        let journal = &*store.journal();
        let run = run_of("play", "ann");
        create(journal, &run, Some(&lease("ann", LONG))).await;
        let turn = |step: &str, key: &str, record: Value| StoredTurn {
            step: step.to_owned(),
            key: key.to_owned(),
            record,
        };
        let save = async |owner: &str, turn: &StoredTurn| {
            journal.save_turn(run.id, owner, turn).await.unwrap()
        };
        let first = turn("a", "0", json!({ "text": "a\u{0}b" }));
        assert!(save("ann", &first).await);
        assert!(!save("bob", &turn("a", "0", json!(1))).await);
        assert!(save("ann", &turn("a", "0/1", json!(1))).await);
        assert!(save("ann", &turn("b", "0", json!(2))).await);
        // The later one takes the place of the earlier one.
        assert!(save("ann", &turn("a", "0/1", json!(3))).await);
        let mut stored = journal.turns(run.id, "a").await.unwrap();
        stored.sort_by(|left, right| left.key.cmp(&right.key));
        assert_eq!(stored, [first, turn("a", "0/1", json!(3))]);
        journal.forget_turns(run.id, "a").await.unwrap();
        assert_eq!(journal.turns(run.id, "a").await.unwrap(), []);
        assert_eq!(journal.turns(run.id, "b").await.unwrap().len(), 1);
    })
    .await;
}
