//! Requests for responses.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::http::api_error::ApiError;
use crate::http::protocols::caller_messages::{self, Asked, Entry};
use crate::http::protocols::openai_api::openai_errors::refused;
use crate::http::protocols::openai_api::request_members::{
    Content, Function, Parameters, may_call, output_schema, tool_call,
};
use crate::http::protocols::openai_api::responses_output::parse_action;
use crate::schema::Uuid;

const PARAMETERS: Parameters = Parameters {
    read: &[
        "model",
        "input",
        "instructions",
        "max_output_tokens",
        "stream",
        "text",
        "tool_choice",
        "tools",
    ],
    ignored: &[
        "metadata",
        "prompt_cache_key",
        "prompt_cache_retention",
        "safety_identifier",
        "user",
    ],
    fixed: &[
        ("background", &["false"]),
        ("context_management", &[]),
        ("conversation", &[]),
        ("include", &["[]", "[\"reasoning.encrypted_content\"]"]),
        ("max_tool_calls", &[]),
        ("parallel_tool_calls", &["true"]),
        ("previous_response_id", &[]),
        ("prompt", &[]),
        ("reasoning", &["{}"]),
        ("service_tier", &["\"auto\"", "\"default\""]),
        ("store", &["false"]),
        ("stream_options", &["{\"include_obfuscation\":false}"]),
        ("temperature", &["1"]),
        ("top_logprobs", &["0"]),
        ("top_p", &["1"]),
        ("truncation", &["\"disabled\""]),
    ],
};

/// A request, read.
pub(super) struct ResponsesRequest {
    pub(super) asks: Asks,
    pub(super) stream: bool,
    /// What the response repeats of it.
    pub(super) said: Value,
}

/// What a request asks for.
pub(super) enum Asks {
    /// An answer to a conversation.
    New(Box<Asked>),
    /// That a run goes on: its id, and the answers to what it waits for.
    Resume(Uuid, Vec<(Uuid, Value)>),
}

#[derive(Deserialize)]
struct Body {
    input: InputItems,
    instructions: Option<String>,
    max_output_tokens: Option<u64>,
    #[serde(default)]
    stream: bool,
    text: Option<TextFormat>,
    tool_choice: Option<Value>,
    #[serde(default)]
    tools: Vec<Value>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum InputItems {
    Text(String),
    Items(Vec<Item>),
}

#[derive(Deserialize)]
struct Item {
    #[serde(rename = "type")]
    kind: Option<String>,
    role: Option<String>,
    content: Option<Content>,
    call_id: Option<String>,
    name: Option<String>,
    arguments: Option<String>,
    output: Option<Content>,
    approval_request_id: Option<String>,
    approve: Option<bool>,
    reason: Option<String>,
}

#[derive(Deserialize)]
struct TextFormat {
    format: Option<Format>,
    verbosity: Option<Value>,
}

#[derive(Deserialize)]
struct Format {
    #[serde(rename = "type")]
    kind: String,
    schema: Option<Value>,
}

/// Reads a request for an agent; `is_taken` says whether the service has a tool of a name for it.
///
/// # Errors
/// 400, with the parameter.
pub(super) fn read(
    members: Map<String, Value>,
    is_taken: impl Fn(&str) -> bool,
) -> Result<ResponsesRequest, ApiError> {
    let mut said = Map::new();
    for name in [
        "instructions",
        "max_output_tokens",
        "metadata",
        "text",
        "tool_choice",
        "tools",
    ] {
        let value = members.get(name).filter(|value| !value.is_null());
        said.extend(value.map(|value| (name.to_owned(), value.clone())));
    }
    let body: Body = PARAMETERS.parse(members)?;
    let items = match body.input {
        InputItems::Text(text) => vec![Given::Entry(Entry::User(text))],
        InputItems::Items(items) => {
            let items = items.into_iter().enumerate();
            let items = items.map(|(index, item)| given(index, item));
            items.collect::<Result<Vec<_>, _>>()?
        }
    };
    let (stream, said) = (body.stream, Value::Object(said));
    if let Some((run, answers)) = answers(&items)? {
        let asks = Asks::Resume(run, answers);
        return Ok(ResponsesRequest { asks, stream, said });
    }
    // Their places are needed where a conversation does not fit together.
    let is_entry = |(index, item)| match item {
        Given::Entry(entry) => Some((index, entry)),
        Given::Answer(..) | Given::Nothing => None,
    };
    let (places, mut entries): (Vec<usize>, Vec<Entry>) =
        items.into_iter().enumerate().filter_map(is_entry).unzip();
    let offset = usize::from(body.instructions.is_some());
    entries.splice(..0, body.instructions.map(Entry::System));
    let asked = caller_messages::read(entries).map_err(|(index, detail)| {
        let place = index
            .checked_sub(offset)
            .and_then(|index| places.get(index));
        refused(format!("input[{}]", place.unwrap_or(&0)), detail)
    });
    let mut asked = asked?;
    let conversation = &mut asked.conversation;
    for (index, tool) in body.tools.into_iter().enumerate() {
        let param = format!("tools[{index}]");
        let kind = tool["type"].as_str().unwrap_or_default();
        if kind != "function" {
            let detail = format!("tools of the type `{kind}` can't be handed to an agent");
            return Err(refused(format!("{param}.type"), detail));
        }
        let function = Function::deserialize(&tool);
        let function = function.map_err(|error| refused(&*param, error.to_string()))?;
        conversation.tools.push(function.into_tool(&param)?);
    }
    conversation
        .check_names(is_taken)
        .map_err(|(index, error)| refused(format!("tools[{index}].name"), error.to_string()))?;
    if !may_call(body.tool_choice.as_ref())? {
        conversation.tools.clear();
    }
    if let Some(text) = body.text {
        if text.verbosity.is_some() {
            return Err(refused(
                "text.verbosity",
                "an agent settles this itself; leave it out",
            ));
        }
        if let Some(format) = text.format {
            let at = ("text.format", "text.format.schema");
            conversation.output_schema = output_schema(&format.kind, format.schema, at)?;
        }
    }
    conversation.max_tokens = body.max_output_tokens;
    if conversation.max_tokens == Some(0) {
        return Err(refused("max_output_tokens", "must be at least 1"));
    }
    let asks = Asks::New(Box::new(asked));
    Ok(ResponsesRequest { asks, stream, said })
}

/// What an item is.
enum Given {
    Entry(Entry),
    /// The answer to a question of a run.
    Answer((Uuid, Uuid), Value),
    /// What the service said itself, and clients send back.
    Nothing,
}

fn given(index: usize, item: Item) -> Result<Given, ApiError> {
    let at = |member: &str| format!("input[{index}].{member}");
    let missing = |member: &str| refused(at(member), "is missing");
    Ok(match item.kind.as_deref().unwrap_or("message") {
        "message" => {
            let content = item.content.ok_or_else(|| missing("content"))?;
            let text = content.into_text(&at("content"))?;
            Given::Entry(match item.role.as_deref().unwrap_or_default() {
                "user" => Entry::User(text),
                "system" | "developer" => Entry::System(text),
                "assistant" => Entry::Assistant {
                    text,
                    calls: Vec::new(),
                },
                other => {
                    let detail = format!("`{other}` is none of system, developer, user, assistant");
                    return Err(refused(at("role"), detail));
                }
            })
        }
        "function_call" => {
            let id = item.call_id.ok_or_else(|| missing("call_id"))?;
            if parse_action(&id).is_some() {
                return Ok(Given::Nothing);
            }
            let name = item.name.ok_or_else(|| missing("name"))?;
            let arguments = item.arguments.ok_or_else(|| missing("arguments"))?;
            Given::Entry(Entry::Assistant {
                text: String::new(),
                calls: vec![tool_call(id, name, &arguments)],
            })
        }
        "function_call_output" => {
            let call_id = item.call_id.ok_or_else(|| missing("call_id"))?;
            let output = item.output.ok_or_else(|| missing("output"))?;
            let text = output.into_text(&at("output"))?;
            match parse_action(&call_id) {
                Some(action) => Given::Answer(action, json!({ "answer": text })),
                None => Given::Entry(Entry::Result {
                    call_id,
                    text,
                    is_error: false,
                }),
            }
        }
        "mcp_approval_response" => {
            let id = item
                .approval_request_id
                .ok_or_else(|| missing("approval_request_id"))?;
            let unknown = || refused(at("approval_request_id"), "is no id of an approval request");
            let action = parse_action(&id).ok_or_else(unknown)?;
            let approved = item.approve.ok_or_else(|| missing("approve"))?;
            let mut answer = json!({ "approved": approved });
            if let Some(reason) = item.reason.filter(|_| !approved) {
                answer["reason"] = reason.into();
            }
            Given::Answer(action, answer)
        }
        "mcp_approval_request" | "reasoning" => Given::Nothing,
        other => {
            let detail = format!("items of the type `{other}` can't be read");
            return Err(refused(at("type"), detail));
        }
    })
}

/// The run that goes on, and the answers that the request has for it: those after the last message of the user.
///
/// # Errors
/// An answer with a new message behind it, and answers for several runs.
#[expect(clippy::type_complexity, reason = "a run and its answers")]
fn answers(items: &[Given]) -> Result<Option<(Uuid, Vec<(Uuid, Value)>)>, ApiError> {
    let mut found: Option<(Uuid, Vec<(Uuid, Value)>)> = None;
    let mut answered_at = None;
    for (index, item) in items.iter().enumerate() {
        match item {
            Given::Entry(Entry::User(_)) => {
                if answered_at.is_some_and(|answered| answered + 1 == index) {
                    let detail = "the run goes on before it can be asked anything else: send the answer alone";
                    return Err(refused(format!("input[{index}]"), detail));
                }
                found = None;
            }
            Given::Answer((run, action), answer) => {
                answered_at = Some(index);
                let (of, answers) = found.get_or_insert((*run, Vec::new()));
                if of != run {
                    let detail = "the answers are for different runs";
                    return Err(refused(format!("input[{index}]"), detail));
                }
                answers.push((*action, answer.clone()));
            }
            _ => {}
        }
    }
    Ok(found)
}
