//! The events of a run, and what every agent is asked and answers.

use serde::{Deserialize, Serialize};

use super::problem::Problem;
use super::reports::{ActionOutcome, PendingAction};
use super::values::{JsonValue, Uuid};

/// What happens during a run, in order: started, text, tools and hand-overs, and completed or failed. `T` is the answer.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type")]
pub enum AgentEvent<T = JsonValue> {
    /// The run started; the first event of a stream.
    #[serde(rename = "run.started")]
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
    PassagesRetrieved {
        /// Identifies the run.
        run_id: Uuid,
        /// The passages, the nearest first; empty where nothing was found.
        passages: Vec<RetrievedPassage>,
    },
    /// A further piece of the answer.
    #[serde(rename = "output.delta")]
    Delta {
        /// The text to append.
        text: String,
    },
    /// The model calls a tool.
    #[serde(rename = "tool.started")]
    ToolStarted {
        /// Identifies the call among those in progress.
        call_id: String,
        /// The tool, by the name that the model wrote.
        tool: String,
        /// The tool's input, as the model wrote it.
        arguments: JsonValue,
    },
    /// A tool call ended. Its result is for the model alone.
    #[serde(rename = "tool.completed")]
    ToolCompleted {
        /// Identifies the call, as `tool.started` did.
        call_id: String,
        /// The name of the tool.
        tool: String,
        /// Whether the tool failed or was denied.
        is_error: bool,
    },
    /// The run waits until somebody answers a question.
    #[serde(rename = "action.required")]
    ActionRequired {
        /// Identifies the run.
        run_id: Uuid,
        /// The question.
        action: Box<PendingAction>,
    },
    /// The run no longer waits for an answer.
    #[serde(rename = "action.resolved")]
    ActionResolved {
        /// Identifies the run.
        run_id: Uuid,
        /// Identifies the question.
        action: Uuid,
        /// How it ended.
        outcome: ActionOutcome,
    },
    /// A policy of the agent decided how the run continues.
    #[serde(rename = "policy.applied")]
    PolicyApplied {
        /// Which policy.
        policy: PolicyKind,
        /// The model that the decision is about; left out where it is about none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        model: Option<String>,
        /// What was decided, and why.
        detail: String,
    },
    /// The model hands a task over to another agent.
    #[serde(rename = "handoff.started")]
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
    /// The run finished; the last event of a stream.
    #[serde(rename = "run.completed")]
    Completed {
        /// Identifies the run.
        run_id: Uuid,
        /// Why the model stopped.
        stop_reason: StopReason,
        /// What the run used.
        usage: Usage,
        /// The whole answer, as the endpoint sends it as JSON.
        output: T,
    },
    /// The run failed; the last event of a stream. A stream gives it as an error.
    #[serde(rename = "run.failed")]
    Failed {
        /// Identifies the run.
        run_id: Uuid,
        /// What the run used, as far as that is reported.
        usage: Usage,
        /// Why it failed.
        problem: Problem,
    },
    /// An event of a later version of the service.
    #[serde(other, rename = "unknown")]
    Unknown,
}

/// A passage that a model is given.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RetrievedPassage {
    /// Identifies the passage: its document, `#` and its number there.
    pub id: String,
    /// How near it is to the query.
    pub score: f64,
}

/// A policy that decides how a run continues: an agent's, or that of a step of a workflow.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
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
    /// One of a later version of the service.
    #[serde(other)]
    Unknown,
}

/// Why the agent stopped.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopReason {
    /// The model had nothing more to say.
    EndTurn,
    /// The model reached its most tokens, or the run those of its budget.
    MaxTokens,
    /// The model was called as often as the agent's budget allows.
    MaxTurns,
    /// The model declined.
    Refusal,
    /// One of a later version of the service.
    #[serde(other)]
    Unknown,
}

/// What a run used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Usage {
    /// Tokens of the prompt and the conversation.
    pub input_tokens: u64,
    /// Tokens of the answer.
    pub output_tokens: u64,
}

/// What an agent is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InvokeRequest {
    /// The task, in the user's words.
    pub input: String,
    /// The conversation to continue: an id that an earlier answer named, or any id that the caller chooses, which begins a conversation
    /// when it is first used. Without one, a new conversation begins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_id: Option<String>,
}

impl InvokeRequest {
    /// A request that begins a session.
    pub fn new(input: impl Into<String>) -> Self {
        Self {
            input: input.into(),
            session_id: None,
        }
    }
}

/// What an agent answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InvokeResponse {
    /// The agent's answer.
    pub output: String,
    /// Identifies the run.
    pub run_id: Uuid,
    /// The name of the agent that ran.
    pub agent: String,
    /// The model that ran the agent.
    pub model: String,
    /// The conversation that the answer belongs to. Send it with the next request to continue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_id: Option<String>,
    /// Why the model stopped.
    pub stop_reason: StopReason,
    /// What the run used.
    pub usage: Usage,
}
