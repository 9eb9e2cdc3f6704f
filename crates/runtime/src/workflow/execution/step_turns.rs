//! Where the turns of a step are stored: in the journal, beside the run's events.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use serde_json::Value;

use crate::engine::durable_turns::{StoredTurns, TurnRecord, TurnStore};
use crate::future::BoxFuture;
use crate::workflow::execution::run_handle::{RunHandle, Stop, request_stop, until_it_succeeds};
use crate::workflow::journal::StoredTurn;

/// The turns of the step `step` of a run.
pub(super) struct StepTurns {
    pub(super) run: Arc<RunHandle>,
    pub(super) step: String,
}

impl TurnStore for StepTurns {
    fn save<'a>(&'a self, key: &'a str, turn: Value) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            let (journal, owner) = (&self.run.service.journal, &self.run.service.lease.owner);
            let turn = StoredTurn {
                step: self.step.clone(),
                key: key.to_owned(),
                record: turn,
            };
            let save = || journal.save_turn(self.run.id, owner, &turn);
            if !until_it_succeeds(self.run.id, save).await {
                request_stop(&self.run.stop, Stop::LeaseLost);
                // The executor drops the step.
                std::future::pending::<()>().await;
            }
        })
    }

    fn now(&self) -> SystemTime {
        self.run.clock.now()
    }
}

/// What is stored of the turns of `step`, and the answers to the questions of the run.
pub(super) async fn stored_turns(run: &RunHandle, step: &str) -> StoredTurns {
    let journal = &run.service.journal;
    let turns = until_it_succeeds(run.id, || journal.turns(run.id, step)).await;
    if turns.is_empty() {
        return StoredTurns::default();
    }
    let inbox = until_it_succeeds(run.id, || journal.inbox(run.id)).await;
    let answers = inbox.answers.into_iter();
    let mut records = BTreeMap::new();
    for StoredTurn { key, record, .. } in turns {
        match serde_json::from_value::<TurnRecord>(record) {
            Ok(record) => {
                records.insert(key, record);
            }
            // Of another version of this program, perhaps.
            Err(error) => {
                tracing::error!(run_id = %run.id, step, %error, "a turn of a step can't be read, and begins again");
            }
        }
    }
    StoredTurns {
        records,
        answers: answers
            .map(|answer| (answer.action, answer.value))
            .collect(),
    }
}

/// Deletes what is stored of the turns of `step`, which has ended or begins anew.
pub(super) async fn forget_turns(run: &RunHandle, step: &str) {
    let journal = &run.service.journal;
    until_it_succeeds(run.id, || journal.forget_turns(run.id, step)).await;
}
