//! Conversations that callers bring along, with tools of their own: protocols whose clients send all messages each time.
//!
//! Invariant: a call of a caller's tool is handed to the caller. It never runs a tool of the service, and a caller's tool never takes the
//! name of one.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::AgentError;
use crate::model::{MAX_TOOL_NAME, Message, Step, ToolCall, ToolDefinition};
use crate::schema::Schema;

/// Where the calls of a caller's tools are in the output of a run.
pub(crate) const TOOL_CALLS: &str = "tool_calls";

/// A conversation as its caller sends it. Its last message is the input of the run.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct CallerConversation {
    /// The messages before the last one.
    pub(crate) messages: Vec<Message>,
    /// What the model has done about the last one: it called tools of the caller, which has their results.
    pub(crate) steps: Vec<Step>,
    /// The caller's tools.
    pub(crate) tools: Vec<ToolDefinition>,
    /// JSON Schema of the answer; `None` for free text.
    pub(crate) output_schema: Option<Value>,
    /// The most tokens of the answer, those of tool calls included.
    pub(crate) max_tokens: Option<u64>,
}

impl CallerConversation {
    /// Checks the names of its tools. `is_taken` says which ones the service's own tools have.
    ///
    /// # Errors
    /// 400, and the index of the tool.
    #[cfg_attr(
        not(feature = "openai"),
        allow(dead_code, reason = "for protocols whose clients bring tools")
    )]
    pub(crate) fn check_names(
        &self,
        is_taken: impl Fn(&str) -> bool,
    ) -> Result<(), (usize, AgentError)> {
        let mut names = BTreeSet::new();
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-".contains(c);
        for (index, ToolDefinition { name, .. }) in self.tools.iter().enumerate() {
            let refusal =
                if !name.chars().all(is_plain) || !(1..=MAX_TOOL_NAME).contains(&name.len()) {
                    "the name of a tool has 1 to 64 letters, digits, _ and -".to_owned()
                } else if !names.insert(name) {
                    format!("two tools have the name `{name}`")
                } else if is_taken(name) {
                    format!("`{name}` is the name of a tool that this service has itself")
                } else {
                    continue;
                };
            return Err((index, AgentError::bad_request(refusal)));
        }
        Ok(())
    }
}

/// The conversation of a run.
#[derive(Debug)]
pub(crate) struct OpenConversation {
    pub(crate) given: CallerConversation,
    /// Its output schema, compiled.
    pub(crate) output_schema: Option<Schema>,
    /// The calls that the last turn ended with.
    calls: Mutex<Vec<ToolCall>>,
}

impl OpenConversation {
    /// The conversation `given`.
    ///
    /// # Errors
    /// 400 for an output schema that is none.
    pub(crate) fn new(given: CallerConversation) -> Result<Self, AgentError> {
        let schema = given.output_schema.as_ref().map(Schema::compile);
        let schema = schema.transpose().map_err(|error| {
            AgentError::bad_request(format!("the output schema can't be used: {error}"))
        })?;
        Ok(Self {
            output_schema: schema,
            given,
            calls: Mutex::default(),
        })
    }

    /// Whether the tool `name` is the caller's.
    pub(crate) fn has_tool(&self, name: &str) -> bool {
        self.given.tools.iter().any(|tool| tool.name == name)
    }

    /// Keeps the calls that a turn ended with, in place of those of an earlier turn.
    pub(crate) fn set_calls(&self, calls: Vec<ToolCall>) {
        *self.calls.lock().unwrap_or_else(PoisonError::into_inner) = calls;
    }

    /// `output`, that of a run, with the calls that its caller has to make.
    pub(crate) fn hand_over(&self, output: String) -> Result<String, AgentError> {
        let calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        if calls.is_empty() {
            return Ok(output);
        }
        let mut output = serde_json::from_str::<Value>(&output).map_err(AgentError::internal)?;
        if let Value::Object(members) = &mut output {
            let calls = serde_json::to_value(&*calls).map_err(AgentError::internal)?;
            members.insert(TOOL_CALLS.to_owned(), calls);
        }
        Ok(output.to_string())
    }
}
