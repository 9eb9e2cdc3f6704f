//! The settings of MCP servers, from `[mcp.servers.NAME]` and from the file that `mcp.file` names.

use std::collections::BTreeMap;
use std::env::VarError;
use std::fs;
use std::path::PathBuf;

use reqwest::Url;

use crate::error::start_error::StartError;
use crate::mcp::mcp_file;
use crate::mcp::mcp_settings::{McpServerSettings, McpTransport};
use crate::secret::Secret;
use crate::settings::settings_file::McpServerFile;
use crate::settings::settings_read::Loaded;

/// The setting of the file.
const FILE: &str = "mcp.file";

/// The servers. One in `service.toml` goes before one of the same name in the file.
///
/// # Errors
/// The first setting that is wrong.
pub(crate) fn mcp_servers(
    loaded: &Loaded,
    get: &impl Fn(&str) -> Result<Option<String>, VarError>,
) -> Result<BTreeMap<String, McpServerSettings>, StartError> {
    let section = &loaded.file.mcp;
    let mut servers = BTreeMap::new();
    if let Some(path) = &section.file {
        let wrong = |detail: String| loaded.wrong(FILE, detail);
        let place = path.display();
        let text = fs::read_to_string(path)
            .map_err(|error| wrong(format!("`{place}` can't be read: {error}")))?;
        let variable = |name: &str| get(name).ok().flatten();
        servers = mcp_file::read(&text, variable)
            .map_err(|error| wrong(format!("`{place}`: {error}")))?;
    }
    for (name, file) in &section.servers {
        servers.insert(name.clone(), server(loaded, name, file, get)?);
    }
    for (name, server) in &servers {
        let key = match section.servers.contains_key(name) {
            true => format!("mcp.servers.{name}.url"),
            false => FILE.to_owned(),
        };
        let checked = server.check_url();
        checked.map_err(|detail| loaded.wrong(&key, detail))?;
    }
    #[cfg(not(feature = "mcp"))]
    if let Some(name) = servers.keys().next() {
        let key = match section.servers.contains_key(name) {
            true => "mcp.servers",
            false => FILE,
        };
        let missing = crate::error::start_error::SettingError::missing_feature(key, "mcp");
        return Err(loaded.wrong(&missing.key, missing.detail));
    }
    Ok(servers)
}

fn server(
    loaded: &Loaded,
    name: &str,
    file: &McpServerFile,
    get: &impl Fn(&str) -> Result<Option<String>, VarError>,
) -> Result<McpServerSettings, StartError> {
    let wrong =
        |key: &str, detail: String| loaded.wrong(&format!("mcp.servers.{name}.{key}"), detail);
    let of_variable = |key: &str, variable: &str| match get(variable) {
        Ok(Some(value)) => Ok(Secret::new(value)),
        _ => Err(wrong(
            key,
            format!("the environment has no variable `{variable}`"),
        )),
    };
    let transport = match (&file.command, &file.url) {
        (Some(command), None) => {
            let mut env = file.env.clone();
            for variable in &file.inherit {
                env.insert(variable.clone(), of_variable("inherit", variable)?);
            }
            McpTransport::Stdio {
                command: command.clone(),
                args: file.args.clone(),
                env,
            }
        }
        (None, Some(url)) => {
            let mut headers = file.headers.clone();
            for (header, variable) in &file.headers_env {
                headers.insert(header.clone(), of_variable("headers_env", variable)?);
            }
            McpTransport::Http {
                url: url.clone(),
                headers,
            }
        }
        _ => {
            let detail = "must be set, or `url`, but not both".to_owned();
            return Err(wrong("command", detail));
        }
    };
    let defaults = McpServerSettings::new(transport);
    Ok(McpServerSettings {
        connect_timeout: file.connect_timeout.unwrap_or(defaults.connect_timeout),
        call_timeout: file.call_timeout.unwrap_or(defaults.call_timeout),
        max_total_timeout: file.max_total_timeout.unwrap_or(defaults.max_total_timeout),
        idle_timeout: file.idle_timeout.unwrap_or(defaults.idle_timeout),
        result_bytes: file.result_bytes.unwrap_or(defaults.result_bytes),
        roots: roots(&file.roots).map_err(|detail| wrong("roots", detail))?,
        ..defaults
    })
}

/// The addresses of folders.
fn roots(folders: &[PathBuf]) -> Result<Vec<String>, String> {
    let folders = folders.iter().map(|folder| {
        let place = folder.display();
        let whole = fs::canonicalize(folder)
            .map_err(|error| format!("the folder `{place}` can't be found: {error}"))?;
        let address = Url::from_directory_path(whole);
        let address = address.map_err(|()| format!("the folder `{place}` has no address"))?;
        Ok(address.as_str().trim_end_matches('/').to_owned())
    });
    folders.collect()
}
