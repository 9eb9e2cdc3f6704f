//! What happens during a run, in order: started, text, tools and hand-overs, and completed or failed.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::problem::Problem;
use crate::schema::formats::Uuid;

/// One thing that happened in a run; JSON answers and event streams are both made of these.
///
/// Later versions add events: clients skip those that they don't know.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type")]
pub enum AgentEvent {
    /// The run has begun: the provider answers.
    #[serde(rename = "run.started")]
    Started {
        /// The run.
        run_id: Uuid,
        /// The agent's slug.
        agent: String,
        /// The model that answers, or `code`.
        model: String,
    },
    /// Some more text of the answer.
    #[serde(rename = "output.delta")]
    Delta {
        /// The text to append.
        text: String,
    },
    /// The model has a tool called.
    #[serde(rename = "tool.started")]
    ToolStarted {
        /// The call, unique among those under way.
        call_id: String,
        /// The tool's name, as the model wrote it.
        tool: String,
        /// Its input, as the model wrote it.
        arguments: Value,
    },
    /// The call is over; what came out is for the model alone.
    #[serde(rename = "tool.completed")]
    ToolCompleted {
        /// The call.
        call_id: String,
        /// The tool's name.
        tool: String,
        /// Whether it failed or was denied.
        is_error: bool,
    },
    /// The model is given passages to answer from.
    #[serde(rename = "passages.retrieved")]
    PassagesRetrieved {
        /// The run.
        run_id: Uuid,
        /// The passages, the nearest first.
        passages: Vec<RetrievedPassage>,
    },
    /// A policy of the agent decided how the run goes on.
    #[serde(rename = "policy.applied")]
    PolicyApplied {
        /// Which one.
        policy: PolicyKind,
        /// The model it is about, if it is about one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        model: Option<String>,
        /// What was decided, and why.
        detail: String,
    },
    /// The model hands a task over to another agent.
    #[serde(rename = "handoff.started")]
    HandoffStarted {
        /// The call, unique among those under way.
        call_id: String,
        /// The slug of the agent that hands it over.
        from: String,
        /// The slug of the agent that takes it.
        to: String,
    },
    /// The task came back; what came of it is for the model alone.
    #[serde(rename = "handoff.completed")]
    HandoffCompleted {
        /// The call.
        call_id: String,
        /// The slug of the agent that handed it over.
        from: String,
        /// The slug of the agent that took it.
        to: String,
        /// Whether it failed.
        is_error: bool,
    },
    /// The run is over, and this is its answer.
    #[serde(rename = "run.completed")]
    Completed {
        /// The run.
        run_id: Uuid,
        /// Why the model stopped.
        stop_reason: StopReason,
        /// What it took.
        usage: Usage,
        /// The whole answer: what the endpoint sends as JSON.
        output: Value,
    },
    /// The run is over, and there is no answer.
    #[serde(rename = "run.failed")]
    Failed {
        /// The run.
        run_id: Uuid,
        /// What it took all the same, as far as that is known.
        usage: Usage,
        /// Why.
        problem: Problem,
    },
}

impl AgentEvent {
    /// The event's type as the wire names it.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Started { .. } => "run.started",
            Self::Delta { .. } => "output.delta",
            Self::ToolStarted { .. } => "tool.started",
            Self::ToolCompleted { .. } => "tool.completed",
            Self::PassagesRetrieved { .. } => "passages.retrieved",
            Self::PolicyApplied { .. } => "policy.applied",
            Self::HandoffStarted { .. } => "handoff.started",
            Self::HandoffCompleted { .. } => "handoff.completed",
            Self::Completed { .. } => "run.completed",
            Self::Failed { .. } => "run.failed",
        }
    }
}

/// A passage that a model is given.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RetrievedPassage {
    /// Its id, as citations name it.
    pub id: String,
    /// How near it is to what was asked, from 0 to 1.
    pub score: f64,
}

/// A policy that decides how a run goes on: an agent's, or that of a step of a workflow.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PolicyKind {
    /// A call that failed is made again.
    Retry,
    /// Another model or agent is asked.
    Fallback,
    /// A model is left alone, or tried again after that.
    Breaker,
    /// The tokens or turns of the run are used up.
    Budget,
    /// Time is up: for the run, or for an agent that was handed a task.
    Deadline,
    /// A step failed, and the run of the workflow goes on without its output.
    Skip,
    /// A step failed, and so the run of the workflow does.
    Stop,
    /// A step failed, and the run of the workflow ends and waits for a person.
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
}

impl AgentEvent {
    /// Whether it tells how the run goes on: who works on it, and what a policy decided.
    pub(crate) const fn is_decision(&self) -> bool {
        matches!(
            self,
            Self::HandoffStarted { .. }
                | Self::HandoffCompleted { .. }
                | Self::PolicyApplied { .. }
        )
    }
}

/// Why a model stopped.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopReason {
    /// It had nothing more to say.
    #[default]
    EndTurn,
    /// It came to the most tokens it may write.
    MaxTokens,
    /// It was asked as often as the agent's budget allows.
    MaxTurns,
    /// It declined.
    Refusal,
}

/// How many tokens a run took.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Usage {
    /// Tokens read.
    pub input_tokens: u64,
    /// Tokens written.
    pub output_tokens: u64,
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
        }
    }

    /// Both added up.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self {
            input_tokens: self.input_tokens.saturating_add(other.input_tokens),
            output_tokens: self.output_tokens.saturating_add(other.output_tokens),
        }
    }
}
