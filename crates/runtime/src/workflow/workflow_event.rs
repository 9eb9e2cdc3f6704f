//! What is told of a run of a workflow as it goes: events, numbered and kept.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::event::agent_event::{AgentEvent, PolicyKind};
use crate::event::pending_action::{ActionOutcome, PendingAction};
use crate::schema::Uuid;
use crate::workflow::run_report::{PlannedSubtask, RunStatus, StepError, StepReport};

/// What happens in a run of a workflow. Events are numbered from 1, and none is ever taken back: a step that was in
/// progress when its process ended begins again after `run.resumed`. Clients skip events of types that they don't know:
/// later versions add some.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type")]
#[schemars(example = json!({
    "type": "step.started", "step": "plan", "agent": "architect", "endpoint": "invoke",
}))]
#[expect(
    clippy::large_enum_variant,
    reason = "an event is written once and dropped; a box would show in the public API"
)]
pub enum WorkflowEvent {
    /// The run has begun.
    #[serde(rename = "run.started")]
    #[schemars(title = "WorkflowStartedEvent", example = json!({
        "type": "run.started", "run_id": EXAMPLE_RUN, "workflow": "release",
    }))]
    Started {
        /// Identifies the run.
        run_id: Uuid,
        /// The workflow's name.
        workflow: String,
    },
    /// The run continues: the process that it was in has ended, or what it waited for is there.
    #[serde(rename = "run.resumed")]
    #[schemars(title = "WorkflowResumedEvent", example = json!({
        "type": "run.resumed", "run_id": EXAMPLE_RUN,
    }))]
    Resumed {
        /// Identifies the run.
        run_id: Uuid,
    },
    /// The run has failed or was cancelled, and is tried again: the steps that did not succeed are pending.
    #[serde(rename = "run.retried")]
    #[schemars(title = "WorkflowRetriedEvent", example = json!({
        "type": "run.retried", "run_id": EXAMPLE_RUN, "attempt": 2,
    }))]
    Retried {
        /// Identifies the run.
        run_id: Uuid,
        /// The number of the attempt that begins, from 2.
        #[schemars(range(min = 2))]
        attempt: u32,
    },
    /// A step has begun.
    #[serde(rename = "step.started")]
    #[schemars(example = json!({
        "type": "step.started", "step": "plan", "agent": "architect", "endpoint": "invoke",
    }))]
    StepStarted {
        /// The step.
        step: String,
        /// The name of its agent.
        agent: String,
        /// The endpoint of the agent.
        endpoint: String,
    },
    /// An attempt failed; there will be another one.
    #[serde(rename = "step.retried")]
    #[schemars(example = json!({
        "type": "step.retried",
        "step": "plan",
        "attempt": 1,
        "pause_ms": 500,
        "error": { "status": 502, "detail": "The model did not answer." },
    }))]
    StepRetried {
        /// The step.
        step: String,
        /// The number of the attempt that failed, from 1.
        #[schemars(range(min = 1))]
        attempt: u32,
        /// The pause before the next attempt, in milliseconds.
        pause_ms: u64,
        /// Why it failed.
        error: StepError,
    },
    /// The last attempt failed; another agent is asked.
    #[serde(rename = "step.fallback")]
    #[schemars(example = json!({
        "type": "step.fallback",
        "step": "plan",
        "agent": "librarian",
        "error": { "status": 502, "detail": "The model did not answer." },
    }))]
    StepFallback {
        /// The step.
        step: String,
        /// The name of the other agent.
        agent: String,
        /// Why the last attempt failed.
        error: StepError,
    },
    /// A policy decided how a step, or the run, continues.
    #[serde(rename = "policy.applied")]
    #[schemars(title = "WorkflowPolicyAppliedEvent", example = json!({
        "type": "policy.applied",
        "step": "plan",
        "policy": "breaker",
        "model": "claude-haiku-4-5",
        "detail": "the model is left alone for 30000 ms",
    }))]
    PolicyApplied {
        /// The step; left out where the decision is about the run.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        step: Option<String>,
        /// Which policy: one of the agent that works on the step, the deadline of the step or of the run, or what the
        /// workflow says about a step that failed.
        policy: PolicyKind,
        /// The model that the decision is about; left out where it is about none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        model: Option<String>,
        /// What was decided, and why.
        detail: String,
    },
    /// An agent that works on a step hands a task over to another one.
    #[serde(rename = "handoff.started")]
    #[schemars(title = "StepHandoffStartedEvent", example = json!({
        "type": "handoff.started",
        "step": "plan",
        "call_id": "call_1",
        "from": "architect",
        "to": "librarian",
    }))]
    HandoffStarted {
        /// The step.
        step: String,
        /// Identifies the call among those of the step that are in progress.
        call_id: String,
        /// The name of the agent that hands the task over.
        from: String,
        /// The name of the agent that takes it.
        to: String,
    },
    /// A task came back from the agent that took it.
    #[serde(rename = "handoff.completed")]
    #[schemars(title = "StepHandoffCompletedEvent", example = json!({
        "type": "handoff.completed",
        "step": "plan",
        "call_id": "call_1",
        "from": "architect",
        "to": "librarian",
        "is_error": false,
    }))]
    HandoffCompleted {
        /// The step.
        step: String,
        /// Identifies the call, as `handoff.started` did.
        call_id: String,
        /// The name of the agent that handed the task over.
        from: String,
        /// The name of the agent that took it.
        to: String,
        /// Whether it failed.
        is_error: bool,
    },
    /// A step begins to carry out a plan.
    #[serde(rename = "plan.started")]
    #[schemars(example = json!({
        "type": "plan.started",
        "step": "work",
        "subtasks": [
            { "step": "work[schema]", "agent": "librarian", "needs": [] },
            { "step": "work[api]", "agent": "architect", "needs": ["work[schema]"] },
        ],
    }))]
    PlanStarted {
        /// The step.
        step: String,
        /// The subtasks, in the order of the plan. Each of them is a unit of the step.
        subtasks: Vec<PlannedSubtask>,
    },
    /// A plan can't be carried out; the step that made it begins again, once.
    #[serde(rename = "plan.refused")]
    #[schemars(example = json!({
        "type": "plan.refused",
        "step": "work",
        "source": "split",
        "error": { "status": 422, "detail": "the subtask `api` has no `input`" },
    }))]
    PlanRefused {
        /// The step that would carry it out.
        step: String,
        /// The step that made it.
        source: String,
        /// What is wrong with it.
        error: StepError,
    },
    /// A step has ended.
    #[serde(rename = "step.finished")]
    #[schemars(example = json!({
        "type": "step.finished",
        "report": {
            "step": "plan",
            "agent": "architect",
            "endpoint": "invoke",
            "status": "succeeded",
            "output": "Done.",
            "attempts": 1,
            "usage": { "input_tokens": 12, "output_tokens": 2 },
        },
    }))]
    StepFinished {
        /// Everything that is reported about the step.
        report: StepReport,
    },
    /// The run waits for something before a step can continue.
    #[serde(rename = "action.required")]
    #[schemars(example = json!({
        "type": "action.required",
        "action": {
            "id": EXAMPLE_ACTION, "step": "confirm", "kind": "question", "prompt": "Release 2.1?", "roles": ["admin"],
        },
    }))]
    ActionRequired {
        /// What it waits for.
        action: PendingAction,
        /// For a question about a step that failed: the step as it is now.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        report: Option<StepReport>,
    },
    /// The run no longer waits for something.
    #[serde(rename = "action.resolved")]
    #[schemars(example = json!({
        "type": "action.resolved", "action": EXAMPLE_ACTION, "step": "confirm", "outcome": "answered", "by": "ann",
    }))]
    ActionResolved {
        /// Identifies the action.
        action: Uuid,
        /// The step that waited.
        step: String,
        /// How it ended.
        outcome: ActionOutcome,
        /// Who answered, or sent the event.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<String>,
        /// The number of the event among those that were sent to the run.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        event_number: Option<u64>,
    },
    /// The run has ended; the last event, unless the run is retried.
    #[serde(rename = "run.finished")]
    #[schemars(title = "WorkflowFinishedEvent", example = json!({
        "type": "run.finished", "run_id": EXAMPLE_RUN, "status": "completed",
    }))]
    Finished {
        /// Identifies the run.
        run_id: Uuid,
        /// How it ended.
        status: RunStatus,
        /// Why it did not complete.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<String>,
    },
}

/// The run in examples.
const EXAMPLE_RUN: &str = "01936f2e-7b1c-7000-8000-000000000004";
/// The action in examples.
const EXAMPLE_ACTION: &str = "01936f2e-7b1c-7000-8000-000000000005";

impl WorkflowEvent {
    /// The step and the policy of a decision of the workflow, for its metrics; the run as a whole is the step `""`.
    /// Decisions of agents within a step are counted as the agents'.
    pub(crate) fn decision(&self) -> Option<(&str, &'static str)> {
        match self {
            Self::StepRetried { step, .. } => Some((step, PolicyKind::Retry.as_str())),
            Self::StepFallback { step, .. } => Some((step, PolicyKind::Fallback.as_str())),
            Self::PolicyApplied {
                step: None, policy, ..
            } => Some(("", policy.as_str())),
            Self::PolicyApplied {
                step: Some(step),
                policy,
                ..
            } => (!policy.is_of_agents()).then(|| (step.as_str(), policy.as_str())),
            Self::Started { .. }
            | Self::Resumed { .. }
            | Self::Retried { .. }
            | Self::StepStarted { .. }
            | Self::HandoffStarted { .. }
            | Self::HandoffCompleted { .. }
            | Self::PlanStarted { .. }
            | Self::PlanRefused { .. }
            | Self::StepFinished { .. }
            | Self::ActionRequired { .. }
            | Self::ActionResolved { .. }
            | Self::Finished { .. } => None,
        }
    }

    /// The workflow's event for an event in one of its steps; none for those that are for the caller of the step alone.
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
            AgentEvent::Started { .. }
            | AgentEvent::PassagesRetrieved { .. }
            | AgentEvent::Delta { .. }
            | AgentEvent::ToolStarted { .. }
            | AgentEvent::ToolCompleted { .. }
            | AgentEvent::ActionRequired { .. }
            | AgentEvent::ActionResolved { .. }
            | AgentEvent::Completed { .. }
            | AgentEvent::Failed { .. } => None,
        }
    }
}
