//! The runtime as a generated crate and its callers see it.
#![allow(clippy::unwrap_used)]

mod access;
mod agents {
    agentgen_runtime::include_agents!("generated");
}
mod contract;
mod exchanges;
mod formats;
mod idempotency;
mod logged;
mod models;
mod providers;
mod requests;
mod runs;
mod server;
mod sessions;
mod stage;
mod structured;
mod support;
mod tools;
