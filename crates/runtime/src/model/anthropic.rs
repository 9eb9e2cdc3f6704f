//! The Messages API of Anthropic: <https://docs.anthropic.com/en/api/messages-streaming>.

use std::collections::VecDeque;

use reqwest::Url;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Value, json};

use crate::client::error_response::{ProviderMessage, ResponseError, parse_error_body};
use crate::client::sensitive;
use crate::error::provider_error::ProviderErrorKind;
use crate::event::agent_event::{StopReason, Usage};
use crate::model::chunk_stream::Decoder;
use crate::model::{ANSWER_TOOL, Chunk, ModelRequest, ProviderMetadata, Step, ToolCall};
use crate::secret::Secret;

pub(crate) const BASE_URL: &str = "https://api.anthropic.com";
/// The header `anthropic-version`, which the API requires.
const API_VERSION: &str = "2023-06-01";
/// The API requires a limit.
const MAX_TOKENS: u64 = 8192;
/// Replaces empty messages, which the API refuses.
const EMPTY_MESSAGE: &str = "(nothing)";

/// The address of the Messages operation. The base URL may end in `/v1`.
pub(crate) fn url(base: &str) -> Option<Url> {
    let base = base.trim_end_matches('/');
    let base = base.strip_suffix("/v1").unwrap_or(base);
    Url::parse(&format!("{base}/v1/messages")).ok()
}

/// The headers of a request; `None` for a key that can't be a header value.
pub(crate) fn headers(key: Option<&Secret>) -> Option<HeaderMap> {
    let mut headers = HeaderMap::new();
    let version = HeaderName::from_static("anthropic-version");
    headers.insert(version, HeaderValue::from_static(API_VERSION));
    if let Some(key) = key {
        headers.insert(
            HeaderName::from_static("x-api-key"),
            sensitive(key.expose())?,
        );
    }
    Some(headers)
}

/// The body of a request for `model`. An output schema becomes the input schema of a tool that the model must call: unlike
/// the API's own output format, this accepts every JSON Schema and works together with other tools.
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
        .map(|definition| {
            tool(
                &definition.name,
                &definition.description,
                &definition.input_schema,
            )
        })
        .collect::<Vec<_>>();
    if let Some(schema) = request.object_schema() {
        body["tool_choice"] = if tools.is_empty() {
            json!({ "type": "tool", "name": ANSWER_TOOL })
        } else {
            json!({ "type": "any", "disable_parallel_tool_use": true })
        };
        tools.push(tool(
            ANSWER_TOOL,
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
    let message = |role: &str, text: &str| {
        let text = if text.is_empty() { EMPTY_MESSAGE } else { text };
        json!({ "role": role, "content": text })
    };
    let mut messages = Vec::new();
    for past in &request.messages {
        messages.push(message(past.role.as_str(), &past.text));
    }
    for step in &request.steps {
        match step {
            Step::ToolCalls {
                text,
                calls,
                results,
                ..
            } => {
                let mut content = Vec::new();
                content.extend((!text.is_empty()).then(|| json!({ "type": "text", "text": text })));
                content.extend(calls.iter().map(|call| {
                    // The API accepts only objects.
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
            Step::SchemaMismatch { text, correction } => {
                messages.push(message("assistant", text));
                messages.push(message("user", correction));
            }
        }
    }
    messages
}

/// Decodes the events of one answer.
#[derive(Debug)]
pub(crate) struct AnthropicDecoder {
    /// Whether the answer is the input of [`ANSWER_TOOL`].
    has_schema: bool,
    /// Whether a part of that input has come.
    answered: bool,
    /// Text outside of that input.
    stray_text: String,
    block: Block,
    has_tool_call: bool,
    stop_reason: StopReason,
    usage: Usage,
    is_complete: bool,
}

/// The content block that is being received.
#[derive(Debug, Default)]
enum Block {
    #[default]
    Other,
    Answer {
        has_delta: bool,
        input: Value,
    },
    Tool {
        id: String,
        name: String,
        input: Value,
        json: String,
    },
}

impl AnthropicDecoder {
    /// A decoder for the answer to `request`.
    pub(crate) fn new(request: &ModelRequest) -> Self {
        Self {
            has_schema: request.object_schema().is_some(),
            answered: false,
            stray_text: String::new(),
            block: Block::default(),
            has_tool_call: false,
            stop_reason: StopReason::EndTurn,
            usage: Usage::default(),
            is_complete: false,
        }
    }

    fn start_block(&mut self, block: &Value, chunks: &mut VecDeque<Chunk>) {
        let text = |key: &str| block[key].as_str().unwrap_or_default().to_owned();
        self.block = match block["type"].as_str() {
            Some("tool_use") if self.has_schema && block["name"] == ANSWER_TOOL => Block::Answer {
                has_delta: false,
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
        self.add_text(&text("text"), chunks);
    }

    /// With a schema, text is not part of the answer. It is kept in case the answer never comes.
    fn add_text(&mut self, text: &str, chunks: &mut VecDeque<Chunk>) {
        if self.has_schema {
            self.stray_text.push_str(text);
        } else if !text.is_empty() {
            chunks.push_back(Chunk::Text(text.to_owned()));
        }
    }

    fn add_delta(&mut self, delta: &Value, chunks: &mut VecDeque<Chunk>) {
        if let Some(text) = delta["text"].as_str() {
            self.add_text(text, chunks);
        }
        let Some(piece) = delta["partial_json"]
            .as_str()
            .filter(|text| !text.is_empty())
        else {
            return;
        };
        match &mut self.block {
            Block::Answer { has_delta, .. } => {
                *has_delta = true;
                self.answered = true;
                chunks.push_back(Chunk::Text(piece.to_owned()));
            }
            Block::Tool { json, .. } => json.push_str(piece),
            Block::Other => {}
        }
    }

    fn end_block(&mut self, chunks: &mut VecDeque<Chunk>) {
        match std::mem::take(&mut self.block) {
            Block::Answer {
                has_delta: false,
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
                self.has_tool_call = true;
                let arguments = match serde_json::from_str(&json) {
                    _ if json.is_empty() => input,
                    Ok(arguments) => arguments,
                    Err(_) => Value::String(json),
                };
                chunks.push_back(Chunk::ToolCall(ToolCall {
                    id,
                    name,
                    arguments,
                    metadata: ProviderMetadata::new(),
                }));
            }
            Block::Answer { .. } | Block::Other => {}
        }
    }

    fn add_usage(&mut self, usage: &Value) {
        let keys = [
            "input_tokens",
            "cache_creation_input_tokens",
            "cache_read_input_tokens",
        ];
        let read = keys
            .iter()
            .filter_map(|key| usage[*key].as_u64())
            .sum::<u64>();
        // Counts are totals of the answer so far, and may be missing where nothing changed.
        self.usage.input_tokens = self.usage.input_tokens.max(read);
        let written = usage["output_tokens"].as_u64().unwrap_or_default();
        self.usage.output_tokens = self.usage.output_tokens.max(written);
    }

    fn complete(&mut self, chunks: &mut VecDeque<Chunk>) {
        self.is_complete = true;
        if !self.answered && !self.has_tool_call && !self.stray_text.is_empty() {
            chunks.push_back(Chunk::Text(std::mem::take(&mut self.stray_text)));
        }
        chunks.push_back(Chunk::Done {
            stop_reason: self.stop_reason,
            usage: self.usage,
        });
    }
}

impl Decoder for AnthropicDecoder {
    fn event(&mut self, data: &str, chunks: &mut VecDeque<Chunk>) -> Result<(), ResponseError> {
        if self.is_complete {
            return Ok(());
        }
        let event =
            serde_json::from_str::<Value>(data).map_err(|_| ResponseError::malformed("no JSON"))?;
        match event["type"].as_str() {
            Some("message_start") => self.add_usage(&event["message"]["usage"]),
            Some("content_block_start") => self.start_block(&event["content_block"], chunks),
            Some("content_block_delta") => self.add_delta(&event["delta"], chunks),
            Some("content_block_stop") => self.end_block(chunks),
            Some("message_delta") => {
                self.stop_reason = stop_reason(&event["delta"]["stop_reason"]);
                self.add_usage(&event["usage"]);
            }
            Some("message_stop") => self.complete(chunks),
            Some("error") => return Err(response_error(parse_error_body(&event))),
            // `ping`, and event types that are added later.
            _ => {}
        }
        Ok(())
    }

    fn body(&mut self, answer: &Value, chunks: &mut VecDeque<Chunk>) -> Result<(), ResponseError> {
        if answer["type"] == "error" {
            return Err(response_error(parse_error_body(answer)));
        }
        let Some(content) = answer["content"].as_array() else {
            return Err(ResponseError::malformed("an answer without content"));
        };
        for block in content {
            self.start_block(block, chunks);
            self.end_block(chunks);
        }
        self.stop_reason = stop_reason(&answer["stop_reason"]);
        self.add_usage(&answer["usage"]);
        self.complete(chunks);
        Ok(())
    }

    fn end(&mut self, _: &mut VecDeque<Chunk>) -> bool {
        self.is_complete
    }
}

fn stop_reason(reason: &Value) -> StopReason {
    match reason.as_str() {
        Some("max_tokens" | "model_context_window_exceeded") => StopReason::MaxTokens,
        Some("refusal") => StopReason::Refusal,
        _ => StopReason::EndTurn,
    }
}

/// The error of an error event. It has no status: that of the response was 200.
fn response_error(message: ProviderMessage) -> ResponseError {
    let kind = match &*message.code {
        "authentication_error" | "permission_error" | "billing_error" => ProviderErrorKind::Denied,
        "rate_limit_error" => ProviderErrorKind::RateLimited,
        "overloaded_error" | "api_error" => ProviderErrorKind::Overloaded,
        "timeout_error" => ProviderErrorKind::TimedOut,
        _ => ProviderErrorKind::Rejected,
    };
    ResponseError { kind, message }
}
