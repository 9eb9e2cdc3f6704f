//! What a handler answers with, and the request and answer of the endpoint every agent has.

use serde::{Deserialize, Serialize};

use crate::event::agent_event::{StopReason, Usage};
use crate::schema::formats::Uuid;
use crate::schema::validate::{Validate, Validator};

/// The most characters of an input, as the document says too.
pub(crate) const LONGEST_INPUT: u64 = 100_000;

/// A handler's answer, and what is known about how it came about.
#[derive(Debug, Clone, PartialEq)]
pub struct Reply<T> {
    /// The answer.
    pub value: T,
    /// What it took.
    pub usage: Usage,
    /// The model that answered; `None` if none did.
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
    /// An answer that took no model.
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
    /// What it took.
    pub usage: Usage,
}

impl Validate for InvokeResponse {
    fn validate(&self, _: &mut Validator) {}
}
