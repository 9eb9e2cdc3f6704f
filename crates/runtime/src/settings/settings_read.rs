//! Reads what an operator wrote: `service.toml`, and the environment over it.

use std::collections::BTreeSet;

use toml::{Table, Value};

use crate::error::start_error::StartError;
use crate::settings::settings_error::explain;
use crate::settings::settings_file::{File, KEYS, LISTS, TEXTS, VALUES};

/// What stands before the names of all variables.
const PREFIX: &str = "AGENTGEN_";
/// What is wrong with a variable that says nothing.
pub(crate) const EMPTY: &str = "is set, and empty; unset it or give it a value";
/// Providers that need not be named in the file to get a key from the environment.
const PROVIDERS: [&str; 2] = ["anthropic", "openai"];
/// Aliases that agent files use.
const ALIASES: [&str; 4] = ["default", "sonnet", "opus", "haiku"];

/// A file that was read, and what the environment changed of it.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) file: File,
    path: Option<String>,
    overridden: BTreeSet<String>,
}

impl Loaded {
    /// The error of a value that can be read and makes no sense, under the name of where it stands.
    pub(crate) fn wrong(&self, key: &str, detail: impl Into<String>) -> StartError {
        StartError::setting(place(self.path.as_deref(), &self.overridden, key), detail)
    }
}

/// The variable that sets `key`.
pub(crate) fn variable(key: &str) -> String {
    let name = key.replace(['.', '-'], "_").to_uppercase();
    format!("{PREFIX}{name}")
}

/// Reads the text of a file (its path comes first) and the variables that `get` knows.
///
/// # Errors
/// The first thing that is wrong, with its place; never a value that may be secret.
pub(crate) fn read(
    text: Option<(&str, &str)>,
    get: impl Fn(&str) -> Result<Option<String>, String>,
) -> Result<Loaded, StartError> {
    let path = text.map(|(path, _)| path.to_owned());
    let mut table = match text {
        Some((path, text)) => parse(path, text)?,
        None => Table::new(),
    };
    let mut overridden = BTreeSet::new();
    for (key, kind) in keys(&table) {
        let variable = variable(&key);
        let value = match get(&variable) {
            Ok(None) => continue,
            Ok(Some(value)) if value.trim().is_empty() => {
                return Err(StartError::setting(variable, EMPTY));
            }
            Ok(Some(value)) => value,
            Err(detail) => return Err(StartError::setting(variable, detail)),
        };
        set(&mut table, &key, kind.value(value));
        overridden.insert(key);
    }
    let file = serde_path_to_error::deserialize(Value::Table(table)).map_err(|error| {
        let key = error.path().to_string();
        let place = place(path.as_deref(), &overridden, &key);
        StartError::setting(place, explain(error.inner().message(), KEYS))
    })?;
    Ok(Loaded {
        file,
        path,
        overridden,
    })
}

/// How the value of a variable is written.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Text,
    Value,
    List,
}

impl Kind {
    fn value(self, text: String) -> Value {
        match self {
            Self::Text => Value::String(text),
            Self::Value => text.trim().parse().unwrap_or(Value::String(text)),
            Self::List => text
                .split(',')
                .map(|entry| Value::from(entry.trim()))
                .collect::<Vec<_>>()
                .into(),
        }
    }
}

/// The keys that a variable may set: the fixed ones, and those of the names in the file.
fn keys(table: &Table) -> Vec<(String, Kind)> {
    let fixed = |keys: &[&str], kind| {
        keys.iter()
            .map(move |key| ((*key).to_owned(), kind))
            .collect::<Vec<_>>()
    };
    let named = |path: &[&str], usual: &[&str]| {
        let mut found = Some(table);
        for step in path {
            found = found
                .and_then(|table| table.get(*step))
                .and_then(Value::as_table);
        }
        let names = found.into_iter().flat_map(|table| table.keys().cloned());
        names
            .chain(usual.iter().map(|name| (*name).to_owned()))
            .collect::<BTreeSet<_>>()
    };
    let mut keys = fixed(TEXTS, Kind::Text);
    keys.extend(fixed(VALUES, Kind::Value));
    keys.extend(fixed(LISTS, Kind::List));
    for name in named(&["models"], &ALIASES) {
        keys.push((format!("models.{name}"), Kind::Text));
    }
    for name in named(&["providers"], &PROVIDERS) {
        for key in ["kind", "base_url", "api_key", "timeout"] {
            keys.push((format!("providers.{name}.{key}"), Kind::Text));
        }
    }
    for name in named(&["tokens", "clients"], &[]) {
        keys.push((format!("tokens.clients.{name}.secret"), Kind::Text));
    }
    keys
}

/// Reads the file alone first, since only then its mistakes have a line and a column.
fn parse(path: &str, text: &str) -> Result<Table, StartError> {
    let wrong = |error: toml::de::Error, key: &str| {
        let start = error.span().map_or(0, |span| span.start).min(text.len());
        let before = &text[..start];
        let line = before.matches('\n').count() + 1;
        let column = before
            .rsplit('\n')
            .next()
            .unwrap_or_default()
            .chars()
            .count()
            + 1;
        let place = match key {
            "" | "." => format!("{path}:{line}:{column}"),
            key => format!("{path}:{line}:{column}: {key}"),
        };
        StartError::setting(place, explain(error.message(), KEYS))
    };
    let reader = toml::Deserializer::parse(text).map_err(|error| wrong(error, ""))?;
    serde_path_to_error::deserialize::<_, File>(reader).map_err(|error| {
        let key = error.path().to_string();
        wrong(error.into_inner(), &key)
    })?;
    text.parse::<Table>().map_err(|error| wrong(error, ""))
}

fn place(path: Option<&str>, overridden: &BTreeSet<String>, key: &str) -> String {
    match path {
        _ if overridden.contains(key) => variable(key),
        Some(path) => format!("{path}: {key}"),
        None => variable(key),
    }
}

fn set(table: &mut Table, key: &str, value: Value) {
    match key.split_once('.') {
        None => {
            table.insert(key.to_owned(), value);
        }
        Some((step, rest)) => {
            let inner = table
                .entry(step)
                .or_insert_with(|| Value::Table(Table::new()));
            if let Value::Table(inner) = inner {
                set(inner, rest, value);
            }
        }
    }
}
