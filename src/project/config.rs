//! What a project asks for.

use crate::diagnostics::code::Code;

/// The settings of a project, as `agentgen.toml`, the command line or a build script give them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Folders or glob patterns of spec files, relative to the project.
    pub agents: Vec<String>,
    /// The folder of the generated files, relative to the project.
    pub out: String,
    /// The folder of the user's own templates, relative to the project.
    pub templates: String,
    /// The folder of the user's handlers, relative to the project; a build adds stubs there for agents that have none.
    pub stubs: Option<String>,
    /// What to generate.
    pub targets: Vec<Target>,
    /// How the OpenAPI documents look.
    pub openapi: Openapi,
    /// Model aliases and what they stand for, in the order of the file.
    pub models: Vec<(String, String)>,
    /// Diagnostics that count as errors.
    pub deny: Vec<Code>,
    /// Whether a file that needs repair is an error.
    pub strict: bool,
}

/// A kind of output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    /// Prompt bundles.
    Prompts,
    /// Rust handlers.
    Rust,
    /// OpenAPI documents.
    Openapi,
}

impl Target {
    /// Every kind of output.
    pub const ALL: [Target; 3] = [Target::Prompts, Target::Rust, Target::Openapi];

    /// The name in `agentgen.toml`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Prompts => "prompts",
            Self::Rust => "rust",
            Self::Openapi => "openapi",
        }
    }
}

/// How the OpenAPI documents look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Openapi {
    /// The version of the OpenAPI Specification.
    pub version: OpenapiVersion,
    /// The syntax of the documents.
    pub format: OpenapiFormat,
    /// The title of the merged document.
    pub title: String,
    /// The version of the API that the documents describe.
    pub api_version: String,
    /// The URLs of the servers.
    pub servers: Vec<String>,
    /// The SPDX id of the API's licence.
    pub license: String,
}

/// A version of the OpenAPI Specification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenapiVersion {
    /// 3.0.3
    V3_0,
    /// 3.1.2
    V3_1,
    /// 3.2.0
    V3_2,
}

/// The syntax of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenapiFormat {
    /// YAML.
    Yaml,
    /// JSON.
    Json,
}

impl OpenapiFormat {
    /// The ending of a file's name.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Yaml => "yaml",
            Self::Json => "json",
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            agents: vec!["agents".to_owned()],
            out: "generated".to_owned(),
            templates: "templates".to_owned(),
            stubs: None,
            targets: Target::ALL.to_vec(),
            openapi: Openapi {
                version: OpenapiVersion::V3_1,
                format: OpenapiFormat::Yaml,
                title: "agents".to_owned(),
                api_version: "0.1.0".to_owned(),
                servers: vec!["/".to_owned()],
                license: "LicenseRef-Unspecified".to_owned(),
            },
            models: Vec::new(),
            deny: Vec::new(),
            strict: false,
        }
    }
}
