//! The Chat Completions API of OpenAI, which many other servers offer too:
//! <https://platform.openai.com/docs/api-reference/chat-streaming>.

use std::collections::VecDeque;

use reqwest::header::{self, HeaderMap};
use reqwest::{StatusCode, Url};
use serde_json::{Value, json};

use crate::client::error_response::{ResponseError, kind_of_status, parse_error_body};
use crate::client::sensitive;
use crate::error::provider_error::ProviderErrorKind;
use crate::event::agent_event::{StopReason, Usage};
use crate::model::chunk_stream::Decoder;
use crate::model::{Chunk, ModelRequest, ProviderMetadata, Step, ToolCall};
use crate::secret::Secret;

pub(crate) const BASE_URL: &str = "https://api.openai.com/v1";
/// Limit of the API.
const MAX_SCHEMA_NAME: usize = 64;

/// The address of the Chat Completions operation. A base URL without a path gets `/v1`.
pub(crate) fn url(base: &str) -> Option<Url> {
    operation(base, "chat/completions")
}

/// The address of the Embeddings operation, as [`url`].
pub(crate) fn embeddings_url(base: &str) -> Option<Url> {
    operation(base, "embeddings")
}

fn operation(base: &str, path: &str) -> Option<Url> {
    let base = base.trim_end_matches('/');
    let is_bare = Url::parse(base).ok()?.path().trim_matches('/').is_empty();
    let version = if is_bare { "/v1" } else { "" };
    Url::parse(&format!("{base}{version}/{path}")).ok()
}

/// The headers of a request; `None` for a key that can't be a header value.
pub(crate) fn headers(key: Option<&Secret>) -> Option<HeaderMap> {
    let mut headers = HeaderMap::new();
    if let Some(key) = key {
        let bearer = sensitive(&format!("Bearer {}", key.expose()))?;
        headers.insert(header::AUTHORIZATION, bearer);
    }
    Some(headers)
}

/// The body of a request for `model`. An output schema becomes the response format with `strict: false`: strict mode
/// supports only a part of JSON Schema, and the answer is validated anyway. `is_vendor`: the server is OpenAI's own, whose
/// newer models know the token limit only as `max_completion_tokens`.
pub(crate) fn body(model: &str, request: &ModelRequest, is_vendor: bool) -> Value {
    let mut body = json!({
        "model": model,
        "stream": true,
        "stream_options": { "include_usage": true },
        "messages": messages(request),
    });
    if let Some(limit) = request.max_tokens {
        let key = if is_vendor {
            "max_completion_tokens"
        } else {
            "max_tokens"
        };
        body[key] = limit.into();
    }
    if !request.tools.is_empty() {
        let tools = request.tools.iter().map(|tool| {
            json!({
                "type": "function",
                "function": {
                    "name": tool.name,
                    "description": tool.description,
                    "parameters": tool.input_schema,
                },
            })
        });
        body["tools"] = tools.collect();
    }
    if let (Some(schema), Some(endpoint)) = (request.object_schema(), request.endpoint) {
        let name = endpoint
            .operation_id
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
            .take(MAX_SCHEMA_NAME)
            .collect::<String>();
        let format = json!({ "name": name, "schema": schema, "strict": false });
        body["response_format"] = json!({ "type": "json_schema", "json_schema": format });
    }
    body
}

fn messages(request: &ModelRequest) -> Vec<Value> {
    let message = |role: &str, text: &str| json!({ "role": role, "content": text });
    let mut messages = Vec::new();
    let system = request.system();
    if !system.is_empty() {
        messages.push(message("system", &system));
    }
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
                let tool_calls = calls.iter().map(|call| {
                    let arguments = match &call.arguments {
                        Value::String(invalid_json) => invalid_json.clone(),
                        arguments => arguments.to_string(),
                    };
                    let function = json!({ "name": call.name, "arguments": arguments });
                    json!({ "id": call.id, "type": "function", "function": function })
                });
                let content = (!text.is_empty()).then_some(text);
                let tool_calls = tool_calls.collect::<Vec<_>>();
                messages.push(
                    json!({ "role": "assistant", "content": content, "tool_calls": tool_calls }),
                );
                messages.extend(calls.iter().zip(results).map(|(call, result)| {
                    // The protocol has no flag for failed calls.
                    let error = if result.is_error { "error: " } else { "" };
                    let content = format!("{error}{}", result.text);
                    json!({ "role": "tool", "tool_call_id": call.id, "content": content })
                }));
            }
            Step::SchemaMismatch { text, correction } => {
                messages.push(message("assistant", text));
                messages.push(message("user", correction));
            }
        }
    }
    messages
}

/// Decodes the chunks of one answer.
#[derive(Debug, Default)]
pub(crate) struct OpenAiDecoder {
    /// The number of earlier steps: makes ids unique that the server does not set.
    round: usize,
    calls: Vec<PartialCall>,
    stop_reason: Option<StopReason>,
    usage: Usage,
    is_complete: bool,
}

/// A tool call whose pieces are being received.
#[derive(Debug, Default)]
struct PartialCall {
    index: u64,
    id: String,
    name: String,
    /// JSON text.
    arguments: String,
}

impl OpenAiDecoder {
    /// A decoder for the answer to `request`.
    pub(crate) fn new(request: &ModelRequest) -> Self {
        Self {
            round: request.steps.len(),
            ..Self::default()
        }
    }

    /// Adds the delta of a chunk, or the message of a whole answer: `key` is its name.
    fn add(
        &mut self,
        answer: &Value,
        key: &str,
        chunks: &mut VecDeque<Chunk>,
    ) -> Result<(), ResponseError> {
        if answer.get("error").is_some_and(|error| !error.is_null()) {
            return Err(response_error(answer));
        }
        let choice = &answer["choices"][0];
        let message = &choice[key];
        for field in ["content", "refusal"] {
            if let Some(text) = message[field].as_str().filter(|text| !text.is_empty()) {
                chunks.push_back(Chunk::Text(text.to_owned()));
            }
        }
        let refused = message["refusal"]
            .as_str()
            .is_some_and(|text| !text.is_empty());
        let calls = message["tool_calls"].as_array();
        for (position, call) in calls.into_iter().flatten().enumerate() {
            self.add_call(position as u64, call);
        }
        if refused {
            self.stop_reason = Some(StopReason::Refusal);
        }
        if let Some(reason) = choice["finish_reason"].as_str()
            && self.stop_reason.is_none()
        {
            self.stop_reason = Some(stop_reason(reason));
        }
        let usage = &answer["usage"];
        if usage.is_object() {
            let count = |key: &str| usage[key].as_u64().unwrap_or_default();
            self.usage = Usage {
                input_tokens: count("prompt_tokens"),
                output_tokens: count("completion_tokens"),
            };
        }
        Ok(())
    }

    /// Adds a piece of a call. Some servers give all calls the same index, or none: a new id then starts a new call.
    fn add_call(&mut self, position: u64, piece: &Value) {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let index = piece["index"].as_u64().unwrap_or(position);
        let id = text(&piece["id"]);
        let open = self
            .calls
            .iter_mut()
            .rev()
            .find(|call| call.index == index)
            .filter(|call| id.is_empty() || call.id.is_empty() || call.id == id);
        let call = match open {
            Some(call) => call,
            None => {
                self.calls.push(PartialCall {
                    index,
                    ..PartialCall::default()
                });
                let last = self.calls.len() - 1;
                &mut self.calls[last]
            }
        };
        if !id.is_empty() {
            call.id = id;
        }
        let function = &piece["function"];
        call.name
            .push_str(function["name"].as_str().unwrap_or_default());
        match &function["arguments"] {
            Value::String(text) => call.arguments.push_str(text),
            Value::Null => {}
            whole => call.arguments = whole.to_string(),
        }
    }

    fn complete(&mut self, chunks: &mut VecDeque<Chunk>) {
        self.is_complete = true;
        let stop_reason = self.stop_reason.unwrap_or_default();
        for (number, call) in std::mem::take(&mut self.calls).into_iter().enumerate() {
            let arguments = match serde_json::from_str(&call.arguments) {
                _ if call.arguments.trim().is_empty() => json!({}),
                Ok(arguments) => arguments,
                Err(_) => Value::String(call.arguments),
            };
            let id = if call.id.is_empty() {
                format!("call_{}_{number}", self.round)
            } else {
                call.id
            };
            chunks.push_back(Chunk::ToolCall(ToolCall {
                id,
                name: call.name,
                arguments,
                metadata: ProviderMetadata::new(),
            }));
        }
        chunks.push_back(Chunk::Done {
            stop_reason,
            usage: self.usage,
        });
    }
}

impl Decoder for OpenAiDecoder {
    fn event(&mut self, data: &str, chunks: &mut VecDeque<Chunk>) -> Result<(), ResponseError> {
        if self.is_complete {
            return Ok(());
        }
        if data.trim() == "[DONE]" {
            self.complete(chunks);
            return Ok(());
        }
        let chunk =
            serde_json::from_str::<Value>(data).map_err(|_| ResponseError::malformed("no JSON"))?;
        self.add(&chunk, "delta", chunks)
    }

    fn body(&mut self, answer: &Value, chunks: &mut VecDeque<Chunk>) -> Result<(), ResponseError> {
        self.add(answer, "message", chunks)?;
        if answer["choices"][0].get("message").is_none() {
            return Err(ResponseError::malformed("an answer without a message"));
        }
        self.complete(chunks);
        Ok(())
    }

    /// Some servers never send `[DONE]`: after a `finish_reason`, the end of the stream is the end of the answer.
    fn end(&mut self, chunks: &mut VecDeque<Chunk>) -> bool {
        if !self.is_complete && self.stop_reason.is_some() {
            self.complete(chunks);
        }
        self.is_complete
    }
}

fn stop_reason(reason: &str) -> StopReason {
    match reason {
        "length" => StopReason::MaxTokens,
        "content_filter" => StopReason::Refusal,
        _ => StopReason::EndTurn,
    }
}

/// The error in an answer with status 200. Its `code` is a status or a word, depending on the server.
fn response_error(answer: &Value) -> ResponseError {
    let message = parse_error_body(answer);
    let code = &answer["error"]["code"];
    let status = code.as_u64().and_then(|code| u16::try_from(code).ok());
    let status = status.and_then(|code| StatusCode::from_u16(code).ok());
    let kind = match (status, &*message.code) {
        (Some(status), code) => kind_of_status(status, code),
        (None, "insufficient_quota" | "invalid_api_key") => ProviderErrorKind::Denied,
        (None, "rate_limit_exceeded") => ProviderErrorKind::RateLimited,
        (None, "server_error" | "internal_server_error") => ProviderErrorKind::Overloaded,
        (None, _) => ProviderErrorKind::Rejected,
    };
    ResponseError { kind, message }
}
