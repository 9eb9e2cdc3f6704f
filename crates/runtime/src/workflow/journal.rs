//! The journal: what a store of workflow runs must do, and a journal in memory.
//!
//! Invariant: a journal stores events in the order in which they happened, and everything else follows from them.

pub(crate) mod journaled_run;
pub(crate) mod memory_inbox;
pub(crate) mod memory_journal;
mod memory_runs;
mod memory_schedules;
pub(crate) mod run_requests;
pub(crate) mod schedule_store;

use std::ops::RangeInclusive;
use std::time::{Duration, SystemTime};

use serde_json::Value;

use crate::error::store_error::StoreError;
use crate::future::{BoxFuture, boxed_ready};
use crate::schema::Uuid;
use crate::workflow::journal::run_requests::{PauseOutcome, ResumeOutcome, RunRequests};
use crate::workflow::journal::schedule_store::ScheduleStore;
use crate::workflow::run_report::RunStatus;
use crate::workflow::waiting::inbox::{
    Answer, AnswerOutcome, Inbox, NewEvent, OpenQuestion, QuestionQuery, SendOutcome, StoredAction,
    SuspendOutcome, Suspension,
};
use crate::workflow::workflow_event::WorkflowEvent;

pub use self::journaled_run::JournaledRun;

/// Stores workflow runs, as the events of each in the order in which they happened.
///
/// One process at a time owns an unfinished run, by a lease. A lease expires by itself, so that other processes resume
/// the runs of a process that was killed. All times are those of the journal's clock: the clocks of the processes that
/// share a journal may differ.
pub trait Journal: ScheduleStore {
    /// Checks that the journal can be written to now, by writing something that nobody reads.
    fn check(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        boxed_ready(Ok(()))
    }

    /// Stores a new run. If the same subject already has a run of this workflow under the same idempotency key, nothing
    /// is stored and that run is returned.
    ///
    /// A run that waits gets a round: the one after that of the subject's last waiting run of this workflow, or the lowest
    /// round of all its waiting runs if that is higher. So the subjects take turns, however many runs each of them has.
    fn create<'a>(
        &'a self,
        run: &'a NewRun,
        start: Start<'a>,
    ) -> BoxFuture<'a, Result<CreateOutcome, StoreError>>;

    /// Leases up to `limit` unfinished runs that nobody has leased: runs that wait for a process, and runs whose process is gone. First
    /// come those with the fewest resumptions, of them those of the lowest round, and of them the oldest.
    fn claim_unowned<'a>(
        &'a self,
        filter: &'a RunFilter<'a>,
        lease: &'a RunLease,
        limit: u32,
    ) -> BoxFuture<'a, Result<Vec<JournaledRun>, StoreError>>;

    /// Leases this run, if it is unfinished and nobody has leased it, also if it is suspended. A run that is paused is leased only to
    /// be cancelled.
    fn claim<'a>(
        &'a self,
        run: Uuid,
        lease: &'a RunLease,
    ) -> BoxFuture<'a, Result<ClaimOutcome, StoreError>>;

    /// Extends the lease by its `ttl` from now. Returns what is asked of its owner, or `None` if the owner has lost the lease.
    fn renew<'a>(
        &'a self,
        run: Uuid,
        lease: &'a RunLease,
    ) -> BoxFuture<'a, Result<Option<RunRequests>, StoreError>>;

    /// Ends the lease of `owner`, so that any process can claim the run at once. Does nothing if `owner` has none.
    fn release<'a>(&'a self, run: Uuid, owner: &'a str) -> BoxFuture<'a, Result<(), StoreError>>;

    /// Ends the lease of a run that waits, and keeps processes from claiming it with [`claim_unowned`](Self::claim_unowned) until
    /// its time comes or something is sent to it. Its status is [`RunStatus::Waiting`] then. One that is to be paused is paused instead.
    fn suspend<'a>(
        &'a self,
        run: Uuid,
        owner: &'a str,
        suspension: &'a Suspension,
    ) -> BoxFuture<'a, Result<SuspendOutcome, StoreError>>;

    /// Wakes up to `limit` suspended runs whose time has come; returns their ids.
    fn wake_due(&self, limit: u32) -> BoxFuture<'_, Result<Vec<Uuid>, StoreError>>;

    /// Everything that was sent to a run.
    fn inbox(&self, run: Uuid) -> BoxFuture<'_, Result<Inbox, StoreError>>;

    /// The question `action` of a run.
    fn action(
        &self,
        run: Uuid,
        action: Uuid,
    ) -> BoxFuture<'_, Result<Option<StoredAction>, StoreError>>;

    /// Up to `limit` questions that are open and that those whom `query` names may answer, the newest first: the one with the greatest id.
    fn open_questions<'a>(
        &'a self,
        query: &'a QuestionQuery<'a>,
        limit: u32,
    ) -> BoxFuture<'a, Result<Vec<OpenQuestion>, StoreError>>;

    /// Stores the answer to a question, unless it is closed or has expired, and wakes the run.
    fn answer<'a>(
        &'a self,
        run: Uuid,
        answer: &'a Answer,
    ) -> BoxFuture<'a, Result<AnswerOutcome, StoreError>>;

    /// Closes a question that has expired. Returns `false` if it has not, or was answered: the answer is in the inbox.
    fn expire_action(&self, run: Uuid, action: Uuid) -> BoxFuture<'_, Result<bool, StoreError>>;

    /// Stores an event for a run that has not ended and has fewer than `limit`, and wakes the run.
    fn send_event<'a>(
        &'a self,
        run: Uuid,
        event: &'a NewEvent,
        limit: u32,
    ) -> BoxFuture<'a, Result<SendOutcome, StoreError>>;

    /// Stores a turn in place of the one of the same step and key. Returns `false` and stores nothing if `owner` has no lease of the run.
    fn save_turn<'a>(
        &'a self,
        run: Uuid,
        owner: &'a str,
        turn: &'a StoredTurn,
    ) -> BoxFuture<'a, Result<bool, StoreError>>;

    /// The turns of a step that are stored.
    fn turns<'a>(
        &'a self,
        run: Uuid,
        step: &'a str,
    ) -> BoxFuture<'a, Result<Vec<StoredTurn>, StoreError>>;

    /// Deletes the turns of a step.
    fn forget_turns<'a>(
        &'a self,
        run: Uuid,
        step: &'a str,
    ) -> BoxFuture<'a, Result<(), StoreError>>;

    /// Writes a change, all of it or nothing, and returns `true`. A change that the journal already has is not written
    /// again: a caller that does not know whether a write succeeded repeats it as it was.
    ///
    /// Returns `false` and writes nothing if `change.owner` has no lease of the run, the run is finished, or another
    /// change has its number: another process has taken over.
    fn write<'a>(&'a self, change: &'a Change) -> BoxFuture<'a, Result<bool, StoreError>>;

    /// The run with this id, if it belongs to `subject`.
    fn run<'a>(
        &'a self,
        run: Uuid,
        subject: &'a str,
    ) -> BoxFuture<'a, Result<Option<JournaledRun>, StoreError>>;

    /// Up to `limit` runs that `query` matches, the newest first, and of one millisecond the one with the greatest id.
    fn list<'a>(
        &'a self,
        query: &'a RunQuery<'a>,
        limit: u32,
    ) -> BoxFuture<'a, Result<Vec<RunFacts>, StoreError>>;

    /// Up to `limit` events of a run with a number greater than `after`, in order. Events are numbered from 1 without
    /// gaps.
    fn events(
        &self,
        run: Uuid,
        after: u64,
        limit: u32,
    ) -> BoxFuture<'_, Result<Vec<(u64, WorkflowEvent)>, StoreError>>;

    /// Asks the owner of a run, or its next one, to cancel it. Returns whether the run is unfinished.
    fn request_cancel(&self, run: Uuid) -> BoxFuture<'_, Result<bool, StoreError>>;

    /// Pauses a run that nobody has leased, and asks the owner of any other one to do so.
    fn request_pause(&self, run: Uuid) -> BoxFuture<'_, Result<PauseOutcome, StoreError>>;

    /// Pauses a run of `owner` and ends the lease. Returns `false` and does nothing if `owner` has none, or the run is no longer to be
    /// paused. No process can claim a run that is paused until it is resumed or is to be cancelled, whatever is sent to it.
    fn pause<'a>(&'a self, run: Uuid, owner: &'a str) -> BoxFuture<'a, Result<bool, StoreError>>;

    /// Ends a pause, or the request for one. Any process can claim the run then.
    fn resume(&self, run: Uuid) -> BoxFuture<'_, Result<ResumeOutcome, StoreError>>;

    /// Lets a finished run continue with [`JournaledRun::retried`] as its next event. It waits then as a new run does, in a round of its
    /// own. Returns `false` and does nothing if the run is no longer as it was when it was read.
    fn retry<'a>(&'a self, run: &'a JournaledRun) -> BoxFuture<'a, Result<bool, StoreError>>;

    /// How many unfinished runs nobody has leased, by workflow and definition.
    fn waiting_runs(&self) -> BoxFuture<'_, Result<Vec<WaitingRuns>, StoreError>>;

    /// Gives the unfinished runs of `workflow` whose definition is not known the definition `definition`.
    fn adopt_runs<'a>(
        &'a self,
        workflow: &'a str,
        definition: &'a str,
    ) -> BoxFuture<'a, Result<(), StoreError>>;

    /// Lets the waiting runs of `workflow` with this definition expire after `keep`, unless they do already or a process
    /// executes them before.
    fn expire_waiting_runs<'a>(
        &'a self,
        workflow: &'a str,
        definition: &'a str,
        keep: Duration,
    ) -> BoxFuture<'a, Result<(), StoreError>>;

    /// Deletes up to `limit` finished runs that `query` matches, those that were started first. Returns how many it deleted.
    fn delete_finished<'a>(
        &'a self,
        query: &'a RunQuery<'a>,
        limit: u32,
    ) -> BoxFuture<'a, Result<u64, StoreError>>;

    /// Deletes up to `limit` expired runs that nobody has leased. Returns how many it deleted.
    fn purge_runs(&self, limit: u32) -> BoxFuture<'_, Result<u64, StoreError>>;
}

/// The right of one process to execute a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunLease {
    /// The process; unique among all processes that share the journal.
    pub owner: String,
    /// How long the lease lasts unless it is renewed.
    pub ttl: Duration,
}

/// How a new run begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start<'a> {
    /// The process that creates it executes it at once.
    Leased(&'a RunLease),
    /// It waits until a process claims it.
    Waiting {
        /// How many runs of its subject may wait, this one included.
        limit: u32,
    },
}

/// Which runs to claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunFilter<'a> {
    /// The workflow's name.
    pub workflow: &'a str,
    /// The digest of the workflow's definition.
    pub definition: &'a str,
    /// How often they have been resumed, this time included.
    pub resumptions: RangeInclusive<u32>,
}

/// Which runs to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunQuery<'a> {
    /// The subject that started them.
    pub subject: &'a str,
    /// Only those of the workflow with this name.
    pub workflow: Option<&'a str>,
    /// Only those with one of these statuses; empty for all.
    pub statuses: &'a [RunStatus],
    /// Only those that were started then or later.
    pub since: Option<SystemTime>,
    /// Only those that were started earlier than this.
    pub before: Option<SystemTime>,
    /// Only those that come behind the run with this time of creation and this id: the last one of a page.
    pub after: Option<(SystemTime, Uuid)>,
}

/// What a list tells of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunFacts {
    /// The run's id.
    pub id: Uuid,
    /// The run that it is a step of.
    pub parent: Option<Uuid>,
    /// The workflow's name.
    pub workflow: String,
    /// The status.
    pub status: RunStatus,
    /// Why the run did not complete, or what it completed without.
    pub error: Option<String>,
    /// When the run was started, to the millisecond.
    pub created_at: SystemTime,
    /// When the run finished, to the millisecond.
    pub ended_at: Option<SystemTime>,
}

/// Unfinished runs that nobody has leased.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitingRuns {
    /// The workflow's name.
    pub workflow: String,
    /// The digest of the workflow's definition; empty for runs of versions that recorded none.
    pub definition: String,
    /// How many there are.
    pub count: u64,
}

/// A run that is to be created.
#[derive(Debug, Clone, PartialEq)]
pub struct NewRun {
    /// The run's id, a UUID of version 7.
    pub id: Uuid,
    /// The run that it is a step of.
    pub parent: Option<Uuid>,
    /// The workflow's name.
    pub workflow: String,
    /// The digest of the workflow's definition.
    pub definition: String,
    /// The subject that starts the run; nobody else can see it.
    pub subject: String,
    /// The subject's roles, with which steps run. `None` is not restricted by roles.
    pub roles: Option<Vec<String>>,
    /// The input, valid under the workflow's input schema.
    pub input: Value,
    /// The key of the request that starts the run.
    pub idempotency_key: Option<String>,
    /// The run whose input it repeats.
    pub restarted_from: Option<Uuid>,
}

/// The result of [`Journal::create`].
#[derive(Debug, Clone, PartialEq)]
pub enum CreateOutcome {
    /// The run was stored.
    Created(Box<JournaledRun>),
    /// The subject has this run under the idempotency key.
    Existing(Box<JournaledRun>),
    /// Nothing was stored: as many runs of the subject wait as may.
    TooManyWaiting,
}

/// The result of [`Journal::claim`].
#[derive(Debug, Clone, PartialEq)]
pub enum ClaimOutcome {
    /// The caller has the lease now.
    Claimed(Box<JournaledRun>),
    /// A process has it for so long, or longer if it renews it.
    Leased(Duration),
    /// The run is paused.
    Paused,
    /// The run is finished.
    Finished,
    /// There is no such run.
    NotFound,
}

/// A change of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// Identifies the change.
    pub id: Uuid,
    /// The run's id.
    pub run: Uuid,
    /// Who must have the lease.
    pub owner: String,
    /// The number of its first event: the number of events before it, and one.
    pub first_event: u64,
    /// The events to append, in order; at least one.
    pub events: Vec<WorkflowEvent>,
    /// How the run stands after the change; `None` if that stays as it is.
    pub state: Option<RunState>,
}

/// How far a turn of a model is that waits for a person, or has.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredTurn {
    /// The step that it is a part of.
    pub step: String,
    /// Which turn of the step.
    pub key: String,
    /// What is needed to continue it. A journal stores it as it is.
    pub record: Value,
}

/// How a run stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunState {
    /// The status.
    pub status: RunStatus,
    /// Why the run did not complete, or what it completed without.
    pub error: Option<String>,
    /// The new [`JournaledRun::resumptions`].
    pub resumptions: u32,
    /// For a run that finishes now: how long it is stored.
    pub keep: Option<Duration>,
}
