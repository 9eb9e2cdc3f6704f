//! The Chat Completions API of OpenAI, and of the many servers that speak it:
//! <https://platform.openai.com/docs/api-reference/chat-streaming>.

use std::collections::VecDeque;

use reqwest::header::{self, HeaderMap};
use reqwest::{StatusCode, Url};
use serde_json::{Value, json};

use crate::client::error_response::{Failure, complaint, fault};
use crate::client::{Decoder, sensitive};
use crate::error::provider_error::ProviderFault;
use crate::event::agent_event::{StopReason, Usage};
use crate::model::{Chunk, ModelRequest, Step, ToolCall};
use crate::secret::Secret;

/// Where OpenAI is.
pub(crate) const BASE_URL: &str = "https://api.openai.com/v1";
/// The longest name that a schema may have.
const LONGEST_NAME: usize = 64;

/// Where completions are posted. A base URL without a path means the usual one, `/v1`.
pub(crate) fn url(base: &str) -> Option<Url> {
    operation(base, "chat/completions")
}

/// Where embeddings are asked for, as [`url`].
pub(crate) fn embeddings_url(base: &str) -> Option<Url> {
    operation(base, "embeddings")
}

fn operation(base: &str, path: &str) -> Option<Url> {
    let base = base.trim_end_matches('/');
    let is_bare = Url::parse(base).ok()?.path().trim_matches('/').is_empty();
    let version = if is_bare { "/v1" } else { "" };
    Url::parse(&format!("{base}{version}/{path}")).ok()
}

/// What is sent along; `None` for a key that no header can hold.
pub(crate) fn headers(key: Option<&Secret>) -> Option<HeaderMap> {
    let mut headers = HeaderMap::new();
    if let Some(key) = key {
        let bearer = sensitive(&format!("Bearer {}", key.expose()))?;
        headers.insert(header::AUTHORIZATION, bearer);
    }
    Some(headers)
}

/// The body of a request for `model`. An output schema goes along as the response format, not strictly: the strict form
/// takes a part of JSON Schema only, and what comes out is checked in any case. `is_vendor` is OpenAI itself, whose
/// models take the limit of tokens under another name than all other servers.
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
            .take(LONGEST_NAME)
            .collect::<String>();
        let format = json!({ "name": name, "schema": schema, "strict": false });
        body["response_format"] = json!({ "type": "json_schema", "json_schema": format });
    }
    body
}

fn messages(request: &ModelRequest) -> Vec<Value> {
    let said = |role: &str, text: &str| json!({ "role": role, "content": text });
    let mut messages = Vec::new();
    let system = request.system();
    if !system.is_empty() {
        messages.push(said("system", &system));
    }
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
                let written = calls.iter().map(|call| {
                    let arguments = match &call.arguments {
                        Value::String(unreadable) => unreadable.clone(),
                        arguments => arguments.to_string(),
                    };
                    let function = json!({ "name": call.name, "arguments": arguments });
                    json!({ "id": call.id, "type": "function", "function": function })
                });
                let content = (!text.is_empty()).then_some(text);
                let written = written.collect::<Vec<_>>();
                messages.push(
                    json!({ "role": "assistant", "content": content, "tool_calls": written }),
                );
                messages.extend(calls.iter().zip(results).map(|(call, result)| {
                    // The format has no other place for it.
                    let error = if result.is_error { "error: " } else { "" };
                    let content = format!("{error}{}", result.text);
                    json!({ "role": "tool", "tool_call_id": call.id, "content": content })
                }));
            }
            Step::Refused { text, objection } => {
                messages.push(said("assistant", text));
                messages.push(said("user", objection));
            }
        }
    }
    messages
}

/// Reads the chunks of one answer.
#[derive(Debug, Default)]
pub(crate) struct Events {
    round: usize,
    calls: Vec<Call>,
    stop_reason: Option<StopReason>,
    usage: Usage,
    over: bool,
}

/// A tool call under way.
#[derive(Debug, Default)]
struct Call {
    index: u64,
    id: String,
    name: String,
    arguments: String,
}

impl Events {
    /// For the answer to `request`.
    pub(crate) fn new(request: &ModelRequest) -> Self {
        Self {
            round: request.steps.len(),
            ..Self::default()
        }
    }

    fn take(
        &mut self,
        answer: &Value,
        part: &str,
        chunks: &mut VecDeque<Chunk>,
    ) -> Result<(), Failure> {
        if answer.get("error").is_some_and(|error| !error.is_null()) {
            return Err(failure(answer));
        }
        let choice = &answer["choices"][0];
        let said = &choice[part];
        for key in ["content", "refusal"] {
            if let Some(text) = said[key].as_str().filter(|text| !text.is_empty()) {
                chunks.push_back(Chunk::Text(text.to_owned()));
            }
        }
        let refused = said["refusal"]
            .as_str()
            .is_some_and(|text| !text.is_empty());
        let calls = said["tool_calls"].as_array();
        for (position, call) in calls.into_iter().flatten().enumerate() {
            self.call(position as u64, call);
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

    /// Adds a piece of a call. Some servers number all calls alike, or not at all: another id is another call.
    fn call(&mut self, position: u64, piece: &Value) {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let index = piece["index"].as_u64().unwrap_or(position);
        let id = text(&piece["id"]);
        let known = self
            .calls
            .iter_mut()
            .rev()
            .find(|call| call.index == index)
            .filter(|call| id.is_empty() || call.id.is_empty() || call.id == id);
        let call = match known {
            Some(call) => call,
            None => {
                self.calls.push(Call {
                    index,
                    ..Call::default()
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
        self.over = true;
        let stop_reason = self.stop_reason.unwrap_or_default();
        for (number, call) in std::mem::take(&mut self.calls).into_iter().enumerate() {
            let arguments = match serde_json::from_str(&call.arguments) {
                _ if call.arguments.trim().is_empty() => json!({}),
                Ok(arguments) => arguments,
                Err(_) => Value::String(call.arguments),
            };
            let id = match call.id.is_empty() {
                true => format!("call_{}_{number}", self.round),
                false => call.id,
            };
            chunks.push_back(Chunk::ToolCall(ToolCall {
                id,
                name: call.name,
                arguments,
            }));
        }
        chunks.push_back(Chunk::Done {
            stop_reason,
            usage: self.usage,
        });
    }
}

impl Decoder for Events {
    fn event(&mut self, data: &str, chunks: &mut VecDeque<Chunk>) -> Result<(), Failure> {
        if self.over {
            return Ok(());
        }
        if data.trim() == "[DONE]" {
            self.complete(chunks);
            return Ok(());
        }
        let chunk = serde_json::from_str::<Value>(data).map_err(|_| Failure::broken("no JSON"))?;
        self.take(&chunk, "delta", chunks)
    }

    fn whole(&mut self, answer: &Value, chunks: &mut VecDeque<Chunk>) -> Result<(), Failure> {
        self.take(answer, "message", chunks)?;
        if answer["choices"][0].get("message").is_none() {
            return Err(Failure::broken("an answer without a message"));
        }
        self.complete(chunks);
        Ok(())
    }

    /// Some servers end without saying so; a reason to stop says it as well.
    fn end(&mut self, chunks: &mut VecDeque<Chunk>) -> bool {
        if !self.over && self.stop_reason.is_some() {
            self.complete(chunks);
        }
        self.over
    }
}

fn stop_reason(reason: &str) -> StopReason {
    match reason {
        "length" => StopReason::MaxTokens,
        "content_filter" => StopReason::Refusal,
        _ => StopReason::EndTurn,
    }
}

/// What an error within a stream means: servers put a status into its code, or a word.
fn failure(answer: &Value) -> Failure {
    let complaint = complaint(answer.clone());
    let code = &answer["error"]["code"];
    let status = code.as_u64().and_then(|code| u16::try_from(code).ok());
    let status = status.and_then(|code| StatusCode::from_u16(code).ok());
    let fault = match (status, &*complaint.kind) {
        (Some(status), kind) => fault(status, kind),
        (None, "insufficient_quota" | "invalid_api_key") => ProviderFault::Denied,
        (None, "rate_limit_exceeded") => ProviderFault::RateLimited,
        (None, "server_error" | "internal_server_error") => ProviderFault::Overloaded,
        (None, _) => ProviderFault::Rejected,
    };
    Failure { fault, complaint }
}
