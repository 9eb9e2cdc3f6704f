//! Requests to OpenAI's Responses API.
//!
//! Invariant: the server stores nothing. What it needs of an earlier answer in the turn goes back with the request.

use reqwest::Url;
use serde_json::{Value, json};

use crate::model::answer_tool::answer_tool;
use crate::model::dialects::{RequestShape, StructuredOutput, response_format};
use crate::model::openai::openai_request::{
    arguments_text, data_url, limit, operation, result_text, schema_name,
};
use crate::model::{ANSWER_TOOL, ModelRequest, Step, ToolCall, ToolDefinition, ToolResult};

/// The member of a step's metadata with the items of the answer.
pub(crate) const OUTPUT: &str = "output";
/// The least limit of output tokens that the API accepts.
const LEAST_LIMIT: u64 = 16;

/// The address of the Responses operation, as that of Chat Completions.
pub(crate) fn url(base: &str) -> Option<Url> {
    operation(base, "responses")
}

/// The body of a request for `model`, whose full name is `full_model`. Schemas are sent with `strict: false`: strict mode
/// supports only a part of JSON Schema, and is the default here.
pub(crate) fn body(
    model: &str,
    full_model: &str,
    request: &ModelRequest,
    shape: &RequestShape,
) -> Value {
    let mut body = json!({
        "model": model,
        "stream": true,
        "store": false,
        "include": ["reasoning.encrypted_content"],
    });
    let system = request.system();
    if !system.is_empty() {
        body["instructions"] = system.into();
    }
    body["input"] = input(full_model, request, shape).into();
    if let Some(limit) = limit(request.max_tokens, shape.max_output_tokens) {
        body["max_output_tokens"] = limit.max(LEAST_LIMIT).into();
    }
    let mut tools = request.tools.iter().map(tool).collect::<Vec<_>>();
    let mut format = None;
    if let Some(schema) = request.object_schema() {
        let structured = shape.structured(!tools.is_empty());
        if structured == StructuredOutput::Tool {
            body["tool_choice"] = if tools.is_empty() {
                json!({ "type": "function", "name": ANSWER_TOOL })
            } else {
                "required".into()
            };
            tools.push(tool(&answer_tool(schema)));
        } else {
            let name = schema_name(request.output_name());
            format = response_format(structured, &name, &schema, true);
        }
    }
    if !tools.is_empty() {
        body["tools"] = tools.into();
    }
    shape.add_extra_members(&mut body);
    if let Some(format) = format {
        // The settings may have other members of `text`, such as `verbosity`.
        if !body["text"].is_object() {
            body["text"] = json!({});
        }
        if body["text"].get("format").is_none() {
            body["text"]["format"] = format;
        }
    }
    body
}

fn tool(tool: &ToolDefinition) -> Value {
    json!({
        "type": "function",
        "name": tool.name,
        "description": tool.description,
        "parameters": tool.input_schema,
        "strict": false,
    })
}

fn input(full_model: &str, request: &ModelRequest, shape: &RequestShape) -> Vec<Value> {
    let message = |role: &str, text: &str| json!({ "role": role, "content": text });
    let mut items = Vec::new();
    for past in &request.messages {
        items.push(message(past.role.as_str(), &past.text));
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
                let own = metadata.get(OUTPUT).filter(|_| model == full_model);
                if let Some(Value::Array(own)) = own {
                    items.extend(own.iter().cloned());
                } else {
                    items.extend((!text.is_empty()).then(|| message("assistant", text)));
                    items.extend(calls.iter().map(function_call));
                }
                items.extend(calls.iter().zip(results).map(|(call, result)| {
                    let output = output(result, shape);
                    json!({ "type": "function_call_output", "call_id": call.id, "output": output })
                }));
            }
            Step::SchemaMismatch { text, correction } => {
                items.push(message("assistant", text));
                items.push(message("user", correction));
            }
        }
    }
    items
}

/// A result, with its images for models that see.
fn output(result: &ToolResult, shape: &RequestShape) -> Value {
    let text = result_text(result);
    if !shape.images || result.images.is_empty() {
        return text.into();
    }
    let images = result.images.iter().map(
        |image| json!({ "type": "input_image", "detail": "auto", "image_url": data_url(image) }),
    );
    let text = json!({ "type": "input_text", "text": text });
    [text].into_iter().chain(images).collect()
}

/// A call as it goes to another model than the one that made it.
fn function_call(call: &ToolCall) -> Value {
    json!({
        "type": "function_call",
        "call_id": call.id,
        "name": call.name,
        "arguments": arguments_text(call),
    })
}
