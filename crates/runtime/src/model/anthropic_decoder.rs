//! Decodes the events of one answer in Anthropic's protocol, and whole answers of servers that don't stream.

use std::collections::{BTreeMap, VecDeque};

use serde_json::{Value, json};

use crate::client::error_response::{ResponseError, error_text, is_error, parse_error_body};
use crate::client::lenient_json::{self, TextJoiner};
use crate::client::server_words::Outcome;
use crate::client::sse_decoder::SseEvent;
use crate::event::agent_event::{StopReason, Usage};
use crate::model::answer_end::{AnswerEnd, stop_reason};
use crate::model::answer_tool::AnswerTexts;
use crate::model::chunk_stream::Decoder;
use crate::model::reported_usage::count;
use crate::model::{ANSWER_TOOL, Chunk, ModelRequest, ToolCall, anthropic};

/// Decodes the events of one answer.
#[derive(Debug)]
pub(crate) struct AnthropicDecoder {
    /// Whether the answer is the input of [`ANSWER_TOOL`].
    has_schema: bool,
    /// The blocks that are being received, by index.
    open: BTreeMap<u64, Block>,
    /// The blocks that are complete, as the model gets them back.
    content: BTreeMap<u64, Value>,
    /// The JSON of the first answer, as far as it was passed on, and its block.
    answer: Option<(u64, String)>,
    /// The inputs of further calls of [`ANSWER_TOOL`].
    more_answers: Vec<Value>,
    /// Text outside of answers that have a schema. It counts if no answer comes.
    stray_text: String,
    has_tool_call: bool,
    /// Whether there is a text that is more than space.
    has_text: bool,
    end: Option<AnswerEnd>,
    /// The blocks of this answer before its last pause, and what they took.
    earlier_content: Vec<Value>,
    earlier_usage: Usage,
    usage: Usage,
    is_complete: bool,
    /// The answer so far, if the server waits to be asked to go on.
    paused: Option<Value>,
}

/// A content block that is being received.
#[derive(Debug, Default)]
struct Block {
    /// As it began, with the texts that have come since.
    block: Value,
    /// The pieces of its input, which are JSON together.
    json: String,
    joiner: TextJoiner,
}

/// Members of blocks whose text comes in pieces.
const TEXT_MEMBERS: [&str; 3] = ["text", "thinking", "signature"];

impl AnthropicDecoder {
    /// A decoder for the answer to `request`.
    pub(crate) fn new(request: &ModelRequest) -> Self {
        Self {
            has_schema: request.object_schema().is_some(),
            open: BTreeMap::new(),
            content: BTreeMap::new(),
            answer: None,
            more_answers: Vec::new(),
            stray_text: String::new(),
            has_tool_call: false,
            has_text: false,
            end: None,
            earlier_content: Vec::new(),
            earlier_usage: Usage::default(),
            usage: Usage::default(),
            is_complete: false,
            paused: None,
        }
    }

    fn start_block(&mut self, index: u64, block: &Value, chunks: &mut VecDeque<Chunk>) {
        let text = block["text"].as_str().unwrap_or_default();
        let thinking = block["thinking"].as_str().unwrap_or_default();
        if self.is_answer(block) && self.answer.is_none() {
            self.answer = Some((index, String::new()));
        }
        // Blocks go back in the next request, where `null` is no value of most members.
        let mut block = block.clone();
        if let Value::Object(members) = &mut block {
            members.retain(|_, value| !value.is_null());
        }
        let started = Block {
            block,
            ..Block::default()
        };
        self.open.insert(index, started);
        self.add_text(text, chunks);
        if !thinking.is_empty() {
            chunks.push_back(Chunk::Reasoning(thinking.to_owned()));
        }
    }

    fn is_answer(&self, block: &Value) -> bool {
        self.has_schema && block["type"] == "tool_use" && block["name"] == ANSWER_TOOL
    }

    /// With a schema, text is not part of the answer. It is kept in case the answer never comes.
    fn add_text(&mut self, text: &str, chunks: &mut VecDeque<Chunk>) {
        self.has_text |= !text.trim().is_empty();
        if self.has_schema {
            self.stray_text.push_str(text);
        } else if !text.is_empty() {
            chunks.push_back(Chunk::Text(text.to_owned()));
        }
    }

    /// Adds a delta to the block `index`; servers that leave the index out mean the last one.
    fn add_delta(&mut self, index: Option<u64>, delta: &Value, chunks: &mut VecDeque<Chunk>) {
        let index = index.or_else(|| self.open.keys().next_back().copied());
        let index = index.unwrap_or_default();
        let open = self.open.entry(index).or_insert_with(|| Block {
            block: json!({ "type": "text", "text": "" }),
            ..Block::default()
        });
        for key in TEXT_MEMBERS {
            let Some(piece) = delta[key].as_str() else {
                continue;
            };
            let piece = open.joiner.add(piece);
            if let Value::Object(members) = &mut open.block {
                match members.get_mut(key) {
                    Some(Value::String(text)) => text.push_str(&piece),
                    _ => {
                        members.insert(key.to_owned(), piece.as_str().into());
                    }
                }
            }
            self.has_text |= key == "text" && !piece.trim().is_empty();
            match key {
                "text" if self.has_schema => self.stray_text.push_str(&piece),
                "text" => chunks.extend((!piece.is_empty()).then_some(Chunk::Text(piece))),
                "thinking" => chunks.extend((!piece.is_empty()).then_some(Chunk::Reasoning(piece))),
                _ => {}
            }
        }
        if let Some(piece) = delta["partial_json"].as_str() {
            let piece = open.joiner.add(piece);
            open.json.push_str(&piece);
            if let Some((answer, json)) = &mut self.answer
                && *answer == index
                && !piece.is_empty()
            {
                json.push_str(&piece);
                chunks.push_back(Chunk::Text(piece));
            }
        }
    }

    fn end_block(&mut self, index: Option<u64>, chunks: &mut VecDeque<Chunk>) {
        let index = index.or_else(|| self.open.keys().next_back().copied());
        let Some((index, ended)) = index.and_then(|index| self.open.remove_entry(&index)) else {
            return;
        };
        let Block {
            mut block, json, ..
        } = ended;
        if !json.trim().is_empty() {
            let invalid = || Value::String(json.clone());
            block["input"] = lenient_json::parse(&json).unwrap_or_else(invalid);
        }
        if block["type"] == "tool_use" && !self.is_answer(&block) {
            block["input"] = lenient_json::arguments(block["input"].take());
        }
        let text = |key: &str| block[key].as_str().unwrap_or_default().to_owned();
        if self.is_answer(&block) {
            match &mut self.answer {
                Some((answer, passed_on)) if *answer == index => {
                    if passed_on.is_empty() {
                        *passed_on = block["input"].to_string();
                        chunks.push_back(Chunk::Text(passed_on.clone()));
                    }
                }
                _ => self.more_answers.push(block["input"].clone()),
            }
        } else if block["type"] == "tool_use" {
            self.has_tool_call = true;
            let mut metadata = block.as_object().cloned().unwrap_or_default();
            for known in ["type", "id", "name", "input"] {
                metadata.shift_remove(known);
            }
            chunks.push_back(Chunk::ToolCall(ToolCall {
                id: text("id"),
                name: text("name"),
                arguments: block["input"].clone(),
                metadata,
            }));
        }
        // What the API sends, but does not take back.
        let is_empty_text =
            block["type"] == "text" && block["text"].as_str().unwrap_or("").is_empty();
        if block["type"] == "tool_use" && !block["input"].is_object() {
            block["input"] = json!({ "unreadable": block["input"] });
        }
        if !is_empty_text {
            self.content.insert(index, block);
        }
    }

    fn add_usage(&mut self, usage: &Value, chunks: &mut VecDeque<Chunk>) {
        let keys = [
            "input_tokens",
            "cache_creation_input_tokens",
            "cache_read_input_tokens",
        ];
        let before = self.usage;
        let read = keys.iter().map(|key| count(&usage[*key])).sum::<u64>();
        // Counts are totals of the answer so far, and may be missing where nothing changed.
        self.usage.input_tokens = self.usage.input_tokens.max(read);
        self.usage.output_tokens = self.usage.output_tokens.max(count(&usage["output_tokens"]));
        if self.usage != before {
            chunks.push_back(Chunk::Usage(self.earlier_usage.plus(self.usage)));
        }
    }

    fn set_end(&mut self, reason: &Value) {
        let reason = reason.as_str().unwrap_or_default().trim();
        if !reason.is_empty() {
            self.end = Some(AnswerEnd::new(reason));
        }
    }

    fn complete(&mut self, chunks: &mut VecDeque<Chunk>) -> Result<(), ResponseError> {
        while let Some(index) = self.open.keys().next().copied() {
            self.end_block(Some(index), chunks);
        }
        self.is_complete = true;
        let has_call = self.has_tool_call || self.answer.is_some();
        let is_paused = matches!(&self.end, Some(end) if end.outcome == Outcome::Paused);
        if is_paused && !self.has_tool_call && !self.content.is_empty() {
            let content = std::mem::take(&mut self.content);
            let content = content.into_values().collect::<Vec<_>>();
            self.earlier_content.extend(content.iter().cloned());
            self.paused = Some(json!({ "role": "assistant", "content": content }));
            return Ok(());
        }
        let stop_reason = stop_reason(self.end.as_ref(), self.has_text, has_call)?;
        if let Some((_, first)) = &self.answer {
            let mut answers = AnswerTexts::default();
            answers.set_first(first);
            let more = std::mem::take(&mut self.more_answers);
            let more = more.iter().filter_map(|input| answers.add(input));
            chunks.extend(more.map(Chunk::Text));
        } else if !self.has_tool_call && !self.stray_text.is_empty() {
            chunks.push_back(Chunk::Text(std::mem::take(&mut self.stray_text)));
        }
        if self.has_tool_call {
            let mut content = std::mem::take(&mut self.earlier_content);
            content.extend(std::mem::take(&mut self.content).into_values());
            chunks.extend(anthropic::metadata(content).map(Chunk::Metadata));
        }
        chunks.push_back(Chunk::Done {
            stop_reason,
            usage: self.earlier_usage.plus(self.usage),
        });
        Ok(())
    }
}

impl Decoder for AnthropicDecoder {
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
        let event = lenient_json::parse(data).ok_or_else(|| ResponseError::malformed("no JSON"))?;
        let index = event["index"].as_u64();
        match event["type"].as_str() {
            Some("message_start") => self.add_usage(&event["message"]["usage"], chunks),
            Some("content_block_start") => {
                let next = self.open.keys().chain(self.content.keys()).max();
                let next = next.map_or(0, |last| last + 1);
                self.start_block(index.unwrap_or(next), &event["content_block"], chunks);
            }
            Some("content_block_delta") => self.add_delta(index, &event["delta"], chunks),
            Some("content_block_stop") => self.end_block(index, chunks),
            Some("message_delta") => {
                self.set_end(&event["delta"]["stop_reason"]);
                self.add_usage(&event["usage"], chunks);
            }
            Some("message_stop") => self.complete(chunks)?,
            _ if event["type"] == "error" || is_error(&event) => {
                return Err(ResponseError::in_answer(parse_error_body(&event)));
            }
            // `ping`, and event types that are added later.
            _ => {}
        }
        Ok(())
    }

    fn body(&mut self, answer: &Value, chunks: &mut VecDeque<Chunk>) -> Result<(), ResponseError> {
        if answer["type"] == "error" || is_error(answer) {
            return Err(ResponseError::in_answer(parse_error_body(answer)));
        }
        let text;
        let content = match &answer["content"] {
            Value::Array(content) => content.as_slice(),
            Value::String(_) => {
                text = [json!({ "type": "text", "text": answer["content"] })];
                &text
            }
            _ => return Err(ResponseError::malformed("an answer without content")),
        };
        for (index, block) in content.iter().enumerate() {
            self.start_block(index as u64, block, chunks);
            self.end_block(Some(index as u64), chunks);
        }
        self.set_end(&answer["stop_reason"]);
        self.add_usage(&answer["usage"], chunks);
        self.complete(chunks)
    }

    fn end(&mut self, _: &mut VecDeque<Chunk>) -> Result<bool, ResponseError> {
        Ok(self.is_complete)
    }

    fn take_continuation(&mut self) -> Option<Value> {
        let message = self.paused.take()?;
        self.is_complete = false;
        self.end = None;
        self.earlier_usage = self.earlier_usage.plus(self.usage);
        self.usage = Usage::default();
        Some(message)
    }

    fn give_up(&mut self, chunks: &mut VecDeque<Chunk>) {
        chunks.push_back(Chunk::Done {
            stop_reason: StopReason::MaxTokens,
            usage: self.earlier_usage.plus(self.usage),
        });
    }
}
