//! What a tool of another program asks a person while it is called, and what people said. The call is called off meanwhile, and made
//! again with the answers.
//!
//! Invariant: what was answered is given back to the program in the order in which it asked.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// What a call was given, and what it needs.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct ToolInputs {
    /// What the program asked, in order.
    pub(crate) requests: Vec<InputRequest>,
    /// Whether the program wants the answers with the call. Else it asks again, and gets each of them then.
    pub(crate) is_retry: bool,
    /// What the program wants back with the answers.
    pub(crate) state: Option<String>,
    /// How often the call was called off to ask.
    pub(crate) rounds: u32,
}

/// A question of a program.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct InputRequest {
    /// What the program calls it, where it wants the answers with the call.
    pub(crate) key: String,
    /// The question, in words.
    pub(crate) message: String,
    /// JSON Schema of the `content` of an answer that accepts.
    pub(crate) schema: Value,
    /// What somebody said, as `action` and `content`.
    pub(crate) answer: Option<Value>,
}

impl ToolInputs {
    /// The question that somebody has to answer next.
    pub(crate) fn open(&self) -> Option<&InputRequest> {
        self.requests
            .iter()
            .find(|request| request.answer.is_none())
    }

    /// Answers the question that is open. `None`: nobody did in time.
    pub(crate) fn answer(&mut self, answer: Option<&Value>) {
        let mut requests = self.requests.iter_mut();
        if let Some(open) = requests.find(|request| request.answer.is_none()) {
            open.answer = Some(answer.map_or_else(|| json!({ "action": CANCEL }), Value::clone));
        }
    }
}

/// The words of the protocol for what a person does with a question.
pub(crate) const ACCEPT: &str = "accept";
pub(crate) const DECLINE: &str = "decline";
pub(crate) const CANCEL: &str = "cancel";

/// JSON Schema of the answer to a question whose content has the schema `content`.
pub(crate) fn answer_schema(content: &Value) -> Value {
    json!({
        "type": "object",
        "required": ["action"],
        "additionalProperties": false,
        "properties": {
            "action": {
                "description": "`accept` gives the content, `decline` gives none, `cancel` dismisses the question.",
                "enum": [ACCEPT, DECLINE, CANCEL],
            },
            "content": content,
        },
        "if": { "properties": { "action": { "const": ACCEPT } } },
        "then": { "required": ["content"] },
    })
}
