//! The constants that generated code consists of: agents, endpoints, workflows.
//!
//! Invariant: plain data, built at compile time; no behaviour beyond lookups.

pub(crate) mod agent_spec;
pub(crate) mod endpoint_spec;
pub(crate) mod workflow_spec;
