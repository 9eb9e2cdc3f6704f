//! What happens during a run, in order: started, text, tools and hand-overs, and completed or failed.
//!
//! To add an event: a variant of [`AgentEvent`] with its wire name, documentation and an example; its
//! [`AgentEvent::audience`]; and what [`WorkflowEvent::of_step`](crate::workflow::workflow_event::WorkflowEvent::of_step)
//! makes of it. The compiler asks for the last two. Then
//! `AGENTGEN_UPDATE_SNAPSHOTS=1 cargo test -p agentgen-runtime --lib openapi` writes the OpenAPI components.

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::error::problem::Problem;
use crate::event::pending_action::{ActionOutcome, PendingAction};
use crate::schema::Uuid;

/// One JSON document in the data field of a server-sent event; the event field repeats its type. Clients skip events of
/// types that they don't know: later versions add some.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type")]
#[schemars(example = json!({ "type": "output.delta", "text": "Done" }))]
pub enum AgentEvent {
    /// The run started; the first event of a stream.
    #[serde(rename = "run.started")]
    #[schemars(example = json!({
        "type": "run.started", "run_id": EXAMPLE_RUN, "agent": "librarian", "model": "echo",
    }))]
    Started {
        /// Identifies the run.
        run_id: Uuid,
        /// The name of the agent that runs.
        agent: String,
        /// The model that runs the agent; `code` where none does.
        model: String,
    },
    /// The model is given passages of the agent's documents to answer from.
    #[serde(rename = "passages.retrieved")]
    #[schemars(example = json!({
        "type": "passages.retrieved",
        "run_id": EXAMPLE_RUN,
        "passages": [{ "id": "handbook/keys#0", "score": 0.72 }],
    }))]
    PassagesRetrieved {
        /// Identifies the run.
        run_id: Uuid,
        /// The passages, the nearest first; empty where nothing was found.
        passages: Vec<RetrievedPassage>,
    },
    /// A further piece of the answer.
    #[serde(rename = "output.delta")]
    #[schemars(example = json!({ "type": "output.delta", "text": "Done" }))]
    Delta {
        /// The text to append.
        text: String,
    },
    /// The model calls a tool.
    #[serde(rename = "tool.started")]
    #[schemars(example = json!({
        "type": "tool.started", "call_id": "call_1", "tool": "find_book", "arguments": { "title": "Maps" },
    }))]
    ToolStarted {
        /// Identifies the call among those in progress.
        call_id: String,
        /// The tool, by the name that the model wrote.
        tool: String,
        /// The tool's input, as the model wrote it.
        arguments: Value,
    },
    /// A tool call ended. Its result is for the model alone.
    #[serde(rename = "tool.completed")]
    #[schemars(example = json!({
        "type": "tool.completed", "call_id": "call_1", "tool": "find_book", "is_error": false,
    }))]
    ToolCompleted {
        /// Identifies the call, as `tool.started` did.
        call_id: String,
        /// The name of the tool.
        tool: String,
        /// Whether the tool failed or was denied.
        is_error: bool,
    },
    /// A policy of the agent decided how the run continues.
    #[serde(rename = "policy.applied")]
    #[schemars(example = json!({
        "type": "policy.applied",
        "policy": "fallback",
        "model": "claude-haiku-4-5",
        "detail": "`haiku` is asked instead: the model's provider is overloaded",
    }))]
    PolicyApplied {
        /// Which policy.
        #[schemars(schema_with = "PolicyKind::of_agents")]
        policy: PolicyKind,
        /// The model that the decision is about; left out where it is about none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        model: Option<String>,
        /// What was decided, and why.
        detail: String,
    },
    /// The model hands a task over to another agent.
    #[serde(rename = "handoff.started")]
    #[schemars(example = json!({
        "type": "handoff.started", "call_id": "call_1", "from": "orchestrator", "to": "librarian",
    }))]
    HandoffStarted {
        /// Identifies the call among those in progress.
        call_id: String,
        /// The name of the agent that hands the task over.
        from: String,
        /// The name of the agent that takes it.
        to: String,
    },
    /// A task came back from the agent that took it. The result is for the model alone.
    #[serde(rename = "handoff.completed")]
    #[schemars(example = json!({
        "type": "handoff.completed",
        "call_id": "call_1",
        "from": "orchestrator",
        "to": "librarian",
        "is_error": false,
    }))]
    HandoffCompleted {
        /// Identifies the call, as `handoff.started` did.
        call_id: String,
        /// The name of the agent that handed the task over.
        from: String,
        /// The name of the agent that took it.
        to: String,
        /// Whether it failed.
        is_error: bool,
    },
    /// The run waits until somebody answers a question: an approval of a tool call, or what the model wants to know.
    #[serde(rename = "action.required")]
    #[schemars(title = "AgentActionRequiredEvent", example = json!({
        "type": "action.required",
        "run_id": EXAMPLE_RUN,
        "action": {
            "id": "01936f2e-7b1c-7000-8000-000000000005",
            "step": "answer",
            "kind": "approval",
            "prompt": "`librarian` wants to call the tool `Write`. May it?",
            "tool_call": { "call_id": "call_1", "agent": "librarian", "tool": "Write", "arguments": { "file_path": "notes.md" } },
        },
    }))]
    ActionRequired {
        /// Identifies the run.
        run_id: Uuid,
        /// The question. It is answered at `/v1/runs/{run_id}/actions/{id}`.
        action: Box<PendingAction>,
    },
    /// The run no longer waits for an answer.
    #[serde(rename = "action.resolved")]
    #[schemars(title = "AgentActionResolvedEvent", example = json!({
        "type": "action.resolved",
        "run_id": EXAMPLE_RUN,
        "action": "01936f2e-7b1c-7000-8000-000000000005",
        "outcome": "answered",
    }))]
    ActionResolved {
        /// Identifies the run.
        run_id: Uuid,
        /// Identifies the question.
        action: Uuid,
        /// How it ended.
        outcome: ActionOutcome,
    },
    /// The run finished; the last event of a stream.
    #[serde(rename = "run.completed")]
    #[schemars(example = json!({
        "type": "run.completed",
        "run_id": EXAMPLE_RUN,
        "stop_reason": "end_turn",
        "usage": { "input_tokens": 12, "output_tokens": 2 },
        "output": { "reply": "Done" },
    }))]
    Completed {
        /// Identifies the run.
        run_id: Uuid,
        /// Why the model stopped.
        stop_reason: StopReason,
        /// What the run used.
        usage: Usage,
        /// The whole answer, as the endpoint sends it as JSON.
        output: Value,
    },
    /// The run failed; the last event of a stream.
    #[serde(rename = "run.failed")]
    #[schemars(example = json!({
        "type": "run.failed",
        "run_id": EXAMPLE_RUN,
        "usage": { "input_tokens": 12, "output_tokens": 0 },
        "problem": {
            "type": "about:blank",
            "title": "Bad Gateway",
            "status": 502,
            "detail": "The model did not answer.",
            "instance": "/v1/agents/librarian/invoke",
            "requestId": "01936f2e-7b1c-7000-8000-000000000003",
        },
    }))]
    Failed {
        /// Identifies the run.
        run_id: Uuid,
        /// What the run used, as far as that is reported.
        usage: Usage,
        /// Why it failed.
        problem: Box<Problem>,
    },
}

/// The run in examples.
const EXAMPLE_RUN: &str = "01936f2e-7b1c-7000-8000-000000000001";

/// Who receives an event of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Audience {
    /// The caller of the run. Where another agent or a workflow started the run, nobody.
    Caller,
    /// Also the caller of the agent that handed the task over, and the readers of the workflow run.
    Everyone,
}

impl AgentEvent {
    /// Who receives the event.
    pub(crate) const fn audience(&self) -> Audience {
        match self {
            Self::PolicyApplied { .. }
            | Self::HandoffStarted { .. }
            | Self::HandoffCompleted { .. } => Audience::Everyone,
            Self::Started { .. }
            | Self::PassagesRetrieved { .. }
            | Self::Delta { .. }
            | Self::ToolStarted { .. }
            | Self::ToolCompleted { .. }
            | Self::ActionRequired { .. }
            | Self::ActionResolved { .. }
            | Self::Completed { .. }
            | Self::Failed { .. } => Audience::Caller,
        }
    }
}

/// A passage that a model is given.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(example = json!({ "id": "handbook/keys#0", "score": 0.72 }))]
pub struct RetrievedPassage {
    /// Identifies the passage: its document, `#` and its number there.
    pub id: String,
    /// How near it is to the query.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub score: f64,
}

/// A policy that decides how a run continues: an agent's, or that of a step of a workflow.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum PolicyKind {
    /// A failed call is made again.
    Retry,
    /// Another model or agent is asked.
    Fallback,
    /// A model is not called for a while, or tried again after that.
    Breaker,
    /// The tokens or turns of the run are used up.
    Budget,
    /// Time is up: for the run, or for an agent that was handed a task.
    Deadline,
    /// A step failed, and the workflow run continues without its output.
    Skip,
    /// A step failed, and so the workflow run fails.
    Stop,
    /// A step failed, and a person decides how the workflow run continues.
    Escalate,
}

impl PolicyKind {
    /// The name of the policy in events and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::Fallback => "fallback",
            Self::Breaker => "breaker",
            Self::Budget => "budget",
            Self::Deadline => "deadline",
            Self::Skip => "skip",
            Self::Stop => "stop",
            Self::Escalate => "escalate",
        }
    }

    /// Whether it is a policy of agents, and not of workflows alone.
    pub(crate) const fn is_of_agents(self) -> bool {
        match self {
            Self::Retry | Self::Fallback | Self::Breaker | Self::Budget | Self::Deadline => true,
            Self::Skip | Self::Stop | Self::Escalate => false,
        }
    }

    /// The schema of the policies of agents.
    fn of_agents(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = Self::json_schema(generator);
        if let Some(Value::Array(policies)) = schema.get_mut("oneOf") {
            policies
                .retain(|policy| Self::deserialize(&policy["const"]).is_ok_and(Self::is_of_agents));
        }
        schema
    }
}

/// Why the agent stopped.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(example = Self::EndTurn)]
pub enum StopReason {
    /// The model had nothing more to say.
    #[default]
    EndTurn,
    /// The model reached its most tokens, or the run those of its budget.
    MaxTokens,
    /// The model was called as often as the agent's budget allows.
    MaxTurns,
    /// The model declined.
    Refusal,
}

/// What a run used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[schemars(example = json!({ "input_tokens": 12, "output_tokens": 2 }))]
pub struct Usage {
    /// Tokens of the prompt and the conversation.
    pub input_tokens: u64,
    /// Tokens of the answer.
    pub output_tokens: u64,
    /// Whether a part of it is estimated from the length of the texts: of a call that was cut off, and of a model that
    /// reports nothing. Left out if not.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub estimated: bool,
}

impl Usage {
    /// Tokens read and written.
    #[must_use]
    pub const fn total(self) -> u64 {
        self.input_tokens.saturating_add(self.output_tokens)
    }

    /// What is more here than in `other`.
    pub(crate) const fn beyond(self, other: Self) -> Self {
        Self {
            input_tokens: self.input_tokens.saturating_sub(other.input_tokens),
            output_tokens: self.output_tokens.saturating_sub(other.output_tokens),
            estimated: self.estimated && !other.estimated,
        }
    }

    /// Both added up.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self {
            input_tokens: self.input_tokens.saturating_add(other.input_tokens),
            output_tokens: self.output_tokens.saturating_add(other.output_tokens),
            estimated: self.estimated || other.estimated,
        }
    }
}
