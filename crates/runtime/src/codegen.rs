//! What only generated code uses.

pub use serde;
pub use serde_json;

use serde::{Deserialize, Deserializer};

/// Reads an optional field that may be missing, yet not be null.
///
/// # Errors
/// Whatever reading a `T` says, null included.
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
