//! The arguments that select what is read, and the project they select.

use std::path::{Path, PathBuf};

use crate::configuration::config_file;
use agentgen_build::project::Project;
use agentgen_build::project::config::{Config, OpenapiFormat, OpenapiVersion, Target};
use agentgen_build::project::discover::{self, relative};
use clap::{Args, ValueEnum};

use crate::terminal::Status;
use crate::terminal::diagnostic_report::{self, Format};

/// The arguments that most commands share.
#[derive(Debug, Args, Default)]
pub struct Inputs {
    /// Folder, file or glob pattern of agents; may be repeated [default: agents]
    #[arg(long, value_name = "PATH")]
    pub agents: Vec<String>,
    /// Folder of templates that replace the built-in ones [default: templates]
    #[arg(long, value_name = "DIR")]
    pub templates: Option<PathBuf>,
    /// Outputs to generate; may be repeated [default: all]
    #[arg(long, value_enum, value_delimiter = ',', value_name = "TARGET")]
    pub target: Vec<TargetName>,
    /// Version of the OpenAPI documents [default: 3.1]
    #[arg(long, value_enum, value_name = "VERSION")]
    pub openapi: Option<Version>,
    /// Syntax of the OpenAPI documents [default: yaml]
    #[arg(long, value_enum, value_name = "SYNTAX")]
    pub openapi_format: Option<Syntax>,
    /// Treat invalid YAML that could be repaired as an error
    #[arg(long)]
    pub strict: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum TargetName {
    Prompts,
    Rust,
    Openapi,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Version {
    #[value(name = "3.0")]
    V3_0,
    #[value(name = "3.1")]
    V3_1,
    #[value(name = "3.2")]
    V3_2,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Syntax {
    Yaml,
    Json,
}

/// The folder that the project's paths are relative to, and its settings.
pub struct Settings {
    /// The folder of `agentgen.toml`, or the current one.
    pub root: PathBuf,
    /// The settings, arguments included.
    pub config: Config,
}

impl Settings {
    /// Reads `agentgen.toml`; the arguments take precedence.
    ///
    /// # Errors
    ///
    /// The exit status, after the reason was reported in `format`.
    pub fn read(inputs: &Inputs, out: Option<&Path>, format: Format) -> Result<Self, Status> {
        let current = std::env::current_dir().map_err(|error| {
            crate::terminal::say(&format!("error: there is no current folder: {error}"));
            Status::Io
        })?;
        let mut settings = match config_file::find(&current) {
            None => Self {
                root: current.clone(),
                config: Config::default(),
            },
            Some(path) => {
                let config = discover::read(&path, config_file::FILE_NAME)
                    .map_err(|diagnostic| vec![diagnostic])
                    .and_then(|source| config_file::parse(&source))
                    .map_err(|diagnostics| {
                        let status = match Status::of(&diagnostics) {
                            Status::Refused => Status::Usage,
                            other => other,
                        };
                        diagnostic_report::refuse(diagnostics, format, status)
                    })?;
                Self {
                    root: path.parent().unwrap_or(&current).to_path_buf(),
                    config,
                }
            }
        };
        settings.overrule(inputs, out, &current);
        Ok(settings)
    }

    /// Finds and reads the project's files.
    pub fn load(&self) -> Project {
        discover::load(&self.root, self.config.clone())
    }

    /// Reads the project that is the file at `path` alone, with the contract beside it, if there is one. Its paths are
    /// relative to `root`.
    pub fn load_alone(&self, root: &Path, path: &Path) -> Project {
        let sidecar = path.with_extension("service.yaml");
        let files = [path, sidecar.as_path()].into_iter();
        let files = files.filter(|file| file.is_file());
        let agents = files.map(|file| relative(root, &root.join(file))).collect();
        let config = Config {
            agents,
            ..self.config.clone()
        };
        discover::load(root, config)
    }

    /// Arguments are relative to the current folder, settings to the project.
    fn overrule(&mut self, inputs: &Inputs, out: Option<&Path>, current: &Path) {
        let root = self.root.clone();
        let from_root = |path: &Path| relative(&root, &current.join(path));
        let config = &mut self.config;
        if !inputs.agents.is_empty() {
            let paths = inputs.agents.iter().map(Path::new);
            config.agents = paths.map(from_root).collect();
        }
        if let Some(path) = &inputs.templates {
            config.templates = from_root(path);
        }
        if let Some(path) = out {
            config.out = from_root(path);
        }
        if !inputs.target.is_empty() {
            config.targets = Target::ALL
                .into_iter()
                .filter(|target| {
                    inputs
                        .target
                        .iter()
                        .any(|name| Target::from(*name) == *target)
                })
                .collect();
        }
        if let Some(version) = inputs.openapi {
            config.openapi.version = match version {
                Version::V3_0 => OpenapiVersion::V3_0,
                Version::V3_1 => OpenapiVersion::V3_1,
                Version::V3_2 => OpenapiVersion::V3_2,
            };
        }
        if let Some(syntax) = inputs.openapi_format {
            config.openapi.format = match syntax {
                Syntax::Yaml => OpenapiFormat::Yaml,
                Syntax::Json => OpenapiFormat::Json,
            };
        }
        config.strict |= inputs.strict;
    }
}

impl From<TargetName> for Target {
    fn from(name: TargetName) -> Self {
        match name {
            TargetName::Prompts => Self::Prompts,
            TargetName::Rust => Self::Rust,
            TargetName::Openapi => Self::Openapi,
        }
    }
}
