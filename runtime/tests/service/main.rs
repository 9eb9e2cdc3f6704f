//! The runtime as a generated crate and its callers see it.
#![allow(clippy::unwrap_used)]

mod access;
mod access_keys;
mod contract;
mod cors;
mod durability;
mod exchanges;
mod formats;
mod handover;
mod idempotency;
mod journals;
mod kills;
mod limits;
mod log;
mod logged;
mod models;
mod operation;
mod orchestra;
mod policies;
mod providers;
mod refresh_tokens;
mod requests;
mod routing;
mod runs;
mod server;
mod session_endpoints;
mod session_stores;
mod sessions;
mod settings;
mod stage;
mod stores;
mod structured;
mod support;
mod tokens;
mod tools;
mod workflows;

mod agents {
    agentgen_runtime::include_agents!("generated");
}
