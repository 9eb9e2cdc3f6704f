//! Runs of workflows: the scheduler, the executor, the journal and its leases.
//!
//! Invariant: a change is journaled before anyone is notified of it. Only the owner of the lease executes a run, only a process
//! with the definition that the run began with resumes it, and a finished step is never executed again. Nothing here knows HTTP.

pub(crate) mod evaluation;
pub(crate) mod executor;
pub(crate) mod journal;
pub(crate) mod leases;
pub(crate) mod memory_journal;
pub(crate) mod queue;
pub(crate) mod run_handle;
pub(crate) mod run_report;
pub(crate) mod run_start;
pub(crate) mod schedule;
pub(crate) mod step_task;
pub(crate) mod workflow_event;
pub(crate) mod workflow_service;
pub(crate) mod workflows;

pub use self::journal::{
    Change, ClaimOutcome, CreateOutcome, Journal, JournaledRun, NewRun, RunFacts, RunFilter,
    RunLease, RunQuery, RunState, Start, WaitingRuns,
};
pub use self::memory_journal::MemoryJournal;
pub use self::run_report::{
    RunReport, RunStatus, SkipReason, StepAnswer, StepError, StepOutcome, StepOutput, StepReport,
    StepReports, StepStatus, TypedReport, TypedSteps,
};
pub use self::workflow_event::WorkflowEvent;
pub use self::workflow_service::WorkflowLimits;
pub use crate::spec::workflow_spec::{
    Comparison, Expression, Join, OnFailure, StepSpec, Template, WorkflowSpec,
};
