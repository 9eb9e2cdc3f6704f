//! Tests of the runtime through its public API and HTTP.
#![allow(clippy::unwrap_used)]

mod agent_endpoints;
mod agent_routing;
mod agent_runs;
mod authentication;
mod cors_headers;
mod desk_service;
mod document_endpoints;
mod document_fixture;
mod document_stores;
mod documented_settings;
mod durability;
mod embeddings;
mod event_assertions;
mod generated_version;
mod handoffs;
mod http_client;
mod idempotency_keys;
mod journal_outages;
mod journals;
mod jwt_keys;
mod keyword_search;
mod metrics_and_health;
mod mock_model;
mod models;
mod nats_server;
mod openapi_routes;
mod policies;
mod process_kills;
mod provider_exchanges;
mod provider_log;
mod providers;
mod qdrant_store;
mod queue_delivery;
mod queue_fixture;
mod rate_limiting;
mod refresh_token_stores;
mod request_parameters;
mod requests;
mod retrieval;
mod run_events;
mod run_recovery;
mod run_scheduling;
mod run_usage;
mod schema_formats;
mod search_endpoint;
mod server_lifecycle;
mod service_log;
mod session_endpoints;
mod session_stores;
mod sessions;
mod settings_sources;
mod store_fixture;
mod stub_providers;
mod token_endpoint;
mod tool_calls;
mod tool_restrictions;
mod typed_answers;
mod worker_kills;
mod workflow_failures;
mod workflow_fixture;
mod workflow_requests;
mod workflow_runs;

mod agents {
    agentgen_runtime::include_agents!("generated");
}
