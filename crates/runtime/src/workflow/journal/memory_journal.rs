//! A journal in memory: its runs end with the process.

use std::cmp::Reverse;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use crate::error::store_error::StoreError;
use crate::future::{BoxFuture, boxed_ready};
use crate::schema::Uuid;
use crate::unix_time::now;
use crate::workflow::journal::StoredTurn;
use crate::workflow::journal::memory_inbox::MemoryInbox;
use crate::workflow::journal::memory_runs::{Entry, State, expiring};
use crate::workflow::journal::run_requests::{PauseOutcome, ResumeOutcome, RunRequests};
use crate::workflow::journal::{
    Change, ClaimOutcome, CreateOutcome, Journal, JournaledRun, NewRun, RunFacts, RunFilter,
    RunLease, RunQuery, Start, WaitingRuns,
};
use crate::workflow::run_report::RunStatus;
use crate::workflow::waiting::inbox::{
    Answer, AnswerOutcome, Inbox, NewEvent, OpenQuestion, QuestionQuery, SendOutcome, StoredAction,
    SuspendOutcome, Suspension,
};
use crate::workflow::workflow_event::WorkflowEvent;

/// A [`Journal`] in memory. When it has 10,000 runs, a new one replaces the one that finished first; if none has
/// finished, no run can start.
#[derive(Debug, Default)]
pub struct MemoryJournal {
    state: Mutex<State>,
}

impl MemoryJournal {
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn done<'a, T: Send + 'a>(value: T) -> BoxFuture<'a, Result<T, StoreError>> {
    boxed_ready(Ok(value))
}

impl Journal for MemoryJournal {
    fn create<'a>(
        &'a self,
        run: &'a NewRun,
        start: Start<'a>,
    ) -> BoxFuture<'a, Result<CreateOutcome, StoreError>> {
        let mut state = self.state();
        let key = run.idempotency_key.clone();
        let key = key.map(|key| (run.subject.clone(), run.workflow.clone(), key));
        let earlier = key.as_ref().and_then(|key| state.by_key.get(key));
        if let Some(earlier) = earlier.and_then(|id| state.runs.get(id)) {
            return done(CreateOutcome::Existing(Box::new(earlier.read())));
        }
        let (round, lease) = match start {
            Start::Leased(lease) => (0, Some(expiring(lease))),
            Start::Waiting { limit } if state.count_waiting(&run.subject) >= limit as usize => {
                return done(CreateOutcome::TooManyWaiting);
            }
            Start::Waiting { .. } => (
                state.next_round((&run.subject, &run.workflow, &run.definition)),
                None,
            ),
        };
        if let Err(full) = state.make_room() {
            return boxed_ready(Err(full));
        }
        let created = JournaledRun::new(run, start, now());
        let entry = Entry {
            run: created.clone(),
            idempotency_key: run.idempotency_key.clone(),
            events: Vec::new(),
            round,
            last_change: None,
            lease,
            expires_at: None,
            suspended: None,
            inbox: MemoryInbox::default(),
            turns: Vec::new(),
        };
        state.runs.insert(run.id, entry);
        if let Some(key) = key {
            state.by_key.insert(key, run.id);
        }
        state.open.insert(&created, round);
        done(CreateOutcome::Created(Box::new(created)))
    }

    fn claim_unowned<'a>(
        &'a self,
        filter: &'a RunFilter<'a>,
        lease: &'a RunLease,
        limit: u32,
    ) -> BoxFuture<'a, Result<Vec<JournaledRun>, StoreError>> {
        done(self.state().claim(filter, lease, limit))
    }

    fn claim<'a>(
        &'a self,
        run: Uuid,
        lease: &'a RunLease,
    ) -> BoxFuture<'a, Result<ClaimOutcome, StoreError>> {
        let mut state = self.state();
        if state.runs.get(&run).is_some_and(Entry::is_paused) {
            return done(ClaimOutcome::Paused);
        }
        state.wake(run);
        done(match state.runs.get_mut(&run) {
            None => ClaimOutcome::NotFound,
            Some(entry) if entry.run.status.is_over() => ClaimOutcome::Finished,
            Some(entry) => match &entry.lease {
                Some((_, until)) if !entry.is_claimable() => {
                    let left = until.duration_since(SystemTime::now());
                    ClaimOutcome::Leased(left.unwrap_or_default())
                }
                _ => ClaimOutcome::Claimed(Box::new(entry.claim(lease))),
            },
        })
    }

    fn renew<'a>(
        &'a self,
        run: Uuid,
        lease: &'a RunLease,
    ) -> BoxFuture<'a, Result<Option<RunRequests>, StoreError>> {
        let mut state = self.state();
        let entry = state.runs.get_mut(&run);
        let owned = entry.filter(|entry| entry.is_owned_by(&lease.owner));
        done(owned.map(|entry| {
            entry.lease = Some(expiring(lease));
            RunRequests {
                cancel: entry.run.cancel_requested,
                pause: entry.run.pause_requested,
            }
        }))
    }

    fn release<'a>(&'a self, run: Uuid, owner: &'a str) -> BoxFuture<'a, Result<(), StoreError>> {
        let mut state = self.state();
        let entry = state.runs.get_mut(&run);
        if let Some(entry) = entry.filter(|entry| entry.is_owned_by(owner)) {
            entry.lease = None;
        }
        done(())
    }

    fn suspend<'a>(
        &'a self,
        run: Uuid,
        owner: &'a str,
        suspension: &'a Suspension,
    ) -> BoxFuture<'a, Result<SuspendOutcome, StoreError>> {
        let mut state = self.state();
        let state = &mut *state;
        let entry = state.runs.get_mut(&run);
        let Some(entry) = entry.filter(|entry| entry.is_owned_by(owner)) else {
            return done(SuspendOutcome::LeaseLost);
        };
        if entry.inbox.count() != suspension.inbox_count {
            return done(SuspendOutcome::InboxChanged);
        }
        if entry.run.pause_requested {
            state.pause(run);
            return done(SuspendOutcome::Suspended);
        }
        entry.lease = None;
        entry.run.status = RunStatus::Waiting;
        entry.suspended = Some(suspension.until);
        state
            .by_wake
            .extend(suspension.until.map(|until| (until, run)));
        state.open.remove(&entry.run, entry.round);
        done(SuspendOutcome::Suspended)
    }

    fn wake_due(&self, limit: u32) -> BoxFuture<'_, Result<Vec<Uuid>, StoreError>> {
        let mut state = self.state();
        let now = SystemTime::now();
        let due = state.by_wake.iter().take_while(|(until, _)| *until <= now);
        let due = due.map(|(_, run)| *run).take(limit as usize);
        let due = due.collect::<Vec<_>>();
        for run in &due {
            state.wake(*run);
        }
        done(due)
    }

    fn inbox(&self, run: Uuid) -> BoxFuture<'_, Result<Inbox, StoreError>> {
        let state = self.state();
        let inbox = state.runs.get(&run).map(|entry| entry.inbox.read());
        done(inbox.unwrap_or_else(|| MemoryInbox::default().read()))
    }

    fn action(
        &self,
        run: Uuid,
        action: Uuid,
    ) -> BoxFuture<'_, Result<Option<StoredAction>, StoreError>> {
        let state = self.state();
        let entry = state.runs.get(&run);
        let stored = entry.and_then(|entry| entry.inbox.question(action, &entry.run));
        done(stored)
    }

    fn open_questions<'a>(
        &'a self,
        query: &'a QuestionQuery<'a>,
        limit: u32,
    ) -> BoxFuture<'a, Result<Vec<OpenQuestion>, StoreError>> {
        done(self.state().open_questions(query, limit))
    }

    fn answer<'a>(
        &'a self,
        run: Uuid,
        answer: &'a Answer,
    ) -> BoxFuture<'a, Result<AnswerOutcome, StoreError>> {
        let mut state = self.state();
        let entry = state.runs.get_mut(&run);
        let outcome = entry.map_or(AnswerOutcome::NotFound, |entry| entry.inbox.answer(answer));
        if outcome == AnswerOutcome::Stored {
            state.wake_unless_paused(run);
        }
        done(outcome)
    }

    fn expire_action(&self, run: Uuid, action: Uuid) -> BoxFuture<'_, Result<bool, StoreError>> {
        let mut state = self.state();
        let entry = state.runs.get_mut(&run);
        done(entry.is_some_and(|entry| entry.inbox.expire(action)))
    }

    fn save_turn<'a>(
        &'a self,
        run: Uuid,
        owner: &'a str,
        turn: &'a StoredTurn,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        let mut state = self.state();
        let entry = state.runs.get_mut(&run);
        let Some(entry) = entry.filter(|entry| entry.is_owned_by(owner)) else {
            return done(false);
        };
        let is_other = |stored: &StoredTurn| stored.step != turn.step || stored.key != turn.key;
        entry.turns.retain(is_other);
        entry.turns.push(turn.clone());
        done(true)
    }

    fn turns<'a>(
        &'a self,
        run: Uuid,
        step: &'a str,
    ) -> BoxFuture<'a, Result<Vec<StoredTurn>, StoreError>> {
        let state = self.state();
        let turns = state.runs.get(&run).into_iter();
        let turns = turns.flat_map(|entry| entry.turns.iter());
        done(turns.filter(|turn| turn.step == step).cloned().collect())
    }

    fn forget_turns<'a>(
        &'a self,
        run: Uuid,
        step: &'a str,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        if let Some(entry) = self.state().runs.get_mut(&run) {
            entry.turns.retain(|turn| turn.step != step);
        }
        done(())
    }

    fn send_event<'a>(
        &'a self,
        run: Uuid,
        event: &'a NewEvent,
        limit: u32,
    ) -> BoxFuture<'a, Result<SendOutcome, StoreError>> {
        let mut state = self.state();
        let entry = state.runs.get_mut(&run);
        let Some(entry) = entry.filter(|entry| !entry.run.status.is_over()) else {
            return done(SendOutcome::Finished);
        };
        let outcome = entry.inbox.send(event, limit);
        if outcome == SendOutcome::Stored {
            state.wake_unless_paused(run);
        }
        done(outcome)
    }

    fn write<'a>(&'a self, change: &'a Change) -> BoxFuture<'a, Result<bool, StoreError>> {
        done(self.state().write(change))
    }

    fn run<'a>(
        &'a self,
        run: Uuid,
        subject: &'a str,
    ) -> BoxFuture<'a, Result<Option<JournaledRun>, StoreError>> {
        let state = self.state();
        let found = state.runs.get(&run);
        let found = found.filter(|entry| entry.run.subject == subject);
        done(found.map(Entry::read))
    }

    fn list<'a>(
        &'a self,
        query: &'a RunQuery<'a>,
        limit: u32,
    ) -> BoxFuture<'a, Result<Vec<RunFacts>, StoreError>> {
        let state = self.state();
        let mut found = state.matching(query).collect::<Vec<_>>();
        found.sort_unstable_by_key(|run| Reverse((run.created_at, run.id)));
        let facts = found.into_iter().take(limit as usize).map(|run| RunFacts {
            id: run.id,
            parent: run.parent,
            workflow: run.workflow.clone(),
            status: run.status,
            error: run.error.clone(),
            created_at: run.created_at,
            ended_at: run.ended_at,
        });
        done(facts.collect())
    }

    fn events(
        &self,
        run: Uuid,
        after: u64,
        limit: u32,
    ) -> BoxFuture<'_, Result<Vec<(u64, WorkflowEvent)>, StoreError>> {
        let state = self.state();
        let events = state.runs.get(&run);
        let events = events.map_or(&[] as &[_], |entry| &entry.events);
        let skipped = usize::try_from(after).unwrap_or(usize::MAX);
        let numbered = (1..).zip(events).skip(skipped).take(limit as usize);
        done(
            numbered
                .map(|(number, event)| (number, event.clone()))
                .collect(),
        )
    }

    fn request_cancel(&self, run: Uuid) -> BoxFuture<'_, Result<bool, StoreError>> {
        let mut state = self.state();
        let entry = state.runs.get_mut(&run);
        let unfinished = entry.filter(|entry| !entry.run.status.is_over());
        let requested = unfinished.map(|entry| entry.run.cancel_requested = true);
        let is_unfinished = requested.is_some();
        state.wake(run);
        done(is_unfinished)
    }

    fn request_pause(&self, run: Uuid) -> BoxFuture<'_, Result<PauseOutcome, StoreError>> {
        let mut state = self.state();
        let entry = state.runs.get_mut(&run);
        let Some(entry) = entry.filter(|entry| !entry.run.status.is_over()) else {
            return done(PauseOutcome::Finished);
        };
        entry.run.pause_requested = true;
        if !entry.is_claimable() {
            return done(PauseOutcome::Requested);
        }
        state.pause(run);
        done(PauseOutcome::Paused)
    }

    fn pause<'a>(&'a self, run: Uuid, owner: &'a str) -> BoxFuture<'a, Result<bool, StoreError>> {
        let mut state = self.state();
        let entry = state.runs.get(&run);
        let is_asked =
            entry.is_some_and(|entry| entry.is_owned_by(owner) && entry.run.pause_requested);
        if is_asked {
            state.pause(run);
        }
        done(is_asked)
    }

    fn resume(&self, run: Uuid) -> BoxFuture<'_, Result<ResumeOutcome, StoreError>> {
        let mut state = self.state();
        let entry = state.runs.get_mut(&run);
        let Some(entry) = entry.filter(|entry| !entry.run.status.is_over()) else {
            return done(ResumeOutcome::Finished);
        };
        if !std::mem::take(&mut entry.run.pause_requested) {
            return done(ResumeOutcome::NotPaused);
        }
        if entry.run.status == RunStatus::Paused {
            entry.run.status = match entry.run.event_count {
                0 => RunStatus::Queued,
                _ => RunStatus::Running,
            };
        }
        state.wake(run);
        done(ResumeOutcome::Resumed)
    }

    fn retry<'a>(&'a self, run: &'a JournaledRun) -> BoxFuture<'a, Result<bool, StoreError>> {
        done(self.state().retry(run))
    }

    fn waiting_runs(&self) -> BoxFuture<'_, Result<Vec<WaitingRuns>, StoreError>> {
        let state = self.state();
        let waiting = state
            .open
            .by_workflow
            .iter()
            .map(|((workflow, definition), ids)| {
                let entries = ids.iter().filter_map(|(_, id)| state.runs.get(id));
                WaitingRuns {
                    workflow: workflow.clone(),
                    definition: definition.clone(),
                    count: entries.filter(|entry| entry.is_claimable()).count() as u64,
                }
            });
        done(waiting.filter(|waiting| waiting.count > 0).collect())
    }

    /// Every run in memory has a definition.
    fn adopt_runs<'a>(&'a self, _: &'a str, _: &'a str) -> BoxFuture<'a, Result<(), StoreError>> {
        done(())
    }

    fn expire_waiting_runs<'a>(
        &'a self,
        workflow: &'a str,
        definition: &'a str,
        keep: Duration,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        let mut state = self.state();
        let ids = state
            .open
            .by_workflow
            .get(&(workflow.to_owned(), definition.to_owned()));
        for (_, id) in ids.cloned().unwrap_or_default() {
            let entry = state.runs.get(&id);
            if entry.is_some_and(|entry| entry.is_claimable() && entry.expires_at.is_none()) {
                state.expire(id, Some(now() + keep));
            }
        }
        done(())
    }

    fn delete_finished<'a>(
        &'a self,
        query: &'a RunQuery<'a>,
        limit: u32,
    ) -> BoxFuture<'a, Result<u64, StoreError>> {
        let mut state = self.state();
        let found = state.matching(query).filter(|run| run.status.is_over());
        let mut found = found
            .map(|run| (run.created_at, run.id))
            .collect::<Vec<_>>();
        found.sort_unstable();
        found.truncate(limit as usize);
        for (_, id) in &found {
            state.remove(*id);
        }
        done(found.len() as u64)
    }

    fn purge_runs(&self, limit: u32) -> BoxFuture<'_, Result<u64, StoreError>> {
        let mut state = self.state();
        let now = SystemTime::now();
        let expired = state.by_expiry.iter();
        let expired = expired.take_while(|(expires_at, _)| *expires_at <= now);
        let is_leased = |id: &Uuid| {
            let entry = state.runs.get(id);
            entry.is_some_and(|entry| !entry.run.status.is_over() && !entry.is_claimable())
        };
        let expired = expired
            .map(|(_, id)| *id)
            .filter(|id| !is_leased(id))
            .take(limit as usize);
        let expired = expired.collect::<Vec<_>>();
        for id in &expired {
            state.remove(*id);
        }
        done(expired.len() as u64)
    }
}
