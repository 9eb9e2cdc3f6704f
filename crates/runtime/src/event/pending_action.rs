//! Something that a run waits for, and how that ended.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::schema::{DateTime, Uuid};

/// Something that a run waits for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(example = json!({
    "id": "01936f2e-7b1c-7000-8000-000000000005",
    "step": "confirm",
    "kind": "question",
    "prompt": "Release 2.1?",
    "schema": { "type": "object", "required": ["approved"], "properties": { "approved": { "type": "boolean" } } },
    "roles": ["admin"],
    "expires_at": "2026-01-03T12:00:00Z",
}))]
pub struct PendingAction {
    /// Identifies the action.
    pub id: Uuid,
    /// The step that waits.
    pub step: String,
    /// What it waits for.
    pub kind: ActionKind,
    /// The question, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt: Option<String>,
    /// The event's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<String>,
    /// The run that it waits for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<Uuid>,
    /// JSON Schema of the answer, or of what is sent with the event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<Value>,
    /// The roles of which the person who answers needs one. Left out, the caller that started the run answers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<String>,
    /// The tool call that it is about: an approval, or a question of the model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_call: Option<PendingToolCall>,
    /// When the run no longer waits; of a timer, when it is up. Left out, it waits for as long as it takes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<DateTime>,
}

/// The call of a tool that waits for a person.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(example = json!({
    "call_id": "call_1", "agent": "librarian", "tool": "Write", "arguments": { "file_path": "notes.md", "content": "Done." },
}))]
pub struct PendingToolCall {
    /// Identifies the call, as `tool.started` does.
    pub call_id: String,
    /// The name of the agent whose model calls the tool.
    pub agent: String,
    /// The tool.
    pub tool: String,
    /// The tool's input, as the model wrote it.
    pub arguments: Value,
    /// Whether the call was approved before and may have run: the service ended while it was under way. Left out if not.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub may_have_run: bool,
}

impl ActionKind {
    /// Whether a person answers it.
    pub(crate) const fn is_answered(self) -> bool {
        match self {
            Self::Approval | Self::Question => true,
            Self::Event | Self::Timer | Self::Run => false,
        }
    }

    /// Whether it ends only when somebody does something.
    #[allow(
        dead_code,
        reason = "for protocols that a program may be built without"
    )]
    pub(crate) const fn needs_somebody(self) -> bool {
        match self {
            Self::Approval | Self::Question | Self::Event => true,
            Self::Timer | Self::Run => false,
        }
    }
}

/// What a run waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "PendingActionKind", example = Self::Question)]
pub enum ActionKind {
    /// A person's word whether a tool may be called.
    Approval,
    /// The answer of a person.
    Question,
    /// An event that somebody sends to the run.
    Event,
    /// A moment.
    Timer,
    /// The end of a run that the step has started.
    Run,
}

/// How a pending action ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum ActionOutcome {
    /// A person answered.
    Answered,
    /// The event came.
    Received,
    /// The time is up.
    Elapsed,
    /// The run that it waited for ended.
    Ended,
    /// Nothing came in time.
    Expired,
    /// The run ended before.
    Cancelled,
}
