//! Runs kept in memory: gone with the process.

use std::collections::BTreeMap;
use std::future::ready;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use crate::schema::formats::Uuid;
use crate::session::session_store::Stored;
use crate::workflow::journal::{Change, Hold, Journal, JournaledRun, Take};
use crate::workflow::workflow_event::WorkflowEvent;

/// How many runs are kept at most.
const MOST_RUNS: usize = 10_000;

/// A [`Journal`] in memory. With 10,000 runs in it, a new one takes the place of the one that was over first, if any is.
#[derive(Debug, Default)]
pub struct MemoryJournal {
    kept: Mutex<BTreeMap<Uuid, Kept>>,
}

#[derive(Debug)]
struct Kept {
    run: JournaledRun,
    key: Option<String>,
    events: Vec<WorkflowEvent>,
    held: Option<(String, SystemTime)>,
    expires_at: Option<SystemTime>,
}

impl Kept {
    fn is_held_by(&self, holder: &str) -> bool {
        self.held.as_ref().is_some_and(|(held, _)| held == holder)
    }

    fn is_free(&self) -> bool {
        let held = self.held.as_ref();
        !self.run.status.is_over() && held.is_none_or(|(_, until)| *until <= SystemTime::now())
    }

    fn write(&mut self, change: &Change) -> bool {
        let known = |step: &str| self.run.steps.iter().find(|known| known.step == step);
        let is_over = |step: &str| known(step).is_some_and(|known| known.status.is_over());
        if self.run.status.is_over()
            || !self.is_held_by(&change.holder)
            || change.steps.iter().any(|step| is_over(&step.step))
        {
            return false;
        }
        for step in &change.steps {
            match self
                .run
                .steps
                .iter_mut()
                .find(|known| known.step == step.step)
            {
                Some(known) => known.clone_from(step),
                None => self.run.steps.push(step.clone()),
            }
        }
        self.events.extend(change.events.iter().cloned());
        self.run.status = change.status;
        self.run.error.clone_from(&change.error);
        if let Some((ended_at, expires_at)) = change.ended {
            self.run.ended_at = Some(ended_at);
            self.expires_at = Some(expires_at);
            self.held = None;
        }
        true
    }
}

impl MemoryJournal {
    fn kept(&self) -> MutexGuard<'_, BTreeMap<Uuid, Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn make_room(kept: &mut BTreeMap<Uuid, Kept>) {
    if kept.len() < MOST_RUNS {
        return;
    }
    let over = kept.values().filter(|kept| kept.run.ended_at.is_some());
    if let Some(id) = over
        .min_by_key(|kept| kept.run.ended_at)
        .map(|kept| kept.run.id)
    {
        kept.remove(&id);
    }
}

fn until(hold: &Hold) -> (String, SystemTime) {
    (hold.holder.clone(), SystemTime::now() + hold.lasts)
}

impl Journal for MemoryJournal {
    fn begin<'a>(
        &'a self,
        run: &'a JournaledRun,
        hold: Option<&'a Hold>,
        key: Option<&'a str>,
    ) -> Stored<'a, Option<JournaledRun>> {
        let mut kept = self.kept();
        let is_same = |kept: &&Kept| {
            key.is_some()
                && kept.key.as_deref() == key
                && kept.run.subject == run.subject
                && kept.run.workflow == run.workflow
        };
        if let Some(earlier) = kept.values().find(is_same) {
            return Box::pin(ready(Ok(Some(earlier.run.clone()))));
        }
        make_room(&mut kept);
        let begun = Kept {
            run: run.clone(),
            key: key.map(str::to_owned),
            events: Vec::new(),
            held: hold.map(until),
            expires_at: None,
        };
        kept.insert(run.id, begun);
        Box::pin(ready(Ok(None)))
    }

    fn claim<'a>(
        &'a self,
        workflow: &'a str,
        hold: &'a Hold,
        most: u32,
    ) -> Stored<'a, Vec<JournaledRun>> {
        let mut kept = self.kept();
        // The ids are in the order of time.
        let free = kept
            .values_mut()
            .filter(|kept| kept.run.workflow == workflow && kept.is_free());
        let claimed = free.take(most as usize).map(|kept| {
            kept.held = Some(until(hold));
            kept.run.clone()
        });
        Box::pin(ready(Ok(claimed.collect())))
    }

    fn take<'a>(&'a self, run: Uuid, hold: &'a Hold) -> Stored<'a, Take> {
        let mut kept = self.kept();
        let take = match kept.get_mut(&run) {
            None => Take::Missing,
            Some(kept) if kept.run.status.is_over() => Take::Over,
            Some(kept) => match kept.held.as_ref().filter(|_| !kept.is_free()) {
                Some((_, until)) => Take::Held(*until),
                None => {
                    kept.held = Some(until(hold));
                    Take::Taken(Box::new(kept.run.clone()))
                }
            },
        };
        Box::pin(ready(Ok(take)))
    }

    fn renew<'a>(&'a self, run: Uuid, hold: &'a Hold) -> Stored<'a, Option<bool>> {
        let mut kept = self.kept();
        let held = kept
            .get_mut(&run)
            .filter(|kept| kept.is_held_by(&hold.holder));
        let cancelled = held.map(|kept| {
            kept.held = Some(until(hold));
            kept.run.cancelled
        });
        Box::pin(ready(Ok(cancelled)))
    }

    fn release<'a>(&'a self, run: Uuid, holder: &'a str) -> Stored<'a, ()> {
        let mut kept = self.kept();
        if let Some(kept) = kept.get_mut(&run).filter(|kept| kept.is_held_by(holder)) {
            kept.held = None;
        }
        Box::pin(ready(Ok(())))
    }

    fn write<'a>(&'a self, change: &'a Change) -> Stored<'a, bool> {
        let mut kept = self.kept();
        let written = kept
            .get_mut(&change.run)
            .is_some_and(|kept| kept.write(change));
        Box::pin(ready(Ok(written)))
    }

    fn run<'a>(&'a self, run: Uuid, subject: &'a str) -> Stored<'a, Option<JournaledRun>> {
        let kept = self.kept();
        let found = kept.get(&run).filter(|kept| kept.run.subject == subject);
        Box::pin(ready(Ok(found.map(|kept| kept.run.clone()))))
    }

    fn events(&self, run: Uuid, after: u64, limit: u32) -> Stored<'_, Vec<(u64, WorkflowEvent)>> {
        let kept = self.kept();
        let events = kept.get(&run).map_or(&[] as &[_], |kept| &kept.events);
        let skipped = usize::try_from(after).unwrap_or(usize::MAX);
        let numbered = (1..).zip(events).skip(skipped).take(limit as usize);
        let events = numbered.map(|(number, event)| (number, event.clone()));
        Box::pin(ready(Ok(events.collect())))
    }

    fn cancel(&self, run: Uuid) -> Stored<'_, bool> {
        let mut kept = self.kept();
        let open = kept.get_mut(&run).filter(|kept| !kept.run.status.is_over());
        let found = open.map(|kept| kept.run.cancelled = true).is_some();
        Box::pin(ready(Ok(found)))
    }

    fn purge_runs(&self, most: u32) -> Stored<'_, u64> {
        let mut kept = self.kept();
        let now = SystemTime::now();
        let over = kept
            .values()
            .filter(|kept| kept.expires_at.is_some_and(|expires_at| expires_at <= now));
        let over = over.map(|kept| kept.run.id).take(most as usize);
        let over = over.collect::<Vec<_>>();
        for id in &over {
            kept.remove(id);
        }
        Box::pin(ready(Ok(over.len() as u64)))
    }
}
