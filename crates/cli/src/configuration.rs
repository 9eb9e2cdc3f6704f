//! What the command line and `agentgen.toml` say about a project.
//!
//! Invariant: an unknown key is an error with its line and a "did you mean"; arguments count for more than the file.

pub mod agent_filter;
pub mod config_file;
pub mod project_arguments;
