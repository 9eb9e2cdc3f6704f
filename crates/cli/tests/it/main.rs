//! The tests of the command `agentgen`, in one binary.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::print_stderr
)]

mod cli;
mod common;
mod determinism;
mod documentation;
mod fix;
mod graph;
mod new;
mod suggest;
