//! A journal in memory: its runs end with the process.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use crate::error::store_error::StoreError;
use crate::future::{BoxFuture, boxed_ready};
use crate::schema::Uuid;
use crate::unix_time::now;
use crate::workflow::journal::{
    Change, ClaimOutcome, CreateOutcome, Journal, JournaledRun, NewRun, RunFacts, RunFilter,
    RunLease, RunQuery, Start, WaitingRuns,
};
use crate::workflow::run_report::RunStatus;
use crate::workflow::workflow_event::WorkflowEvent;

/// How many runs are stored at most.
const MAX_RUNS: usize = 10_000;

/// A [`Journal`] in memory. When it has 10,000 runs, a new one replaces the one that finished first; if none has
/// finished, no run can start.
#[derive(Debug, Default)]
pub struct MemoryJournal {
    state: Mutex<State>,
}

/// The runs, and where to find them without looking at all of them.
#[derive(Debug, Default)]
struct State {
    runs: BTreeMap<Uuid, Entry>,
    /// The runs that began with an idempotency key, by subject, workflow and key.
    by_key: BTreeMap<(String, String, String), Uuid>,
    open: OpenRuns,
    /// The finished runs, by when they finished.
    by_end: BTreeSet<(SystemTime, Uuid)>,
    /// The runs that expire, by when they do.
    by_expiry: BTreeSet<(SystemTime, Uuid)>,
}

/// The unfinished runs, each with its round. The order of their ids, UUIDs of version 7, is that of time.
#[derive(Debug, Default)]
struct OpenRuns {
    /// By workflow and definition.
    by_workflow: RunSets,
    /// By subject and workflow.
    by_subject: RunSets,
}

impl OpenRuns {
    fn insert(&mut self, run: &JournaledRun, round: u64) {
        for (sets, key) in self.sets(run) {
            sets.entry(key).or_default().insert((round, run.id));
        }
    }

    fn remove(&mut self, run: &JournaledRun, round: u64) {
        for (sets, key) in self.sets(run) {
            if let Some(set) = sets.get_mut(&key) {
                set.remove(&(round, run.id));
                if set.is_empty() {
                    sets.remove(&key);
                }
            }
        }
    }

    /// Where a run belongs.
    fn sets(&mut self, run: &JournaledRun) -> [(&mut RunSets, (String, String)); 2] {
        let by_workflow = (run.workflow.clone(), run.definition.clone());
        let by_subject = (run.subject.clone(), run.workflow.clone());
        [
            (&mut self.by_workflow, by_workflow),
            (&mut self.by_subject, by_subject),
        ]
    }
}

type RunSets = BTreeMap<(String, String), BTreeSet<(u64, Uuid)>>;

#[derive(Debug)]
struct Entry {
    run: JournaledRun,
    idempotency_key: Option<String>,
    events: Vec<WorkflowEvent>,
    /// See [`Journal::create`]; 0 for a run that never waited.
    round: u64,
    /// The id of the last change.
    last_change: Option<Uuid>,
    /// The owner, and when its lease expires.
    lease: Option<(String, SystemTime)>,
    expires_at: Option<SystemTime>,
}

impl Entry {
    fn is_owned_by(&self, owner: &str) -> bool {
        self.lease.as_ref().is_some_and(|(other, _)| other == owner)
    }

    fn is_claimable(&self) -> bool {
        let lease = self.lease.as_ref();
        !self.run.status.is_over()
            && lease.is_none_or(|(_, expires_at)| *expires_at <= SystemTime::now())
    }

    /// Whether nobody has leased it or had.
    fn is_waiting(&self) -> bool {
        !self.run.status.is_over() && self.lease.is_none()
    }

    /// The resumptions of the run if `lease` is taken of it: another owner that has an expired lease has died.
    fn resumptions(&self, lease: &RunLease) -> u32 {
        let owner = self.lease.as_ref().map(|(owner, _)| owner);
        self.run.resumptions + u32::from(owner.is_some_and(|owner| *owner != lease.owner))
    }

    fn claim(&mut self, lease: &RunLease) -> JournaledRun {
        self.run.resumptions = self.resumptions(lease);
        self.lease = Some(expiring(lease));
        self.read()
    }

    fn read(&self) -> JournaledRun {
        let age = SystemTime::now().duration_since(self.run.created_at);
        JournaledRun {
            age: age.unwrap_or_default(),
            ..self.run.clone()
        }
    }

    fn write(&mut self, change: &Change) -> bool {
        if self.run.status.is_over()
            || !self.is_owned_by(&change.owner)
            || change.first_event != self.run.event_count + 1
        {
            return false;
        }
        self.last_change = Some(change.id);
        for event in &change.events {
            self.run.apply(event, now());
        }
        self.events.extend(change.events.iter().cloned());
        if let Some(state) = &change.state {
            self.run.status = state.status;
            self.run.error.clone_from(&state.error);
            self.run.resumptions = state.resumptions;
            if state.keep.is_some() {
                self.run.ended_at = Some(now());
                self.lease = None;
            }
        }
        true
    }
}

impl State {
    /// Makes room for a run.
    fn make_room(&mut self) -> Result<(), StoreError> {
        if self.runs.len() < MAX_RUNS {
            return Ok(());
        }
        let (_, first) = self.by_end.first().copied().ok_or_else(|| {
            StoreError::unavailable("too many runs are unfinished; try again later")
        })?;
        self.remove(first);
        Ok(())
    }

    /// Removes a run.
    fn remove(&mut self, id: Uuid) {
        let Some(Entry {
            run,
            idempotency_key,
            expires_at,
            round,
            ..
        }) = self.runs.remove(&id)
        else {
            return;
        };
        match run.ended_at {
            Some(ended_at) => {
                self.by_end.remove(&(ended_at, id));
            }
            None => self.open.remove(&run, round),
        }
        if let Some(expires_at) = expires_at {
            self.by_expiry.remove(&(expires_at, id));
        }
        if let Some(key) = idempotency_key {
            self.by_key.remove(&(run.subject, run.workflow, key));
        }
    }

    /// The waiting ones of `ids`.
    fn waiting<'a>(
        &'a self,
        ids: impl IntoIterator<Item = &'a (u64, Uuid)>,
    ) -> impl Iterator<Item = &'a Entry> {
        let entries = ids.into_iter().filter_map(|(_, id)| self.runs.get(id));
        entries.filter(|entry| entry.is_waiting())
    }

    /// How many runs of `subject` wait.
    fn count_waiting(&self, subject: &str) -> usize {
        let own = self
            .open
            .by_subject
            .range((subject.to_owned(), String::new())..);
        let own = own.take_while(|((other, _), _)| other == subject);
        own.map(|(_, ids)| self.waiting(ids).count()).sum()
    }

    /// The round of a new run that waits.
    fn next_round(&self, run: &NewRun) -> u64 {
        let own = (run.subject.clone(), run.workflow.clone());
        let own = self.open.by_subject.get(&own).into_iter();
        let own = self.waiting(own.flat_map(|ids| ids.iter().rev()));
        let all = (run.workflow.clone(), run.definition.clone());
        let all = self.waiting(self.open.by_workflow.get(&all).into_iter().flatten());
        let is_queued = |entry: &&Entry| entry.run.status == RunStatus::Queued;
        let rounds = [
            own.map(|entry| entry.round + 1).next(),
            all.filter(is_queued).map(|entry| entry.round).next(),
        ];
        rounds.into_iter().flatten().max().unwrap_or(0)
    }

    /// Leases the next runs that `filter` selects, up to `limit`.
    fn claim(&mut self, filter: &RunFilter<'_>, lease: &RunLease, limit: u32) -> Vec<JournaledRun> {
        let key = (filter.workflow.to_owned(), filter.definition.to_owned());
        let mut claimed = Vec::new();
        for (_, id) in self.open.by_workflow.get(&key).into_iter().flatten() {
            if claimed.len() == limit as usize {
                break;
            }
            let matches = |entry: &&mut Entry| {
                entry.is_claimable() && filter.resumptions.contains(&entry.resumptions(lease))
            };
            if let Some(entry) = self.runs.get_mut(id).filter(matches) {
                claimed.push(entry.claim(lease));
            }
        }
        claimed
    }

    /// Lets a run expire at this moment, or not at all.
    fn expire(&mut self, id: Uuid, expires_at: Option<SystemTime>) {
        if let Some(entry) = self.runs.get_mut(&id) {
            if let Some(before) = std::mem::replace(&mut entry.expires_at, expires_at) {
                self.by_expiry.remove(&(before, id));
            }
            self.by_expiry
                .extend(expires_at.map(|expires_at| (expires_at, id)));
        }
    }

    fn write(&mut self, change: &Change) -> bool {
        let Some(entry) = self.runs.get_mut(&change.run) else {
            return false;
        };
        if entry.last_change == Some(change.id) {
            return true;
        }
        if !entry.write(change) {
            return false;
        }
        let ended_at = entry.run.ended_at;
        if let Some(state) = &change.state {
            self.expire(
                change.run,
                ended_at
                    .zip(state.keep)
                    .map(|(ended_at, keep)| ended_at + keep),
            );
        }
        if let Some(ended_at) = ended_at {
            self.by_end.insert((ended_at, change.run));
            if let Some(entry) = self.runs.get(&change.run) {
                self.open.remove(&entry.run, entry.round);
            }
        }
        true
    }
}

impl MemoryJournal {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn expiring(lease: &RunLease) -> (String, SystemTime) {
    (lease.owner.clone(), SystemTime::now() + lease.ttl)
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
            Start::Waiting { .. } => (state.next_round(run), None),
        };
        if let Err(full) = state.make_room() {
            return boxed_ready(Err(full));
        }
        let created = JournaledRun::queued(run, now());
        let entry = Entry {
            run: created.clone(),
            idempotency_key: run.idempotency_key.clone(),
            events: Vec::new(),
            round,
            last_change: None,
            lease,
            expires_at: None,
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
    ) -> BoxFuture<'a, Result<Option<bool>, StoreError>> {
        let mut state = self.state();
        let entry = state.runs.get_mut(&run);
        let owned = entry.filter(|entry| entry.is_owned_by(&lease.owner));
        done(owned.map(|entry| {
            entry.lease = Some(expiring(lease));
            entry.run.cancel_requested
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
        let runs = state.runs.values().map(|entry| &entry.run);
        let mut found = runs
            .filter(|run| {
                run.subject == query.subject
                    && query
                        .workflow
                        .is_none_or(|workflow| run.workflow == workflow)
                    && query.status.is_none_or(|status| run.status == status)
                    && query.since.is_none_or(|since| run.created_at >= since)
                    && query
                        .after
                        .is_none_or(|after| (run.created_at, run.id) < after)
            })
            .collect::<Vec<_>>();
        found.sort_unstable_by_key(|run| Reverse((run.created_at, run.id)));
        let facts = found.into_iter().take(limit as usize).map(|run| RunFacts {
            id: run.id,
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
        done(requested.is_some())
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
