//! What the types of agents need to be read and written as the service does it.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};

use super::problem::Problem;
use super::values::JsonValue;

/// Reads an optional field that is there: null is read as a `T` too, which is an error unless `T` is an `Option`.
pub fn present<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    T::deserialize(deserializer).map(Some)
}

/// Reads a field that may be null, yet not be missing.
pub fn nullable<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    Option::deserialize(deserializer)
}

/// The variant whose JSON equals `value`.
pub fn read_literal<T: Copy>(value: &JsonValue, values: &[(T, &str)]) -> Result<T, String> {
    let parsed = |text: &str| serde_json::from_str::<JsonValue>(text).ok();
    let found = values
        .iter()
        .find(|(_, text)| parsed(text).is_some_and(|own| equal(&own, value)));
    found.map(|(variant, _)| *variant).ok_or_else(|| {
        let texts: Vec<&str> = values.iter().map(|(_, text)| *text).collect();
        format!("must be {}", texts.join(" or "))
    })
}

/// The JSON of a variant.
pub fn write_literal<T: PartialEq>(variant: &T, values: &[(T, &str)]) -> JsonValue {
    let found = values.iter().find(|(other, _)| other == variant);
    found
        .and_then(|(_, text)| serde_json::from_str(text).ok())
        .unwrap_or_default()
}

/// Whether both are the same to JSON Schema, where `1.0` is `1`.
fn equal(left: &JsonValue, right: &JsonValue) -> bool {
    match (left, right) {
        (JsonValue::Number(left), JsonValue::Number(right)) => {
            left == right || (left.is_f64() || right.is_f64()) && left.as_f64() == right.as_f64()
        }
        (JsonValue::Array(left), JsonValue::Array(right)) => {
            left.len() == right.len()
                && left
                    .iter()
                    .zip(right)
                    .all(|(left, right)| equal(left, right))
        }
        (JsonValue::Object(left), JsonValue::Object(right)) => {
            left.len() == right.len()
                && left
                    .iter()
                    .all(|(key, left)| right.get(key).is_some_and(|right| equal(left, right)))
        }
        _ => left == right,
    }
}

/// The members that the problem of a declared error has besides.
pub fn read_members<T: DeserializeOwned>(problem: &Problem) -> Option<T> {
    serde_json::from_value(JsonValue::Object(problem.members.clone())).ok()
}
