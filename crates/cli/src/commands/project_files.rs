//! The commands that write the user's own files: a new project, its agents, and what an update changes in it.
//!
//! Invariant: what exists is changed only after it was shown as a diff, and completely or not at all.

pub mod add_command;
pub mod new_command;
pub mod project_change;
pub mod remove_command;
pub mod rename_command;
pub mod update_command;
