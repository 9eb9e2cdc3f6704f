//! Artifacts in memory, the manifest, and bringing the output folder up to date: plan, then apply.
//!
//! Invariant: this is the only writer. It writes by atomic rename, only what changed, and deletes only files that the manifest lists
//! and whose content is still what was generated. The user's own files change through [`replace_file`] alone.

pub mod apply;
pub mod artifact;
pub mod manifest;
pub mod plan;
pub mod previous_output;
pub mod replace_file;

#[cfg(test)]
mod replace_file_tests;
