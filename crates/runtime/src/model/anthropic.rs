//! The Messages API of Anthropic: <https://docs.anthropic.com/en/api/messages-streaming>.

use std::collections::VecDeque;

use reqwest::Url;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Value, json};

use crate::client::error_response::{Complaint, Failure, complaint};
use crate::client::{Decoder, sensitive};
use crate::error::provider_error::ProviderFault;
use crate::event::agent_event::{StopReason, Usage};
use crate::model::{ANSWER, Chunk, ModelRequest, Step, ToolCall};
use crate::secret::Secret;

/// Where Anthropic is.
pub(crate) const BASE_URL: &str = "https://api.anthropic.com";
const VERSION: &str = "2023-06-01";
/// The most tokens of an answer: the API wants to be told a number.
const MAX_TOKENS: u64 = 8192;
/// What stands for a message without text, which the API does not take.
const NOTHING: &str = "(nothing)";

/// Where messages are posted, with or without `/v1` at the end of the base URL.
pub(crate) fn url(base: &str) -> Option<Url> {
    let base = base.trim_end_matches('/');
    let base = base.strip_suffix("/v1").unwrap_or(base);
    Url::parse(&format!("{base}/v1/messages")).ok()
}

/// What is sent along; `None` for a key that no header can hold.
pub(crate) fn headers(key: Option<&Secret>) -> Option<HeaderMap> {
    let mut headers = HeaderMap::new();
    let version = HeaderName::from_static("anthropic-version");
    headers.insert(version, HeaderValue::from_static(VERSION));
    if let Some(key) = key {
        headers.insert(
            HeaderName::from_static("x-api-key"),
            sensitive(key.expose())?,
        );
    }
    Some(headers)
}

/// The body of a request for `model`. An output schema is imposed as the input of a tool that has to be called: unlike
/// the API's own output format, that takes every JSON Schema, and leaves room for the agent's tools.
pub(crate) fn body(model: &str, request: &ModelRequest) -> Value {
    let mut body = json!({
        "model": model,
        "max_tokens": request.max_tokens.unwrap_or(MAX_TOKENS).min(MAX_TOKENS),
        "stream": true,
        "messages": messages(request),
    });
    let system = request.system();
    if !system.is_empty() {
        body["system"] = system.into();
    }
    let tool = |name: &str, description: &str, schema: &Value| json!({ "name": name, "description": description, "input_schema": schema });
    let mut tools = request
        .tools
        .iter()
        .map(|known| tool(&known.name, &known.description, &known.input_schema))
        .collect::<Vec<_>>();
    if let Some(schema) = request.object_schema() {
        body["tool_choice"] = if tools.is_empty() {
            json!({ "type": "tool", "name": ANSWER })
        } else {
            json!({ "type": "any", "disable_parallel_tool_use": true })
        };
        tools.push(tool(
            ANSWER,
            "Takes the answer; call it once, when you have it.",
            &schema,
        ));
    }
    if !tools.is_empty() {
        body["tools"] = tools.into();
    }
    body
}

fn messages(request: &ModelRequest) -> Vec<Value> {
    let said = |role: &str, text: &str| {
        let text = if text.is_empty() { NOTHING } else { text };
        json!({ "role": role, "content": text })
    };
    let mut messages = Vec::new();
    for message in &request.messages {
        messages.push(said(message.role.as_str(), &message.text));
    }
    for step in &request.steps {
        match step {
            Step::Called {
                text,
                calls,
                results,
            } => {
                let mut content = Vec::new();
                content.extend((!text.is_empty()).then(|| json!({ "type": "text", "text": text })));
                content.extend(calls.iter().map(|call| {
                    // The API takes objects only.
                    let input = match &call.arguments {
                        Value::Object(_) => call.arguments.clone(),
                        other => json!({ "unreadable": other }),
                    };
                    json!({ "type": "tool_use", "id": call.id, "name": call.name, "input": input })
                }));
                messages.push(json!({ "role": "assistant", "content": content }));
                let results = calls.iter().zip(results).map(|(call, result)| {
                    json!({
                        "type": "tool_result",
                        "tool_use_id": call.id,
                        "content": result.text,
                        "is_error": result.is_error,
                    })
                });
                messages.push(json!({ "role": "user", "content": results.collect::<Vec<_>>() }));
            }
            Step::Refused { text, objection } => {
                messages.push(said("assistant", text));
                messages.push(said("user", objection));
            }
        }
    }
    messages
}

/// Reads the events of one answer.
#[derive(Debug)]
pub(crate) struct Events {
    imposed: bool,
    answered: bool,
    beside: String,
    block: Block,
    called: bool,
    stop_reason: StopReason,
    usage: Usage,
    over: bool,
}

/// The part of the answer that is under way.
#[derive(Debug, Default)]
enum Block {
    #[default]
    Other,
    Answer {
        written: bool,
        input: Value,
    },
    Tool {
        id: String,
        name: String,
        input: Value,
        json: String,
    },
}

impl Events {
    /// For the answer to `request`.
    pub(crate) fn new(request: &ModelRequest) -> Self {
        Self {
            imposed: request.object_schema().is_some(),
            answered: false,
            beside: String::new(),
            block: Block::default(),
            called: false,
            stop_reason: StopReason::EndTurn,
            usage: Usage::default(),
            over: false,
        }
    }

    fn begin(&mut self, block: &Value, chunks: &mut VecDeque<Chunk>) {
        let text = |key: &str| block[key].as_str().unwrap_or_default().to_owned();
        self.block = match block["type"].as_str() {
            Some("tool_use") if self.imposed && block["name"] == ANSWER => Block::Answer {
                written: false,
                input: block["input"].clone(),
            },
            Some("tool_use") => Block::Tool {
                id: text("id"),
                name: text("name"),
                input: block["input"].clone(),
                json: String::new(),
            },
            _ => Block::Other,
        };
        self.say(&text("text"), chunks);
    }

    /// Text beside an imposed answer is no part of it, unless the answer never comes.
    fn say(&mut self, text: &str, chunks: &mut VecDeque<Chunk>) {
        if self.imposed {
            self.beside.push_str(text);
        } else if !text.is_empty() {
            chunks.push_back(Chunk::Text(text.to_owned()));
        }
    }

    fn add(&mut self, delta: &Value, chunks: &mut VecDeque<Chunk>) {
        if let Some(text) = delta["text"].as_str() {
            self.say(text, chunks);
        }
        let Some(piece) = delta["partial_json"]
            .as_str()
            .filter(|text| !text.is_empty())
        else {
            return;
        };
        match &mut self.block {
            Block::Answer { written, .. } => {
                *written = true;
                self.answered = true;
                chunks.push_back(Chunk::Text(piece.to_owned()));
            }
            Block::Tool { json, .. } => json.push_str(piece),
            Block::Other => {}
        }
    }

    fn finish(&mut self, chunks: &mut VecDeque<Chunk>) {
        match std::mem::take(&mut self.block) {
            Block::Answer {
                written: false,
                input,
            } => {
                self.answered = true;
                chunks.push_back(Chunk::Text(input.to_string()));
            }
            Block::Tool {
                id,
                name,
                input,
                json,
            } => {
                self.called = true;
                let arguments = match serde_json::from_str(&json) {
                    _ if json.is_empty() => input,
                    Ok(arguments) => arguments,
                    Err(_) => Value::String(json),
                };
                chunks.push_back(Chunk::ToolCall(ToolCall {
                    id,
                    name,
                    arguments,
                }));
            }
            Block::Answer { .. } | Block::Other => {}
        }
    }

    fn count(&mut self, usage: &Value) {
        let read = [
            "input_tokens",
            "cache_creation_input_tokens",
            "cache_read_input_tokens",
        ];
        let read = read
            .iter()
            .filter_map(|key| usage[*key].as_u64())
            .sum::<u64>();
        // Counts are of the whole answer so far, and may be left out where nothing changed.
        self.usage.input_tokens = self.usage.input_tokens.max(read);
        let written = usage["output_tokens"].as_u64().unwrap_or_default();
        self.usage.output_tokens = self.usage.output_tokens.max(written);
    }

    fn complete(&mut self, chunks: &mut VecDeque<Chunk>) {
        self.over = true;
        if !self.answered && !self.called && !self.beside.is_empty() {
            chunks.push_back(Chunk::Text(std::mem::take(&mut self.beside)));
        }
        chunks.push_back(Chunk::Done {
            stop_reason: self.stop_reason,
            usage: self.usage,
        });
    }
}

impl Decoder for Events {
    fn event(&mut self, data: &str, chunks: &mut VecDeque<Chunk>) -> Result<(), Failure> {
        if self.over {
            return Ok(());
        }
        let event = serde_json::from_str::<Value>(data).map_err(|_| Failure::broken("no JSON"))?;
        match event["type"].as_str() {
            Some("message_start") => self.count(&event["message"]["usage"]),
            Some("content_block_start") => self.begin(&event["content_block"], chunks),
            Some("content_block_delta") => self.add(&event["delta"], chunks),
            Some("content_block_stop") => self.finish(chunks),
            Some("message_delta") => {
                self.stop_reason = stop_reason(&event["delta"]["stop_reason"]);
                self.count(&event["usage"]);
            }
            Some("message_stop") => self.complete(chunks),
            Some("error") => return Err(failure(complaint(event))),
            // There are pings, and there will be events that nobody knows today.
            _ => {}
        }
        Ok(())
    }

    fn whole(&mut self, answer: &Value, chunks: &mut VecDeque<Chunk>) -> Result<(), Failure> {
        if answer["type"] == "error" {
            return Err(failure(complaint(answer.clone())));
        }
        let Some(content) = answer["content"].as_array() else {
            return Err(Failure::broken("an answer without content"));
        };
        for block in content {
            self.begin(block, chunks);
            self.finish(chunks);
        }
        self.stop_reason = stop_reason(&answer["stop_reason"]);
        self.count(&answer["usage"]);
        self.complete(chunks);
        Ok(())
    }

    fn end(&mut self, _: &mut VecDeque<Chunk>) -> bool {
        self.over
    }
}

fn stop_reason(reason: &Value) -> StopReason {
    match reason.as_str() {
        Some("max_tokens" | "model_context_window_exceeded") => StopReason::MaxTokens,
        Some("refusal") => StopReason::Refusal,
        _ => StopReason::EndTurn,
    }
}

/// What an error within a stream means: its status is long sent.
fn failure(complaint: Complaint) -> Failure {
    let fault = match &*complaint.kind {
        "authentication_error" | "permission_error" | "billing_error" => ProviderFault::Denied,
        "rate_limit_error" => ProviderFault::RateLimited,
        "overloaded_error" | "api_error" => ProviderFault::Overloaded,
        "timeout_error" => ProviderFault::TimedOut,
        _ => ProviderFault::Rejected,
    };
    Failure { fault, complaint }
}
