//! The program that serves a registry, and its arguments.

use std::io::Write;
use std::process::ExitCode;

use serde_json::Value;

use crate::error::start_error::StartError;
use crate::server::registry::Registry;
#[cfg(feature = "mcp-server")]
use crate::server::serve_mcp;
use crate::server::{check, dev_prompts, failed, serve_with};
use crate::settings::Settings;
use crate::settings::settings_load::unknown_variables;
use crate::settings::settings_read::DEV_PROMPTS;
use crate::settings::settings_report::report;
use crate::settings::settings_table::settings_page;
use crate::telemetry::log;

const HELP: &str = "\
Serves the agents that were compiled into it, over HTTP.

Commands:
  mcp             Serve them as tools of an MCP server over standard input and output

Options:
  --check-config  Check the settings, print what they mean, and exit
  --settings      Print every setting with its type, default and variable, and exit
  --help          Print this help, and exit
  --version       Print the name and the version of the service, and exit

The settings are in the file that AGENTGEN_CONFIG names, or in service.toml in the current folder, if
there is one. An environment variable overrides a setting of the file: AGENTGEN_AUTH_ISSUER overrides
auth.issuer.

The exit code is 0 after SIGINT and SIGTERM, 2 for a wrong setting or argument, and 1 for everything else.
";

/// Serves `registry` as the settings say ([`Settings::load`]) until SIGINT or SIGTERM: a whole program, which takes
/// the arguments `mcp`, `--check-config`, `--settings`, `--help` and `--version`. The exit code is 2 for a wrong setting or argument, and 1
/// for everything else that keeps the service from running.
pub fn serve(registry: Registry) -> ExitCode {
    let arguments = std::env::args_os().skip(1);
    serve_args(
        registry,
        arguments.map(|argument| argument.to_string_lossy().into_owned()),
    )
}

/// As [`serve`], with these arguments instead of those that the program was called with (its own name is not one).
pub fn serve_args(registry: Registry, arguments: impl IntoIterator<Item = String>) -> ExitCode {
    let arguments = arguments.into_iter().collect::<Vec<_>>();
    let arguments = arguments.iter().map(String::as_str).collect::<Vec<_>>();
    match *arguments.as_slice() {
        [] => match Settings::load() {
            Ok(settings) => {
                log::start(settings.log);
                if let Some(path) = std::env::var_os(DEV_PROMPTS) {
                    dev_prompts::follow(path.into(), &registry);
                }
                serve_with(registry, settings)
            }
            Err(error) => failed(&error),
        },
        #[cfg(feature = "mcp-server")]
        ["mcp"] => match Settings::load() {
            Ok(settings) => serve_mcp(registry, settings, |_| {}),
            Err(error) => failed(&error),
        },
        ["--check-config"] => {
            let checked = Settings::load().and_then(|settings| {
                check(registry, &settings)?;
                if let Some(unknown) = unknown_variables().into_iter().next() {
                    return Err(unknown);
                }
                report(&settings)
            });
            match checked {
                Ok(text) => print(&text),
                Err(error) => failed(&error),
            }
        }
        ["--settings"] => print(&settings_page()),
        ["--help" | "-h"] => print(HELP),
        ["--version" | "-V"] => match version(registry.openapi()) {
            Ok(text) => print(&text),
            Err(error) => failed(&error),
        },
        [.., wrong] => {
            let known = "mcp, --check-config, --settings, --help and --version, one at a time";
            let text = format!("error: `{wrong}` is not expected: there are {known}\n");
            let _ = std::io::stderr().write_all(text.as_bytes());
            ExitCode::from(2)
        }
    }
}

fn print(text: &str) -> ExitCode {
    match std::io::stdout().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// The title and the version of the API, and the version of the runtime.
fn version(openapi: &str) -> Result<String, StartError> {
    let document = serde_json::from_str::<Value>(openapi).map_err(StartError::OpenApi)?;
    let info = |key: &str| document["info"][key].as_str().unwrap_or("-").to_owned();
    let (title, version) = (info("title"), info("version"));
    let runtime = env!("CARGO_PKG_VERSION");
    Ok(format!("{title} {version} (agentgen-runtime {runtime})\n"))
}
