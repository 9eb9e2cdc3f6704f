//! Everything that needs more than one agent: the steps of a workflow, the values that flow between them.
//!
//! Invariant: checks only report; they never change an agent.

pub mod agent_checks;
pub mod handler_check;
pub mod infer;
pub mod model_check;
pub mod resolve_path;
pub mod role_check;
pub mod scope;
pub mod step_input_check;
pub mod tool_check;
mod unit_check;
pub mod workflow_check;

#[cfg(test)]
mod fallback_tests;
#[cfg(test)]
mod step_type_tests;
#[cfg(test)]
mod workflow_check_tests;
