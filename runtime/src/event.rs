//! What happens during a run, in order: started, text, tools and hand-overs, and completed or failed.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::formats::Uuid;
use crate::problem::Problem;

/// One thing that happened in a run; JSON answers and event streams are both made of these.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type")]
pub enum Event {
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
        /// Why.
        problem: Problem,
    },
}

impl Event {
    /// The event's type as the wire names it.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Started { .. } => "run.started",
            Self::Delta { .. } => "output.delta",
            Self::ToolStarted { .. } => "tool.started",
            Self::ToolCompleted { .. } => "tool.completed",
            Self::HandoffStarted { .. } => "handoff.started",
            Self::HandoffCompleted { .. } => "handoff.completed",
            Self::Completed { .. } => "run.completed",
            Self::Failed { .. } => "run.failed",
        }
    }
}

impl Event {
    /// Whether it tells of a task that goes to another agent or comes back.
    pub(crate) const fn is_handoff(&self) -> bool {
        matches!(
            self,
            Self::HandoffStarted { .. } | Self::HandoffCompleted { .. }
        )
    }
}

/// Why a model stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopReason {
    /// It had nothing more to say.
    #[default]
    EndTurn,
    /// It came to the most tokens it may write.
    MaxTokens,
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
    /// Both added up.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self {
            input_tokens: self.input_tokens.saturating_add(other.input_tokens),
            output_tokens: self.output_tokens.saturating_add(other.output_tokens),
        }
    }
}
