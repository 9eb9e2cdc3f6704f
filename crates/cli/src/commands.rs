//! The command line, one file for each command: arguments in, exit status out.
//!
//! Data goes to stdout, everything else to stderr. The exit status is 0 when all is well, 1 when the agents or the drift check fail or
//! no agent matches a request, 2 when the arguments or `agentgen.toml` are wrong, 3 when the machine fails.

pub mod build_command;
pub mod check_command;
pub mod completions_command;
pub mod explain_command;
pub mod graph_command;
pub mod list_command;
pub mod project_files;
pub mod remote_selection;
pub mod route_command;
pub mod schema_command;
#[cfg(feature = "serve")]
pub mod service_commands;
pub mod show_command;
pub mod suggest_command;
pub mod templates_command;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::commands::project_files::{
    add_command, new_command, remove_command, rename_command, update_command,
};
use crate::terminal::{Appearance, Status};

/// Compiles agent files into prompt bundles, typed Rust handlers and OpenAPI documents.
#[derive(Debug, Parser)]
#[command(
    name = "agentgen",
    version,
    arg_required_else_help = true,
    after_help = "Settings are read from the nearest agentgen.toml; its paths are relative to it.\n\
        Exit status: 0 success; 1 the agents have errors, generated files are out of date, or no agent matches;\n\
        2 wrong arguments or settings; 3 the system failed to read or write."
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    appearance: Appearance,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Create a project: a Rust service with two sample agents, or with yours
    New(new_command::Arguments),
    /// Add an agent to the project
    Add(add_command::Arguments),
    /// Remove an agent, its contract and its handler
    Remove(remove_command::Arguments),
    /// Rename an agent, and change the agents and the code that name it
    Rename(rename_command::Arguments),
    /// Bring the files that `agentgen new` wrote up to date with this version, as a diff
    Update(update_command::Arguments),
    /// Generate prompt bundles, Rust and OpenAPI documents from the agents
    Build(build_command::Arguments),
    /// Serve agents without compiling them; a changed file is served within moments
    #[cfg(feature = "serve")]
    Serve(service_commands::serve_command::Arguments),
    /// Build and run the project, and again after each change; a changed prompt is live without a build
    #[cfg(feature = "serve")]
    Dev(service_commands::dev_command::Arguments),
    /// Talk to an agent in the terminal
    #[cfg(feature = "serve")]
    Chat(service_commands::chat_command::Arguments),
    /// Run a workflow, and follow its steps in the terminal
    #[cfg(feature = "serve")]
    Run(service_commands::run_command::Arguments),
    /// List the workflow runs of a service; show, retry, restart, pause, resume, cancel or delete them
    #[cfg(feature = "serve")]
    #[command(subcommand, arg_required_else_help = true)]
    Runs(service_commands::runs_command::Command),
    /// Report errors and warnings in the agents; write nothing
    Check(check_command::Arguments),
    /// Explain the code of a diagnostic, such as AG005, with an example and its fix
    Explain(explain_command::Arguments),
    /// List the agents of the project
    List(list_command::Arguments),
    /// Show one agent, by name or as a file: prompt, endpoints, workflows, documents
    Show(show_command::Arguments),
    /// Draw agents, handoffs and workflows as Mermaid, DOT or SVG
    Graph(graph_command::Arguments),
    /// Propose a service block for an agent, read from its prompt, as a diff
    Suggest(suggest_command::Arguments),
    /// Rank the agents for a request, best first; exit with 1 if none matches
    Route(route_command::Arguments),
    /// Export the templates of the outputs
    #[command(subcommand, arg_required_else_help = true)]
    Templates(templates_command::Command),
    /// Print the JSON Schema of a file format, for editors and validators
    Schema(schema_command::Arguments),
    /// Print the completion script for a shell
    Completions(completions_command::Arguments),
}

/// Runs the command that the process was started with.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    arguments.appearance.apply();
    let result = match arguments.command {
        Command::New(arguments) => new_command::run(&arguments),
        Command::Add(arguments) => add_command::run(&arguments),
        Command::Remove(arguments) => remove_command::run(&arguments),
        Command::Rename(arguments) => rename_command::run(&arguments),
        Command::Update(arguments) => update_command::run(&arguments),
        Command::Build(arguments) => build_command::run(&arguments),
        #[cfg(feature = "serve")]
        Command::Serve(arguments) => {
            return match service_commands::serve_command::run(&arguments) {
                Ok(code) => code,
                Err(status) => status.into(),
            };
        }
        #[cfg(feature = "serve")]
        Command::Dev(arguments) => service_commands::dev_command::run(&arguments),
        #[cfg(feature = "serve")]
        Command::Chat(arguments) => service_commands::chat_command::run(&arguments),
        #[cfg(feature = "serve")]
        Command::Run(arguments) => service_commands::run_command::run(&arguments),
        #[cfg(feature = "serve")]
        Command::Runs(command) => service_commands::runs_command::run(&command),
        Command::Check(arguments) => check_command::run(&arguments),
        Command::Explain(arguments) => explain_command::run(&arguments),
        Command::List(arguments) => list_command::run(&arguments),
        Command::Show(arguments) => show_command::run(&arguments),
        Command::Graph(arguments) => graph_command::run(&arguments),
        Command::Suggest(arguments) => suggest_command::run(&arguments),
        Command::Route(arguments) => route_command::run(&arguments),
        Command::Templates(command) => templates_command::run(&command),
        Command::Schema(arguments) => schema_command::run(&arguments),
        Command::Completions(arguments) => completions_command::run(&arguments),
    };
    result.unwrap_or_else(|status: Status| status).into()
}
