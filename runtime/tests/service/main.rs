//! The runtime as a generated crate and its callers see it.
#![allow(clippy::unwrap_used)]

mod access;
mod access_keys;
mod agents {
    agentgen_runtime::include_agents!("generated");
}
mod contract;
mod durability;
mod formats;
mod idempotency;
mod refresh_tokens;
mod requests;
mod runs;
mod server;
mod session_endpoints;
mod session_stores;
mod sessions;
mod settings;
mod stores;
mod support;
mod tokens;
