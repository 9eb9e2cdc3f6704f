//! The reply of a handler, and the request and response of the endpoint that every agent has.

use serde::{Deserialize, Serialize};

use crate::event::agent_event::{StopReason, Usage};
use crate::schema::formats::Uuid;
use crate::schema::validate::{Validate, Validator};

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

/// What `POST /v1/agents/{agent}/invoke` takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InvokeRequest {
    /// What to tell the agent.
    pub input: String,
    /// The session to continue; without one a new session begins.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "crate::codegen::present"
    )]
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

/// What `POST /v1/agents/{agent}/invoke` answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InvokeResponse {
    /// What the agent says.
    pub output: String,
    /// The run.
    pub run_id: Uuid,
    /// The agent's slug.
    pub agent: String,
    /// The model that answered.
    pub model: String,
    /// The session, to be sent with the next request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_id: Option<String>,
    /// Why the model stopped.
    pub stop_reason: StopReason,
    /// The tokens used.
    pub usage: Usage,
}

impl Validate for InvokeResponse {
    fn validate(&self, _: &mut Validator) {}
}
