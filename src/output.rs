//! Artifacts in memory, the manifest, and bringing the output folder up to date: lock, plan, apply.
//!
//! Invariant: this is the only writer. It writes by atomic rename, only what changed, and deletes only files that the manifest lists
//! and whose content is still what was generated. The user's own files change through [`replace_file`] alone.
//!
//! Invariant: wherever a run ends, the next one finds whole files and a record of all contents that may be in them.

pub mod apply;
pub mod artifact;
pub mod atomic_file;
pub mod manifest;
pub mod output_lock;
pub mod plan;
pub mod planner;
pub mod previous_output;
pub mod replace_file;
pub mod staging;

#[cfg(test)]
mod replace_file_tests;
