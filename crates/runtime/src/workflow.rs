//! Runs of workflows: the scheduler, the executor, the journal and its leases.
//!
//! Invariant: a change is journaled before anyone is notified of it. Only the owner of the lease executes a run, only a process
//! with the definition that the run began with resumes it, and a finished step is never executed again. A run that waits for
//! somebody has no owner. Nothing here knows HTTP.

pub(crate) mod agent_run;
pub(crate) mod execution;
pub(crate) mod journal;
pub(crate) mod leases;

pub(crate) mod queue;
pub(crate) mod run_operations;
pub(crate) mod run_report;
pub(crate) mod run_schedules;
pub(crate) mod run_start;
pub(crate) mod waiting;
pub(crate) mod workflow_event;
pub(crate) mod workflow_service;
pub(crate) mod workflows;

pub use self::journal::memory_journal::MemoryJournal;
pub use self::journal::run_requests::{PauseOutcome, ResumeOutcome, RunRequests};
pub use self::journal::schedule_store::{DueSchedule, ScheduleStore};
pub use self::journal::{
    Change, ClaimOutcome, CreateOutcome, Journal, JournaledRun, NewRun, RunFacts, RunFilter,
    RunLease, RunQuery, RunState, Start, StoredTurn, WaitingRuns,
};
pub use self::run_report::{
    PlannedSubtask, RunReport, RunStatus, SkipReason, StepAnswer, StepError, StepOutcome,
    StepOutput, StepReport, StepReports, StepStatus, SubtaskOutput, TypedReport, TypedSteps,
};
pub use self::waiting::{
    Answer, AnswerOutcome, Inbox, NewEvent, OpenQuestion, QuestionQuery, SendOutcome, SentEvent,
    StoredAction, SuspendOutcome, Suspension,
};
pub use self::workflow_event::WorkflowEvent;
pub use self::workflow_service::WorkflowLimits;
pub use crate::event::pending_action::{ActionKind, ActionOutcome, PendingAction, PendingToolCall};
pub use crate::spec::workflow_spec::{
    Comparison, Expression, Join, Missed, OnFailure, ScheduleSpec, StepKind, StepSpec, Template,
    WorkflowSpec,
};
