//! Why a service can't start.

use std::borrow::Cow;
use std::fmt;

/// Why a service can't start.
#[derive(Debug)]
#[non_exhaustive]
pub enum StartError {
    /// A setting is wrong.
    Setting {
        /// An environment variable, or a file with line, column and key.
        place: String,
        /// What is wrong, and what is expected.
        detail: String,
    },
    /// The OpenAPI document is not valid JSON.
    OpenApi(serde_json::Error),
    /// The Arazzo document is not valid JSON.
    Arazzo(serde_json::Error),
    /// The document of agents that are loaded is not one that this version reads.
    Agents(serde_json::Error),
    /// An endpoint can't be mounted.
    Endpoint {
        /// The endpoint's operation id.
        operation_id: &'static str,
        /// The reason.
        detail: String,
    },
    /// A JSON Schema can't be compiled.
    Schema {
        /// The operation id of the endpoint or workflow.
        operation_id: &'static str,
        /// Which schema it is, and what is wrong with it and where.
        detail: String,
    },
    /// Two agents have this slug.
    Agent(&'static str),
    /// A tool can't be registered.
    Tool {
        /// The tool's name.
        name: String,
        /// The reason.
        detail: String,
    },
    /// The operating system refuses to open a socket or a file.
    Io(std::io::Error),
}

/// A setting that is missing or wrong. Where it comes from is known to those who read the settings.
#[derive(Debug)]
pub(crate) struct SettingError {
    /// A key as in `service.toml`, or an environment variable.
    pub(crate) key: Cow<'static, str>,
    /// What is wrong, and what is expected; never a secret.
    pub(crate) detail: String,
}

impl SettingError {
    pub(crate) fn new(key: impl Into<Cow<'static, str>>, detail: impl Into<String>) -> Self {
        Self {
            key: key.into(),
            detail: detail.into(),
        }
    }

    /// The setting `key` asks for a part of this crate that the program was built without.
    #[cfg_attr(
        all(
            feature = "a2a",
            feature = "mcp",
            feature = "nats",
            feature = "postgres",
            feature = "qdrant",
            feature = "sqlite",
            feature = "workspace"
        ),
        allow(dead_code, reason = "nothing is left out")
    )]
    pub(crate) fn missing_feature(key: &'static str, feature: &str) -> Self {
        let detail = format!(
            "needs the feature `{feature}` of agentgen-runtime, which this program was built without: build a project of \
             `agentgen new` with `--features {feature}`, or add it to the dependency in Cargo.toml"
        );
        Self::new(key, detail)
    }
}

impl From<SettingError> for StartError {
    fn from(SettingError { key, detail }: SettingError) -> Self {
        Self::setting(key, detail)
    }
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
            Self::Arazzo(error) => write!(f, "the Arazzo document is not valid JSON: {error}"),
            Self::Agents(error) => write!(f, "the agents can't be loaded: {error}"),
            Self::Endpoint {
                operation_id,
                detail,
            } => {
                write!(f, "endpoint `{operation_id}`: {detail}")
            }
            Self::Schema {
                operation_id,
                detail,
            } => write!(f, "`{operation_id}`: {detail}"),
            Self::Agent(slug) => write!(f, "agent `{slug}` is registered twice"),
            Self::Tool { name, detail } => write!(f, "tool `{name}`: {detail}"),
            Self::Io(error) => write!(f, "the service can't listen: {error}"),
        }
    }
}

impl std::error::Error for StartError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::OpenApi(error) | Self::Arazzo(error) | Self::Agents(error) => Some(error),
            Self::Io(error) => Some(error),
            _ => None,
        }
    }
}
