//! Why a service can't start.

use std::fmt;

/// A service can't start.
#[derive(Debug)]
#[non_exhaustive]
pub enum StartError {
    /// A setting is wrong.
    Setting {
        /// Where it stands: an environment variable, or a file with the line, the column and the key.
        place: String,
        /// What is wrong, and what would be right.
        detail: String,
    },
    /// The OpenAPI document can't be read.
    OpenApi(serde_json::Error),
    /// An endpoint can't be mounted.
    Endpoint {
        /// The endpoint's operation id.
        operation_id: &'static str,
        /// Why not.
        detail: String,
    },
    /// Two agents have the same name.
    Agent(&'static str),
    /// A tool can't be offered.
    Tool {
        /// Its name.
        name: String,
        /// Why not.
        detail: String,
    },
    /// The operating system refuses.
    Io(std::io::Error),
}

impl StartError {
    pub(crate) fn setting(place: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::Setting {
            place: place.into(),
            detail: detail.into(),
        }
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Setting { place, detail } => write!(f, "{place}: {detail}"),
            Self::OpenApi(error) => write!(f, "the OpenAPI document is not valid JSON: {error}"),
            Self::Endpoint {
                operation_id,
                detail,
            } => {
                write!(f, "endpoint `{operation_id}`: {detail}")
            }
            Self::Agent(slug) => write!(f, "agent `{slug}` is registered twice"),
            Self::Tool { name, detail } => write!(f, "tool `{name}`: {detail}"),
            Self::Io(error) => write!(f, "the service can't listen: {error}"),
        }
    }
}

impl std::error::Error for StartError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::OpenApi(error) => Some(error),
            Self::Io(error) => Some(error),
            _ => None,
        }
    }
}
