//! The one list of settings. Variables, suggestions for misspelled keys and `docs/src/settings.md` come from it; tests
//! compare it with the keys that `service.toml` accepts, with their defaults, and with the `service.toml` of new projects.

use std::fmt::Write;

use crate::settings::settings_table::SettingType::{
    Boolean, Duration, List, Number, Rate, Secret, Table, Text, Url, WholeNumber,
};

/// What stands in a key for a name that the operator chooses, as in `models.<name>`.
pub(crate) const NAME: &str = "<name>";

/// A setting of `service.toml`.
pub(crate) struct Setting {
    /// Its path, with dots.
    pub(crate) key: &'static str,
    pub(crate) setting_type: SettingType,
    /// The default as TOML; `None` if there is none, or if it depends on other settings.
    pub(crate) default: Option<&'static str>,
    /// One or two sentences for operators.
    pub(crate) description: &'static str,
}

/// The type of a setting's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SettingType {
    Boolean,
    /// A text such as `500ms`, `30s`, `5m` or `7d`.
    Duration,
    /// A list of texts; in a variable, with commas between them.
    List,
    Number,
    /// A text such as `60/minute`.
    Rate,
    /// A text that is never printed.
    Secret,
    /// Keys and values; in a variable, an inline table of TOML.
    Table,
    Text,
    Url,
    WholeNumber,
}

const fn setting(
    key: &'static str,
    setting_type: SettingType,
    default: Option<&'static str>,
    description: &'static str,
) -> Setting {
    Setting {
        key,
        setting_type,
        default,
        description,
    }
}

/// Every setting.
#[rustfmt::skip]
pub(crate) const SETTINGS: &[Setting] = &[
    setting("address", Text, None, "`host:port` to listen at. Without it: `127.0.0.1:8080`, or the next free port. An address that other machines can reach needs `[auth]`."),
    setting("expose", List, None, "The protocols by which agents are called: `native` is the API that the OpenAPI document describes, `openai` [OpenAI's](openai.md), `mcp` the [Model Context Protocol](mcp-server.md), `a2a` the [Agent2Agent protocol](a2a.md). Without it: all."),

    setting("models.<name>", Text, None, "What the name of a model stands for: `provider:model`, `echo`, or the name of another model. `default` is for agents that name none."),

    setting("providers.<name>.kind", Text, None, "The API of the provider: `anthropic`, `openai` (Chat Completions) or `openai-responses`. Without it: that of its dialect."),
    setting("providers.<name>.dialect", Text, None, "The kind of server, such as `ollama` or `azure`; see [Model servers](model-servers.md). Without it: the provider's name, if a dialect has it."),
    setting("providers.<name>.base_url", Url, None, "Where the provider is. Most dialects have an address of their own."),
    setting("providers.<name>.api_key", Secret, None, "The key of the provider. The vendor's variable, such as `ANTHROPIC_API_KEY`, sets it too."),
    setting("providers.<name>.timeout", Duration, Some("\"2m\""), "The longest silence of the provider in a response."),
    setting("providers.<name>.structured", Text, None, "How JSON that fits a schema is asked for: `json_schema`, `json_object`, `tool` or `prompt`. Without it: as the dialect does."),
    setting("providers.<name>.stream_options", Boolean, None, "Whether requests contain `stream_options`, which asks for usage. Without it: as the dialect does."),
    setting("providers.<name>.max_tokens_parameter", Text, None, "The name of the limit of output tokens: `max_tokens` or `max_completion_tokens`. Without it: as the dialect does."),
    setting("providers.<name>.max_output_tokens", WholeNumber, None, "The most output tokens of one answer. Without it: 8192 for `anthropic`; other requests have a limit only while a token budget leaves 4096 or fewer."),
    setting("providers.<name>.system_role", Text, Some("\"system\""), "The role of the system message: `system`, `developer` or `user`."),
    setting("providers.<name>.tool_calls_in_text", Boolean, None, "Whether tool calls that the model writes into its text are read as calls. Without it: as the dialect does."),
    setting("providers.<name>.images", Boolean, None, "Whether the models get the images that tools give. Others are told what the images are. Without it: as the dialect does."),
    setting("providers.<name>.thinking_prefilled", List, None, "The models that begin with their thoughts and mark only the end of them with `</think>`: their text waits for the mark. Without it, such a model is noticed at its first answer."),
    setting("providers.<name>.headers", Table, None, "Further headers of each request."),
    setting("providers.<name>.headers_env", Table, None, "Further headers whose values are in these environment variables."),
    setting("providers.<name>.extra_body", Table, None, "Further members of each request, such as `temperature`."),
    setting("mcp.file", Text, None, "A file with MCP servers in the format of `.mcp.json`. `${NAME}` in it is a variable of the environment."),
    setting("mcp.inline", Boolean, Some("false"), "Whether MCP servers that agent files define under `mcpServers` are run, each for its agent alone. Whoever writes an agent file can then start any program."),
    setting("mcp.servers.<name>.command", Text, None, "The program of the MCP server, which speaks over its standard input and output. Needs the feature `mcp`."),
    setting("mcp.servers.<name>.args", List, None, "The arguments of the program."),
    setting("mcp.servers.<name>.env", Table, None, "The environment of the program. Of the service's own, it gets `PATH`, `HOME`, `LANG` and `TMPDIR`."),
    setting("mcp.servers.<name>.inherit", List, None, "Further variables that the program gets of the service's environment, such as `DATABASE_URI`."),
    setting("mcp.servers.<name>.url", Url, None, "The address of an MCP server that speaks streamable HTTP, instead of `command`."),
    setting("mcp.servers.<name>.headers", Table, None, "Headers of each request to it, such as `authorization`."),
    setting("mcp.servers.<name>.headers_env", Table, None, "Headers whose values are in these environment variables."),
    setting("mcp.servers.<name>.connect_timeout", Duration, Some("\"20s\""), "How long the server may take to start and to list its tools."),
    setting("mcp.servers.<name>.call_timeout", Duration, Some("\"1m\""), "How long a call of a tool may take without a report of its progress."),
    setting("mcp.servers.<name>.max_total_timeout", Duration, Some("\"10m\""), "How long a call of a tool may take in all."),
    setting("mcp.servers.<name>.idle_timeout", Duration, Some("\"10m\""), "After this time without a call the server is ended; the next call starts it again."),
    setting("mcp.servers.<name>.result_bytes", WholeNumber, Some("262144"), "A longer result of a tool is cut off, and the model is told."),
    setting("mcp.servers.<name>.roots", List, None, "Folders that the server is told to work on, if it asks."),

    setting("workspace.root", Text, None, "The folder on whose files agents work, with the tools `Read`, `Glob` and `Grep`; see [Workspace](workspace.md). Without it: none. Needs the feature `workspace`."),
    setting("workspace.write", Boolean, Some("false"), "Whether agents also get `Write`, `Edit` and `MultiEdit`."),
    setting("workspace.result_bytes", WholeNumber, Some("131072"), "A longer result of a tool is cut off, and the model is told. At least 4096."),
    setting("workspace.file_bytes", WholeNumber, Some("8388608"), "The largest file that is read, searched or written, in bytes."),
    setting("workspace.search_timeout", Duration, Some("\"20s\""), "How long `Glob` and `Grep` may take. The model gets what they found until then, and is told."),

    setting("limits.body_bytes", WholeNumber, Some("1048576"), "The largest body of a request, in bytes."),
    setting("limits.output_bytes", WholeNumber, Some("1048576"), "The largest output of a workflow step, in bytes of JSON. A step with a larger one fails."),
    setting("limits.concurrency", WholeNumber, Some("256"), "The most requests at a time. Further requests get 503. A request counts once its body has arrived; one that only follows a workflow run does not."),
    setting("limits.bodies", WholeNumber, Some("256"), "The most bodies that arrive at a time. With one more, the one that has taken longest gets 503."),
    setting("limits.followers", WholeNumber, Some("1024"), "The most event streams of workflow runs at a time. Further ones get 503."),
    setting("limits.connections", WholeNumber, Some("10000"), "The most open connections. Further connections wait."),
    setting("limits.share", Number, Some("0.25"), "The part of `bodies`, `followers` and `connections` that one address or subject may have, above 0 and at most 1. With trusted proxies, an address may have any number of connections."),
    setting("limits.trusted_proxies", WholeNumber, Some("0"), "How many proxies before the service add to `X-Forwarded-For`. With 0, the header is ignored."),
    setting("limits.head", Duration, Some("\"10s\""), "How long a new connection may take to send its first request header."),
    setting("limits.idle", Duration, Some("\"75s\""), "How long a connection may stay open between two requests."),
    setting("limits.write", Duration, Some("\"30s\""), "How long a client may take nothing of a response before its connection is closed."),
    setting("limits.timeout", Duration, Some("\"5m\""), "The time limit of a run whose endpoint and agent set none."),
    setting("limits.drain", Duration, Some("\"10s\""), "How long running requests may take after SIGTERM."),

    setting("auth.hs256_secret", Secret, None, "The secret that signs bearer tokens (HS256), of at least 32 bytes. Excludes the two settings of public keys."),
    setting("auth.jwks_file", Text, None, "A file with the issuer's public keys, as a JSON Web Key Set."),
    setting("auth.jwks_url", Url, None, "The address of the issuer's public keys."),
    setting("auth.algorithms", List, None, "The algorithms of tokens that public keys check. Without it: `RS256`, `ES256` and `EdDSA`."),
    setting("auth.issuer", Text, None, "The `iss` that tokens must have."),
    setting("auth.audience", Text, None, "The `aud` that tokens must have."),
    setting("auth.leeway", Duration, Some("\"30s\""), "How far the clocks of issuer and service may differ; at most 5 minutes."),

    setting("tokens.access_ttl", Duration, Some("\"15m\""), "How long an access token is valid that the service issues. Needs `auth.hs256_secret`."),
    setting("tokens.refresh_ttl", Duration, Some("\"30d\""), "How long a refresh token is valid."),
    setting("tokens.clients.<name>.secret", Secret, None, "The secret of a client, of at least 16 bytes. Its name becomes the `sub` of its tokens."),
    setting("tokens.clients.<name>.roles", List, None, "The `roles` of the client's tokens."),

    setting("cors.origins", List, None, "The origins whose web pages may call, such as `https://app.example`. Without it: none."),

    setting("rate.subject", Rate, None, "The most requests of one authenticated caller; without authentication, of one address."),
    setting("rate.address", Rate, None, "The most requests of one address."),
    setting("rate.agent", Rate, None, "The most requests to one agent, of all callers together."),

    setting("workflows.runs", WholeNumber, Some("64"), "The most workflow runs at a time in this process. Further runs wait."),
    setting("workflows.queued", WholeNumber, Some("1000"), "The most runs of one caller that wait, in all processes together. Without authentication all callers are one."),
    setting("workflows.lease", Duration, Some("\"10s\""), "After how long another process takes over the runs of a crashed one; at least 100 ms."),
    setting("workflows.keep", Duration, Some("\"7d\""), "How long a finished run is stored."),
    setting("workflows.resumptions", WholeNumber, Some("3"), "How often a run is resumed after its process died while no step finishes. Then the run fails."),
    setting("workflows.queue", Secret, None, "`nats://HOST:PORT/STREAM`, to share runs between processes on one PostgreSQL store. Needs the feature `nats`. It may contain a password."),
    setting("workflows.queue_ca", Text, None, "A PEM file with the certificate authorities of the queue. Without it: those of the system."),

    setting("store.url", Secret, Some("\"sqlite:agentgen.db\""), "Where sessions, runs and documents are stored: `sqlite:PATH`, `postgres://USER@HOST/DATABASE` or `memory:`. It may contain a password."),

    setting("embeddings.model", Text, Some("\"hashing\""), "The model that embeds documents: `provider:model`, or `hashing`, which matches words and needs no provider."),
    setting("embeddings.dimensions", WholeNumber, None, "The length of the vectors. Without it: 2048 for `hashing`, and the model's own for others."),
    setting("embeddings.min_score", Number, None, "The lowest score that searches return, from 0 to 1. Without it: 0.06 for `hashing`, and 0 for others."),

    setting("documents.url", Url, None, "The address of a Qdrant server that stores documents. Without it, `[store]` does."),
    setting("documents.api_key", Secret, None, "The key of the Qdrant server."),

    setting("log.format", Text, None, "The format of log lines: `json` or `text`. Without it: text on a terminal, and JSON otherwise."),
    setting("log.level", Text, Some("\"info\""), "The least severe level that is logged: `error`, `warn`, `info`, `debug` or `trace`."),

    setting("console.enabled", Boolean, None, "Whether the [web console](console.md) is served at `/`. Without it: only where the service listens to a loopback address and `limits.trusted_proxies` is 0."),
    setting("docs.enabled", Boolean, Some("true"), "Whether `/docs` is served."),
    setting("metrics.enabled", Boolean, Some("true"), "Whether `/metrics` is served."),
    setting("metrics.address", Text, None, "`host:port` to serve `/metrics` at, alone and without a token: for a network that only the monitoring reaches. Without it, `/metrics` is at the address of the service, and needs a token there unless the caller is on the same machine."),
];

/// The environment variable of a key.
pub(crate) fn variable(key: &str) -> String {
    let name = key.replace(['.', '-'], "_").to_uppercase();
    format!("AGENTGEN_{name}")
}

/// The settings as Markdown: a section and a table for each table of `service.toml`.
pub(crate) fn settings_page() -> String {
    let mut page = String::new();
    let mut section = None;
    for setting in SETTINGS {
        let table = table_of(setting);
        if section != Some(table) {
            section = Some(table);
            let title = match table {
                "" => "Address and protocols".to_owned(),
                table => format!("`[{table}]`"),
            };
            let _ = write!(
                page,
                "\n## {title}\n\n| Key | Type | Default | Variable | |\n|---|---|---|---|---|\n"
            );
        }
        let key = setting.key.strip_prefix(table).unwrap_or(setting.key);
        let key = key.trim_start_matches('.');
        let default = setting.default.map(|default| format!("`{default}`"));
        let _ = writeln!(
            page,
            "| `{key}` | {} | {} | `{}` | {} |",
            type_name(setting.setting_type),
            default.unwrap_or_default(),
            variable(setting.key).replace("<NAME>", "NAME"),
            setting.description
        );
    }
    page
}

fn table_of(setting: &Setting) -> &'static str {
    setting.key.rsplit_once('.').map_or("", |(table, _)| table)
}

const fn type_name(setting_type: SettingType) -> &'static str {
    match setting_type {
        SettingType::Boolean => "boolean",
        SettingType::Duration => "duration",
        SettingType::List => "list of texts",
        SettingType::Number => "number",
        SettingType::Rate => "rate",
        SettingType::Secret => "secret text",
        SettingType::Table => "table",
        SettingType::Text => "text",
        SettingType::Url => "URL",
        SettingType::WholeNumber => "whole number",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::{Path, PathBuf};

    use super::{NAME, SETTINGS, settings_page, variable};
    use crate::settings::Settings;
    use crate::settings::settings_file::File;

    /// What every test of a default needs: `[tokens]` is checked with these.
    const SECRETS: &str = "[auth]\nhs256_secret = \"a secret of thirty-two bytes or more\"\n\
                           [tokens.clients.web]\nsecret = \"a secret of thirty-two bytes or more\"\n\
                           [providers.openai]\nkind = \"openai\"\n\
                           [mcp.servers.openai]\ncommand = \"mcp\"\n\
                           [workspace]\nroot = \".\"\n";

    #[test]
    fn the_list_has_every_key_of_the_file() {
        let mut accepted = BTreeSet::new();
        for section in fields("") {
            // The name of a client or a provider may be anything, and so the keys below it are asked for with one.
            match section.as_str() {
                "models" => accepted.extend(["models.<name>".to_owned()]),
                "providers" => accepted.extend(below("providers.<name>")),
                "mcp" => {
                    let keys = below("mcp").into_iter();
                    accepted.extend(keys.filter(|key| key != "mcp.servers"));
                    accepted.extend(below("mcp.servers.<name>"));
                }
                "tokens" => {
                    let keys = below("tokens").into_iter();
                    accepted.extend(keys.filter(|key| key != "tokens.clients"));
                    accepted.extend(below("tokens.clients.<name>"));
                }
                "address" | "expose" => accepted.extend([section]),
                _ => accepted.extend(below(&section)),
            }
        }
        let listed = SETTINGS.iter().map(|setting| setting.key.to_owned());
        assert_eq!(listed.collect::<BTreeSet<_>>(), accepted);
    }

    /// The keys of a table, as the error for an unknown one names them.
    fn below(table: &str) -> Vec<String> {
        let keys = fields(table).into_iter();
        keys.map(|key| format!("{table}.{key}")).collect()
    }

    fn fields(table: &str) -> Vec<String> {
        let head = match table {
            "" => String::new(),
            table => format!("[{}]\n", table.replace(NAME, "x")),
        };
        let error = toml::from_str::<File>(&format!("{head}no_such_key = 1")).unwrap_err();
        let message = error.message().to_owned();
        let names = message.split('`').skip(3).step_by(2);
        names.map(str::to_owned).collect()
    }

    #[test]
    fn the_defaults_are_those_of_a_service_without_settings() {
        let base = load(None);
        for setting in SETTINGS {
            let Some(default) = setting.default else {
                continue;
            };
            if setting.key == "store.url" {
                // The one of `Settings::load`, which a text alone does not get.
                let store = crate::settings::settings_load::STORE;
                assert_eq!(default, format!("{store:?}"));
                continue;
            }
            let key = setting.key.replace(NAME, "openai");
            let value = default.trim_matches('"');
            assert_eq!(load(Some((&variable(&key), value))), base, "{key}");
        }
    }

    /// The settings in [`SECRETS`] and one variable, written out.
    fn load(set: Option<(&str, &str)>) -> String {
        let settings = Settings::from_text("service.toml", SECRETS, |name| {
            let value = set.filter(|(variable, _)| *variable == name);
            Ok(value.map(|(_, value)| value.to_owned()))
        });
        format!("{:?}", settings.unwrap())
    }

    #[test]
    fn the_file_of_a_new_project_has_listed_keys_with_their_defaults() {
        let text = fs::read_to_string(root("templates/project/service.toml.tera")).unwrap();
        let mut section = String::new();
        let mut found = 0;
        for line in text.lines() {
            let line = line.trim_start_matches("# ").trim();
            if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
                section = match name.0.split('.').collect::<Vec<_>>()[..] {
                    ["providers", _] => "providers.<name>.".to_owned(),
                    ["mcp", "servers", _] => "mcp.servers.<name>.".to_owned(),
                    ["tokens", "clients", _] => "tokens.clients.<name>.".to_owned(),
                    _ => format!("{}.", name.0),
                };
                continue;
            }
            let Some((key, value)) = line.split_once(" = ") else {
                continue;
            };
            let key = match section.as_str() {
                "models." => "models.<name>".to_owned(),
                section => format!("{section}{key}"),
            };
            let listed = SETTINGS.iter().find(|setting| setting.key == key);
            let listed = listed.unwrap_or_else(|| panic!("{key} is not listed"));
            let value = value.split_once("  #").map_or(value, |(value, _)| value);
            let is_example = listed.key == "store.url";
            if let Some(default) = listed.default.filter(|_| !is_example) {
                assert_eq!(value.trim(), default, "{key}");
            }
            found += 1;
        }
        assert!(found > 30, "{found} keys");
    }

    /// `AGENTGEN_UPDATE_SNAPSHOTS=1 cargo test -p agentgen-runtime --lib settings_table` writes the page anew.
    #[test]
    fn the_page_about_settings_is_up_to_date() {
        const MARKER: &str = "<!-- settings: generated below -->\n";
        const END: &str = "\n## agentgen.toml\n";
        let path = root("docs/src/settings.md");
        let text = fs::read_to_string(&path).unwrap();
        let (before, rest) = text.split_once(MARKER).unwrap();
        let (_, after) = rest.split_once(END).unwrap();
        let expected = format!("{before}{MARKER}{}{END}{after}", settings_page());
        if std::env::var_os("AGENTGEN_UPDATE_SNAPSHOTS").is_some() {
            fs::write(&path, &expected).unwrap();
            return;
        }
        assert!(text == expected, "docs/src/settings.md is not up to date");
    }

    fn root(path: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../..")
            .join(path)
    }
}
