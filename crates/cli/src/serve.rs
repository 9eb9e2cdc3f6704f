//! Agents that are served without compiling: they are read, checked and handed to the runtime, and again whenever a file changes.
//!
//! Invariant: what was read last without an error is what answers.

pub mod call_failure;
pub mod dev_process;
pub mod event_stream;
pub mod served_agents;
pub mod service_connection;
pub mod vendor_models;
