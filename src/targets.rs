//! Agents to artifacts, one folder or file for each kind of output.
//!
//! Invariant: targets are pure: the same agents and templates give the same bytes. Whatever a template renders is parsed by its own
//! language before it becomes an artifact.

pub mod agent_cards;
pub mod openapi;
pub mod prompts;
pub mod render_limits;
pub mod rust;
pub mod rust_client;
pub(crate) mod served;
pub mod template_engine;
pub mod template_overrides;

#[cfg(test)]
mod vocabulary_tests;
