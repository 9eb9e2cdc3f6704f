//! The tests of the command `agentgen`, in one binary.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::print_stderr
)]

#[cfg(feature = "serve")]
mod agent_cards;
mod agent_changes;
mod appearance;
mod check_fix;
mod cli;
mod command_folder;
mod determinism;
mod documentation;
mod embedded_sources;
mod explain;
mod fix;
mod graph;
mod interrupt;
mod io_failure;
mod mistakes;
mod new;
mod new_in_folder;
mod on_terminal;
mod partial_builds;
#[cfg(feature = "serve")]
mod questions;
mod report_formats;
mod repositories;
mod route;
mod runs;
#[cfg(feature = "serve")]
mod serve;
mod suggest;
mod suggest_corpus;
mod templates_page;
mod update;
mod watch;
#[cfg(feature = "serve")]
mod workspace_agent;
