//! Reads `service.toml`, and the environment over it.

use std::collections::BTreeSet;
use std::env::VarError;

use toml::{Table, Value};

use crate::error::start_error::StartError;
use crate::settings::settings_error::explain;
use crate::settings::settings_file::File;
use crate::settings::settings_table::{NAME, SETTINGS, SettingType, variable};

/// The variable that names the file.
pub(crate) const CONFIG: &str = "AGENTGEN_CONFIG";
/// The environment variable in which `agentgen dev` names the file with the prompts as they are now. It is no setting.
pub(crate) const DEV_PROMPTS: &str = "AGENTGEN_DEV_PROMPTS";
/// The environment variable with the token that the command line calls services with. It is no setting.
const TOKEN: &str = "AGENTGEN_TOKEN";
/// How far a name may be from the one that is meant, in characters.
const MOST_TYPOS: usize = 4;
/// What is wrong with an empty variable.
pub(crate) const EMPTY: &str = "is set, and empty; unset it or give it a value";
/// What is wrong with a variable that is no text. Its value may be a secret.
pub(crate) const NOT_UNICODE: &str = "is not valid UTF-8";
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

/// Reads the text of a file (its path comes first) and the variables that `get` knows.
///
/// # Errors
/// The first thing that is wrong, with its place; never a value that may be secret.
pub(crate) fn read(
    text: Option<(&str, &str)>,
    get: impl Fn(&str) -> Result<Option<String>, VarError>,
) -> Result<Loaded, StartError> {
    let path = text.map(|(path, _)| path.to_owned());
    let mut table = match text {
        Some((path, text)) => parse(path, text)?,
        None => Table::new(),
    };
    let mut overridden = BTreeSet::new();
    for (key, setting_type) in keys(&table) {
        let variable = variable(&key);
        let value = match get(&variable) {
            Ok(None) => continue,
            Ok(Some(value)) if value.trim().is_empty() => {
                return Err(StartError::setting(variable, EMPTY));
            }
            Ok(Some(value)) => value,
            Err(_) => return Err(StartError::setting(variable, NOT_UNICODE)),
        };
        set(&mut table, &key, value_of(setting_type, value));
        overridden.insert(key);
    }
    let file = serde_path_to_error::deserialize(Value::Table(table)).map_err(|error| {
        let key = error.path().to_string();
        let place = place(path.as_deref(), &overridden, &key);
        StartError::setting(place, explain(error.inner().message()))
    })?;
    Ok(Loaded {
        file,
        path,
        overridden,
    })
}

/// The variables among `names` that look like settings and are none, each with what may be meant. What Kubernetes sets for a
/// Service whose name starts with `agentgen` is left out.
pub(crate) fn unknown_variables(
    text: Option<&str>,
    names: impl IntoIterator<Item = String>,
) -> Vec<StartError> {
    let table = text.and_then(|text| text.parse::<Table>().ok());
    let keys = keys(&table.unwrap_or_default()).into_iter();
    let mut known = keys.map(|(key, _)| variable(&key)).collect::<Vec<_>>();
    known.extend([CONFIG, DEV_PROMPTS, TOKEN].map(str::to_owned));
    let is_unknown = |name: &String| {
        name.starts_with("AGENTGEN_") && !known.contains(name) && !is_service_link(name)
    };
    let unknown = names.into_iter().filter(is_unknown);
    let mut unknown = unknown.collect::<Vec<_>>();
    unknown.sort_unstable();
    let error = |name: String| {
        let distance = |known: &&String| strsim::damerau_levenshtein(&name, known);
        let nearest = known.iter().min_by_key(distance);
        let detail = match nearest.filter(|known| distance(known) <= MOST_TYPOS) {
            Some(nearest) => format!("is no setting; did you mean `{nearest}`?"),
            None => "is no setting (the page Settings of the documentation lists them)".to_owned(),
        };
        StartError::setting(name, detail)
    };
    unknown.into_iter().map(error).collect()
}

/// Whether `name` is a variable by which Kubernetes tells the address of a Service.
fn is_service_link(name: &str) -> bool {
    name.ends_with("_SERVICE_HOST")
        || name.ends_with("_SERVICE_PORT")
        || name.contains("_SERVICE_PORT_")
        || name.ends_with("_PORT")
        || ["_TCP", "_UDP", "_SCTP"].iter().any(|protocol| {
            let part = format!("{protocol}_");
            name.contains("_PORT_") && (name.ends_with(protocol) || name.contains(&part))
        })
}

/// The text of a variable as a value of the file.
fn value_of(setting_type: SettingType, text: String) -> Value {
    match setting_type {
        SettingType::Boolean | SettingType::Number | SettingType::WholeNumber => {
            text.trim().parse().unwrap_or(Value::String(text))
        }
        SettingType::List => {
            let entries = text.split(',').map(|entry| Value::from(entry.trim()));
            entries.collect::<Vec<_>>().into()
        }
        SettingType::Table => {
            let table = format!("table = {text}").parse::<Table>().ok();
            let table = table.and_then(|mut table| table.remove("table"));
            table.unwrap_or(Value::String(text))
        }
        _ => Value::String(text),
    }
}

/// The keys that variables may set, with every name in `table` in place of [`NAME`].
fn keys(table: &Table) -> Vec<(String, SettingType)> {
    let mut keys = Vec::new();
    for setting in SETTINGS {
        match setting.key.split_once(NAME) {
            None => keys.push((setting.key.to_owned(), setting.setting_type)),
            Some((path, rest)) => {
                let names = names(table, path.trim_end_matches('.'));
                let named = names.into_iter().map(|name| format!("{path}{name}{rest}"));
                keys.extend(named.map(|key| (key, setting.setting_type)));
            }
        }
    }
    keys
}

/// The names below `path` in the file, and those that need not be in the file.
fn names(table: &Table, path: &str) -> BTreeSet<String> {
    let implied: &[&str] = match path {
        "models" => &ALIASES,
        "providers" => &PROVIDERS,
        _ => &[],
    };
    let mut found = Some(table);
    for step in path.split('.') {
        found = found.and_then(|table| table.get(step)?.as_table());
    }
    let found = found.into_iter().flat_map(|table| table.keys().cloned());
    let implied = implied.iter().map(|name| (*name).to_owned());
    found.chain(implied).collect()
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
        StartError::setting(place, explain(error.message()))
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

#[cfg(test)]
mod tests {
    use super::unknown_variables;

    #[test]
    fn unknown_variables_are_named_with_the_setting_that_is_meant() {
        let names = [
            "AGENTGEN_AUTH_HS256_SECRTE",
            "AGENTGEN_RATE_ADRESS",
            "AGENTGEN_SOMETHING_ELSE_ENTIRELY",
            "AGENTGEN_PROVIDERS_MINE_API_KEY",
            "AGENTGEN_AUTH_ISSUER",
            "AGENTGEN_CONFIG",
            "AGENTGEN_DEV_PROMPTS",
            "AGENTGEN_TOKEN",
            "OTHER_AUTH_ISSUR",
            // What Kubernetes sets for the Services `agentgen` and `agentgen-desk`.
            "AGENTGEN_SERVICE_HOST",
            "AGENTGEN_SERVICE_PORT",
            "AGENTGEN_SERVICE_PORT_HTTP",
            "AGENTGEN_PORT",
            "AGENTGEN_PORT_8080_TCP",
            "AGENTGEN_PORT_8080_TCP_ADDR",
            "AGENTGEN_DESK_SERVICE_HOST",
            "AGENTGEN_DESK_PORT_53_UDP_PROTO",
        ];
        let text = "[providers.mine]\nkind = \"openai\"";
        let unknown = unknown_variables(Some(text), names.map(str::to_owned));
        let unknown = unknown.iter().map(ToString::to_string);
        assert_eq!(
            unknown.collect::<Vec<_>>(),
            [
                "AGENTGEN_AUTH_HS256_SECRTE: is no setting; did you mean `AGENTGEN_AUTH_HS256_SECRET`?",
                "AGENTGEN_RATE_ADRESS: is no setting; did you mean `AGENTGEN_RATE_ADDRESS`?",
                "AGENTGEN_SOMETHING_ELSE_ENTIRELY: is no setting (the page Settings of the documentation lists them)",
            ]
        );
    }
}
