//! The journal: what a store of workflow runs must do.

use std::time::{Duration, SystemTime};

use serde_json::Value;

use crate::error::store_error::StoreError;
use crate::event::agent_event::Usage;
use crate::future::BoxFuture;
use crate::schema::{DateTime, Uuid};
use crate::workflow::run_report::{RunReport, RunStatus, StepReport};
use crate::workflow::workflow_event::WorkflowEvent;

/// Stores workflow runs, step by step.
///
/// One process at a time owns an unfinished run, by a lease. A lease expires by itself, so that other processes resume
/// the runs of a process that was killed.
pub trait Journal: Send + Sync + 'static {
    /// Stores a new run, leased if `lease` is given. If the same subject already has a run of this workflow under
    /// `idempotency_key`, nothing is stored and that run is returned instead.
    fn create<'a>(
        &'a self,
        run: &'a JournaledRun,
        lease: Option<&'a RunLease>,
        idempotency_key: Option<&'a str>,
    ) -> BoxFuture<'a, Result<Option<JournaledRun>, StoreError>>;

    /// Leases up to `limit` unfinished runs of `workflow` that nobody has leased, oldest first: runs that wait, and
    /// runs whose process is gone.
    fn claim_unowned<'a>(
        &'a self,
        workflow: &'a str,
        lease: &'a RunLease,
        limit: u32,
    ) -> BoxFuture<'a, Result<Vec<JournaledRun>, StoreError>>;

    /// Leases this run, if it is unfinished and nobody has leased it.
    fn claim<'a>(
        &'a self,
        run: Uuid,
        lease: &'a RunLease,
    ) -> BoxFuture<'a, Result<ClaimOutcome, StoreError>>;

    /// Extends the lease by its `ttl` from now. Returns whether a cancellation was requested, or `None` if the owner
    /// has lost the lease.
    fn renew<'a>(
        &'a self,
        run: Uuid,
        lease: &'a RunLease,
    ) -> BoxFuture<'a, Result<Option<bool>, StoreError>>;

    /// Ends the lease of `owner`, so that any process can claim the run at once. Does nothing if `owner` has none.
    fn release<'a>(&'a self, run: Uuid, owner: &'a str) -> BoxFuture<'a, Result<(), StoreError>>;

    /// Writes a change, all of it or nothing.
    ///
    /// Returns `false` and writes nothing if `change.owner` has no lease of the run, the run is finished, or one of the
    /// steps had already ended: another process has taken over.
    fn write<'a>(&'a self, change: &'a Change) -> BoxFuture<'a, Result<bool, StoreError>>;

    /// The run with this id, if it belongs to `subject`.
    fn run<'a>(
        &'a self,
        run: Uuid,
        subject: &'a str,
    ) -> BoxFuture<'a, Result<Option<JournaledRun>, StoreError>>;

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

    /// Deletes up to `limit` expired runs. Returns how many it deleted.
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

/// The result of [`Journal::claim`].
#[derive(Debug, Clone, PartialEq)]
pub enum ClaimOutcome {
    /// The caller has the lease now.
    Claimed(Box<JournaledRun>),
    /// A process has it until this moment, or longer if it renews it.
    LeasedUntil(SystemTime),
    /// The run is finished.
    Finished,
    /// There is no such run.
    NotFound,
}

/// A run as the journal stores it.
#[derive(Debug, Clone, PartialEq)]
pub struct JournaledRun {
    /// The run's id.
    pub id: Uuid,
    /// The workflow's name.
    pub workflow: String,
    /// The subject that started the run; nobody else can see it.
    pub subject: String,
    /// The subject's roles when it started the run. Steps run with them.
    pub roles: Vec<String>,
    /// The input, valid under the workflow's input schema.
    pub input: Value,
    /// The status.
    pub status: RunStatus,
    /// Why the run did not complete, or what it completed without.
    pub error: Option<String>,
    /// When the run was started, to the millisecond.
    pub created_at: SystemTime,
    /// When the run finished, to the millisecond.
    pub ended_at: Option<SystemTime>,
    /// Whether the owner has to cancel the run.
    pub cancel_requested: bool,
    /// The steps that are no longer pending, in any order.
    pub steps: Vec<StepReport>,
}

/// A change of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// The run's id.
    pub run: Uuid,
    /// Who must have the lease.
    pub owner: String,
    /// The new reports of the steps that changed.
    pub steps: Vec<StepReport>,
    /// The events to append, in order.
    pub events: Vec<WorkflowEvent>,
    /// The run's new status.
    pub status: RunStatus,
    /// The run's new error.
    pub error: Option<String>,
    /// For a run that finishes: when, and when it expires.
    pub ended: Option<(SystemTime, SystemTime)>,
}

impl JournaledRun {
    /// The report of the run. `pending` are the reports of all steps in the workflow's order; those that the journal
    /// has take their place.
    pub(crate) fn report(self, pending: impl IntoIterator<Item = StepReport>) -> RunReport {
        let journaled = self.steps;
        let steps = pending.into_iter().map(|pending| {
            let found = journaled.iter().find(|step| step.step == pending.step);
            found.cloned().unwrap_or(pending)
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
