//! One change of a request that a server asked for.

use serde_json::{Map, Value, json};

use crate::model::request_adaptation::simple_schema::simplified;

/// Where requests have the form of the answer, as JSON Pointers.
pub(super) const FORMATS: [&str; 2] = ["/response_format", "/text/format"];

/// Where tools have the schema of their input, as JSON Pointers.
const TOOL_SCHEMAS: [&str; 3] = ["/input_schema", "/parameters", "/function/parameters"];
/// The types of the parts of messages that are images.
const IMAGES: [&str; 3] = ["image", "image_url", "input_image"];

/// A change of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Change {
    /// Leaves a member out.
    Omit(String),
    /// Gives the limit of tokens its other name.
    Rename {
        from: &'static str,
        to: &'static str,
    },
    /// Lowers a limit of tokens.
    Limit { member: &'static str, most: u64 },
    /// Asks for JSON without a schema, which the prompt contains anyway.
    JsonObject,
    /// Leaves the form of the answer out.
    OmitFormat,
    /// Leaves items of this type out of the input.
    OmitItems(&'static str),
    /// Leaves a member out of all messages and tool calls.
    OmitInMessages(&'static str),
    /// Sends the system message under another role.
    SystemRole(&'static str),
    /// Leaves the images of tools to the texts, which describe them.
    DescribeImages,
    /// Leaves out of the tools' schemas what servers refuse.
    SimplifyTools,
}

impl Change {
    /// Returns whether the request is another one now.
    pub(super) fn apply(&self, body: &mut Value) -> bool {
        let before = body.clone();
        let Value::Object(members) = body else {
            return false;
        };
        match self {
            Self::Omit(member) => {
                members.shift_remove(member);
            }
            Self::Rename { from, to } => {
                if let Some(value) = members.shift_remove(*from) {
                    members.insert((*to).to_owned(), value);
                }
            }
            Self::Limit { member, most } => {
                if members.get(*member).and_then(Value::as_u64) > Some(*most) {
                    members.insert((*member).to_owned(), (*most).into());
                }
            }
            Self::JsonObject => {
                for place in FORMATS {
                    if let Some(format) = body.pointer_mut(place)
                        && format["type"] == "json_schema"
                    {
                        *format = json!({ "type": "json_object" });
                    }
                }
            }
            Self::OmitFormat => {
                members.shift_remove("response_format");
                if let Some(text) = members.get_mut("text") {
                    omit(text, "format");
                }
            }
            Self::OmitItems(kind) => {
                if let Some(Value::Array(items)) = members.get_mut("input") {
                    items.retain(|item| item["type"] != *kind);
                }
            }
            Self::OmitInMessages(member) => {
                for message in messages(body) {
                    omit(message, member);
                    if let Some(Value::Array(calls)) = message.get_mut("tool_calls") {
                        calls.iter_mut().for_each(|call| omit(call, member));
                    }
                }
            }
            Self::SystemRole(role) => {
                if let Some(Value::Array(messages)) = members.get_mut("messages") {
                    set_system_role(messages, role);
                }
            }
            Self::DescribeImages => describe_images(members),
            Self::SimplifyTools => {
                let tools = members.get_mut("tools").and_then(Value::as_array_mut);
                for tool in tools.into_iter().flatten() {
                    for place in TOOL_SCHEMAS {
                        if let Some(schema) = tool.pointer_mut(place) {
                            *schema = simplified(schema);
                        }
                    }
                }
            }
        }
        *body != before
    }

    /// What the log says of it, with the setting of `provider` that says it from the start.
    pub(super) fn description(&self, provider: &str) -> String {
        let (what, setting) = match self {
            Self::Omit(member) => {
                let setting = match &**member {
                    "stream_options" => "stream_options = false",
                    _ => "",
                };
                (
                    format!("`{member}` is left out from now on"),
                    setting.to_owned(),
                )
            }
            Self::Rename { from, to } => (
                format!("`{from}` is sent as `{to}` from now on"),
                format!("max_tokens_parameter = \"{to}\""),
            ),
            Self::Limit { member, most } => (
                format!("`{member}` is {most} at most from now on"),
                format!("max_output_tokens = {most}"),
            ),
            Self::JsonObject => (
                "JSON is asked for without a schema from now on".to_owned(),
                "structured = \"json_object\"".to_owned(),
            ),
            Self::OmitFormat => (
                "the form of the answer is left to the prompt from now on".to_owned(),
                "structured = \"prompt\"".to_owned(),
            ),
            Self::OmitItems(kind) => (
                format!("items of the type `{kind}` are not sent back from now on"),
                String::new(),
            ),
            Self::OmitInMessages(member) => (
                format!("`{member}` is not sent back from now on"),
                String::new(),
            ),
            Self::SystemRole(role) => (
                format!("the system message is sent as `{role}` from now on"),
                format!("system_role = \"{role}\""),
            ),
            Self::DescribeImages => (
                "images of tools are only described from now on".to_owned(),
                "images = false".to_owned(),
            ),
            Self::SimplifyTools => (
                "the schemas of tools are simplified from now on".to_owned(),
                String::new(),
            ),
        };
        if setting.is_empty() {
            return what;
        }
        format!("{what}; `{setting}` in [providers.{provider}] says so from the start")
    }
}

/// Whether a request has images.
pub(super) fn has_images(body: &Value) -> bool {
    let of = |member: &str| body[member].as_array().into_iter().flatten();
    of("messages").chain(of("input")).any(|message| {
        let results = message["content"].as_array().into_iter().flatten();
        let mut parts = results.clone().map(|result| &result["content"]);
        [&message["content"], &message["output"]]
            .into_iter()
            .any(is_with_image)
            || parts.any(is_with_image)
    })
}

fn is_with_image(content: &Value) -> bool {
    let parts = content.as_array().into_iter().flatten();
    parts.into_iter().any(is_image)
}

fn is_image(part: &Value) -> bool {
    part["type"]
        .as_str()
        .is_some_and(|kind| IMAGES.contains(&kind))
}

/// Takes images out of messages and results, and messages that are there for images alone.
fn describe_images(members: &mut Map<String, Value>) {
    if let Some(Value::Array(messages)) = members.get_mut("messages") {
        messages.retain(|message| !is_with_image(&message["content"]));
        for message in messages {
            let results = message.get_mut("content").and_then(Value::as_array_mut);
            for result in results.into_iter().flatten() {
                omit_images(result, "content");
            }
        }
    }
    if let Some(Value::Array(items)) = members.get_mut("input") {
        items
            .iter_mut()
            .for_each(|item| omit_images(item, "output"));
    }
}

fn omit_images(result: &mut Value, member: &str) {
    if let Some(Value::Array(parts)) = result.get_mut(member) {
        parts.retain(|part| !is_image(part));
    }
}

fn messages(body: &mut Value) -> impl Iterator<Item = &mut Value> {
    let messages = body.get_mut("messages").and_then(Value::as_array_mut);
    messages.into_iter().flatten()
}

fn omit(value: &mut Value, member: &str) {
    if let Value::Object(members) = value {
        members.shift_remove(member);
    }
}

/// Gives the system message `role`. As `user`, it becomes the beginning of the first message of the user: many models want
/// user and assistant to alternate.
pub(crate) fn set_system_role(messages: &mut Vec<Value>, role: &str) {
    let Some(first) = messages.first_mut() else {
        return;
    };
    if !matches!(first["role"].as_str(), Some("system" | "developer")) {
        return;
    }
    first["role"] = role.into();
    if role != "user" || messages.len() < 2 || messages[1]["role"] != "user" {
        return;
    }
    let system = messages.remove(0);
    let texts =
        [&system["content"], &messages[0]["content"]].map(|text| text.as_str().unwrap_or_default());
    messages[0]["content"] = texts.join("\n\n").into();
}
