//! The Messages API of Anthropic: <https://docs.anthropic.com/en/api/messages-streaming>.

use reqwest::Url;
use serde_json::{Value, json};

use crate::model::answer_tool::answer_tool;
use crate::model::dialects::{RequestShape, StructuredOutput};
use crate::model::{
    ANSWER_TOOL, ModelRequest, ProviderMetadata, Step, ToolCall, ToolDefinition, ToolResult,
};

/// The API requires a limit.
const MAX_TOKENS: u64 = 8192;
/// The member of a step's metadata with the content of the answer, block by block.
pub(crate) const CONTENT: &str = "content";
/// Replaces empty messages, which the API refuses.
const EMPTY_MESSAGE: &str = "(nothing)";

/// The address of the Messages operation. The base URL may end in `/v1`.
pub(crate) fn url(base: &str) -> Option<Url> {
    let base = base.trim_end_matches('/');
    let base = base.strip_suffix("/v1").unwrap_or(base);
    Url::parse(&format!("{base}/v1/messages")).ok()
}

/// The body of a request for `model`, whose full name is `full_model`. By default, an output schema becomes the input schema
/// of a tool that the model must call: unlike the API's own output format, this accepts every JSON Schema and works together
/// with other tools.
pub(crate) fn body(
    model: &str,
    full_model: &str,
    request: &ModelRequest,
    shape: &RequestShape,
) -> Value {
    let most = shape.max_output_tokens.unwrap_or(MAX_TOKENS);
    let mut body = json!({
        "model": model,
        "max_tokens": request.max_tokens.unwrap_or(most).min(most),
        "stream": true,
        "messages": messages(full_model, request, shape),
    });
    let system = request.system();
    if !system.is_empty() {
        body["system"] = system.into();
    }
    let mut tools = request.tools.iter().map(tool).collect::<Vec<_>>();
    if shape.structured == StructuredOutput::Tool
        && let Some(schema) = request.object_schema()
    {
        body["tool_choice"] = if tools.is_empty() {
            json!({ "type": "tool", "name": ANSWER_TOOL })
        } else {
            json!({ "type": "any", "disable_parallel_tool_use": true })
        };
        tools.push(tool(&answer_tool(schema)));
    }
    if !tools.is_empty() {
        body["tools"] = tools.into();
    }
    shape.add_extra_members(&mut body);
    body
}

fn tool(tool: &ToolDefinition) -> Value {
    json!({
        "name": tool.name,
        "description": tool.description,
        "input_schema": tool.input_schema,
    })
}

fn messages(full_model: &str, request: &ModelRequest, shape: &RequestShape) -> Vec<Value> {
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
                model,
                text,
                calls,
                results,
                metadata,
            } => {
                let own = metadata.get(CONTENT).filter(|_| model == full_model);
                let content = own.cloned().unwrap_or_else(|| content(text, calls));
                messages.push(json!({ "role": "assistant", "content": content }));
                let results = calls.iter().zip(results).map(|(call, result)| {
                    json!({
                        "type": "tool_result",
                        "tool_use_id": call.id,
                        "content": result_content(result, shape),
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

/// A result, with its images for models that see.
fn result_content(result: &ToolResult, shape: &RequestShape) -> Value {
    if !shape.images || result.images.is_empty() {
        return result.text.as_str().into();
    }
    let images = result.images.iter().map(|image| {
        let source =
            json!({ "type": "base64", "media_type": image.media_type, "data": image.data });
        json!({ "type": "image", "source": source })
    });
    let text = json!({ "type": "text", "text": result.text });
    [text].into_iter().chain(images).collect()
}

/// The content of an answer with tool calls.
fn content(text: &str, calls: &[ToolCall]) -> Value {
    let text = (!text.is_empty()).then(|| json!({ "type": "text", "text": text }));
    let calls = calls.iter().map(|call| {
        // The API accepts only objects.
        let input = match &call.arguments {
            Value::Object(_) => call.arguments.clone(),
            other => json!({ "unreadable": other }),
        };
        json!({ "type": "tool_use", "id": call.id, "name": call.name, "input": input })
    });
    text.into_iter().chain(calls).collect()
}

/// What goes back of an answer whose blocks are `content`, if it has any that only the model understands.
pub(crate) fn metadata(content: Vec<Value>) -> Option<ProviderMetadata> {
    let is_plain = |block: &Value| matches!(block["type"].as_str(), Some("text" | "tool_use"));
    if content.iter().all(is_plain) {
        return None;
    }
    let mut metadata = ProviderMetadata::new();
    metadata.insert(CONTENT.to_owned(), content.into());
    Some(metadata)
}
