//! The runs of a journal in memory, and where to find them.
//!
//! Invariant: what is done for one run does not look at all of them.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::time::SystemTime;

use crate::error::store_error::StoreError;
use crate::schema::Uuid;
use crate::unix_time::now;
use crate::workflow::journal::StoredTurn;
use crate::workflow::journal::memory_inbox::MemoryInbox;
use crate::workflow::journal::memory_schedules::Schedules;
use crate::workflow::journal::{Change, JournaledRun, RunFilter, RunLease, RunQuery};
use crate::workflow::run_report::RunStatus;
use crate::workflow::waiting::inbox::{OpenQuestion, QuestionQuery};
use crate::workflow::workflow_event::WorkflowEvent;

/// How many runs are stored at most.
const MAX_RUNS: usize = 10_000;

/// The runs, and where to find them without looking at all of them.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) runs: BTreeMap<Uuid, Entry>,
    /// The runs that began with an idempotency key, by subject, workflow and key.
    pub(super) by_key: BTreeMap<(String, String, String), Uuid>,
    pub(super) open: OpenRuns,
    /// The finished runs, by when they finished.
    pub(super) by_end: BTreeSet<(SystemTime, Uuid)>,
    /// The runs that expire, by when they do.
    pub(super) by_expiry: BTreeSet<(SystemTime, Uuid)>,
    pub(super) schedules: Schedules,
    /// The suspended runs that wait for a moment, by when it is.
    pub(super) by_wake: BTreeSet<(SystemTime, Uuid)>,
}

/// The unfinished runs that are not suspended, each with its round. The order of their ids, UUIDs of version 7, is that of time.
#[derive(Debug, Default)]
pub(super) struct OpenRuns {
    /// By workflow and definition.
    pub(super) by_workflow: RunSets,
    /// By subject and workflow.
    pub(super) by_subject: RunSets,
}

impl OpenRuns {
    pub(super) fn insert(&mut self, run: &JournaledRun, round: u64) {
        for (sets, key) in self.sets(run) {
            sets.entry(key).or_default().insert((round, run.id));
        }
    }

    pub(super) fn remove(&mut self, run: &JournaledRun, round: u64) {
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
pub(super) struct Entry {
    pub(super) run: JournaledRun,
    pub(super) idempotency_key: Option<String>,
    pub(super) events: Vec<WorkflowEvent>,
    /// See [`Journal::create`]; 0 for a run that never waited.
    pub(super) round: u64,
    /// The id of the last change.
    pub(super) last_change: Option<Uuid>,
    /// The owner, and when its lease expires.
    pub(super) lease: Option<(String, SystemTime)>,
    pub(super) expires_at: Option<SystemTime>,
    /// Whether it is suspended, and until when.
    pub(super) suspended: Option<Option<SystemTime>>,
    pub(super) inbox: MemoryInbox,
    pub(super) turns: Vec<StoredTurn>,
}

impl Entry {
    pub(super) fn is_owned_by(&self, owner: &str) -> bool {
        self.lease.as_ref().is_some_and(|(other, _)| other == owner)
    }

    pub(super) fn is_claimable(&self) -> bool {
        let lease = self.lease.as_ref();
        !self.run.status.is_over()
            && lease.is_none_or(|(_, expires_at)| *expires_at <= SystemTime::now())
    }

    /// Whether no process may claim it.
    pub(super) fn is_paused(&self) -> bool {
        self.run.status == RunStatus::Paused && !self.run.cancel_requested
    }

    /// Whether nobody has leased it or had.
    pub(super) fn is_waiting(&self) -> bool {
        !self.run.status.is_over() && self.lease.is_none()
    }

    /// The resumptions of the run if `lease` is taken of it: another owner that has an expired lease has died.
    pub(super) fn resumptions(&self, lease: &RunLease) -> u32 {
        let owner = self.lease.as_ref().map(|(owner, _)| owner);
        self.run.resumptions + u32::from(owner.is_some_and(|owner| *owner != lease.owner))
    }

    pub(super) fn claim(&mut self, lease: &RunLease) -> JournaledRun {
        self.run.resumptions = self.resumptions(lease);
        self.lease = Some(expiring(lease));
        self.read()
    }

    pub(super) fn read(&self) -> JournaledRun {
        let age = SystemTime::now().duration_since(self.run.created_at);
        JournaledRun {
            age: age.unwrap_or_default(),
            ..self.run.clone()
        }
    }

    pub(super) fn write(&mut self, change: &Change) -> bool {
        if self.run.status.is_over()
            || !self.is_owned_by(&change.owner)
            || change.first_event != self.run.event_count + 1
        {
            return false;
        }
        self.last_change = Some(change.id);
        for event in &change.events {
            self.run.apply(event, now());
            self.inbox.apply(event);
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
    /// Lets processes claim a run that is suspended.
    pub(super) fn wake(&mut self, id: Uuid) {
        let Some(entry) = self.runs.get_mut(&id) else {
            return;
        };
        if let Some(until) = entry.suspended.take() {
            if let Some(until) = until {
                self.by_wake.remove(&(until, id));
            }
            self.open.insert(&entry.run, entry.round);
        }
    }

    /// The same, if the run is not paused.
    pub(super) fn wake_unless_paused(&mut self, id: Uuid) {
        if !self.runs.get(&id).is_some_and(Entry::is_paused) {
            self.wake(id);
        }
    }

    /// Keeps processes from claiming a run until it is woken.
    pub(super) fn pause(&mut self, id: Uuid) {
        let Some(entry) = self.runs.get_mut(&id) else {
            return;
        };
        match entry.suspended.replace(None) {
            Some(Some(until)) => {
                self.by_wake.remove(&(until, id));
            }
            Some(None) => {}
            None => self.open.remove(&entry.run, entry.round),
        }
        entry.lease = None;
        entry.run.status = RunStatus::Paused;
    }

    /// See [`Journal::retry`](crate::workflow::Journal::retry).
    pub(super) fn retry(&mut self, read: &JournaledRun) -> bool {
        let round = self.next_round((&read.subject, &read.workflow, &read.definition));
        let Some(entry) = self.runs.get_mut(&read.id) else {
            return false;
        };
        let run = &mut entry.run;
        let Some(ended_at) = run.ended_at else {
            return false;
        };
        if (read.ended_at, read.event_count) != (run.ended_at, run.event_count) {
            return false;
        }
        let event = read.retried();
        run.apply(&event, now());
        run.status = RunStatus::Queued;
        run.error = None;
        run.ended_at = None;
        run.cancel_requested = false;
        run.pause_requested = false;
        run.resumptions = 0;
        entry.events.push(event);
        entry.round = round;
        self.open.insert(&entry.run, round);
        self.by_end.remove(&(ended_at, read.id));
        self.expire(read.id, None);
        true
    }

    /// The runs that `query` matches, in no order.
    pub(super) fn matching<'a>(
        &'a self,
        query: &'a RunQuery<'a>,
    ) -> impl Iterator<Item = &'a JournaledRun> {
        let runs = self.runs.values().map(|entry| &entry.run);
        runs.filter(|run| {
            let is_of = query.workflow.is_none_or(|name| run.workflow == name);
            let is_so = query.statuses.is_empty() || query.statuses.contains(&run.status);
            let place = (run.created_at, run.id);
            run.subject == query.subject
                && is_of
                && is_so
                && query.since.is_none_or(|since| run.created_at >= since)
                && query.before.is_none_or(|before| run.created_at < before)
                && query.after.is_none_or(|after| place < after)
        })
    }

    /// See [`Journal::open_questions`](crate::workflow::Journal::open_questions).
    pub(super) fn open_questions(
        &self,
        query: &QuestionQuery<'_>,
        limit: u32,
    ) -> Vec<OpenQuestion> {
        let entries = self.runs.values();
        let open = entries.filter(|entry| !entry.run.status.is_over());
        let open = open.flat_map(|entry| {
            let questions = entry.inbox.open_questions();
            questions.map(move |question| (&entry.run, question))
        });
        let mut found = open
            .filter(|(run, question)| {
                let may_answer = match (query.roles, &*question.roles) {
                    (_, []) => query.subjects.contains(&run.subject),
                    (None, _) => true,
                    (Some(own), roles) => roles.iter().any(|role| own.contains(role)),
                };
                may_answer && query.before.is_none_or(|before| question.id < before)
            })
            .collect::<Vec<_>>();
        found.sort_unstable_by_key(|(_, question)| Reverse(question.id));
        let newest = found.into_iter().take(limit as usize);
        let newest = newest.map(|(run, question)| OpenQuestion {
            run: run.id,
            workflow: run.workflow.clone(),
            action: question.clone(),
        });
        newest.collect()
    }

    /// Makes room for a run.
    pub(super) fn make_room(&mut self) -> Result<(), StoreError> {
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
    pub(super) fn remove(&mut self, id: Uuid) {
        let Some(Entry {
            run,
            idempotency_key,
            expires_at,
            round,
            suspended,
            ..
        }) = self.runs.remove(&id)
        else {
            return;
        };
        if let Some(Some(until)) = suspended {
            self.by_wake.remove(&(until, id));
        }
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
    pub(super) fn waiting<'a>(
        &'a self,
        ids: impl IntoIterator<Item = &'a (u64, Uuid)>,
    ) -> impl Iterator<Item = &'a Entry> {
        let entries = ids.into_iter().filter_map(|(_, id)| self.runs.get(id));
        entries.filter(|entry| entry.is_waiting())
    }

    /// How many runs of `subject` wait.
    pub(super) fn count_waiting(&self, subject: &str) -> usize {
        let own = self
            .open
            .by_subject
            .range((subject.to_owned(), String::new())..);
        let own = own.take_while(|((other, _), _)| other == subject);
        own.map(|(_, ids)| self.waiting(ids).count()).sum()
    }

    /// The round of a run of this subject, workflow and definition that begins to wait.
    pub(super) fn next_round(&self, (subject, workflow, definition): (&str, &str, &str)) -> u64 {
        let own = (subject.to_owned(), workflow.to_owned());
        let own = self.open.by_subject.get(&own).into_iter();
        let own = self.waiting(own.flat_map(|ids| ids.iter().rev()));
        let all = (workflow.to_owned(), definition.to_owned());
        let all = self.waiting(self.open.by_workflow.get(&all).into_iter().flatten());
        let is_queued = |entry: &&Entry| entry.run.status == RunStatus::Queued;
        let rounds = [
            own.map(|entry| entry.round + 1).next(),
            all.filter(is_queued).map(|entry| entry.round).next(),
        ];
        rounds.into_iter().flatten().max().unwrap_or(0)
    }

    /// Leases the next runs that `filter` selects, up to `limit`.
    pub(super) fn claim(
        &mut self,
        filter: &RunFilter<'_>,
        lease: &RunLease,
        limit: u32,
    ) -> Vec<JournaledRun> {
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
    pub(super) fn expire(&mut self, id: Uuid, expires_at: Option<SystemTime>) {
        if let Some(entry) = self.runs.get_mut(&id) {
            if let Some(before) = std::mem::replace(&mut entry.expires_at, expires_at) {
                self.by_expiry.remove(&(before, id));
            }
            self.by_expiry
                .extend(expires_at.map(|expires_at| (expires_at, id)));
        }
    }

    pub(super) fn write(&mut self, change: &Change) -> bool {
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

pub(super) fn expiring(lease: &RunLease) -> (String, SystemTime) {
    (lease.owner.clone(), SystemTime::now() + lease.ttl)
}
