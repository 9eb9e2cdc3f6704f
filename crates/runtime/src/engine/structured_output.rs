//! Parses a model's text as the JSON value that an endpoint's output schema promises.
//!
//! Models write around the value: thoughts, a sentence, a Markdown block, a wrapper. The one value in the text that fits the
//! schema is the answer; two different ones are none.

use std::fmt;

use serde::de::DeserializeOwned;
use serde_json::{Deserializer, Value};

use crate::documents::citations::CitationError;
use crate::error::AgentError;
use crate::model::ModelRequest;
use crate::model::user_message::insert_session_id;
use crate::schema::{Schema, Validate, Violation, check, remove_zero_fractions};

/// How many places of a text may be the beginning of its value.
const MAX_STARTS: usize = 10_000;
/// The end of thoughts that a model wrote into its text.
const END_OF_THOUGHTS: &str = "</think>";

/// Why a model's text is not the value that was asked for. Its text goes back to the model, and may quote the answer.
#[derive(Debug)]
pub(crate) enum OutputMismatch {
    NotJson(serde_json::Error),
    /// The text has several values that fit, and they differ.
    Ambiguous,
    Citation(CitationError),
    Type(serde_path_to_error::Error<serde_json::Error>),
    Constraints(Vec<Violation>),
}

/// Parses `text`, which must contain a value that is valid under `schema`. Citations are checked against the passages of
/// `request`, and the conversation's id is filled in.
pub(crate) fn parse_structured_output<T: DeserializeOwned + Validate>(
    schema: &Schema,
    request: &ModelRequest,
    text: &str,
) -> Result<T, OutputMismatch> {
    let text = text.trim_start_matches('\u{feff}').trim();
    let unfenced = strip_code_fence(text);
    let error = match serde_json::from_str(unfenced) {
        Ok(json) => return fitted(schema, request, json),
        Err(error) => error,
    };
    // A model that has to answer with a JSON string often leaves out the quotation marks.
    if is_text(schema) {
        return read(schema, request, Value::String(text.to_owned()));
    }
    let mut fitting = Vec::new();
    let mut mismatch = None;
    for json in values(text) {
        match fitted_value(schema, request, json) {
            Ok(json) if fitting.contains(&json) => {}
            Ok(json) => fitting.push(json),
            Err(error) => mismatch = Some(error),
        }
    }
    match <[Value; 1]>::try_from(fitting) {
        Ok([json]) => read(schema, request, json),
        Err(fitting) if fitting.is_empty() => {
            Err(mismatch.unwrap_or(OutputMismatch::NotJson(error)))
        }
        Err(_) => Err(OutputMismatch::Ambiguous),
    }
}

/// Reads `json`, or what a model wrapped in it.
fn fitted<T: DeserializeOwned + Validate>(
    schema: &Schema,
    request: &ModelRequest,
    json: Value,
) -> Result<T, OutputMismatch> {
    let json = fitted_value(schema, request, json)?;
    read(schema, request, json)
}

/// `json` if it fits; else what fits of its parts: the JSON in a text, the one member of an object, the one entry of a list,
/// and members that are the text of the JSON that they should be.
fn fitted_value(
    schema: &Schema,
    request: &ModelRequest,
    json: Value,
) -> Result<Value, OutputMismatch> {
    let mismatch = match completed(schema, request, json.clone()) {
        Ok(_) => return Ok(json),
        Err(mismatch) => mismatch,
    };
    let fits = |json: &Value| completed(schema, request, json.clone()).is_ok();
    if let OutputMismatch::Constraints(violations) = &mismatch {
        let repaired = with_parsed_members(&json, violations);
        if repaired != json && fits(&repaired) {
            return Ok(repaired);
        }
    }
    let inner = match json {
        Value::String(text) => serde_json::from_str(&text).ok(),
        Value::Object(members) if members.len() == 1 => {
            members.into_iter().next().map(|(_, value)| parsed(value))
        }
        Value::Array(entries) if entries.len() == 1 => entries.into_iter().next(),
        _ => None,
    };
    inner.filter(fits).ok_or(mismatch)
}

/// `json` with the JSON in texts that should be an object or a list.
fn with_parsed_members(json: &Value, violations: &[Violation]) -> Value {
    let mut json = json.clone();
    for violation in violations {
        if let Some(member) = json.pointer_mut(&violation.pointer)
            && member.is_string()
        {
            *member = parsed(member.take());
        }
    }
    json
}

/// The object or list in a text; other values as they are.
fn parsed(value: Value) -> Value {
    match &value {
        Value::String(text) => match serde_json::from_str::<Value>(text) {
            Ok(json) if json.is_object() || json.is_array() => json,
            _ => value,
        },
        _ => value,
    }
}

/// `json` with what the service itself adds, if it is valid then.
fn completed(
    schema: &Schema,
    request: &ModelRequest,
    mut json: Value,
) -> Result<Value, OutputMismatch> {
    if let Some(grounding) = &request.grounding {
        grounding
            .resolve_citations(&mut json)
            .map_err(OutputMismatch::Citation)?;
    }
    if let Some(id) = &request.session_id {
        insert_session_id(&mut json, id);
    }
    remove_zero_fractions(&mut json);
    let violations = schema.violations(&json);
    if violations.is_empty() {
        Ok(json)
    } else {
        Err(OutputMismatch::Constraints(violations))
    }
}

fn read<T: DeserializeOwned + Validate>(
    schema: &Schema,
    request: &ModelRequest,
    json: Value,
) -> Result<T, OutputMismatch> {
    let json = completed(schema, request, json)?;
    let value = serde_path_to_error::deserialize(json).map_err(OutputMismatch::Type)?;
    check(&value).map_err(OutputMismatch::Constraints)?;
    Ok(value)
}

/// The content of a Markdown code block, if the whole text is one; else the text.
fn strip_code_fence(text: &str) -> &str {
    let inner = text
        .strip_prefix("```")
        .and_then(|rest| rest.strip_suffix("```"));
    match inner.and_then(|inner| inner.split_once('\n')) {
        Some((_, content)) => content,
        None => text,
    }
}

/// The objects and lists in a text, without those in its thoughts.
fn values(text: &str) -> Vec<Value> {
    let answer = text.rsplit_once(END_OF_THOUGHTS);
    let answer = answer.map_or(text, |(_, answer)| answer);
    let found = values_in(answer);
    // The tag may be a part of the answer.
    if found.is_empty() {
        return values_in(text);
    }
    found
}

fn values_in(text: &str) -> Vec<Value> {
    let mut values = Vec::new();
    let mut rest = text;
    for _ in 0..MAX_STARTS {
        let Some(start) = rest.find(['{', '[']) else {
            break;
        };
        rest = &rest[start..];
        let mut stream = Deserializer::from_str(rest).into_iter::<Value>();
        match stream.next() {
            Some(Ok(value)) => {
                rest = &rest[stream.byte_offset()..];
                values.push(value);
            }
            _ => rest = &rest[1..],
        }
    }
    values
}

fn is_text(schema: &Schema) -> bool {
    schema.resolved().source()["type"] == "string"
}

impl fmt::Display for OutputMismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotJson(error) => write!(f, "it is not JSON: {error}"),
            Self::Ambiguous => f.write_str("it has two different JSON values that fit"),
            Self::Citation(error) => error.fmt(f),
            Self::Type(error) => error.fmt(f),
            Self::Constraints(violations) => AgentError::Invalid(violations.clone()).fmt(f),
        }
    }
}
