//! Everything a project's outputs are made from.

use std::sync::Arc;

use crate::config::Config;
use crate::diagnostic::Diagnostic;
use crate::source::Source;

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
    /// Spec files and sidecars, sorted by path.
    pub sources: Vec<Arc<Source>>,
    /// The user's own templates, sorted by name.
    pub templates: Vec<UserTemplate>,
    /// What was wrong with files that could not be read.
    pub diagnostics: Vec<Diagnostic>,
}
