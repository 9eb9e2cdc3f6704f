//! The command line: arguments in, exit status out.
//!
//! Data goes to stdout, everything else to stderr. The exit status is 0 when all is well, 1 when the specs or
//! the drift check say no or no agent fits a request, 2 when the command or `agentgen.toml` is wrong, 3 when the machine fails.

mod add;
mod build;
mod check;
mod completions;
mod counts;
mod diff;
mod graph;
mod inputs;
mod json;
mod list;
mod new;
mod only;
mod output;
mod remote;
mod report;
mod route;
mod schema;
mod show;
mod stubs;
mod suggest;
mod templates;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use self::output::Status;

/// Compiles agent files into prompt bundles, typed Rust handlers and OpenAPI documents.
#[derive(Debug, Parser)]
#[command(
    name = "agentgen",
    version,
    arg_required_else_help = true,
    after_help = "Settings are read from the nearest agentgen.toml; its paths are relative to it.\n\
        Exit status: 0 fine, 1 the specs or the drift check say no, or no agent fits, 2 wrong usage or settings, 3 I/O failure."
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a new project that builds, is tested and serves at once
    New(new::Arguments),
    /// Add an agent to the project
    Add(add::Arguments),
    /// Generate prompts, Rust and OpenAPI from the agents
    Build(build::Arguments),
    /// Say what is wrong or doubtful about the agents, and generate nothing
    Check(check::Arguments),
    /// List the agents of the project
    List(list::Arguments),
    /// Show what one agent comes to: an agent of the project by name, or any file
    Show(show::Arguments),
    /// Draw the agents, whom they hand over to, and their workflows: Mermaid, DOT or SVG
    Graph(graph::Arguments),
    /// Propose a service block from what an agent's prompt says, as a diff
    Suggest(suggest::Arguments),
    /// Say which agents a request is for, best first; exits with 1 if it is for none
    Route(route::Arguments),
    /// Work with the templates behind the outputs
    #[command(subcommand, arg_required_else_help = true)]
    Templates(templates::Command),
    /// Print the JSON Schema of a file that agentgen reads, for editors
    Schema(schema::Arguments),
    /// Print the completions of a shell
    Completions(completions::Arguments),
}

/// Runs the command that the process was started with.
pub fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::New(arguments) => new::run(&arguments),
        Command::Add(arguments) => add::run(&arguments),
        Command::Build(arguments) => build::run(&arguments),
        Command::Check(arguments) => check::run(&arguments),
        Command::List(arguments) => list::run(&arguments),
        Command::Show(arguments) => show::run(&arguments),
        Command::Graph(arguments) => graph::run(&arguments),
        Command::Suggest(arguments) => suggest::run(&arguments),
        Command::Route(arguments) => route::run(&arguments),
        Command::Templates(command) => templates::run(&command),
        Command::Schema(arguments) => schema::run(&arguments),
        Command::Completions(arguments) => completions::run(&arguments),
    };
    result.unwrap_or_else(|status: Status| status).into()
}
