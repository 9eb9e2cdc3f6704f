//! Decodes the events of one answer of OpenAI's Responses API, and whole answers of servers that don't stream.
//!
//! An answer is a list of items: messages, thoughts and calls. The text of an item comes in deltas, then as a whole, then in
//! the whole item, then in the whole answer. What one of them leaves out, another has.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use serde_json::{Value, json};

use crate::client::error_response::{ResponseError, error_text, is_error, parse_error_body};
use crate::client::lenient_json::{self, TextJoiner};
use crate::client::sse_decoder::{DONE, SseEvent};
use crate::event::agent_event::{StopReason, Usage};
use crate::model::answer_end::{AnswerEnd, stop_reason};
use crate::model::answer_tool::push_calls;
use crate::model::chunk_stream::Decoder;
use crate::model::openai::answer_text::AnswerText;
use crate::model::openai::responses_request::OUTPUT;
use crate::model::openai::tool_call_pieces::ToolCallPieces;
use crate::model::reported_usage::reported_usage;
use crate::model::request_adaptation::ModelMemory;
use crate::model::{ANSWER_TOOL, Chunk, ModelRequest, ProviderMetadata, ToolCall};

/// What stands between two messages, or two thoughts.
const BREAK: &str = "\n\n";

/// Decodes the events of one answer.
#[derive(Debug)]
pub(crate) struct ResponsesDecoder {
    /// The number of earlier steps: makes ids unique that the server does not set.
    round: usize,
    /// By their place in the answer.
    items: BTreeMap<u64, Item>,
    /// The texts so far, as they came.
    parts: BTreeMap<Part, String>,
    text: AnswerText,
    thought: TextJoiner,
    /// The item of the last text.
    last_message: Option<u64>,
    has_thought: bool,
    /// Whether the model declined in a part of its own.
    refused: bool,
    usage: Usage,
    is_complete: bool,
}

/// An item of the answer.
#[derive(Debug)]
struct Item {
    value: Value,
    /// Whether this is how it ended: as it begins, texts and encrypted thoughts are missing.
    is_done: bool,
}

/// A text within an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Part {
    item: u64,
    kind: PartKind,
    /// Its place among those of its kind.
    index: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum PartKind {
    Text,
    Refusal,
    Summary,
    Thought,
    Arguments,
}

/// The events with texts: the type without `.delta` or `.done`, the kind of part, the member with its index, the member of
/// `.done` with the whole text.
const PARTS: [(&str, PartKind, &str, &str); 5] = [
    (
        "response.output_text",
        PartKind::Text,
        "content_index",
        "text",
    ),
    (
        "response.refusal",
        PartKind::Refusal,
        "content_index",
        "refusal",
    ),
    (
        "response.reasoning_summary_text",
        PartKind::Summary,
        "summary_index",
        "text",
    ),
    (
        "response.reasoning_text",
        PartKind::Thought,
        "content_index",
        "text",
    ),
    (
        "response.function_call_arguments",
        PartKind::Arguments,
        "",
        "arguments",
    ),
];

impl ResponsesDecoder {
    /// A decoder for the answer to `request`. `callable`: the names of the tools that the model may call in its text.
    pub(crate) fn new(
        request: &ModelRequest,
        memory: Arc<ModelMemory>,
        callable: Vec<String>,
    ) -> Self {
        Self {
            round: request.steps.len(),
            items: BTreeMap::new(),
            parts: BTreeMap::new(),
            text: AnswerText::new(memory, callable),
            thought: TextJoiner::default(),
            last_message: None,
            has_thought: false,
            refused: false,
            usage: Usage::default(),
            is_complete: false,
        }
    }

    /// The item that an event is about: some servers leave its place out, or its id.
    fn item_of(&self, event: &Value) -> u64 {
        let by_id = || {
            let id = event["item_id"].as_str()?;
            let mut items = self.items.iter();
            let found = items.find(|(_, item)| item.value["id"] == id);
            found.map(|(index, _)| *index)
        };
        let last = || self.items.keys().next_back().copied();
        let place = event["output_index"].as_u64();
        place.or_else(by_id).or_else(last).unwrap_or_default()
    }

    /// Adds an event with a text. Returns whether it is one.
    fn add_part(&mut self, kind: &str, event: &Value, chunks: &mut VecDeque<Chunk>) -> bool {
        let Some((subject, stage)) = kind.rsplit_once('.') else {
            return false;
        };
        let Some((_, kind, index, whole)) = PARTS.iter().find(|(name, ..)| *name == subject) else {
            return false;
        };
        let part = Part {
            item: self.item_of(event),
            kind: *kind,
            index: event[*index].as_u64().unwrap_or_default(),
        };
        match stage {
            "delta" => self.add_text(part, event["delta"].as_str().unwrap_or_default(), chunks),
            "done" => self.set_text(part, &event[*whole], chunks),
            _ => return false,
        }
        true
    }

    fn add_text(&mut self, part: Part, piece: &str, chunks: &mut VecDeque<Chunk>) {
        if piece.is_empty() {
            return;
        }
        let known = self.parts.entry(part).or_default();
        let begins = known.is_empty();
        known.push_str(piece);
        match part.kind {
            PartKind::Text | PartKind::Refusal => {
                self.refused |= part.kind == PartKind::Refusal;
                let last = self.last_message.replace(part.item);
                if last.is_some_and(|last| last != part.item) {
                    self.text.add(BREAK, chunks);
                }
                self.text.add(piece, chunks);
            }
            PartKind::Summary | PartKind::Thought => {
                let mut thought = self.thought.add(piece);
                if begins && std::mem::replace(&mut self.has_thought, true) {
                    thought.insert_str(0, BREAK);
                }
                chunks.extend((!thought.is_empty()).then_some(Chunk::Reasoning(thought)));
            }
            PartKind::Arguments => {}
        }
    }

    /// Adds what is missing of a text that is known as a whole.
    fn set_text(&mut self, part: Part, whole: &Value, chunks: &mut VecDeque<Chunk>) {
        let whole = whole.as_str().unwrap_or_default();
        let known = self.parts.get(&part).map(String::as_str);
        match whole.strip_prefix(known.unwrap_or_default()) {
            Some(rest) => self.add_text(part, rest, chunks),
            // What was streamed can't be taken back.
            None if part.kind == PartKind::Arguments && !whole.is_empty() => {
                self.parts.insert(part, whole.to_owned());
            }
            None => {}
        }
    }

    /// Sets an item, as it begins or as it ended. What it has as it begins may come in deltas too, so it waits.
    fn set_item(&mut self, item: u64, value: &Value, is_done: bool, chunks: &mut VecDeque<Chunk>) {
        // Items go back in the next request, where `null` is no value of most members.
        let mut value = value.clone();
        if let Value::Object(members) = &mut value {
            members.retain(|_, value| !value.is_null());
        }
        if is_done {
            self.read_texts(item, &value, chunks);
        }
        self.items.insert(item, Item { value, is_done });
    }

    /// Adds what is missing of the texts in an item.
    fn read_texts(&mut self, item: u64, value: &Value, chunks: &mut VecDeque<Chunk>) {
        let part = |kind, index: usize| Part {
            item,
            kind,
            index: index as u64,
        };
        let list = |key: &str| value[key].as_array().cloned().unwrap_or_default();
        match value["type"].as_str() {
            Some("message") => {
                for (index, content) in list("content").iter().enumerate() {
                    self.set_text(part(PartKind::Text, index), &content["text"], chunks);
                    self.set_text(part(PartKind::Refusal, index), &content["refusal"], chunks);
                }
            }
            Some("reasoning") => {
                for (key, kind) in [
                    ("summary", PartKind::Summary),
                    ("content", PartKind::Thought),
                ] {
                    for (index, content) in list(key).iter().enumerate() {
                        self.set_text(part(kind, index), &content["text"], chunks);
                    }
                }
            }
            Some("function_call") => {
                let arguments = match &value["arguments"] {
                    object @ Value::Object(_) => object.to_string().into(),
                    text => text.clone(),
                };
                self.set_text(part(PartKind::Arguments, 0), &arguments, chunks);
            }
            _ => {}
        }
    }

    /// Reads the whole answer at its end. `word` is its status in the server's word.
    fn complete(
        &mut self,
        answer: &Value,
        word: &str,
        chunks: &mut VecDeque<Chunk>,
    ) -> Result<(), ResponseError> {
        self.is_complete = true;
        self.usage = reported_usage(answer);
        if self.usage != Usage::default() {
            chunks.push_back(Chunk::Usage(self.usage));
        }
        if is_error(answer) {
            return Err(ResponseError::in_answer(parse_error_body(answer)));
        }
        let output = answer["output"].as_array().map(Vec::as_slice);
        for (index, item) in output.unwrap_or_default().iter().enumerate() {
            let index = index as u64;
            let known = self.items.get(&index);
            let is_same = |known: &Item| !known.is_done && known.value["type"] == item["type"];
            if known.is_none_or(is_same) {
                self.set_item(index, item, true, chunks);
            }
        }
        let begun = self.items.iter().filter(|(_, item)| !item.is_done);
        let begun = begun.map(|(index, item)| (*index, item.value.clone()));
        for (index, value) in begun.collect::<Vec<_>>() {
            self.read_texts(index, &value, chunks);
        }
        self.text.end(chunks);
        let reason = answer["incomplete_details"]["reason"].as_str();
        let end = AnswerEnd::new(reason.unwrap_or(word));
        let calls = self.take_calls()?;
        let has_calls = !calls.is_empty();
        // A refusal comes in place of calls.
        let mut stop_reason =
            stop_reason(Some(&end), self.text.is_filled(), has_calls || self.refused)?;
        if self.refused {
            stop_reason = StopReason::Refusal;
        }
        if has_calls && stop_reason == StopReason::EndTurn {
            let metadata = self.metadata(&calls);
            push_calls(calls, chunks);
            chunks.extend(metadata.map(Chunk::Metadata));
        }
        chunks.push_back(Chunk::Done {
            stop_reason,
            usage: self.usage,
        });
        Ok(())
    }

    /// The calls, in the order of their items.
    ///
    /// # Errors
    /// A call without a name.
    fn take_calls(&mut self) -> Result<Vec<ToolCall>, ResponseError> {
        let mut arguments = self.parts.iter();
        let mut arguments = arguments.by_ref().filter(|(part, _)| {
            let is_call = |item: &Item| item.value["type"] == "function_call";
            part.kind == PartKind::Arguments && !self.items.get(&part.item).is_some_and(is_call)
        });
        if arguments.next().is_some() {
            return Err(ResponseError::malformed("arguments without a tool call"));
        }
        let mut pieces = ToolCallPieces::default();
        let calls = self.items.iter();
        let calls = calls.filter(|(_, item)| item.value["type"] == "function_call");
        let mut calls = calls.map(|(index, Item { value, .. })| {
            let part = Part {
                item: *index,
                kind: PartKind::Arguments,
                index: 0,
            };
            let arguments = self.parts.get(&part).map(String::as_str);
            let id = [&value["call_id"], &value["id"]];
            let id = id
                .into_iter()
                .find(|id| id.as_str() != Some("") && !id.is_null());
            let function = json!({ "name": value["name"], "arguments": arguments });
            json!({ "index": index, "id": id, "function": function })
        });
        let written = self.text.take_calls();
        let calls = match calls.next() {
            Some(first) => [first].into_iter().chain(calls).collect(),
            None => written,
        };
        pieces.add(&calls.into(), true);
        pieces.finish(self.round).map_err(ResponseError::malformed)
    }

    /// What goes back with the results of `calls`: the items of the answer. `None` if an item did not come as a whole, and
    /// where the text has the calls.
    fn metadata(&self, calls: &[ToolCall]) -> Option<ProviderMetadata> {
        let mut calls = calls.iter();
        let mut output = Vec::new();
        for Item { value, is_done } in self.items.values() {
            let mut value = value.clone();
            match value["type"].as_str() {
                Some("function_call") => {
                    let call = calls.next()?;
                    // It has no result: its input is the answer.
                    if call.name == ANSWER_TOOL {
                        continue;
                    }
                    value["call_id"] = call.id.as_str().into();
                    value["name"] = call.name.as_str().into();
                    value["arguments"] = super::openai_request::arguments_text(call).into();
                }
                // The server has not stored it, so an id alone says nothing.
                Some("reasoning")
                    if value.get("encrypted_content").is_none()
                        && value.get("content").is_none() =>
                {
                    continue;
                }
                _ => {}
            }
            if !is_done {
                return None;
            }
            output.push(value);
        }
        // Calls in the text are no items.
        if calls.next().is_some() {
            return None;
        }
        let mut metadata = ProviderMetadata::new();
        metadata.insert(OUTPUT.to_owned(), output.into());
        Some(metadata)
    }
}

impl Decoder for ResponsesDecoder {
    fn event(
        &mut self,
        event: &SseEvent,
        chunks: &mut VecDeque<Chunk>,
    ) -> Result<(), ResponseError> {
        let data = event.data.trim();
        if self.is_complete || data.is_empty() || data == DONE {
            return Ok(());
        }
        if event.name == "error" {
            return Err(ResponseError::in_answer(error_text(data)));
        }
        let document =
            lenient_json::parse(data).ok_or_else(|| ResponseError::malformed("no JSON"))?;
        let kind = document["type"].as_str().unwrap_or(&event.name);
        match kind {
            "response.output_item.added" | "response.output_item.done" => {
                let is_done = kind.ends_with("done");
                let next = self.items.keys().next_back().map_or(0, |last| last + 1);
                let known = |item: &Item| {
                    !item.value["id"].is_null() && item.value["id"] == document["item"]["id"]
                };
                let known = self.items.iter().find(|(_, item)| known(item));
                let known = known.map(|(index, _)| *index);
                let index = document["output_index"].as_u64().or(known);
                self.set_item(index.unwrap_or(next), &document["item"], is_done, chunks);
            }
            "response.completed"
            | "response.incomplete"
            | "response.failed"
            | "response.cancelled" => {
                let word = kind.trim_start_matches("response.");
                self.complete(&document["response"], word, chunks)?;
            }
            _ if self.add_part(kind, &document, chunks) => {}
            _ if kind == "error" || is_error(&document) => {
                return Err(ResponseError::in_answer(parse_error_body(&document)));
            }
            // `response.created`, parts that begin, keep-alives, and event types that are added later.
            _ => {}
        }
        Ok(())
    }

    fn body(&mut self, answer: &Value, chunks: &mut VecDeque<Chunk>) -> Result<(), ResponseError> {
        if !is_error(answer) && !answer["output"].is_array() {
            return Err(ResponseError::malformed("an answer without output"));
        }
        let word = answer["status"].as_str().unwrap_or("completed");
        self.complete(answer, word, chunks)
    }

    fn end(&mut self, _: &mut VecDeque<Chunk>) -> Result<bool, ResponseError> {
        Ok(self.is_complete)
    }
}
