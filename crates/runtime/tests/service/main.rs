//! The runtime as a generated crate and its callers see it.
#![allow(clippy::unwrap_used)]

mod access;
mod access_keys;
mod contract;
mod cors;
mod document_stores;
mod documented_settings;
mod documents;
mod durability;
mod embeddings;
mod exchanges;
mod formats;
mod handbook;
mod handover;
mod idempotency;
mod journals;
mod kills;
mod limits;
mod log;
mod logged;
mod models;
mod openapi_routes;
mod operation;
mod orchestra;
mod outages;
mod policies;
mod providers;
mod qdrant;
mod queue;
mod queue_server;
mod queues;
mod reading_room;
mod refresh_tokens;
mod requests;
mod retrieval;
mod routing;
mod run_events;
mod run_resumed;
mod run_turns;
mod run_usage;
mod runs;
mod searching;
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
mod workers;
mod workflow_failures;
mod workflow_requests;
mod workflows;

mod agents {
    agentgen_runtime::include_agents!("generated");
}
