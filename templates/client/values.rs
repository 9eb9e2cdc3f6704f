//! Values that JSON Schema has and Rust has not.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Any JSON.
pub type JsonValue = serde_json::Value;

macro_rules! text_of_format {
    ($($(#[$doc:meta])* $name:ident),+) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(
            /// The text.
            pub String,
        );

        impl $name {
            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.to_owned())
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self(text)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )+};
}

text_of_format!(
    /// A moment as RFC 3339 writes it, such as `2026-11-29T19:44:38Z`. The service checks it.
    DateTime,
    /// A date as RFC 3339 writes it, such as `2026-11-29`. The service checks it.
    Date,
    /// A UUID in its 36 characters. The service checks it.
    Uuid
);
