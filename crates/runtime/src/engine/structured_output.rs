//! Parses a model's text as the JSON value that an endpoint's output schema promises.
//!
//! Models write around the value: thoughts, a sentence, a Markdown block, a wrapper. The one value in the text that fits the
//! schema is the answer; two different ones are none.

use std::fmt;

use serde::de::DeserializeOwned;
use serde_json::{Deserializer, Value};

use crate::documents::citations::CitationError;
use crate::documents::grounding::Grounding;
use crate::error::AgentError;
use crate::future::{MOST_BYTES_AT_ONCE, off_worker};
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

/// What an answer has to be.
#[derive(Debug, Clone)]
pub(crate) struct ExpectedOutput {
    schema: Schema,
    /// The passages that it may cite.
    grounding: Option<Grounding>,
    /// The conversation's id, which the answer tells.
    session_id: Option<String>,
}

impl ExpectedOutput {
    /// What `request` expects, with the output schema `schema`.
    pub(crate) fn of(request: &ModelRequest, schema: &Schema) -> Self {
        Self {
            schema: schema.clone(),
            grounding: request.grounding.clone(),
            session_id: request.session_id.clone(),
        }
    }

    /// As [`parse_structured_output`]; a long text holds up no other task.
    pub(crate) async fn parse<T: DeserializeOwned + Validate + Send + 'static>(
        &self,
        text: &str,
    ) -> Result<T, OutputMismatch> {
        if text.len() <= MOST_BYTES_AT_ONCE {
            return parse_structured_output(self, text);
        }
        let (expected, text) = (self.clone(), text.to_owned());
        off_worker(text.len(), move || {
            parse_structured_output(&expected, &text)
        })
        .await
    }
}

/// Parses `text`, which must contain a value that is valid under the schema. Citations are checked against the passages, and the
/// conversation's id is filled in.
fn parse_structured_output<T: DeserializeOwned + Validate>(
    expected: &ExpectedOutput,
    text: &str,
) -> Result<T, OutputMismatch> {
    let text = text.trim_start_matches('\u{feff}').trim();
    let unfenced = strip_code_fence(text);
    let error = match serde_json::from_str(unfenced) {
        Ok(json) => return fitted(expected, json),
        Err(error) => error,
    };
    // A model that has to answer with a JSON string often leaves out the quotation marks.
    if is_text(&expected.schema) {
        return read(expected, Value::String(text.to_owned()));
    }
    let mut fitting = Vec::new();
    let mut mismatch = None;
    for json in values(text) {
        match fitted_value(expected, json) {
            Ok(json) if fitting.contains(&json) => {}
            Ok(json) => fitting.push(json),
            Err(error) => mismatch = Some(error),
        }
    }
    match <[Value; 1]>::try_from(fitting) {
        Ok([json]) => read(expected, json),
        Err(fitting) if fitting.is_empty() => {
            Err(mismatch.unwrap_or(OutputMismatch::NotJson(error)))
        }
        Err(_) => Err(OutputMismatch::Ambiguous),
    }
}

/// Reads `json`, or what a model wrapped in it.
fn fitted<T: DeserializeOwned + Validate>(
    expected: &ExpectedOutput,
    mut json: Value,
) -> Result<T, OutputMismatch> {
    // Else it is only written in another way, and nothing is added.
    let is_changed = expected.grounding.is_some() || expected.session_id.is_some();
    let original = is_changed.then(|| json.clone());
    match complete(expected, &mut json) {
        Ok(()) => typed(json),
        Err(mismatch) => {
            let inner = fitted_part(expected, original.unwrap_or(json), mismatch)?;
            read(expected, inner)
        }
    }
}

/// `json` if it fits; else what fits of its parts: the JSON in a text, the one member of an object, the one entry of a list,
/// and members that are the text of the JSON that they should be.
fn fitted_value(expected: &ExpectedOutput, json: Value) -> Result<Value, OutputMismatch> {
    match complete(expected, &mut json.clone()) {
        Ok(()) => Ok(json),
        Err(mismatch) => fitted_part(expected, json, mismatch),
    }
}

/// The part of `json` that fits, where the whole does not because of `mismatch`.
fn fitted_part(
    expected: &ExpectedOutput,
    json: Value,
    mismatch: OutputMismatch,
) -> Result<Value, OutputMismatch> {
    let fits = |json: &Value| complete(expected, &mut json.clone()).is_ok();
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

/// Adds to `json` what the service itself adds, and checks that it is valid then.
fn complete(expected: &ExpectedOutput, json: &mut Value) -> Result<(), OutputMismatch> {
    if let Some(grounding) = &expected.grounding {
        grounding
            .resolve_citations(json)
            .map_err(OutputMismatch::Citation)?;
    }
    if let Some(id) = &expected.session_id {
        insert_session_id(json, id);
    }
    remove_zero_fractions(json);
    let violations = expected.schema.violations(json);
    if violations.is_empty() {
        Ok(())
    } else {
        Err(OutputMismatch::Constraints(violations))
    }
}

fn read<T: DeserializeOwned + Validate>(
    expected: &ExpectedOutput,
    mut json: Value,
) -> Result<T, OutputMismatch> {
    complete(expected, &mut json)?;
    typed(json)
}

/// Reads what [`complete`] has found to be valid.
fn typed<T: DeserializeOwned + Validate>(json: Value) -> Result<T, OutputMismatch> {
    // To track the place costs time, and only an error needs it.
    let value = match T::deserialize(&json) {
        Ok(value) => value,
        Err(_) => serde_path_to_error::deserialize(json).map_err(OutputMismatch::Type)?,
    };
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
