//! Requests that fit the server: what it refuses of a request is left out or replaced, and remembered.
//!
//! Example: a server answers 422 and names `stream_options`. The request is sent again without it, and so is each later one
//! to this model. The log says so once, with the setting that says it from the start.

mod refusals;
pub(crate) mod request_change;
mod simple_schema;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use serde_json::Value;

use crate::client::HttpEndpoint;
use crate::client::http_endpoint::ErrorResponse;
use crate::model::request_adaptation::refusals::{change_for, is_of_one_request};
use crate::model::request_adaptation::request_change::Change;

/// How often one request is changed.
pub(crate) const MAX_CHANGES: usize = 4;
/// The statuses with which servers refuse a member. llama.cpp answers 500 where a chat template has no system role.
const STATUSES: [u16; 4] = [400, 422, 500, 501];
/// What is known about one model of a provider.
#[derive(Debug, Default)]
pub(crate) struct ModelMemory {
    /// `provider:model`.
    model: String,
    changes: Mutex<Vec<Learned>>,
    /// Whether the protocol requires a limit of output tokens.
    requires_limit: bool,
    /// See [`ModelMemory::closes_thoughts_only`].
    closes_thoughts_only: AtomicBool,
}

/// A change that a server asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Learned {
    /// Whether the request had tools: servers that can do either can't always do both.
    with_tools: bool,
    change: Change,
}

impl ModelMemory {
    /// Of `model`, as `provider:model`. `requires_limit`: the protocol requires a limit of output tokens.
    pub(crate) fn new(model: String, requires_limit: bool) -> Self {
        Self {
            model,
            requires_limit,
            ..Self::default()
        }
    }

    /// Notes that the settings say so of the model.
    pub(crate) fn expect_closing_tag(&self) {
        self.closes_thoughts_only.store(true, Ordering::Relaxed);
    }

    /// Whether the model marks the end of its thoughts, and not the beginning.
    pub(crate) fn closes_thoughts_only(&self) -> bool {
        self.closes_thoughts_only.load(Ordering::Relaxed)
    }

    /// Notes that `model` marks only the end of its thoughts, and logs it once.
    pub(crate) fn set_closes_thoughts_only(&self) {
        if !self.closes_thoughts_only.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                model = self.model,
                "the model marks only the end of its thoughts with `</think>`: from now on its text waits for the mark; \
                 `thinking_prefilled` in the settings of its provider says so from the start. \
                 A server that knows the model's format takes thoughts out itself (vLLM: --reasoning-parser)"
            );
        }
    }

    /// Changes a request as the server wanted earlier ones.
    pub(crate) fn apply(&self, body: &mut Value) {
        let changes = self.changes.lock().unwrap_or_else(PoisonError::into_inner);
        for learned in changes.iter() {
            if learned.with_tools == has_tools(body) {
                learned.change.apply(body);
            }
        }
    }

    /// Changes a request that the server refused, if its answer says what to change, and remembers it. Logs the change.
    pub(crate) fn adapt(
        &self,
        endpoint: &HttpEndpoint,
        body: &mut Value,
        refusal: &ErrorResponse,
    ) -> bool {
        if !STATUSES.contains(&refusal.status.as_u16()) {
            return false;
        }
        let message = &refusal.error.message;
        let words = format!("`{}` {} {}", message.member, message.code, message.message);
        let with_tools = has_tools(body);
        let Some(change) = change_for(body, &words.to_lowercase(), self.requires_limit) else {
            return false;
        };
        if !change.apply(body) {
            return false;
        }
        if is_of_one_request(&change, &words.to_lowercase()) {
            tracing::warn!(
                model = self.model,
                message = endpoint.loggable(&message.message),
                "the model's server refuses a part of the request, which is sent again without it"
            );
            return true;
        }
        tracing::warn!(
            model = self.model,
            message = endpoint.loggable(&message.message),
            "the model's server refuses a part of the request: {}",
            change.description(&endpoint.provider)
        );
        let learned = Learned { with_tools, change };
        let mut changes = self.changes.lock().unwrap_or_else(PoisonError::into_inner);
        if !changes.contains(&learned) {
            changes.push(learned);
        }
        true
    }
}

fn has_tools(body: &Value) -> bool {
    body["tools"]
        .as_array()
        .is_some_and(|tools| !tools.is_empty())
}
