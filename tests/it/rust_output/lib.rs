//! A library of generated agents.

#![deny(missing_docs)]

/// The agents.
pub mod agents {
    ::agentgen_runtime::include_agents!("../generated");
}
