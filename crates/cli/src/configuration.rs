//! What the command line and `agentgen.toml` say about a project.
//!
//! Invariant: arguments count for more than the file.

pub mod agent_filter;
pub mod build_scope;
pub mod project_arguments;
pub mod project_watch;
pub mod service_token;
