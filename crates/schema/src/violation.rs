//! What is wrong with a value, and where.

use std::fmt;

use serde::{Deserialize, Serialize};

/// One thing that is wrong with a JSON document, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Violation {
    /// What is wrong.
    pub detail: String,
    /// Where: a JSON Pointer (RFC 6901).
    pub pointer: String,
}

impl fmt::Display for Violation {
    /// `/age: must be at least 0`; without a pointer where the whole document is wrong.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.pointer.is_empty() {
            f.write_str(&self.detail)
        } else {
            write!(f, "{}: {}", self.pointer, self.detail)
        }
    }
}

/// Appends `key` to a JSON Pointer, escaped.
///
/// ```text
/// push_key("/paths", "/users") -> "/paths/~1users"
/// ```
pub(crate) fn push_key(pointer: &mut String, key: &str) {
    pointer.push('/');
    for character in key.chars() {
        match character {
            '~' => pointer.push_str("~0"),
            '/' => pointer.push_str("~1"),
            other => pointer.push(other),
        }
    }
}
