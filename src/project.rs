//! What a project asks for ([`config::Config`]) and the files it has ([`discover`]).
//!
//! Invariant: besides [`output`](crate::output) this is the only folder that reads the disk.

pub mod agent_entries;
pub mod agent_folders;
pub mod config;
pub mod config_file;
pub mod discover;
pub mod file_stamp;
pub mod folder_walk;
pub mod glob;
pub mod handler_stubs;
pub mod project_boundary;
pub mod service_file;
pub mod toml_tree;

#[cfg(test)]
mod config_file_tests;

use std::sync::Arc;

use crate::diagnostics::Diagnostic;
use crate::diagnostics::source::Source;
use crate::project::config::Config;
use crate::project::handler_stubs::HandlerStubs;

/// A template of the user's own.
#[derive(Debug, Clone)]
pub struct UserTemplate {
    /// Its path below the templates folder, with `/` between its parts.
    pub name: String,
    /// Its text.
    pub source: Arc<Source>,
}

/// A project's settings and input files, in memory.
#[derive(Debug, Clone, Default)]
pub struct Project {
    /// The settings.
    pub config: Config,
    /// The folders of agents that were found in a repository, by precedence; none where the folders were named.
    pub found_folders: Vec<String>,
    /// Spec files and sidecars, sorted by path.
    pub sources: Vec<Arc<Source>>,
    /// The user's own templates, sorted by name.
    pub templates: Vec<UserTemplate>,
    /// The user's handlers, where there are some.
    pub handlers: Option<HandlerStubs>,
    /// The names of the other files in the subfolders of the templates folder, sorted.
    pub other_template_files: Vec<String>,
    /// What was wrong with files that could not be read.
    pub diagnostics: Vec<Diagnostic>,
}
