//! The runtime as a generated crate and its callers see it.
#![allow(clippy::unwrap_used)]

mod access;
mod agents {
    agentgen_runtime::include_agents!("generated");
}
mod contract;
mod cors;
mod formats;
mod idempotency;
mod limits;
mod log;
mod operation;
mod requests;
mod runs;
mod server;
mod sessions;
mod support;
