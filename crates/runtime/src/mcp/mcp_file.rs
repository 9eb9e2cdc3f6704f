//! `.mcp.json`, the file in which people already list their MCP servers: <https://code.claude.com/docs/en/mcp>.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::mcp::mcp_settings::{McpServerSettings, McpTransport};
use crate::secret::Secret;

/// The file.
#[derive(Deserialize)]
struct McpFile {
    #[serde(rename = "mcpServers", default)]
    servers: BTreeMap<String, Entry>,
}

/// A server of the file. Other keys of the format, which say how an editor shows a server, are ignored.
#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct Entry {
    #[serde(rename = "type")]
    kind: Option<String>,
    command: Option<String>,
    args: Vec<String>,
    env: BTreeMap<String, String>,
    url: Option<String>,
    headers: BTreeMap<String, String>,
}

/// The servers in the text of `.mcp.json`. `${NAME}` and `${NAME:-DEFAULT}` stand for variables, which `get` gives.
///
/// # Errors
/// What is wrong, and with which server; never the value of a variable.
pub(crate) fn read(
    text: &str,
    get: impl Fn(&str) -> Option<String>,
) -> Result<BTreeMap<String, McpServerSettings>, String> {
    let file: McpFile = serde_json::from_str(text).map_err(|error| error.to_string())?;
    settings(file.servers, get)
}

/// The servers that an agent file defines, as `text`; what is said of variables in [`read`] is so here, too.
///
/// # Errors
/// As [`read`].
#[cfg(feature = "mcp")]
pub(super) fn read_own(
    text: &str,
    get: impl Fn(&str) -> Option<String>,
) -> Result<BTreeMap<String, McpServerSettings>, String> {
    // What is wrong may be in a value, which can be a secret.
    let wrong = |_| "a key has a value of another kind than `.mcp.json` takes".to_owned();
    let servers = settings(serde_json::from_str(text).map_err(wrong)?, get)?;
    for (name, server) in &servers {
        let checked = server.check_url();
        checked.map_err(|detail| format!("`{name}`: the address {detail}"))?;
    }
    Ok(servers)
}

fn settings(
    servers: BTreeMap<String, Entry>,
    get: impl Fn(&str) -> Option<String>,
) -> Result<BTreeMap<String, McpServerSettings>, String> {
    let servers = servers.into_iter().map(|(name, entry)| {
        let transport = transport(entry, &get).map_err(|detail| format!("`{name}`: {detail}"))?;
        Ok((name, McpServerSettings::new(transport)))
    });
    servers.collect()
}

fn transport(entry: Entry, get: &impl Fn(&str) -> Option<String>) -> Result<McpTransport, String> {
    let secrets = |values: BTreeMap<String, String>| -> Result<BTreeMap<String, Secret>, String> {
        let values = values.into_iter();
        let values = values.map(|(key, value)| Ok((key, Secret::new(expand(&value, get)?))));
        values.collect()
    };
    match (entry.kind.as_deref(), entry.command, entry.url) {
        (None | Some("stdio"), Some(command), None) => {
            let args = entry.args.iter().map(|argument| expand(argument, get));
            Ok(McpTransport::Stdio {
                command: expand(&command, get)?,
                args: args.collect::<Result<_, _>>()?,
                env: secrets(entry.env)?,
            })
        }
        (None | Some("http" | "streamable-http"), None, Some(url)) => Ok(McpTransport::Http {
            url: expand(&url, get)?,
            headers: secrets(entry.headers)?,
        }),
        (Some("sse"), ..) => {
            Err("the transport `sse` is no longer part of MCP: use its `http` address".to_owned())
        }
        (Some("stdio"), None, _) => Err("`command` is missing".to_owned()),
        (Some("http" | "streamable-http"), _, None) => Err("`url` is missing".to_owned()),
        (None | Some("stdio" | "http" | "streamable-http"), ..) => {
            Err("needs either `command` or `url`".to_owned())
        }
        (Some(kind), ..) => Err(format!("`type` is `{kind}`, and must be `stdio` or `http`")),
    }
}

/// `text` with the variables in it.
fn expand(text: &str, get: &impl Fn(&str) -> Option<String>) -> Result<String, String> {
    let mut expanded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let Some((variable, after)) = after.split_once('}') else {
            break;
        };
        let (name, default) = match variable.split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (variable, None),
        };
        let value = get(name).or(default.map(str::to_owned));
        let value = value.ok_or_else(|| format!("the environment has no variable `{name}`"))?;
        expanded.push_str(before);
        expanded.push_str(&value);
        rest = after;
    }
    expanded.push_str(rest);
    Ok(expanded)
}

#[cfg(test)]
mod tests {
    use super::{McpTransport, read};

    fn get(name: &str) -> Option<String> {
        (name == "TOKEN").then(|| "hush".to_owned())
    }

    #[test]
    fn servers_are_read_with_their_variables() {
        let text = r#"{ "mcpServers": {
            "db": { "command": "uvx", "args": ["postgres-mcp", "${MODE:---access=ro}"], "env": { "URI": "pg://${TOKEN}@h" } },
            "web": { "type": "http", "url": "https://h/mcp", "headers": { "authorization": "Bearer ${TOKEN}" } }
        } }"#;
        let servers = read(text, get).unwrap();
        let McpTransport::Stdio { command, args, env } = &servers["db"].transport else {
            panic!("not stdio");
        };
        assert_eq!(command, "uvx");
        assert_eq!(args, &["postgres-mcp", "--access=ro"]);
        assert_eq!(env["URI"].expose(), "pg://hush@h");
        let McpTransport::Http { url, headers } = &servers["web"].transport else {
            panic!("not http");
        };
        assert_eq!(url, "https://h/mcp");
        assert_eq!(headers["authorization"].expose(), "Bearer hush");
    }

    #[test]
    fn what_is_wrong_is_said_with_the_server() {
        for (entry, expected) in [
            (r#"{}"#, "`x`: needs either `command` or `url`"),
            (r#"{"type":"stdio"}"#, "`x`: `command` is missing"),
            (r#"{"type":"http"}"#, "`x`: `url` is missing"),
            (r#"{"type":"sse","url":"u"}"#, "`x`: the transport `sse`"),
            (r#"{"type":"ws","url":"u"}"#, "`x`: `type` is `ws`"),
            (r#"{"command":"a","url":"u"}"#, "`x`: needs either"),
            (
                r#"{"command":"${NO}"}"#,
                "`x`: the environment has no variable `NO`",
            ),
        ] {
            let error = read(&format!(r#"{{"mcpServers":{{"x":{entry}}}}}"#), get).unwrap_err();
            assert!(error.starts_with(expected), "{error}");
        }
    }
}
