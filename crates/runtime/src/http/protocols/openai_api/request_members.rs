//! What requests of both APIs have in common: parameters that an agent can't honour, contents, tools, and the form of answers.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::http::api_error::ApiError;
use crate::http::protocols::openai_api::openai_errors::refused;
use crate::model::{ToolCall, ToolDefinition};
use crate::schema::Schema;

/// The parameters of an API.
pub(super) struct Parameters {
    /// Those that are read.
    pub(super) read: &'static [&'static str],
    /// Those that change nothing of an answer, and are passed over.
    pub(super) ignored: &'static [&'static str],
    /// Those that an agent settles itself, each with the JSON of the only values that are accepted.
    pub(super) fixed: &'static [(&'static str, &'static [&'static str])],
}

impl Parameters {
    /// Reads a request. A member that is `null` is left out.
    ///
    /// # Errors
    /// The first parameter that can't be honoured.
    pub(super) fn parse<T: DeserializeOwned>(
        &self,
        mut members: Map<String, Value>,
    ) -> Result<T, ApiError> {
        members.retain(|_, value| !value.is_null());
        for (name, value) in &members {
            let name = &**name;
            if self.read.contains(&name) || self.ignored.contains(&name) {
                continue;
            }
            let mut fixed = self.fixed.iter();
            let Some((_, accepted)) = fixed.find(|(fixed, _)| *fixed == name) else {
                return Err(refused(name, "there is no such parameter here"));
            };
            if !accepted.iter().any(|accepted| is_same(value, accepted)) {
                let detail = match accepted {
                    [] => "an agent settles this itself; leave it out".to_owned(),
                    _ => format!(
                        "an agent settles this itself; leave it out, or send {}",
                        accepted.join(" or ")
                    ),
                };
                return Err(refused(name, detail));
            }
        }
        let parsed = serde_path_to_error::deserialize(Value::Object(members));
        parsed.map_err(|error| refused(error.path().to_string(), error.inner().to_string()))
    }
}

fn is_same(value: &Value, accepted: &str) -> bool {
    match (value, accepted.parse::<f64>()) {
        (Value::Number(number), Ok(accepted)) => number.as_f64() == Some(accepted),
        _ => {
            let written = value.to_string();
            written == accepted
        }
    }
}

/// A text, or its parts.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Content {
    Text(String),
    Parts(Vec<Map<String, Value>>),
}

impl Content {
    /// The text.
    ///
    /// # Errors
    /// A part that is none; `param` is where the content is.
    pub(super) fn into_text(self, param: &str) -> Result<String, ApiError> {
        let parts = match self {
            Self::Text(text) => return Ok(text),
            Self::Parts(parts) => parts,
        };
        let mut whole = String::new();
        for (index, part) in parts.iter().enumerate() {
            let member = match part.get("type").and_then(Value::as_str) {
                Some("text" | "input_text" | "output_text") => "text",
                Some("refusal") => "refusal",
                other => {
                    let other = other.unwrap_or_default();
                    let detail =
                        format!("parts of the type `{other}` can't be read; agents take texts");
                    return Err(refused(format!("{param}[{index}].type"), detail));
                }
            };
            let Some(text) = part.get(member).and_then(Value::as_str) else {
                return Err(refused(
                    format!("{param}[{index}].{member}"),
                    "must be a text",
                ));
            };
            whole.push_str(text);
        }
        Ok(whole)
    }
}

/// A function that the client calls.
#[derive(Deserialize)]
pub(super) struct Function {
    name: String,
    description: Option<String>,
    parameters: Option<Value>,
}

impl Function {
    /// As a tool; `param` is where it is.
    ///
    /// # Errors
    /// Parameters that are no object.
    pub(super) fn into_tool(self, param: &str) -> Result<ToolDefinition, ApiError> {
        let nothing = || serde_json::json!({ "type": "object", "properties": {} });
        let input_schema = self.parameters.unwrap_or_else(nothing);
        if input_schema["type"] != "object" {
            let detail = "must be a JSON Schema of the type `object`";
            return Err(refused(format!("{param}.parameters"), detail));
        }
        Ok(ToolDefinition {
            name: self.name,
            description: self.description.unwrap_or_default(),
            input_schema,
        })
    }
}

/// Whether the client's tools may be called.
///
/// # Errors
/// A choice that an agent can't be held to.
pub(super) fn may_call(choice: Option<&Value>) -> Result<bool, ApiError> {
    match choice.map(|choice| choice.as_str().unwrap_or_default()) {
        None | Some("auto") => Ok(true),
        Some("none") => Ok(false),
        Some(_) => Err(refused(
            "tool_choice",
            "an agent calls the tools that it needs; `auto` and `none` are accepted",
        )),
    }
}

/// How an answer is to look: `type`, and for `json_schema` the schema, which is at `at`.
///
/// # Errors
/// A form that does not exist, and a schema that can't be used.
pub(super) fn output_schema(
    kind: &str,
    schema: Option<Value>,
    (param, at): (&str, &str),
) -> Result<Option<Value>, ApiError> {
    match (kind, schema) {
        ("text", _) => Ok(None),
        ("json_object", _) => Ok(Some(serde_json::json!({ "type": "object" }))),
        ("json_schema", Some(schema)) => match Schema::compile(&schema) {
            Ok(_) => Ok(Some(schema)),
            Err(error) => Err(refused(at, format!("the schema can't be used: {error}"))),
        },
        ("json_schema", None) => Err(refused(at, "is missing")),
        (other, _) => Err(refused(
            format!("{param}.type"),
            format!("`{other}` is none of text, json_object, json_schema"),
        )),
    }
}

/// A call as a client sends it back.
pub(super) fn tool_call(id: String, name: String, arguments: &str) -> ToolCall {
    let parsed = serde_json::from_str(arguments);
    ToolCall {
        id,
        name,
        arguments: parsed.unwrap_or_else(|_| arguments.into()),
        metadata: Map::new(),
    }
}

/// The arguments of a call, as text.
pub(super) fn arguments(call: &ToolCall) -> String {
    match &call.arguments {
        // The model wrote no JSON.
        Value::String(text) => text.clone(),
        arguments => arguments.to_string(),
    }
}
