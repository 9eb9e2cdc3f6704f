//! What only generated code uses.

pub use serde;
pub use serde_json;

use serde::{Deserialize, Deserializer};

use crate::schema::JsonValue;

/// Reads an optional field that is there: null is read as a `T` too, which is an error unless `T` is an `Option`.
///
/// # Errors
/// Whatever reading a `T` says.
pub fn present<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    T::deserialize(deserializer).map(Some)
}

/// Reads a field that may be null, yet not be missing.
///
/// # Errors
/// Whatever reading an `Option<T>` says.
pub fn nullable<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    Option::deserialize(deserializer)
}

/// The variant whose JSON equals `value`.
///
/// # Errors
/// A value that is none of theirs.
pub fn read_literal<T: Copy>(value: &JsonValue, values: &[(T, &str)]) -> Result<T, String> {
    let parsed = |text: &str| serde_json::from_str::<JsonValue>(text).ok();
    let found = values
        .iter()
        .find(|(_, text)| parsed(text).is_some_and(|own| agentgen_schema::equal(&own, value)));
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
