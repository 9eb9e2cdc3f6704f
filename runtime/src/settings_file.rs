//! What an operator wrote: `service.toml`, and the environment over it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use toml::{Table, Value};

use crate::secret::Secret;
use crate::settings_error::explain;
use crate::spec::Rate;
use crate::start::StartError;

/// What stands before the names of all variables.
const PREFIX: &str = "AGENTGEN_";
/// What is wrong with a variable that says nothing.
pub(crate) const EMPTY: &str = "is set, and empty; unset it or give it a value";
/// Providers that need not be named in the file to get a key from the environment.
const PROVIDERS: [&str; 2] = ["anthropic", "openai"];
/// Aliases that agent files use.
const ALIASES: [&str; 4] = ["default", "sonnet", "opus", "haiku"];

/// The keys that a variable can set, by the kind of their values.
const TEXTS: &[&str] = &[
    "address",
    "limits.idle",
    "limits.timeout",
    "limits.drain",
    "auth.hs256_secret",
    "auth.jwks_file",
    "auth.jwks_url",
    "auth.issuer",
    "auth.audience",
    "auth.leeway",
    "tokens.access_ttl",
    "tokens.refresh_ttl",
    "rate.subject",
    "rate.address",
    "rate.agent",
    "workflows.lease",
    "workflows.keep",
    "store.url",
    "log.format",
    "log.level",
];
const VALUES: &[&str] = &[
    "limits.body_bytes",
    "limits.concurrency",
    "limits.connections",
    "limits.trusted_proxies",
    "workflows.runs",
    "docs.enabled",
    "metrics.enabled",
];
/// Lists stand in a variable with commas between their entries.
const LISTS: &[&str] = &["auth.algorithms", "cors.origins"];

/// All of them.
const KEYS: &[&[&str]] = &[TEXTS, VALUES, LISTS];

/// `service.toml`, key by key.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct File {
    pub(crate) address: Option<String>,
    pub(crate) limits: LimitsFile,
    pub(crate) auth: AuthFile,
    pub(crate) tokens: Option<TokensFile>,
    pub(crate) cors: CorsFile,
    pub(crate) rate: RateFile,
    pub(crate) workflows: WorkflowsFile,
    pub(crate) store: StoreFile,
    pub(crate) models: BTreeMap<String, String>,
    pub(crate) providers: BTreeMap<String, ProviderFile>,
    pub(crate) log: LogFile,
    pub(crate) docs: SwitchFile,
    pub(crate) metrics: SwitchFile,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct LimitsFile {
    pub(crate) body_bytes: Option<usize>,
    pub(crate) concurrency: Option<usize>,
    pub(crate) connections: Option<usize>,
    pub(crate) trusted_proxies: Option<usize>,
    #[serde(deserialize_with = "span")]
    pub(crate) idle: Option<Duration>,
    #[serde(deserialize_with = "span")]
    pub(crate) timeout: Option<Duration>,
    #[serde(deserialize_with = "span")]
    pub(crate) drain: Option<Duration>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct AuthFile {
    pub(crate) hs256_secret: Option<Secret>,
    pub(crate) jwks_file: Option<String>,
    pub(crate) jwks_url: Option<String>,
    pub(crate) algorithms: Option<Vec<String>>,
    pub(crate) issuer: Option<String>,
    pub(crate) audience: Option<String>,
    #[serde(deserialize_with = "span")]
    pub(crate) leeway: Option<Duration>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct TokensFile {
    #[serde(deserialize_with = "span")]
    pub(crate) access_ttl: Option<Duration>,
    #[serde(deserialize_with = "span")]
    pub(crate) refresh_ttl: Option<Duration>,
    pub(crate) clients: BTreeMap<String, ClientFile>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ClientFile {
    pub(crate) secret: Option<Secret>,
    pub(crate) roles: Vec<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct CorsFile {
    pub(crate) origins: Vec<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RateFile {
    #[serde(deserialize_with = "rate")]
    pub(crate) subject: Option<Rate>,
    #[serde(deserialize_with = "rate")]
    pub(crate) address: Option<Rate>,
    #[serde(deserialize_with = "rate")]
    pub(crate) agent: Option<Rate>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct WorkflowsFile {
    pub(crate) runs: Option<u32>,
    #[serde(deserialize_with = "span")]
    pub(crate) lease: Option<Duration>,
    #[serde(deserialize_with = "span")]
    pub(crate) keep: Option<Duration>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct StoreFile {
    pub(crate) url: Option<Secret>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ProviderFile {
    pub(crate) kind: Option<String>,
    pub(crate) base_url: Option<String>,
    pub(crate) api_key: Option<Secret>,
    #[serde(deserialize_with = "span")]
    pub(crate) timeout: Option<Duration>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct LogFile {
    pub(crate) format: Option<String>,
    pub(crate) level: Option<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct SwitchFile {
    pub(crate) enabled: Option<bool>,
}

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

fn span<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let duration = humantime::parse_duration(&text);
    duration
        .map(Some)
        .map_err(|_| D::Error::custom("this is no duration such as 500ms, 30s, 5m or 7d"))
}

fn rate<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Rate>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let read = || {
        let (requests, unit) = text.split_once('/')?;
        let requests = requests
            .trim()
            .parse()
            .ok()
            .filter(|requests| *requests > 0)?;
        let seconds = match unit.trim() {
            "s" | "second" => 1,
            "m" | "minute" => 60,
            "h" | "hour" => 60 * 60,
            "d" | "day" => 24 * 60 * 60,
            _ => return None,
        };
        Some(Rate { requests, seconds })
    };
    read()
        .map(Some)
        .ok_or_else(|| D::Error::custom("this is no rate such as 60/minute"))
}
