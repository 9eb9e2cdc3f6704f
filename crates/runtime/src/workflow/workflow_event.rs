//! What is told of a run of a workflow as it goes: events, numbered and kept.

use serde::{Deserialize, Serialize};

use crate::event::agent_event::{AgentEvent, PolicyKind};
use crate::schema::formats::Uuid;
use crate::workflow::run_report::{RunStatus, StepError, StepReport};

/// One thing that happened in a run. They are numbered from 1 on, and none is ever taken back: a step that was under way
/// when its process ended begins again after `run.resumed`, and what is told of it from then on is of its new beginning.
///
/// Later versions add events: clients skip those that they don't know.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type")]
pub enum WorkflowEvent {
    /// The run has begun.
    #[serde(rename = "run.started")]
    Started {
        /// The run.
        run_id: Uuid,
        /// The workflow's name.
        workflow: String,
    },
    /// The run goes on after the process that it was in has ended.
    #[serde(rename = "run.resumed")]
    Resumed {
        /// The run.
        run_id: Uuid,
    },
    /// A step has begun.
    #[serde(rename = "step.started")]
    StepStarted {
        /// The step.
        step: String,
        /// The slug of its agent.
        agent: String,
        /// The endpoint's name.
        endpoint: String,
    },
    /// An attempt failed; there will be another one.
    #[serde(rename = "step.retried")]
    StepRetried {
        /// The step.
        step: String,
        /// Which attempt it was that failed, from 1 on.
        attempt: u32,
        /// The pause before the next one, in milliseconds.
        pause_ms: u64,
        /// What it failed of.
        error: StepError,
    },
    /// The last attempt failed; another agent is asked.
    #[serde(rename = "step.fallback")]
    StepFallback {
        /// The step.
        step: String,
        /// The slug of the other agent.
        agent: String,
        /// What the last attempt failed of.
        error: StepError,
    },
    /// A policy decided how a step goes on, or the run.
    #[serde(rename = "policy.applied")]
    PolicyApplied {
        /// The step, unless it is about the run.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        step: Option<String>,
        /// Which one.
        policy: PolicyKind,
        /// The model it is about, if it is about one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        model: Option<String>,
        /// What was decided, and why.
        detail: String,
    },
    /// An agent that works on a step hands a task over to another one.
    #[serde(rename = "handoff.started")]
    HandoffStarted {
        /// The step.
        step: String,
        /// The call, unique among those of the step that are under way.
        call_id: String,
        /// The slug of the agent that hands it over.
        from: String,
        /// The slug of the agent that takes it.
        to: String,
    },
    /// The task came back.
    #[serde(rename = "handoff.completed")]
    HandoffCompleted {
        /// The step.
        step: String,
        /// The call.
        call_id: String,
        /// The slug of the agent that handed it over.
        from: String,
        /// The slug of the agent that took it.
        to: String,
        /// Whether it failed.
        is_error: bool,
    },
    /// A step is over.
    #[serde(rename = "step.finished")]
    StepFinished {
        /// All there is to say about it.
        report: StepReport,
    },
    /// The run is over; this is the last event.
    #[serde(rename = "run.finished")]
    Finished {
        /// The run.
        run_id: Uuid,
        /// How it ended.
        status: RunStatus,
        /// Why it did not complete, in words.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<String>,
    },
}

impl WorkflowEvent {
    /// Which step was decided about, and what, where it was the workflow that decided: what agents' policies decide
    /// within a step is counted with them. The run as a whole is the step without a name.
    pub(crate) fn decision(&self) -> Option<(&str, &'static str)> {
        match self {
            Self::StepRetried { step, .. } => Some((step, PolicyKind::Retry.as_str())),
            Self::StepFallback { step, .. } => Some((step, PolicyKind::Fallback.as_str())),
            Self::PolicyApplied { step, policy, .. } => match (step, policy) {
                (None, _) => Some(("", policy.as_str())),
                (Some(step), PolicyKind::Skip | PolicyKind::Stop | PolicyKind::Escalate) => {
                    Some((step, policy.as_str()))
                }
                _ => None,
            },
            _ => None,
        }
    }

    /// What the run of a workflow tells of an event in one of its steps: what was decided there, and nothing else.
    pub(crate) fn of_step(step: &str, event: AgentEvent) -> Option<Self> {
        let step = step.to_owned();
        match event {
            AgentEvent::PolicyApplied {
                policy,
                model,
                detail,
            } => Some(Self::PolicyApplied {
                step: Some(step),
                policy,
                model,
                detail,
            }),
            AgentEvent::HandoffStarted { call_id, from, to } => Some(Self::HandoffStarted {
                step,
                call_id,
                from,
                to,
            }),
            AgentEvent::HandoffCompleted {
                call_id,
                from,
                to,
                is_error,
            } => Some(Self::HandoffCompleted {
                step,
                call_id,
                from,
                to,
                is_error,
            }),
            _ => None,
        }
    }

    /// The event's type as the wire names it.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Started { .. } => "run.started",
            Self::Resumed { .. } => "run.resumed",
            Self::StepStarted { .. } => "step.started",
            Self::StepRetried { .. } => "step.retried",
            Self::StepFallback { .. } => "step.fallback",
            Self::PolicyApplied { .. } => "policy.applied",
            Self::HandoffStarted { .. } => "handoff.started",
            Self::HandoffCompleted { .. } => "handoff.completed",
            Self::StepFinished { .. } => "step.finished",
            Self::Finished { .. } => "run.finished",
        }
    }
}
