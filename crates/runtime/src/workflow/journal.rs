//! What keeps the runs of workflows has to be able to do.

use std::time::{Duration, SystemTime};

use serde_json::Value;

use crate::event::agent_event::Usage;
use crate::schema::formats::{DateTime, Uuid};
use crate::session::session_store::Stored;
use crate::workflow::run_report::{RunReport, RunStatus, StepReport};
use crate::workflow::workflow_event::WorkflowEvent;

/// Keeps runs, step by step. A run under way is held by one process at a time; the hold ends by itself, so that others
/// can go on with the runs of a process that was killed. All methods fail with 503 if the journal can't be reached, and
/// with 500 for what should not happen.
pub trait Journal: Send + Sync + 'static {
    /// Keeps a new run; `hold` is who goes on with it, if anybody does at once. `key` is what its owner calls the
    /// request for it: as long as a run of the same workflow and the same owner with that key is kept, there is no
    /// other one, and it is given instead.
    fn begin<'a>(
        &'a self,
        run: &'a JournaledRun,
        hold: Option<&'a Hold>,
        key: Option<&'a str>,
    ) -> Stored<'a, Option<JournaledRun>>;

    /// Takes at most `most` runs of `workflow` that are not over and that nobody holds, the oldest first.
    fn claim<'a>(
        &'a self,
        workflow: &'a str,
        hold: &'a Hold,
        most: u32,
    ) -> Stored<'a, Vec<JournaledRun>>;

    /// Takes this run, if it is not over and nobody holds it.
    fn take<'a>(&'a self, run: Uuid, hold: &'a Hold) -> Stored<'a, Take>;

    /// Holds a run for longer, and says whether it is to be cancelled; `None` if it is not held any more.
    fn renew<'a>(&'a self, run: Uuid, hold: &'a Hold) -> Stored<'a, Option<bool>>;

    /// Gives a run back, if `holder` holds it, so that somebody can go on with it at once.
    fn release<'a>(&'a self, run: Uuid, holder: &'a str) -> Stored<'a, ()>;

    /// Writes down what has happened in a run: all of it or nothing.
    ///
    /// Says `false`, and writes nothing, if `change.holder` does not hold the run, if it is over, or if one of the
    /// steps was over before: whoever asks has been overtaken.
    fn write<'a>(&'a self, change: &'a Change) -> Stored<'a, bool>;

    /// The run with this id, if it is this subject's.
    fn run<'a>(&'a self, run: Uuid, subject: &'a str) -> Stored<'a, Option<JournaledRun>>;

    /// At most `limit` events of a run with their numbers, from behind the one numbered `after` on; the first one has
    /// the number 1.
    fn events(&self, run: Uuid, after: u64, limit: u32) -> Stored<'_, Vec<(u64, WorkflowEvent)>>;

    /// Has a run be cancelled by who holds it, or by who takes it next. Says whether it is not over.
    fn cancel(&self, run: Uuid) -> Stored<'_, bool>;

    /// Removes at most `most` runs that have expired, and says how many it were.
    fn purge_runs(&self, most: u32) -> Stored<'_, u64>;
}

/// Who goes on with a run, and for how long without being renewed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// The process.
    pub holder: String,
    /// How long it lasts from now on.
    pub lasts: Duration,
}

/// What came of taking a run.
#[derive(Debug, Clone, PartialEq)]
pub enum Take {
    /// Who asked for it holds it now.
    Taken(Box<JournaledRun>),
    /// Somebody holds it: until then, if they don't renew that.
    Held(SystemTime),
    /// It is over.
    Over,
    /// There is no such run.
    Missing,
}

/// A run as it is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct JournaledRun {
    /// Its id.
    pub id: Uuid,
    /// The workflow's name.
    pub workflow: String,
    /// Whose it is.
    pub subject: String,
    /// What its owner may be.
    pub roles: Vec<String>,
    /// What it was given.
    pub input: Value,
    /// How it stands.
    pub status: RunStatus,
    /// Why it did not complete.
    pub error: Option<String>,
    /// When it was asked for, to the millisecond.
    pub created_at: SystemTime,
    /// When it was over.
    pub ended_at: Option<SystemTime>,
    /// Whether it is to be cancelled.
    pub cancelled: bool,
    /// The steps that have begun or will not any more, in any order.
    pub steps: Vec<StepReport>,
}

/// What has happened in a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// The run.
    pub run: Uuid,
    /// Who has to hold it.
    pub holder: String,
    /// The steps that have changed.
    pub steps: Vec<StepReport>,
    /// What is told of it, in order.
    pub events: Vec<WorkflowEvent>,
    /// How the run stands then.
    pub status: RunStatus,
    /// Why it did not complete.
    pub error: Option<String>,
    /// If it is over: when, and when it may be forgotten.
    pub ended: Option<(SystemTime, SystemTime)>,
}

impl JournaledRun {
    /// What is told of the run, with its steps in the order of `steps`, which says how each stands that is not kept.
    pub(crate) fn report(self, steps: impl IntoIterator<Item = StepReport>) -> RunReport {
        let kept = self.steps;
        let steps = steps.into_iter().map(|pending| {
            let kept = kept.iter().find(|kept| kept.step == pending.step);
            kept.cloned().unwrap_or(pending)
        });
        let steps = steps.collect::<Vec<_>>();
        let usage = steps.iter().map(|step| step.usage);
        RunReport {
            run_id: self.id,
            workflow: self.workflow,
            status: self.status,
            error: self.error,
            created_at: DateTime::from(self.created_at),
            ended_at: self.ended_at.map(DateTime::from),
            usage: usage.fold(Usage::default(), Usage::plus),
            steps,
        }
    }
}
