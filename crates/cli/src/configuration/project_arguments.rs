//! The arguments that select what is read, and the project they select.

use std::path::{Path, PathBuf};
use std::sync::Once;

use agentgen_build::inspect::{
    CONFIG_NAME, SIDECAR_ENDINGS, find_named, list, load_named, printable, read_settings, relative,
};
use agentgen_build::{Config, OpenapiFormat, OpenapiVersion, Project, ProjectFiles, Target, find};
use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};

use crate::terminal::diagnostic_report::{self, ReportFormat};
use crate::terminal::{Status, eprint_line, report_root};

/// The arguments that most commands share.
#[derive(Debug, Args, Default)]
pub struct Inputs {
    /// Folder, repository, file or glob pattern of agents, or `!` and what is left out; may be repeated [default: agents,
    /// else .claude/agents]
    #[arg(long, value_name = "PATH")]
    pub agents: Vec<String>,
    /// Folder of templates that replace the built-in ones [default: templates]
    #[arg(long, value_name = "DIR")]
    pub templates: Option<PathBuf>,
    /// Outputs to generate; may be repeated
    #[arg(long, value_delimiter = ',', value_name = "TARGET",
        help = format!("Outputs to generate; may be repeated [default: {}]", default_targets()),
        value_parser = words(Target::ALL.map(Target::as_str), Target::parse))]
    pub target: Vec<Target>,
    /// Version of the OpenAPI documents [default: 3.1]
    #[arg(long, value_name = "VERSION",
        value_parser = words(OpenapiVersion::ALL.map(OpenapiVersion::as_str), OpenapiVersion::parse))]
    pub openapi: Option<OpenapiVersion>,
    /// Syntax of the OpenAPI documents [default: yaml]
    #[arg(long, value_name = "SYNTAX",
        value_parser = words(OpenapiFormat::ALL.map(OpenapiFormat::as_str), OpenapiFormat::parse))]
    pub openapi_format: Option<OpenapiFormat>,
    /// Treat invalid YAML that could be repaired as an error
    #[arg(long)]
    pub strict: bool,
    /// Let paths and links lead out of the project
    #[arg(long)]
    pub allow_outside: bool,
}

/// A parser of words: it names them all where a word is none of them.
fn words<T: Clone + Send + Sync + 'static, const N: usize>(
    words: [&'static str; N],
    parse: impl Fn(&str) -> Option<T> + Clone + Send + Sync + 'static,
) -> impl TypedValueParser<Value = T> {
    PossibleValuesParser::new(words).try_map(move |word| parse(&word).ok_or("not one of the words"))
}

/// `prompts, rust, openapi`
fn default_targets() -> String {
    let words: Vec<&str> = Target::DEFAULT
        .iter()
        .map(|target| target.as_str())
        .collect();
    words.join(", ")
}

/// A project may be read several times; the folders of a repository are told once.
static ANNOUNCED: Once = Once::new();
/// Nor is the place of the settings told twice.
static TOLD: Once = Once::new();

/// The folder that the project's paths are relative to, and its settings.
pub struct Settings {
    /// The folder of `agentgen.toml`, or the current one.
    pub root: PathBuf,
    /// The settings, arguments included.
    pub config: Config,
    /// Whether the arguments name other agents than the settings: handlers are those of the project's own.
    partial: bool,
    /// The targets of the project, whatever the arguments choose.
    pub configured: Vec<Target>,
    /// Whether the folders of agents are arguments, and no `agentgen.toml` says where the project is.
    are_named: bool,
}

impl Settings {
    /// Reads `agentgen.toml`; the arguments take precedence.
    ///
    /// # Errors
    ///
    /// The exit status, after the reason was reported in `format`.
    pub fn read(
        inputs: &Inputs,
        out: Option<&Path>,
        format: impl Into<ReportFormat>,
    ) -> Result<Self, Status> {
        let format = format.into();
        let current = std::env::current_dir().map_err(|error| {
            eprint_line(&format!("error: there is no current folder: {error}"));
            Status::Io
        })?;
        let found = read_settings(&current).map_err(|diagnostics| {
            let status = match Status::of(&diagnostics) {
                Status::Refused => Status::Usage,
                other => other,
            };
            diagnostic_report::refuse(diagnostics, format, status)
        })?;
        let file = found.root.join(CONFIG_NAME);
        if found.root != current {
            let path = printable(&relative(&current, &file));
            TOLD.call_once(|| eprint_line(&format!("note: the settings are those of {path}")));
        }
        let mut settings = Self {
            are_named: !inputs.agents.is_empty() && !file.is_file(),
            root: found.root,
            configured: found.config.targets.clone(),
            config: found.config,
            partial: false,
        };
        report_root::remember(&settings.root);
        settings.overrule(inputs, out, &current);
        Ok(settings)
    }

    /// Finds and reads the project's files.
    pub fn load(&self) -> Project {
        self.find().read()
    }

    /// Finds the project's files.
    pub fn find(&self) -> ProjectFiles {
        let find = if self.are_named { find_named } else { find };
        let mut files = find(&self.root, self.config.clone());
        if self.partial {
            files = files.without_handlers();
        }
        if !files.found_folders().is_empty() {
            let folders = list(files.found_folders());
            ANNOUNCED.call_once(|| eprint_line(&format!("note: found agents in {folders}")));
        }
        files
    }

    /// Reads the project that is the file at `path` alone, with the contract beside it, if there is one. Its paths are
    /// relative to `root`.
    pub fn load_alone(&self, root: &Path, path: &Path) -> Project {
        let sidecars = SIDECAR_ENDINGS.map(|ending| path.with_extension(&ending[1..]));
        let files = sidecars.iter().map(PathBuf::as_path).chain([path]);
        let files = files.filter(|file| file.is_file());
        let agents = files.map(|file| relative(root, &root.join(file))).collect();
        let config = Config {
            agents,
            out: Config::default().out,
            stubs: None,
            ..self.config.clone()
        };
        let mut project = load_named(root, config);
        project.handlers = None;
        project
    }

    /// Arguments are relative to the current folder, settings to the project.
    fn overrule(&mut self, inputs: &Inputs, out: Option<&Path>, current: &Path) {
        let root = self.root.clone();
        let from_root = |path: &Path| relative(&root, &current.join(path));
        let config = &mut self.config;
        if !inputs.agents.is_empty() {
            let entries = inputs.agents.iter();
            let entries = entries.map(|entry| match entry.strip_prefix('!') {
                Some(left_out) => format!("!{}", from_root(Path::new(left_out))),
                None => from_root(Path::new(entry)),
            });
            config.agents = entries.collect();
            self.partial = true;
        }
        if let Some(path) = &inputs.templates {
            config.templates = from_root(path);
        }
        if let Some(path) = out {
            config.out = from_root(path);
        }
        if !inputs.target.is_empty() {
            config.targets = inputs.target.clone();
        }
        config.openapi.version = inputs.openapi.unwrap_or(config.openapi.version);
        config.openapi.format = inputs.openapi_format.unwrap_or(config.openapi.format);
        config.strict |= inputs.strict;
        config.allow_outside |= inputs.allow_outside;
    }
}
