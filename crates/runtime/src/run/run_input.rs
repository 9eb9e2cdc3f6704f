//! The input of an endpoint: JSON that is parsed into the handler's request type.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use serde_path_to_error::{Path, Segment};

use crate::error::AgentError;
use crate::schema::shape::misshapen;
use crate::schema::validate::{Validate, check, push_key};

/// The smallest number that is too large for an integer: 2 to the power of 63.
const TOO_LARGE: f64 = 9_223_372_036_854_775_808.0;

/// JSON, read when it has to be.
#[derive(Debug, Default)]
pub(crate) struct Input {
    /// The text that was not read yet, if any.
    text: Option<Vec<u8>>,
    /// What was read; whole numbers have no fraction here.
    json: Value,
}

impl Input {
    /// A text that should be JSON.
    pub(crate) fn text(text: impl Into<Vec<u8>>) -> Self {
        Self {
            text: Some(text.into()),
            json: Value::Null,
        }
    }

    /// An object without members.
    pub(crate) fn empty() -> Self {
        Self {
            text: None,
            json: Value::Object(Map::new()),
        }
    }

    /// It as JSON.
    ///
    /// # Errors
    /// The text is none.
    pub(crate) fn json(&mut self) -> Result<&mut Value, AgentError> {
        if let Some(text) = self.text.take() {
            self.json = read(&text)?;
        }
        Ok(&mut self.json)
    }

    /// Reads it, which is to be valid under `schema`, as a `T` that breaks no rule.
    ///
    /// # Errors
    /// The text is no JSON, and everything that keeps it from being a `T`.
    pub(crate) fn typed<T: DeserializeOwned + Validate>(
        mut self,
        schema: &Value,
    ) -> Result<T, AgentError> {
        let plain = self.text.as_ref().filter(|text| is_plain(text));
        let value = match plain.and_then(|text| serde_json::from_slice(text).ok()) {
            Some(value) => Ok(value),
            None => of_json(schema, self.json()?),
        };
        let value = value?;
        check(&value).map_err(AgentError::Invalid)?;
        Ok(value)
    }
}

fn read(text: &[u8]) -> Result<Value, AgentError> {
    let mut value = serde_json::from_slice(text)
        .map_err(|error| AgentError::bad_request(format!("the body is not valid JSON: {error}")))?;
    whole(&mut value);
    Ok(value)
}

/// Whether serde takes a text for the same as JSON Schema does: there is no array that it could take for an object, and
/// no `16.0` or `1e3` that it would not take for an integer. Most texts are so, and need not be read twice.
fn is_plain(text: &[u8]) -> bool {
    let fraction = |pair: &[u8]| pair[0].is_ascii_digit() && matches!(pair[1], b'.' | b'e' | b'E');
    !text.contains(&b'[') && !text.windows(2).any(fraction)
}

fn of_json<T: DeserializeOwned>(schema: &Value, json: &Value) -> Result<T, AgentError> {
    // Keeping track of the place costs something, and is needed for what is wrong only.
    let value = T::deserialize(json).or_else(|_| located(schema, json))?;
    // What serde reads as an object may be an array: its entries are taken for the members in their order.
    if holds_array(json) {
        let violations = misshapen(schema, json);
        if !violations.is_empty() {
            return Err(AgentError::Invalid(violations));
        }
    }
    Ok(value)
}

/// Reads `json` once more, to say where it is wrong.
fn located<T: DeserializeOwned>(schema: &Value, json: &Value) -> Result<T, AgentError> {
    serde_path_to_error::deserialize(json).map_err(|error| {
        // Reading stops at the first fault; the schema knows them all.
        let violations = misshapen(schema, json);
        if violations.is_empty() {
            AgentError::invalid(pointer(error.path()), plain(&error.inner().to_string()))
        } else {
            AgentError::Invalid(violations)
        }
    })
}

fn holds_array(value: &Value) -> bool {
    match value {
        Value::Array(_) => true,
        Value::Object(fields) => fields.values().any(holds_array),
        _ => false,
    }
}

/// Writes whole numbers without a fraction: to JSON Schema `16.0` is an integer, to serde it is none.
fn whole(value: &mut Value) {
    match value {
        Value::Number(number) if !number.is_i64() && !number.is_u64() => {
            let whole = number
                .as_f64()
                .filter(|number| number.fract() == 0.0 && number.abs() < TOO_LARGE);
            if let Some(whole) = whole {
                *value = Value::from(whole as i64);
            }
        }
        Value::Array(entries) => entries.iter_mut().for_each(whole),
        Value::Object(fields) => fields.values_mut().for_each(whole),
        _ => {}
    }
}

fn pointer(path: &Path) -> String {
    let mut pointer = String::new();
    for segment in path {
        match segment {
            Segment::Seq { index } => push_key(&mut pointer, &index.to_string()),
            Segment::Map { key } => push_key(&mut pointer, key),
            Segment::Enum { variant } => push_key(&mut pointer, variant),
            Segment::Unknown => {}
        }
    }
    pointer
}

/// What serde says, without the names that types have in Rust.
fn plain(message: &str) -> String {
    let mut words = Vec::new();
    let mut parts = message.split(' ').peekable();
    while let Some(word) = parts.next() {
        match word {
            "struct" | "enum" | "variant" if words.last() == Some(&"expected") => {
                parts.next();
                words.push(if word == "struct" {
                    "an object"
                } else {
                    "one of its variants"
                });
            }
            "i64" | "i32" | "u64" | "u32" => words.push("an integer"),
            "f64" | "f32" => words.push("a number"),
            _ => words.push(word),
        }
    }
    words.join(" ")
}
