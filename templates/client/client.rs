//! A client of the agents of a service: one module for each agent, with a method for each of its operations.
//!
//! It is a module of its user's crate, or a crate of its own. It needs reqwest, serde, serde_json, futures-util and tokio.

#![allow(
    dead_code,
    unused_imports,
    clippy::large_enum_variant,
    clippy::type_complexity
)]

pub mod agents;

mod call;
mod codegen;
mod connection;
mod event_stream;
mod events;
mod problem;
mod reports;
mod runs;
mod service;
mod values;

pub use self::call::{Call, Json, JsonOrEvents};
pub use self::connection::Client;
pub use self::event_stream::EventStream;
pub use self::events::{
    AgentEvent, InvokeRequest, InvokeResponse, PolicyKind, RetrievedPassage, StopReason, Usage,
};
pub use self::problem::{
    ClientError, DeclaredError, FailedRun, NoDeclaredError, Problem, Violation,
};
pub use self::reports::{
    ActionKind, ActionOutcome, PendingAction, PendingToolCall, PlannedSubtask, RunReport,
    RunStatus, SkipReason, StepAnswer, StepError, StepOutcome, StepOutput, StepReport, StepReports,
    StepStatus, SubtaskOutput, TypedReport, TypedSteps, WorkflowEvent, WorkflowRun,
};
pub use self::runs::{
    ActionList, ListedAction, RunEvent, RunEvents, RunFilter, RunList, RunSummary, RunsDeleted,
    Workflow,
};
pub use self::service::{
    Document, DocumentInput, DocumentList, DocumentSummary, Documents, DocumentsPut, Page,
    PutDocument, Readiness, ReadinessCheck, Session, SessionList, SessionMessage,
    SessionMessageList, Sessions, TokenResponse,
};
pub use self::values::{Date, DateTime, JsonValue, Uuid};
