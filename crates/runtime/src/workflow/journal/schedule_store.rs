//! When the runs of schedules are due, as the processes that share a journal know it.

use std::time::SystemTime;

use crate::error::store_error::StoreError;
use crate::future::BoxFuture;

/// What the subject of a run begins with that a schedule has started; the name of the workflow follows.
const SUBJECT: &str = "schedule:";

/// The subject of the runs that the schedule of `workflow` starts.
pub(crate) fn subject_of(workflow: &str) -> String {
    format!("{SUBJECT}{workflow}")
}

/// The workflow whose schedule has started the runs of `subject`.
pub(crate) fn schedule_of(subject: &str) -> Option<&str> {
    subject.strip_prefix(SUBJECT)
}

/// Stores of each workflow with a schedule when its next run is due, on the clock of the store.
pub trait ScheduleStore: Send + Sync + 'static {
    /// The time on the clock of the store.
    fn now(&self) -> BoxFuture<'_, Result<SystemTime, StoreError>>;

    /// Stores that the next run of `workflow` is due at `due_at`, unless it has this schedule already.
    fn declare_schedule<'a>(
        &'a self,
        workflow: &'a str,
        definition: &'a str,
        due_at: SystemTime,
    ) -> BoxFuture<'a, Result<(), StoreError>>;

    /// Forgets the schedule of `workflow`.
    fn end_schedule<'a>(&'a self, workflow: &'a str) -> BoxFuture<'a, Result<(), StoreError>>;

    /// The schedules whose next run is due.
    fn due_schedules(&self) -> BoxFuture<'_, Result<Vec<DueSchedule>, StoreError>>;

    /// Stores that the run after that of `due` is due at `next`. Returns `false` and does nothing if another process has done so, or the
    /// schedule has changed.
    fn advance_schedule<'a>(
        &'a self,
        due: &'a DueSchedule,
        next: SystemTime,
    ) -> BoxFuture<'a, Result<bool, StoreError>>;
}

/// A schedule whose next run is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueSchedule {
    /// The workflow's name.
    pub workflow: String,
    /// Changes with the schedule.
    pub definition: String,
    /// When the run is due, to the millisecond.
    pub due_at: SystemTime,
    /// The time on the clock of the store.
    pub now: SystemTime,
}
