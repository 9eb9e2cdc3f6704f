//! Requests for chat completions.

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::http::api_error::ApiError;
use crate::http::protocols::caller_messages::{self, Asked, Entry};
use crate::http::protocols::openai_api::openai_errors::refused;
use crate::http::protocols::openai_api::request_members::{
    Content, Function, Parameters, may_call, output_schema, tool_call,
};

const PARAMETERS: Parameters = Parameters {
    read: &[
        "model",
        "messages",
        "stream",
        "stream_options",
        "tools",
        "tool_choice",
        "response_format",
        "max_tokens",
        "max_completion_tokens",
    ],
    ignored: &[
        "user",
        "metadata",
        "safety_identifier",
        "prompt_cache_key",
        "prompt_cache_retention",
    ],
    fixed: &[
        ("audio", &[]),
        ("frequency_penalty", &["0"]),
        ("function_call", &[]),
        ("functions", &[]),
        ("logit_bias", &["{}"]),
        ("logprobs", &["false"]),
        ("modalities", &["[\"text\"]"]),
        ("n", &["1"]),
        ("parallel_tool_calls", &["true"]),
        ("prediction", &[]),
        ("presence_penalty", &["0"]),
        ("reasoning_effort", &[]),
        ("seed", &[]),
        ("service_tier", &["\"auto\"", "\"default\""]),
        ("stop", &[]),
        ("store", &["false"]),
        ("temperature", &["1"]),
        ("top_logprobs", &[]),
        ("top_p", &["1"]),
        ("verbosity", &[]),
        ("web_search_options", &[]),
    ],
};

/// A request, read.
pub(super) struct ChatRequest {
    pub(super) asked: Asked,
    pub(super) stream: bool,
    pub(super) include_usage: bool,
}

#[derive(Deserialize)]
struct Body {
    messages: Vec<ChatMessage>,
    #[serde(default)]
    stream: bool,
    stream_options: Option<StreamOptions>,
    #[serde(default)]
    tools: Vec<ChatTool>,
    tool_choice: Option<Value>,
    response_format: Option<ResponseFormat>,
    max_tokens: Option<u64>,
    max_completion_tokens: Option<u64>,
}

#[derive(Deserialize)]
struct StreamOptions {
    #[serde(default)]
    include_usage: bool,
}

#[derive(Deserialize)]
struct ChatTool {
    #[serde(rename = "type")]
    kind: String,
    function: Option<Function>,
}

#[derive(Deserialize)]
struct ResponseFormat {
    #[serde(rename = "type")]
    kind: String,
    json_schema: Option<JsonSchemaFormat>,
}

#[derive(Deserialize)]
struct JsonSchemaFormat {
    schema: Option<Value>,
}

#[derive(Deserialize)]
struct ChatMessage {
    role: String,
    content: Option<Content>,
    refusal: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    tool_calls: Vec<ChatCall>,
    tool_call_id: Option<String>,
    function_call: Option<Value>,
}

#[derive(Deserialize)]
struct ChatCall {
    id: String,
    #[serde(rename = "type")]
    kind: Option<String>,
    function: Option<CalledFunction>,
}

#[derive(Deserialize)]
struct CalledFunction {
    name: String,
    arguments: String,
}

/// Clients send back `null` where they got no calls.
fn or_default<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Vec<ChatCall>, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or_default())
}

/// Reads a request for an agent; `is_taken` says whether the service has a tool of a name for it.
///
/// # Errors
/// 400, with the parameter.
pub(super) fn read(
    members: Map<String, Value>,
    is_taken: impl Fn(&str) -> bool,
) -> Result<ChatRequest, ApiError> {
    let body: Body = PARAMETERS.parse(members)?;
    let messages = body.messages.into_iter().enumerate();
    let entries = messages.map(|(index, message)| entry(index, message));
    let entries = entries.collect::<Result<Vec<_>, _>>()?;
    let asked = caller_messages::read(entries);
    let mut asked =
        asked.map_err(|(index, detail)| refused(format!("messages[{index}]"), detail))?;
    let conversation = &mut asked.conversation;
    for (index, tool) in body.tools.into_iter().enumerate() {
        let param = format!("tools[{index}]");
        match (&*tool.kind, tool.function) {
            ("function", Some(function)) => {
                let tool = function.into_tool(&format!("{param}.function"))?;
                conversation.tools.push(tool);
            }
            ("function", None) => {
                return Err(refused(format!("{param}.function"), "is missing"));
            }
            (other, _) => {
                let detail = format!("tools of the type `{other}` can't be handed to an agent");
                return Err(refused(format!("{param}.type"), detail));
            }
        }
    }
    conversation
        .check_names(is_taken)
        .map_err(|(index, error)| {
            refused(format!("tools[{index}].function.name"), error.to_string())
        })?;
    if !may_call(body.tool_choice.as_ref())? {
        conversation.tools.clear();
    }
    if let Some(format) = body.response_format {
        let schema = format.json_schema.and_then(|format| format.schema);
        let at = ("response_format", "response_format.json_schema.schema");
        conversation.output_schema = output_schema(&format.kind, schema, at)?;
    }
    conversation.max_tokens = body.max_completion_tokens.or(body.max_tokens);
    if conversation.max_tokens == Some(0) {
        return Err(refused("max_completion_tokens", "must be at least 1"));
    }
    Ok(ChatRequest {
        asked,
        stream: body.stream,
        include_usage: body
            .stream_options
            .is_some_and(|options| options.include_usage),
    })
}

fn entry(index: usize, message: ChatMessage) -> Result<Entry, ApiError> {
    let at = |member: &str| format!("messages[{index}].{member}");
    let content = message
        .content
        .map(|content| content.into_text(&at("content")));
    let content = content.transpose()?;
    if message.function_call.is_some() {
        return Err(refused(
            at("function_call"),
            "is no longer in use; send `tool_calls`",
        ));
    }
    let text = || {
        content
            .clone()
            .ok_or_else(|| refused(at("content"), "is missing"))
    };
    Ok(match &*message.role {
        "user" => Entry::User(text()?),
        "system" | "developer" => Entry::System(text()?),
        "assistant" => {
            let mut calls = Vec::new();
            for (number, call) in message.tool_calls.into_iter().enumerate() {
                let at = at(&format!("tool_calls[{number}]"));
                if call.kind.is_some_and(|kind| kind != "function") {
                    return Err(refused(format!("{at}.type"), "must be `function`"));
                }
                let function = call.function;
                let function =
                    function.ok_or_else(|| refused(format!("{at}.function"), "is missing"))?;
                calls.push(tool_call(call.id, function.name, &function.arguments));
            }
            Entry::Assistant {
                text: content.or(message.refusal).unwrap_or_default(),
                calls,
            }
        }
        "tool" => Entry::Result {
            call_id: message
                .tool_call_id
                .clone()
                .ok_or_else(|| refused(at("tool_call_id"), "is missing"))?,
            text: text()?,
            is_error: false,
        },
        other => {
            let detail = format!("`{other}` is none of system, developer, user, assistant, tool");
            return Err(refused(at("role"), detail));
        }
    })
}
