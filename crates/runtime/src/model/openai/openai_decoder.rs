//! Decodes the chunks of one answer in OpenAI's protocol, and whole answers of servers that don't stream.

use std::collections::VecDeque;
use std::sync::Arc;

use serde_json::Value;

use crate::client::error_response::{ResponseError, error_text, is_error, parse_error_body};
use crate::client::lenient_json;
use crate::client::server_words::Outcome;
use crate::client::sse_decoder::{DONE, SseEvent};
use crate::event::agent_event::{StopReason, Usage};
use crate::model::answer_end::{AnswerEnd, stop_reason};
use crate::model::answer_tool::push_calls;
use crate::model::chunk_stream::Decoder;
use crate::model::openai::answer_text::AnswerText;
use crate::model::openai::openai_reasoning::Reasoning;
use crate::model::openai::tool_call_pieces::ToolCallPieces;
use crate::model::reported_usage::reported_usage;
use crate::model::request_adaptation::ModelMemory;
use crate::model::{Chunk, ModelRequest};

/// Decodes the chunks of one answer.
#[derive(Debug)]
pub(crate) struct OpenAiDecoder {
    /// The number of earlier steps: makes ids unique that the server does not set.
    round: usize,
    calls: ToolCallPieces,
    reasoning: Reasoning,
    text: AnswerText,
    /// Whether the model declined in a member of its own.
    refused: bool,
    end: Option<AnswerEnd>,
    /// The index of the choice that the answer is made of.
    choice: Option<u64>,
    usage: Usage,
    is_complete: bool,
}

impl OpenAiDecoder {
    /// A decoder for the answer to `request`. `callable`: the names of the tools that the model may call in its text.
    pub(crate) fn new(
        request: &ModelRequest,
        memory: Arc<ModelMemory>,
        callable: Vec<String>,
    ) -> Self {
        Self {
            round: request.steps.len(),
            calls: ToolCallPieces::default(),
            reasoning: Reasoning::default(),
            text: AnswerText::new(memory, callable),
            refused: false,
            end: None,
            choice: None,
            usage: Usage::default(),
            is_complete: false,
        }
    }

    /// Adds a chunk, or a whole answer.
    fn add(
        &mut self,
        answer: &Value,
        is_whole: bool,
        chunks: &mut VecDeque<Chunk>,
    ) -> Result<(), ResponseError> {
        self.add_usage(answer, chunks);
        if is_error(answer) {
            return Err(ResponseError::in_answer(parse_error_body(answer)));
        }
        let choice = self.choice(answer);
        if has_error(choice) {
            return Err(ResponseError::in_answer(parse_error_body(choice)));
        }
        // Servers that don't stream answer with a message, and some stream messages.
        let keys = if is_whole {
            ["message", "delta"]
        } else {
            ["delta", "message"]
        };
        let is_filled = |message: &&Value| {
            let members = message.as_object();
            members.is_some_and(|members| !members.is_empty())
        };
        let mut messages = keys.iter().map(|key| &choice[*key]);
        let message = messages.find(is_filled).unwrap_or(&Value::Null);
        let thought = self.reasoning.add(message);
        push_thought(thought, chunks);
        match &message["content"] {
            Value::Null => self.add_content(&choice["text"], chunks),
            content => self.add_content(content, chunks),
        }
        if let Some(text) = message["refusal"].as_str().filter(|text| !text.is_empty()) {
            self.refused = true;
            self.text.add(text, chunks);
        }
        self.calls.add(&message["tool_calls"], is_whole);
        self.calls.add_function(&message["function_call"]);
        self.add_finish(&choice["finish_reason"]);
        Ok(())
    }

    /// The choice that the answer is made of: the first one that came. No other is asked for.
    fn choice<'a>(&mut self, answer: &'a Value) -> &'a Value {
        let choices = answer["choices"].as_array().into_iter().flatten();
        for choice in choices {
            let index = choice["index"].as_u64();
            if self.choice.is_none() || index.is_none() || index == self.choice {
                self.choice = self.choice.or(index);
                return choice;
            }
        }
        &Value::Null
    }

    /// Adds a text, a part, or a list of texts and parts.
    fn add_content(&mut self, content: &Value, chunks: &mut VecDeque<Chunk>) {
        match content {
            Value::String(text) => self.text.add(text, chunks),
            Value::Number(_) | Value::Bool(_) => self.text.add(&content.to_string(), chunks),
            Value::Array(parts) => {
                for part in parts {
                    self.add_content(part, chunks);
                }
            }
            Value::Object(part) => {
                let kind = content["type"].as_str().unwrap_or("text");
                let is_thought = ["thinking", "reasoning"]
                    .iter()
                    .any(|name| kind.contains(name));
                if is_thought {
                    let texts = ["thinking", "reasoning", "text", "summary"];
                    let texts = texts.iter().filter_map(|key| part.get(*key));
                    push_thought(texts.map(plain_text).collect(), chunks);
                    return;
                }
                if kind == "refusal" {
                    self.refused = true;
                }
                for key in ["text", "refusal"] {
                    if let Some(text) = part.get(key) {
                        self.text.add(&plain_text(text), chunks);
                    }
                }
            }
            _ => {}
        }
    }

    /// Some servers send `""` in place of `null`. What ended an answer badly is not undone by a later reason.
    fn add_finish(&mut self, reason: &Value) {
        let reason = reason.as_str().unwrap_or_default().trim();
        if reason.is_empty() || ["null", "none"].contains(&&*reason.to_ascii_lowercase()) {
            return;
        }
        let outcome = self.end.as_ref().map(|end| end.outcome);
        if matches!(outcome, None | Some(Outcome::Finished | Outcome::ToolCalls)) {
            self.end = Some(AnswerEnd::new(reason));
        }
    }

    fn add_usage(&mut self, answer: &Value, chunks: &mut VecDeque<Chunk>) {
        let before = self.usage;
        let Usage {
            input_tokens,
            output_tokens,
            ..
        } = reported_usage(answer);
        self.usage.input_tokens = self.usage.input_tokens.max(input_tokens);
        self.usage.output_tokens = self.usage.output_tokens.max(output_tokens);
        if self.usage != before {
            chunks.push_back(Chunk::Usage(self.usage));
        }
    }

    fn complete(&mut self, chunks: &mut VecDeque<Chunk>) -> Result<(), ResponseError> {
        self.is_complete = true;
        self.text.end(chunks);
        let written = self.text.take_calls();
        // A server that reads the calls itself, and passes the text on too, has them already.
        if self.calls.is_empty() {
            self.calls.add(&written.into(), true);
        }
        let has_calls = !self.calls.is_empty();
        // A refusal needs no reason, and comes in place of calls.
        let mut stop_reason = stop_reason(
            self.end.as_ref(),
            self.text.is_filled(),
            has_calls || self.refused,
        )?;
        if self.refused {
            stop_reason = StopReason::Refusal;
        }
        if has_calls && stop_reason == StopReason::EndTurn {
            let calls = self
                .calls
                .finish(self.round)
                .map_err(ResponseError::malformed)?;
            push_calls(calls, chunks);
            let metadata = std::mem::take(&mut self.reasoning).into_metadata();
            if !metadata.is_empty() {
                chunks.push_back(Chunk::Metadata(metadata));
            }
        }
        chunks.push_back(Chunk::Done {
            stop_reason,
            usage: self.usage,
        });
        Ok(())
    }
}

impl Decoder for OpenAiDecoder {
    fn event(
        &mut self,
        event: &SseEvent,
        chunks: &mut VecDeque<Chunk>,
    ) -> Result<(), ResponseError> {
        let data = event.data.trim();
        if self.is_complete || data.is_empty() {
            return Ok(());
        }
        if event.name == "error" {
            return Err(ResponseError::in_answer(error_text(data)));
        }
        if data == DONE {
            return self.complete(chunks);
        }
        let chunk = lenient_json::parse(data).ok_or_else(|| ResponseError::malformed("no JSON"))?;
        self.add(&chunk, false, chunks)
    }

    fn body(&mut self, answer: &Value, chunks: &mut VecDeque<Chunk>) -> Result<(), ResponseError> {
        self.add(answer, true, chunks)?;
        if !answer["choices"][0].is_object() {
            return Err(ResponseError::malformed("an answer without a message"));
        }
        self.complete(chunks)
    }

    /// Some servers never send `[DONE]`: after a `finish_reason`, the end of the stream is the end of the answer.
    fn end(&mut self, chunks: &mut VecDeque<Chunk>) -> Result<bool, ResponseError> {
        if !self.is_complete && self.end.is_some() {
            self.complete(chunks)?;
        }
        Ok(self.is_complete)
    }
}

/// Whether a choice contains an error in place of an answer.
fn has_error(choice: &Value) -> bool {
    match &choice["error"] {
        Value::String(text) => !text.is_empty(),
        Value::Object(members) => !members.is_empty(),
        _ => false,
    }
}

/// The text of a value that is a text, or a list of parts with texts.
fn plain_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts.iter().map(plain_text).collect(),
        Value::Object(part) => part.get("text").map(plain_text).unwrap_or_default(),
        _ => String::new(),
    }
}

fn push_thought(thought: String, chunks: &mut VecDeque<Chunk>) {
    if !thought.is_empty() {
        chunks.push_back(Chunk::Reasoning(thought));
    }
}
