//! The black-box tests of agentgen-build, in one binary.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::print_stderr
)]

mod adversarial;
mod agent_cards;
mod agent_discovery;
mod agent_names;
mod approvals;
mod arazzo;
mod architecture;
mod build_script;
mod bundle;
mod client_output;
mod contract;
mod contract_schema;
mod control_characters;
mod discover;
mod generated_crate;
mod incremental;
mod lookup;
mod mcp_definitions;
mod openapi;
mod pins;
mod public_api;
mod restrictions;
mod rust_output;
mod served_memory;
mod templates;
mod weight;
mod writing;
