//! Requests in OpenAI's protocol.

use reqwest::Url;
use serde_json::{Map, Value, json};

use crate::model::answer_tool::answer_tool;
use crate::model::dialects::{RequestShape, StructuredOutput, SystemRole, response_format};
use crate::model::request_adaptation::request_change::set_system_role;
use crate::model::{ANSWER_TOOL, Image, ModelRequest, Step, ToolCall, ToolDefinition, ToolResult};

/// Limit of the API.
const MAX_SCHEMA_NAME: usize = 64;
/// A limit of output tokens that every model accepts. A larger one is only sent where the settings say what the model can.
const SAFE_LIMIT: u64 = 4096;

/// The address of the Chat Completions operation. A base URL without a path gets `/v1`, and its query stays.
pub(crate) fn url(base: &str) -> Option<Url> {
    operation(base, "chat/completions")
}

/// The address of the Embeddings operation, as [`url`].
pub(crate) fn embeddings_url(base: &str) -> Option<Url> {
    operation(base, "embeddings")
}

/// The address of the operation at `path`.
pub(super) fn operation(base: &str, path: &str) -> Option<Url> {
    let mut url = Url::parse(base).ok()?;
    let folder = match url.path().trim_matches('/') {
        "" => "v1",
        folder => folder,
    };
    let path = format!("/{folder}/{path}");
    url.set_path(&path);
    Some(url)
}

/// The body of a request for `model`, whose full name is `full_model`. Schemas are sent with `strict: false`: strict mode
/// supports only a part of JSON Schema, and the answer is validated anyway.
pub(crate) fn body(
    model: &str,
    full_model: &str,
    request: &ModelRequest,
    shape: &RequestShape,
) -> Value {
    let mut body = json!({ "model": model, "stream": true });
    if shape.stream_options {
        body["stream_options"] = json!({ "include_usage": true });
    }
    body["messages"] = messages(full_model, request, shape).into();
    if let Some(limit) = limit(request.max_tokens, shape.max_output_tokens) {
        body[&*shape.max_tokens_parameter] = limit.into();
    }
    let mut tools = request.tools.iter().map(tool).collect::<Vec<_>>();
    if let Some(schema) = request.object_schema() {
        let structured = shape.structured(!tools.is_empty());
        if structured == StructuredOutput::Tool {
            body["tool_choice"] = if tools.is_empty() {
                json!({ "type": "function", "function": { "name": ANSWER_TOOL } })
            } else {
                "required".into()
            };
            tools.push(tool(&answer_tool(schema)));
        } else if let Some(format) = response_format(
            structured,
            &schema_name(request.output_name()),
            &schema,
            false,
        ) {
            body["response_format"] = format;
        }
    }
    if !tools.is_empty() {
        body["tools"] = tools.into();
    }
    shape.add_extra_members(&mut body);
    body
}

/// The names of the tools in the body of a request.
pub(crate) fn offered_tools(body: &Value) -> Vec<String> {
    let tools = body["tools"].as_array().into_iter().flatten();
    let names =
        tools.filter_map(|tool| tool["function"]["name"].as_str().or(tool["name"].as_str()));
    names.map(str::to_owned).collect()
}

/// The limit of output tokens: what the budget leaves, and never more than the model can.
pub(super) fn limit(left: Option<u64>, most: Option<u64>) -> Option<u64> {
    match (left, most) {
        (Some(left), Some(most)) => Some(left.min(most)),
        (Some(left), None) => Some(left).filter(|left| *left <= SAFE_LIMIT),
        (None, most) => most,
    }
}

/// The name of a schema: that of its operation, in the characters that the API takes.
pub(super) fn schema_name(operation_id: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    operation_id
        .chars()
        .map(plain)
        .take(MAX_SCHEMA_NAME)
        .collect()
}

fn tool(tool: &ToolDefinition) -> Value {
    json!({
        "type": "function",
        "function": {
            "name": tool.name,
            "description": tool.description,
            "parameters": tool.input_schema,
        },
    })
}

fn messages(full_model: &str, request: &ModelRequest, shape: &RequestShape) -> Vec<Value> {
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
                model,
                text,
                calls,
                results,
                metadata,
            } => {
                let is_own = model == full_model;
                let mut members = Map::new();
                members.insert("role".to_owned(), "assistant".into());
                // Some servers refuse `null`, and models read an empty text as one of theirs.
                if !text.is_empty() {
                    members.insert("content".to_owned(), text.as_str().into());
                }
                if is_own {
                    members.extend(metadata.clone());
                }
                let tool_calls = calls.iter().map(|call| tool_call(call, is_own));
                members.insert("tool_calls".to_owned(), tool_calls.collect());
                messages.push(Value::Object(members));
                messages.extend(calls.iter().zip(results).map(|(call, result)| {
                    let content = result_text(result);
                    json!({ "role": "tool", "tool_call_id": call.id, "content": content })
                }));
                let images = results.iter().flat_map(|result| &result.images);
                if shape.images && images.clone().next().is_some() {
                    messages.push(images_message(images));
                }
            }
            Step::SchemaMismatch { text, correction } => {
                messages.push(message("assistant", text));
                messages.push(message("user", correction));
            }
        }
    }
    match shape.system_role {
        SystemRole::System => {}
        SystemRole::Developer => set_system_role(&mut messages, "developer"),
        SystemRole::User => set_system_role(&mut messages, "user"),
    }
    messages
}

/// The images of tools, in a message of the user: the results of tools can't have them.
fn images_message<'a>(images: impl Iterator<Item = &'a Image>) -> Value {
    let text = json!({ "type": "text", "text": "The images of the tool results, in their order:" });
    let images =
        images.map(|image| json!({ "type": "image_url", "image_url": { "url": data_url(image) } }));
    let content = [text].into_iter().chain(images).collect::<Vec<_>>();
    json!({ "role": "user", "content": content })
}

/// An image as an address.
pub(super) fn data_url(image: &Image) -> String {
    format!("data:{};base64,{}", image.media_type, image.data)
}

/// A call as it goes back, with its further members if it goes to the model that made it.
fn tool_call(call: &ToolCall, is_own: bool) -> Value {
    let mut function = Map::new();
    function.insert("name".to_owned(), call.name.as_str().into());
    function.insert("arguments".to_owned(), arguments_text(call).into());
    let mut members = Map::new();
    members.insert("id".to_owned(), call.id.as_str().into());
    members.insert("type".to_owned(), "function".into());
    if is_own {
        for (key, value) in &call.metadata {
            match (&**key, value) {
                ("function", Value::Object(further)) => function.extend(further.clone()),
                _ => {
                    members.insert(key.clone(), value.clone());
                }
            }
        }
    }
    members.insert("function".to_owned(), function.into());
    members.into()
}

/// The arguments as JSON, or as what the model wrote in place of it.
pub(super) fn arguments_text(call: &ToolCall) -> String {
    match &call.arguments {
        Value::String(invalid_json) => invalid_json.clone(),
        arguments => arguments.to_string(),
    }
}

/// What a model is told of a result: the protocols have no flag for failed calls.
pub(super) fn result_text(result: &ToolResult) -> String {
    let error = if result.is_error { "error: " } else { "" };
    format!("{error}{}", result.text)
}
