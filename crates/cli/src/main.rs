//! The command `agentgen`: makes services out of agent files.

mod commands;
mod configuration;
mod graph;
mod scaffold;
mod suggest;
mod terminal;

fn main() -> std::process::ExitCode {
    commands::main()
}
