//! A journal in memory: its runs end with the process.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use crate::error::store_error::StoreError;
use crate::future::{BoxFuture, boxed_ready};
use crate::schema::Uuid;
use crate::workflow::journal::{Change, ClaimOutcome, Journal, JournaledRun, RunLease};
use crate::workflow::workflow_event::WorkflowEvent;

/// How many runs are stored at most, unfinished ones aside.
const MAX_RUNS: usize = 10_000;

/// A [`Journal`] in memory. When it has 10,000 runs, a new one replaces the one that finished first, if any has.
#[derive(Debug, Default)]
pub struct MemoryJournal {
    runs: Mutex<BTreeMap<Uuid, Entry>>,
}

#[derive(Debug)]
struct Entry {
    run: JournaledRun,
    idempotency_key: Option<String>,
    events: Vec<WorkflowEvent>,
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

    fn claim(&mut self, lease: &RunLease) -> JournaledRun {
        self.lease = Some(expiring(lease));
        self.run.clone()
    }

    fn write(&mut self, change: &Change) -> bool {
        let steps = &self.run.steps;
        let has_ended = |id: &str| {
            let step = steps.iter().find(|step| step.step == id);
            step.is_some_and(|step| step.status.is_over())
        };
        if self.run.status.is_over()
            || !self.is_owned_by(&change.owner)
            || change.steps.iter().any(|step| has_ended(&step.step))
        {
            return false;
        }
        let steps = &mut self.run.steps;
        for changed in &change.steps {
            match steps.iter_mut().find(|step| step.step == changed.step) {
                Some(step) => step.clone_from(changed),
                None => steps.push(changed.clone()),
            }
        }
        self.events.extend(change.events.iter().cloned());
        self.run.status = change.status;
        self.run.error.clone_from(&change.error);
        if let Some((ended_at, expires_at)) = change.ended {
            self.run.ended_at = Some(ended_at);
            self.expires_at = Some(expires_at);
            self.lease = None;
        }
        true
    }
}

impl MemoryJournal {
    fn runs(&self) -> MutexGuard<'_, BTreeMap<Uuid, Entry>> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn make_room(runs: &mut BTreeMap<Uuid, Entry>) {
    if runs.len() < MAX_RUNS {
        return;
    }
    let finished = runs.values().filter(|entry| entry.run.ended_at.is_some());
    let first = finished.min_by_key(|entry| entry.run.ended_at);
    if let Some(id) = first.map(|entry| entry.run.id) {
        runs.remove(&id);
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
        run: &'a JournaledRun,
        lease: Option<&'a RunLease>,
        idempotency_key: Option<&'a str>,
    ) -> BoxFuture<'a, Result<Option<JournaledRun>, StoreError>> {
        let mut runs = self.runs();
        let has_key = |entry: &&Entry| {
            idempotency_key.is_some()
                && entry.idempotency_key.as_deref() == idempotency_key
                && entry.run.subject == run.subject
                && entry.run.workflow == run.workflow
        };
        if let Some(earlier) = runs.values().find(has_key) {
            return done(Some(earlier.run.clone()));
        }
        make_room(&mut runs);
        let entry = Entry {
            run: run.clone(),
            idempotency_key: idempotency_key.map(str::to_owned),
            events: Vec::new(),
            lease: lease.map(expiring),
            expires_at: None,
        };
        runs.insert(run.id, entry);
        done(None)
    }

    fn claim_unowned<'a>(
        &'a self,
        workflow: &'a str,
        lease: &'a RunLease,
        limit: u32,
    ) -> BoxFuture<'a, Result<Vec<JournaledRun>, StoreError>> {
        let mut runs = self.runs();
        // Ids are UUIDs of version 7, whose order is that of time.
        let claimable = runs
            .values_mut()
            .filter(|entry| entry.run.workflow == workflow && entry.is_claimable());
        let claimed = claimable.take(limit as usize);
        done(claimed.map(|entry| entry.claim(lease)).collect())
    }

    fn claim<'a>(
        &'a self,
        run: Uuid,
        lease: &'a RunLease,
    ) -> BoxFuture<'a, Result<ClaimOutcome, StoreError>> {
        let mut runs = self.runs();
        done(match runs.get_mut(&run) {
            None => ClaimOutcome::NotFound,
            Some(entry) if entry.run.status.is_over() => ClaimOutcome::Finished,
            Some(entry) => match &entry.lease {
                Some((_, until)) if !entry.is_claimable() => ClaimOutcome::LeasedUntil(*until),
                _ => ClaimOutcome::Claimed(Box::new(entry.claim(lease))),
            },
        })
    }

    fn renew<'a>(
        &'a self,
        run: Uuid,
        lease: &'a RunLease,
    ) -> BoxFuture<'a, Result<Option<bool>, StoreError>> {
        let mut runs = self.runs();
        let owned = runs
            .get_mut(&run)
            .filter(|entry| entry.is_owned_by(&lease.owner));
        done(owned.map(|entry| entry.claim(lease).cancel_requested))
    }

    fn release<'a>(&'a self, run: Uuid, owner: &'a str) -> BoxFuture<'a, Result<(), StoreError>> {
        let mut runs = self.runs();
        if let Some(entry) = runs.get_mut(&run).filter(|entry| entry.is_owned_by(owner)) {
            entry.lease = None;
        }
        done(())
    }

    fn write<'a>(&'a self, change: &'a Change) -> BoxFuture<'a, Result<bool, StoreError>> {
        let mut runs = self.runs();
        let entry = runs.get_mut(&change.run);
        done(entry.is_some_and(|entry| entry.write(change)))
    }

    fn run<'a>(
        &'a self,
        run: Uuid,
        subject: &'a str,
    ) -> BoxFuture<'a, Result<Option<JournaledRun>, StoreError>> {
        let runs = self.runs();
        let found = runs.get(&run).filter(|entry| entry.run.subject == subject);
        done(found.map(|entry| entry.run.clone()))
    }

    fn events(
        &self,
        run: Uuid,
        after: u64,
        limit: u32,
    ) -> BoxFuture<'_, Result<Vec<(u64, WorkflowEvent)>, StoreError>> {
        let runs = self.runs();
        let events = runs.get(&run).map_or(&[] as &[_], |entry| &entry.events);
        let skipped = usize::try_from(after).unwrap_or(usize::MAX);
        let numbered = (1..).zip(events).skip(skipped).take(limit as usize);
        done(
            numbered
                .map(|(number, event)| (number, event.clone()))
                .collect(),
        )
    }

    fn request_cancel(&self, run: Uuid) -> BoxFuture<'_, Result<bool, StoreError>> {
        let mut runs = self.runs();
        let unfinished = runs
            .get_mut(&run)
            .filter(|entry| !entry.run.status.is_over());
        let requested = unfinished.map(|entry| entry.run.cancel_requested = true);
        done(requested.is_some())
    }

    fn purge_runs(&self, limit: u32) -> BoxFuture<'_, Result<u64, StoreError>> {
        let mut runs = self.runs();
        let now = SystemTime::now();
        let expired = runs
            .values()
            .filter(|entry| entry.expires_at.is_some_and(|expires_at| expires_at <= now));
        let expired = expired.map(|entry| entry.run.id).take(limit as usize);
        let expired = expired.collect::<Vec<_>>();
        for id in &expired {
            runs.remove(id);
        }
        done(expired.len() as u64)
    }
}
