//! When the runs of schedules are due, in memory.

use std::collections::BTreeMap;
use std::time::SystemTime;

use crate::error::store_error::StoreError;
use crate::future::{BoxFuture, boxed_ready};
use crate::unix_time::now;
use crate::workflow::journal::memory_journal::MemoryJournal;
use crate::workflow::journal::schedule_store::{DueSchedule, ScheduleStore};

/// The definition of each workflow's schedule, and when its next run is due.
pub(super) type Schedules = BTreeMap<String, (String, SystemTime)>;

impl ScheduleStore for MemoryJournal {
    fn now(&self) -> BoxFuture<'_, Result<SystemTime, StoreError>> {
        boxed_ready(Ok(now()))
    }

    fn declare_schedule<'a>(
        &'a self,
        workflow: &'a str,
        definition: &'a str,
        due_at: SystemTime,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        let mut state = self.state();
        let known = state.schedules.get(workflow);
        if known.is_none_or(|(known, _)| known != definition) {
            let schedule = (definition.to_owned(), due_at);
            state.schedules.insert(workflow.to_owned(), schedule);
        }
        boxed_ready(Ok(()))
    }

    fn end_schedule<'a>(&'a self, workflow: &'a str) -> BoxFuture<'a, Result<(), StoreError>> {
        self.state().schedules.remove(workflow);
        boxed_ready(Ok(()))
    }

    fn due_schedules(&self) -> BoxFuture<'_, Result<Vec<DueSchedule>, StoreError>> {
        let now = now();
        let state = self.state();
        let due = state
            .schedules
            .iter()
            .filter(|(_, (_, due_at))| *due_at <= now);
        let due = due.map(|(workflow, (definition, due_at))| DueSchedule {
            workflow: workflow.clone(),
            definition: definition.clone(),
            due_at: *due_at,
            now,
        });
        boxed_ready(Ok(due.collect()))
    }

    fn advance_schedule<'a>(
        &'a self,
        due: &'a DueSchedule,
        next: SystemTime,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        let mut state = self.state();
        let known = state.schedules.get_mut(&due.workflow);
        let known = known
            .filter(|(definition, due_at)| *definition == due.definition && *due_at == due.due_at);
        boxed_ready(Ok(known.map(|(_, due_at)| *due_at = next).is_some()))
    }
}
