//! Answers that a model gives as the input of the tool `final_answer`.

use std::collections::VecDeque;

use serde_json::Value;

use crate::model::{ANSWER_TOOL, Chunk, ToolCall, ToolDefinition};

/// The tool whose input must fit `schema`.
pub(crate) fn answer_tool(schema: Value) -> ToolDefinition {
    ToolDefinition {
        name: ANSWER_TOOL.to_owned(),
        description: "Takes the answer; call it once, when you have it.".to_owned(),
        input_schema: schema,
    }
}

/// Adds the calls of one answer to `chunks`: those of [`ANSWER_TOOL`] as text.
pub(crate) fn push_calls(calls: Vec<ToolCall>, chunks: &mut VecDeque<Chunk>) {
    let mut answers = AnswerTexts::default();
    for call in calls {
        if call.name == ANSWER_TOOL {
            chunks.extend(answers.add(&call.arguments).map(Chunk::Text));
        } else {
            chunks.push_back(Chunk::ToolCall(call));
        }
    }
}

/// The text of the answer from the inputs of several calls. One call is the answer; a second one with the same input adds
/// nothing, and another input makes the answer ambiguous, which the reader of the text notices.
#[derive(Debug, Default)]
pub(crate) struct AnswerTexts(Vec<Value>);

impl AnswerTexts {
    /// The text to append for the input of the next call.
    pub(crate) fn add(&mut self, input: &Value) -> Option<String> {
        // A model may write its answer as the text of JSON.
        let parsed = match input {
            Value::String(text) => serde_json::from_str(text).unwrap_or_else(|_| input.clone()),
            input => input.clone(),
        };
        if self.0.contains(&parsed) {
            return None;
        }
        let separator = if self.0.is_empty() { "" } else { "\n" };
        let text = match &parsed {
            Value::String(text) => format!("{separator}{text}"),
            parsed => format!("{separator}{parsed}"),
        };
        self.0.push(parsed);
        Some(text)
    }

    /// Notes an answer whose text was passed on already.
    pub(crate) fn set_first(&mut self, text: &str) {
        let input = serde_json::from_str(text).unwrap_or_else(|_| text.into());
        self.0.push(input);
    }
}
