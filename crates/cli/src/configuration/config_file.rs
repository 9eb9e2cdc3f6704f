//! The file `agentgen.toml`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use agentgen_build::inspect::{Report, nearest};
use agentgen_build::{
    Code, Config, Diagnostic, OpenapiFormat, OpenapiVersion, Source, Span, Target,
};

/// The name of the file.
pub const FILE_NAME: &str = "agentgen.toml";

/// The JSON Schema (2020-12) of the file, for editors.
pub const SCHEMA: &str = include_str!("../../schemas/config.schema.json");

/// The nearest `agentgen.toml` in `folder` or above it.
pub fn find(folder: &Path) -> Option<PathBuf> {
    folder
        .ancestors()
        .map(|folder| folder.join(FILE_NAME))
        .find(|path| path.is_file())
}

/// Reads the settings; what the file doesn't say keeps its default.
///
/// # Errors
///
/// Everything that is wrong with the file, each with its place.
pub fn parse(source: &Arc<Source>) -> Result<Config, Vec<Diagnostic>> {
    let mut report = Report::new(source);
    let (table, errors) = DeTable::parse_recoverable(source.text());
    for error in errors {
        let span = error.span().unwrap_or_default();
        report.error(
            Code::BadConfig,
            Span::new(span.start, span.end),
            error.message().to_lowercase(),
        );
    }
    let mut config = Config::default();
    if !report.has_errors() {
        let mut reader = Reader {
            report: &mut report,
        };
        reader.root(table.get_ref(), &mut config);
    }
    let mut diagnostics = report.into_diagnostics();
    if diagnostics.is_empty() {
        return Ok(config);
    }
    diagnostics.sort_by_key(|diagnostic| diagnostic.span);
    Err(diagnostics)
}

const ROOT_KEYS: &[&str] = &[
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
const OPENAPI_KEYS: &[&str] = &[
    "version",
    "format",
    "title",
    "api_version",
    "servers",
    "license",
];
const LINT_KEYS: &[&str] = &["deny"];

type Item<'i> = Spanned<DeValue<'i>>;

struct Reader<'a> {
    report: &'a mut Report,
}

impl Reader<'_> {
    fn root(&mut self, table: &DeTable<'_>, config: &mut Config) {
        for (key, item) in table {
            match key.get_ref().as_ref() {
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
                _ => self.unknown_key(key, ROOT_KEYS),
            }
        }
    }

    fn openapi(&mut self, table: &DeTable<'_>, config: &mut Config) {
        let openapi = &mut config.openapi;
        for (key, item) in table {
            match key.get_ref().as_ref() {
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
                _ => self.unknown_key(key, OPENAPI_KEYS),
            }
        }
    }

    fn models(&mut self, table: &DeTable<'_>, config: &mut Config) {
        let mut entries: Vec<_> = table.iter().collect();
        entries.sort_by_key(|(key, _)| key.span().start);
        for (alias, item) in entries {
            let mut model = String::new();
            self.text(item, &mut model);
            config.models.push((alias.get_ref().to_string(), model));
        }
    }

    fn lint(&mut self, table: &DeTable<'_>, config: &mut Config) {
        for (key, item) in table {
            match key.get_ref().as_ref() {
                "deny" => {
                    if let Some(codes) = self.choices(item, &Code::ALL, Code::as_str) {
                        config.deny = codes;
                    }
                }
                _ => self.unknown_key(key, LINT_KEYS),
            }
        }
    }

    fn table(&mut self, item: &Item<'_>, read: impl FnOnce(&mut Self, &DeTable<'_>)) {
        match item.get_ref() {
            DeValue::Table(table) => read(self, table),
            other => self.wrong(item, "a table", other),
        }
    }

    fn text(&mut self, item: &Item<'_>, into: &mut String) {
        match item.get_ref() {
            DeValue::String(text) => *into = text.to_string(),
            other => self.wrong(item, "text", other),
        }
    }

    fn truth(&mut self, item: &Item<'_>, into: &mut bool) {
        match item.get_ref() {
            DeValue::Boolean(truth) => *into = *truth,
            other => self.wrong(item, "true or false", other),
        }
    }

    fn texts(&mut self, item: &Item<'_>, into: &mut Vec<String>) {
        if let Some(items) = self.list(item) {
            *into = vec![String::new(); items.len()];
            for (item, into) in items.iter().zip(into) {
                self.text(item, into);
            }
        }
    }

    fn list<'t, 'i>(&mut self, item: &'t Item<'i>) -> Option<&'t [Item<'i>]> {
        match item.get_ref() {
            DeValue::Array(items) => Some(&items[..]),
            other => {
                self.wrong(item, "a list", other);
                None
            }
        }
    }

    /// The one of `choices` whose word `item` is.
    fn choice<T: Copy>(
        &mut self,
        item: &Item<'_>,
        choices: &[T],
        word: fn(T) -> &'static str,
    ) -> Option<T> {
        let DeValue::String(text) = item.get_ref() else {
            self.wrong(item, "text", item.get_ref());
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
        item: &Item<'_>,
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

    fn wrong(&mut self, item: &Item<'_>, expected: &str, found: &DeValue<'_>) {
        let found = match found {
            DeValue::String(_) => "text",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a table",
            DeValue::Boolean(_) => "true or false",
            DeValue::Datetime(_) => "a date",
            DeValue::Integer(_) | DeValue::Float(_) => "a number",
        };
        let message = format!("expected {expected}, found {found}");
        let help = match expected {
            "a list" => "write it in brackets: `[\"...\"]`",
            "text" => "write it in quotes: `\"...\"`",
            "true or false" => "write it without quotes",
            _ => "write it as a section of its own: `[name]`",
        };
        self.error(item, message).advise(help);
    }

    fn unknown_key(&mut self, key: &Spanned<std::borrow::Cow<'_, str>>, choices: &[&str]) {
        let message = format!("unknown key `{}`", key.get_ref());
        let help = suggest(key.get_ref(), choices);
        let span = key.span();
        self.report
            .error(Code::BadConfig, Span::new(span.start, span.end), message)
            .advise(help);
    }

    fn error(&mut self, item: &Item<'_>, message: String) -> &mut Diagnostic {
        let span = item.span();
        self.report
            .error(Code::BadConfig, Span::new(span.start, span.end), message)
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::parse;
    use agentgen_build::{Code, Config, OpenapiFormat, OpenapiVersion, Source, Target};
    use std::sync::Arc;

    fn source(text: &str) -> Arc<Source> {
        Source::from_bytes("agentgen.toml", text.as_bytes().to_vec()).unwrap()
    }

    #[test]
    fn an_empty_file_is_the_default() {
        assert_eq!(parse(&source("")).unwrap(), Config::default());
    }

    #[test]
    fn reads_every_key() {
        let config = parse(&source(
            r#"
agents = ["a", "b/*.md"]
out = "o"
templates = "t"
targets = ["openapi", "prompts"]
[openapi]
version = "3.2"
format = "json"
title = "Support desk"
api_version = "2.0.0"
servers = ["https://api.example.com"]
[models]
sonnet = "anthropic:x"
haiku = "anthropic:y"
[lint]
deny = ["AG012"]
"#,
        ))
        .unwrap();
        assert_eq!(config.agents, ["a", "b/*.md"]);
        assert_eq!((config.out.as_str(), config.templates.as_str()), ("o", "t"));
        assert_eq!(config.targets, [Target::Openapi, Target::Prompts]);
        assert_eq!(config.openapi.version, OpenapiVersion::V3_2);
        assert_eq!(config.openapi.format, OpenapiFormat::Json);
        assert_eq!(config.openapi.title, "Support desk");
        assert_eq!(config.openapi.api_version, "2.0.0");
        assert_eq!(config.openapi.servers, ["https://api.example.com"]);
        let aliases: Vec<&str> = config
            .models
            .iter()
            .map(|(alias, _)| alias.as_str())
            .collect();
        assert_eq!(aliases, ["sonnet", "haiku"]);
        assert_eq!(config.deny, [Code::OddClosing]);
    }

    #[test]
    fn finds_every_problem_at_its_place() {
        let text = "agent = []\nout = 1\ntargets = [\"rust\", \"openappi\"]\n[openapi]\nversion = 3.1\ntitel = \"x\"\n[lint]\ndeny = \"AG012\"\n";
        let problems: Vec<String> = parse(&source(text))
            .unwrap_err()
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(
            problems,
            [
                "agentgen.toml:1:1: error[AG090]: unknown key `agent` (did you mean `agents`?)",
                "agentgen.toml:2:7: error[AG090]: expected text, found a number (write it in quotes: `\"...\"`)",
                "agentgen.toml:3:20: error[AG090]: `openappi` can't be chosen here (did you mean `openapi`?)",
                "agentgen.toml:5:11: error[AG090]: expected text, found a number (write it in quotes: `\"...\"`)",
                "agentgen.toml:6:1: error[AG090]: unknown key `titel` (did you mean `title`?)",
                "agentgen.toml:8:8: error[AG090]: expected a list, found text (write it in brackets: `[\"...\"]`)",
            ]
        );
    }

    #[test]
    fn the_schema_knows_the_same_keys_and_defaults() {
        let schema: serde_json::Value = serde_json::from_str(super::SCHEMA).unwrap();
        let keys = |at: &str| -> Vec<String> {
            let properties = schema.pointer(at).unwrap().as_object().unwrap();
            properties.keys().cloned().collect()
        };
        assert_eq!(keys("/properties"), super::ROOT_KEYS);
        assert_eq!(keys("/properties/openapi/properties"), super::OPENAPI_KEYS);
        assert_eq!(keys("/properties/lint/properties"), super::LINT_KEYS);
        let default = Config::default();
        let value = |at: &str| {
            schema
                .pointer(&format!("/properties/{at}/default"))
                .unwrap()
        };
        assert_eq!(*value("agents"), serde_json::json!(default.agents));
        assert_eq!(*value("out"), default.out);
        assert_eq!(*value("templates"), default.templates);
        let words = |targets: &[Target]| -> Vec<&str> {
            targets.iter().map(|target| target.as_str()).collect()
        };
        assert_eq!(*value("targets"), serde_json::json!(words(Target::DEFAULT)));
        let choices = |at: &str| schema.pointer(&format!("/properties/{at}/enum")).unwrap();
        assert_eq!(
            *schema.pointer("/properties/targets/items/enum").unwrap(),
            serde_json::json!(Target::ALL.map(Target::as_str))
        );
        assert_eq!(
            *choices("openapi/properties/version"),
            serde_json::json!(OpenapiVersion::ALL.map(OpenapiVersion::as_str))
        );
        assert_eq!(
            *choices("openapi/properties/format"),
            serde_json::json!(OpenapiFormat::ALL.map(OpenapiFormat::as_str))
        );
        assert_eq!(
            *value("openapi/properties/version"),
            default.openapi.version.as_str()
        );
        assert_eq!(
            *value("openapi/properties/format"),
            default.openapi.format.as_str()
        );
        assert_eq!(*value("openapi/properties/title"), default.openapi.title);
        assert_eq!(
            *value("openapi/properties/servers"),
            serde_json::json!(default.openapi.servers)
        );
    }

    #[test]
    fn broken_toml_has_a_place() {
        let problems = parse(&source("out = \"x\"\nagents = [\n")).unwrap_err();
        assert!(problems[0].location().unwrap().line >= 2, "{}", problems[0]);
    }
}
