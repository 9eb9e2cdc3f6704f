//! The input of an endpoint: JSON that is parsed into the handler's request type.

use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use serde_path_to_error::{Path, Segment};

use crate::error::AgentError;
use crate::future::off_worker;
use crate::schema::{Schema, Validate, check, push_key, remove_zero_fractions};
use crate::spec::value_shape::{Misfit, ValueShape};

/// JSON, read when it has to be.
#[derive(Debug, Default)]
pub(crate) struct Input {
    /// The text that was not read yet, if any.
    text: Option<Vec<u8>>,
    /// What was read. Integers are written without a fraction: `16` for `16.0`.
    json: Value,
    /// How long the text is or was.
    bytes: usize,
}

impl Input {
    /// A text that should be JSON.
    pub(crate) fn text(text: impl Into<Vec<u8>>) -> Self {
        let text = text.into();
        Self {
            bytes: text.len(),
            text: Some(text),
            json: Value::Null,
        }
    }

    /// An object without members.
    pub(crate) fn empty() -> Self {
        Self {
            text: None,
            json: Value::Object(Map::new()),
            bytes: 0,
        }
    }

    /// It as JSON.
    ///
    /// # Errors
    /// The text is none.
    pub(crate) async fn json(&mut self) -> Result<&mut Value, AgentError> {
        if let Some(text) = self.text.take() {
            self.json = off_worker(self.bytes, move || read(&text)).await?;
        }
        Ok(&mut self.json)
    }

    /// What `inspect` says of it as JSON.
    ///
    /// # Errors
    /// As [`json`](Self::json).
    pub(crate) async fn inspect<T: Send + 'static>(
        &mut self,
        inspect: impl FnOnce(&Value) -> T + Send + 'static,
    ) -> Result<T, AgentError> {
        let json = std::mem::take(self.json().await?);
        let inspected = off_worker(self.bytes, move || {
            let inspected = inspect(&json);
            (json, inspected)
        });
        let (json, inspected) = inspected.await;
        self.json = json;
        Ok(inspected)
    }

    /// Reads it as a `T` that is valid under `schema`.
    ///
    /// # Errors
    /// 400 for a text that is not JSON, and 422 with everything that is wrong with it.
    pub(crate) async fn typed<T: DeserializeOwned + Validate + Send + 'static>(
        self,
        schema: &Schema,
    ) -> Result<T, AgentError> {
        let schema = schema.clone();
        off_worker(self.bytes, move || self.read_typed(&schema)).await
    }

    /// It as JSON that is valid under `schema`, in `shape`.
    ///
    /// # Errors
    /// As those of [`typed`](Self::typed).
    pub(crate) async fn shaped(
        self,
        schema: &Schema,
        shape: &Arc<ValueShape>,
    ) -> Result<Value, AgentError> {
        let (schema, shape) = (schema.clone(), Arc::clone(shape));
        off_worker(self.bytes, move || self.read_shaped(&schema, &shape)).await
    }

    fn read_shaped(self, schema: &Schema, shape: &ValueShape) -> Result<Value, AgentError> {
        let json = match self.text {
            Some(text) => read(&text)?,
            None => self.json,
        };
        let violations = schema.violations(&json);
        if !violations.is_empty() {
            return Err(AgentError::Invalid(violations));
        }
        let shaped = shape.apply(&json);
        shaped.map_err(|Misfit { pointer, detail }| AgentError::invalid(pointer, detail))
    }

    fn read_typed<T: DeserializeOwned + Validate>(self, schema: &Schema) -> Result<T, AgentError> {
        let value = match self.text {
            Some(text) => {
                let plain = is_plain(&text).then(|| serde_json::from_slice(&text).ok());
                match plain.flatten() {
                    Some(value) => value,
                    None => from_json(schema, &read(&text)?)?,
                }
            }
            None => from_json(schema, &self.json)?,
        };
        check(&value).map_err(AgentError::Invalid)?;
        Ok(value)
    }
}

fn read(text: &[u8]) -> Result<Value, AgentError> {
    let mut value = serde_json::from_slice(text)
        .map_err(|error| AgentError::bad_request(format!("the body is not valid JSON: {error}")))?;
    remove_zero_fractions(&mut value);
    Ok(value)
}

/// Whether serde takes a text for the same as JSON Schema does: there is no array that it could take for an object, and
/// no `16.0` or `1e3` that it would not take for an integer. Most texts are so, and need not be read twice.
fn is_plain(text: &[u8]) -> bool {
    let fraction = |pair: &[u8]| pair[0].is_ascii_digit() && matches!(pair[1], b'.' | b'e' | b'E');
    !text.contains(&b'[') && !text.windows(2).any(fraction)
}

fn from_json<T: DeserializeOwned>(schema: &Schema, json: &Value) -> Result<T, AgentError> {
    let violations = schema.violations(json);
    if !violations.is_empty() {
        return Err(AgentError::Invalid(violations));
    }
    // To track the place costs time, and only an error needs it.
    T::deserialize(json).or_else(|_| {
        serde_path_to_error::deserialize(json).map_err(|error| {
            let pointer = pointer(error.path());
            let value = json.pointer(&pointer);
            let detail = value.and_then(beyond_64_bits);
            let detail = detail.unwrap_or_else(|| plain(&error.inner().to_string()));
            AgentError::invalid(pointer, detail)
        })
    })
}

/// JSON Schema sets no limit to an integer, and Rust does: what a `maximum` or `minimum` would say.
fn beyond_64_bits(value: &Value) -> Option<String> {
    let is_integer = |number: &f64| number.fract() == 0.0;
    match value.as_f64().filter(is_integer)? {
        number if number >= i64::MAX as f64 => Some(format!("must be at most {}", i64::MAX)),
        number if number < i64::MIN as f64 => Some(format!("must be at least {}", i64::MIN)),
        _ => None,
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
