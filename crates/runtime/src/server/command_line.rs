//! The program that serves a registry, and what it may be told when it is called.

use std::io::Write;
use std::process::ExitCode;

use serde_json::Value;

use crate::server::registry::Registry;
use crate::server::{check, failed, serve_with};
use crate::settings::Settings;
use crate::settings::settings_report::report;

const HELP: &str = "\
Serves the agents that were compiled into it, over HTTP.

Options:
  --check-config  Say what the settings come to, or what is wrong with them, and end
  --help          Say this, and end
  --version       Say which service this is, and end

The settings are in the file that AGENTGEN_CONFIG names, or else in service.toml in the folder it is
started in, if there is one. Each can be set by the environment too, which counts for more: auth.issuer
is AGENTGEN_AUTH_ISSUER, for instance.

The exit code is 0 after SIGINT and SIGTERM, 2 for a wrong setting or argument, and 1 for everything else.
";

/// Serves `registry` as the settings say ([`Settings::load`]) until SIGINT or SIGTERM: a whole program, which takes
/// the arguments `--check-config`, `--help` and `--version`. The exit code is 2 for a wrong setting or argument, and 1
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
            Ok(settings) => serve_with(registry, settings),
            Err(error) => failed(&error),
        },
        ["--check-config"] => {
            let checked = Settings::load().and_then(|settings| {
                check(registry, &settings)?;
                report(&settings)
            });
            match checked {
                Ok(text) => say(&text),
                Err(error) => failed(&error),
            }
        }
        ["--help" | "-h"] => say(HELP),
        ["--version" | "-V"] => say(&version(registry.openapi())),
        [.., wrong] => {
            let known = "--check-config, --help and --version, one at a time";
            let text = format!("error: `{wrong}` is not expected: there are {known}\n");
            let _ = std::io::stderr().write_all(text.as_bytes());
            ExitCode::from(2)
        }
    }
}

fn say(text: &str) -> ExitCode {
    match std::io::stdout().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// The name and the version of the API, and of what serves it.
fn version(openapi: &str) -> String {
    let document = serde_json::from_str::<Value>(openapi).unwrap_or_default();
    let told = |key: &str| document["info"][key].as_str().unwrap_or("-").to_owned();
    let (title, version) = (told("title"), told("version"));
    let own = env!("CARGO_PKG_VERSION");
    format!("{title} {version} (agentgen-runtime {own})\n")
}
