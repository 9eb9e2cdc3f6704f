//! The file `agentgen.toml`.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::diagnostics::code::Code;
use crate::diagnostics::source::Source;
use crate::diagnostics::{Diagnostic, Report};
use crate::project::config::{Config, OpenapiFormat, OpenapiVersion, Target};
use crate::project::service_file::ServiceFile;
use crate::project::{discover, toml_tree};
use crate::text::did_you_mean::nearest;
use crate::yaml::node::{Entry, Node, Value};

/// The name of the file.
pub const FILE_NAME: &str = "agentgen.toml";

/// The JSON Schema (2020-12) of the file, for editors.
pub const SCHEMA: &str = include_str!("../../schemas/config.schema.json");

/// The settings that hold in a folder, and where they are from.
#[derive(Debug, Clone)]
pub struct ProjectSettings {
    /// The folder of `agentgen.toml`, which its paths are relative to; the folder itself where there is no such file.
    pub root: PathBuf,
    /// The settings; the defaults where there is no file.
    pub config: Config,
    /// The places that were searched, nearest first, the file itself last if there is one.
    pub candidates: Vec<PathBuf>,
}

/// Reads the nearest `agentgen.toml` in `folder` or above it, but not above the root of the Cargo workspace or of the package
/// outside of a workspace that `folder` is in. The command line and build scripts both find it so.
///
/// # Errors
///
/// Everything that is wrong with the file, each with its place.
pub fn read_nearest(folder: &Path) -> Result<ProjectSettings, Vec<Diagnostic>> {
    let mut settings = ProjectSettings {
        root: folder.to_path_buf(),
        config: Config::default(),
        candidates: Vec::new(),
    };
    let boundary = cargo_root(folder);
    for above in folder.ancestors() {
        let path = above.join(FILE_NAME);
        settings.candidates.push(path.clone());
        if path.is_file() {
            let source = discover::read(&path, FILE_NAME).map_err(|problem| vec![problem])?;
            settings.root = above.to_path_buf();
            settings.config = parse(&source)?;
            break;
        }
        if boundary == Some(above) {
            break;
        }
    }
    let service = ServiceFile::read(&settings.root);
    settings.config.mcp_servers = service.mcp_servers(&settings.root);
    settings.config.mcp_inline = service.mcp_inline();
    settings.config.workspace_tools = service.workspace_tools();
    settings.config.service_models = service.models();
    Ok(settings)
}

/// The root of the Cargo workspace that `folder` is in, else that of the package.
fn cargo_root(folder: &Path) -> Option<&Path> {
    let mut package = None;
    for above in folder.ancestors() {
        let Ok(manifest) = fs::read_to_string(above.join("Cargo.toml")) else {
            continue;
        };
        let mut lines = manifest.lines().map(str::trim_start);
        if lines.any(|line| line.starts_with("[workspace]") || line.starts_with("[workspace.")) {
            return Some(above);
        }
        package = package.or(Some(above));
    }
    package
}

/// Reads the settings; what the file doesn't say keeps its default.
///
/// # Errors
///
/// Everything that is wrong with the file, each with its place.
pub fn parse(source: &Arc<Source>) -> Result<Config, Vec<Diagnostic>> {
    let mut report = Report::new(source);
    let root = toml_tree::parse(&mut report);
    let mut config = Config::default();
    if !report.has_errors() {
        let mut reader = Reader {
            report: &mut report,
        };
        reader.root(root.entries().unwrap_or_default(), &mut config);
    }
    let mut diagnostics = report.into_diagnostics();
    if diagnostics.is_empty() {
        return Ok(config);
    }
    diagnostics.sort_by_key(|diagnostic| diagnostic.span);
    Err(diagnostics)
}

pub(crate) const ROOT_KEYS: &[&str] = &[
    "agents",
    "out",
    "templates",
    "stubs",
    "targets",
    "openapi",
    "models",
    "lint",
    "allow_outside",
];
pub(crate) const OPENAPI_KEYS: &[&str] = &[
    "version",
    "format",
    "title",
    "api_version",
    "servers",
    "license",
];
pub(crate) const LINT_KEYS: &[&str] = &["deny", "strict"];

struct Reader<'a> {
    report: &'a mut Report,
}

impl Reader<'_> {
    fn root(&mut self, table: &[Entry], config: &mut Config) {
        for entry in table {
            let item = &entry.value;
            match entry.key.as_str() {
                "agents" => self.texts(item, &mut config.agents),
                "out" => self.text(item, &mut config.out),
                "templates" => self.text(item, &mut config.templates),
                "stubs" => self.text(item, config.stubs.get_or_insert_default()),
                "targets" => {
                    if let Some(targets) = self.choices(item, &Target::ALL, Target::as_str) {
                        config.targets = targets;
                    }
                }
                "openapi" => self.table(item, |reader, table| reader.openapi(table, config)),
                "models" => self.table(item, |reader, table| reader.models(table, config)),
                "lint" => self.table(item, |reader, table| reader.lint(table, config)),
                "allow_outside" => self.truth(item, &mut config.allow_outside),
                _ => self.unknown_key(entry, ROOT_KEYS),
            }
        }
    }

    fn openapi(&mut self, table: &[Entry], config: &mut Config) {
        let openapi = &mut config.openapi;
        for entry in table {
            let item = &entry.value;
            match entry.key.as_str() {
                "version" => {
                    let version = self.choice(item, &OpenapiVersion::ALL, OpenapiVersion::as_str);
                    openapi.version = version.unwrap_or(openapi.version);
                }
                "format" => {
                    let format = self.choice(item, &OpenapiFormat::ALL, OpenapiFormat::as_str);
                    openapi.format = format.unwrap_or(openapi.format);
                }
                "title" => self.text(item, &mut openapi.title),
                "api_version" => self.text(item, &mut openapi.api_version),
                "servers" => self.texts(item, &mut openapi.servers),
                "license" => self.text(item, openapi.license.get_or_insert_default()),
                _ => self.unknown_key(entry, OPENAPI_KEYS),
            }
        }
    }

    fn models(&mut self, table: &[Entry], config: &mut Config) {
        for entry in table {
            let mut model = String::new();
            self.text(&entry.value, &mut model);
            config.models.push((entry.key.clone(), model));
        }
    }

    fn lint(&mut self, table: &[Entry], config: &mut Config) {
        for entry in table {
            let item = &entry.value;
            match entry.key.as_str() {
                "deny" => {
                    if let Some(codes) = self.choices(item, &Code::ALL, Code::as_str) {
                        config.deny = codes;
                    }
                }
                "strict" => self.truth(item, &mut config.strict),
                _ => self.unknown_key(entry, LINT_KEYS),
            }
        }
    }

    fn table(&mut self, item: &Node, read: impl FnOnce(&mut Self, &[Entry])) {
        match item.entries() {
            Some(table) => read(self, table),
            None => self.wrong(item, "a table"),
        }
    }

    fn text(&mut self, item: &Node, into: &mut String) {
        match item.as_str() {
            Some(text) => *into = text.to_owned(),
            None => self.wrong(item, "text"),
        }
    }

    fn truth(&mut self, item: &Node, into: &mut bool) {
        match item.value {
            Value::Bool(truth) => *into = truth,
            _ => self.wrong(item, "true or false"),
        }
    }

    fn texts(&mut self, item: &Node, into: &mut Vec<String>) {
        if let Some(items) = self.list(item) {
            *into = vec![String::new(); items.len()];
            for (item, into) in items.iter().zip(into) {
                self.text(item, into);
            }
        }
    }

    fn list<'n>(&mut self, item: &'n Node) -> Option<&'n [Node]> {
        let items = item.items();
        if items.is_none() {
            self.wrong(item, "a list");
        }
        items
    }

    /// The one of `choices` whose word `item` is.
    fn choice<T: Copy>(
        &mut self,
        item: &Node,
        choices: &[T],
        word: fn(T) -> &'static str,
    ) -> Option<T> {
        let Some(text) = item.as_str() else {
            self.wrong(item, "text");
            return None;
        };
        let choice = choices.iter().find(|choice| word(**choice) == text);
        if choice.is_none() {
            let words: Vec<&str> = choices.iter().map(|choice| word(*choice)).collect();
            let message = format!("`{text}` can't be chosen here");
            self.error(item, message).advise(suggest(text, &words));
        }
        choice.copied()
    }

    /// Those of `choices` whose words the items are; none where an item is not one of the words.
    fn choices<T: Copy>(
        &mut self,
        item: &Node,
        choices: &[T],
        word: fn(T) -> &'static str,
    ) -> Option<Vec<T>> {
        let items = self.list(item)?;
        let chosen: Vec<Option<T>> = items
            .iter()
            .map(|item| self.choice(item, choices, word))
            .collect();
        chosen.into_iter().collect()
    }

    fn wrong(&mut self, item: &Node, expected: &str) {
        let found = match &item.value {
            Value::Map(_) => "a table",
            Value::Null => "a date",
            _ => item.kind(),
        };
        let message = format!("expected {expected}, found {found}");
        let help = match expected {
            "a list" => "write it in brackets: `[\"...\"]`",
            "text" => "write it in quotes: `\"...\"`",
            "true or false" => "write it without quotes: `true` or `false`",
            _ => "write it as a section of its own: `[name]`",
        };
        self.error(item, message).advise(help);
    }

    fn unknown_key(&mut self, entry: &Entry, choices: &[&str]) {
        let message = format!("unknown key `{}`", entry.key);
        let help = suggest(&entry.key, choices);
        self.report
            .error(Code::BadConfig, entry.key_span, message)
            .advise(help);
    }

    fn error(&mut self, item: &Node, message: String) -> &mut Diagnostic {
        self.report.error(Code::BadConfig, item.span, message)
    }
}

/// The nearest of the known words, or all of them where none is near.
fn suggest(word: &str, choices: &[&str]) -> String {
    match nearest(word, choices.iter().copied()) {
        // Of very short words, every one is near to every other.
        Some(near) if word.len() > 3 => format!("did you mean `{near}`?"),
        // Those are the codes: too many to name them.
        _ if choices.len() > 10 => {
            "codes are written like `AG005`; every diagnostic shows its own".to_owned()
        }
        _ => format!("choose one of `{}`", choices.join("`, `")),
    }
}
