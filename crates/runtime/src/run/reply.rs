//! The reply of a handler, and the request and response of the endpoint that every agent has.

use agentgen_schema::{MAX_SESSION_ID_LENGTH, SESSION_ID_PATTERN};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::event::agent_event::{StopReason, Usage};
use crate::schema::{Uuid, Validate, Validator};

/// The maximum length of an input in characters; the OpenAPI document has the same number.
pub(crate) const LONGEST_INPUT: u64 = 100_000;

/// A handler's answer, with its usage and the model that gave it.
#[derive(Debug, Clone, PartialEq)]
pub struct Reply<T> {
    /// The answer.
    pub value: T,
    /// The tokens used.
    pub usage: Usage,
    /// The model that answered; `None` if code did.
    pub model: Option<String>,
    /// Why the model stopped.
    pub stop_reason: StopReason,
}

impl<T> Reply<T> {
    /// The same reply with another answer, made from this one.
    pub fn map<U>(self, make: impl FnOnce(T) -> U) -> Reply<U> {
        Reply {
            value: make(self.value),
            usage: self.usage,
            model: self.model,
            stop_reason: self.stop_reason,
        }
    }
}

impl<T> From<T> for Reply<T> {
    /// An answer without a model.
    fn from(value: T) -> Self {
        Self {
            value,
            usage: Usage::default(),
            model: None,
            stop_reason: StopReason::EndTurn,
        }
    }
}

/// What an agent is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(example = json!({ "input": "Which of our endpoints answer slowest?" }))]
pub struct InvokeRequest {
    /// The task, in the user's words.
    #[schemars(length(min = 1, max = LONGEST_INPUT))]
    pub input: String,
    /// The conversation to continue: an id that an earlier answer named, or any id that the caller chooses, which begins a conversation
    /// when it is first used. Without one, a new conversation begins.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "crate::codegen::present"
    )]
    #[schemars(with = "Option<String>", length(min = 1, max = MAX_SESSION_ID_LENGTH), regex(pattern = SESSION_ID_PATTERN))]
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

impl Validate for InvokeRequest {
    fn validate(&self, v: &mut Validator) {
        v.at("input", |v| {
            v.length(&self.input, Some(1), Some(LONGEST_INPUT))
        });
    }
}

/// What an agent answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("required" = [
    "output", "run_id", "agent", "model", "session_id", "stop_reason", "usage",
]))]
#[schemars(example = json!({
    "output": "Done.",
    "run_id": "01936f2e-7b1c-7000-8000-000000000001",
    "agent": "librarian",
    "model": "echo",
    "session_id": "01936f2e-7b1c-7000-8000-000000000002",
    "stop_reason": "end_turn",
    "usage": { "input_tokens": 12, "output_tokens": 2 },
}))]
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
    #[schemars(with = "String", length(min = 1, max = MAX_SESSION_ID_LENGTH))]
    pub session_id: Option<String>,
    /// Why the model stopped.
    pub stop_reason: StopReason,
    /// What the run used.
    pub usage: Usage,
}

impl Validate for InvokeResponse {
    fn validate(&self, _: &mut Validator) {}
}
