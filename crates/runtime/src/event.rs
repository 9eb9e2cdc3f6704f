//! What happens while an agent runs, who receives it, and what the run used.
//!
//! Invariant: `run.started` is the first event and exactly one of `run.completed` and `run.failed` is the last. Clients skip events
//! that they don't know.

pub(crate) mod agent_event;
pub(crate) mod event_sink;
pub(crate) mod pending_action;
pub(crate) mod usage_meter;

pub use self::agent_event::{AgentEvent, PolicyKind, RetrievedPassage, StopReason, Usage};
