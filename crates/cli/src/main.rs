//! The command `agentgen`: makes services out of agent files.

mod commands;
mod configuration;
mod graph;
mod scaffold;
#[cfg(feature = "serve")]
mod serve;
mod suggest;
mod terminal;

/// A build allocates and frees millions of small values, on all cores.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    commands::main()
}
