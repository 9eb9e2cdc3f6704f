//! What a project asks for.

use agentgen_schema::vocabulary;

use crate::diagnostics::code::Code;

/// The settings of a project, as `agentgen.toml`, the command line or a build script give them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Folders, files or glob patterns of spec files, relative to the project; with `!` in front, what is left out. None
    /// reads `agents`, else `.claude/agents`.
    pub agents: Vec<String>,
    /// The folder of the generated files, relative to the project.
    pub out: String,
    /// The folder of the user's own templates, relative to the project; empty for none.
    pub templates: String,
    /// The folder of the user's handlers, relative to the project; a build adds stubs there for agents that have none.
    pub stubs: Option<String>,
    /// What to generate.
    pub targets: Vec<Target>,
    /// How the OpenAPI documents look.
    pub openapi: Openapi,
    /// Model aliases and the models they name, in the order of the file.
    pub models: Vec<(String, String)>,
    /// The aliases that the service's own settings give a model, `service.toml`; empty where it says nothing of models.
    pub service_models: Vec<String>,
    /// The MCP servers that the service's own settings configure.
    pub mcp_servers: Vec<String>,
    /// Whether the service's own settings run the MCP servers that agent files define.
    pub mcp_inline: bool,
    /// The tools that the workspace of the service's own settings gives.
    pub workspace_tools: Vec<String>,
    /// Diagnostics that count as errors.
    pub deny: Vec<Code>,
    /// Whether a file that needs repair is an error.
    pub strict: bool,
    /// Whether paths and links may lead out of the project.
    pub allow_outside: bool,
}

vocabulary! {
    /// A kind of output.
    #[non_exhaustive]
    pub enum Target {
        /// Prompt bundles.
        Prompts = "prompts",
        /// Rust handlers.
        Rust = "rust",
        /// OpenAPI documents.
        Openapi = "openapi",
        /// A Rust client.
        Client = "client",
        /// Agent cards of A2A, for registries.
        A2a = "a2a",
    }
}

impl Target {
    /// What is generated where nothing is configured. A new target stays out of it: it would be in the output of every
    /// existing project.
    pub const DEFAULT: &'static [Self] = &[Self::Prompts, Self::Rust, Self::Openapi];

    /// The target that a generated file belongs to, by its path below the output folder.
    pub fn of(path: &str) -> Self {
        match path.split('/').next() {
            Some("prompts") => Self::Prompts,
            Some("rust") => Self::Rust,
            Some("client") => Self::Client,
            Some("a2a") => Self::A2a,
            _ => Self::Openapi,
        }
    }

    /// Whether the target generates the file at `path` below the output folder.
    pub(crate) fn generates(self, path: &str) -> bool {
        // Rust modules include the prompts.
        let of = Self::of(path);
        of == self || (self == Self::Rust && of == Self::Prompts)
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
    /// The SPDX id of the API's licence; the documents name none where it is not known.
    pub license: Option<String>,
}

vocabulary! {
    /// A version of the OpenAPI Specification.
    pub enum OpenapiVersion {
        /// 3.0.3
        V3_0 = "3.0",
        /// 3.1.2
        V3_1 = "3.1",
        /// 3.2.0
        V3_2 = "3.2",
    }
}

vocabulary! {
    /// The syntax of a document, which is the extension of its file too.
    pub enum OpenapiFormat {
        /// YAML.
        Yaml = "yaml",
        /// JSON.
        Json = "json",
    }
}

impl Config {
    /// The targets to generate, each once, in the order of [`Target::ALL`].
    pub(crate) fn targets(&self) -> impl Iterator<Item = Target> {
        Target::ALL
            .into_iter()
            .filter(|target| self.targets.contains(target))
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            agents: Vec::new(),
            out: "generated".to_owned(),
            templates: "templates".to_owned(),
            stubs: None,
            targets: Target::DEFAULT.to_vec(),
            openapi: Openapi {
                version: OpenapiVersion::V3_1,
                format: OpenapiFormat::Yaml,
                title: "agents".to_owned(),
                api_version: "0.1.0".to_owned(),
                servers: vec!["/".to_owned()],
                license: None,
            },
            models: Vec::new(),
            service_models: Vec::new(),
            mcp_servers: Vec::new(),
            mcp_inline: false,
            workspace_tools: Vec::new(),
            deny: Vec::new(),
            strict: false,
            allow_outside: false,
        }
    }
}
