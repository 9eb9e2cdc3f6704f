//! Artifacts in memory, the manifest, and bringing the output folder up to date: plan, then apply.
//!
//! Invariant: this is the only writer. It writes by atomic rename, only what changed, and deletes only files that the manifest lists
//! and whose content is still what was generated.

pub mod apply;
pub mod artifact;
pub mod manifest;
pub mod plan;
pub mod previous_output;
