//! The tests of the command `agentgen`, in one binary.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::print_stderr
)]

mod cli;
mod command_folder;
mod determinism;
mod documentation;
mod explain;
mod fix;
mod graph;
mod new;
mod suggest;
mod templates_page;
