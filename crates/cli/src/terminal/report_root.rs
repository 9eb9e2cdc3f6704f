//! Where the paths of reports for other programs start: at the root of the repository.

use std::path::Path;
use std::sync::OnceLock;

static PREFIX: OnceLock<String> = OnceLock::new();

/// Remembers the folder of the project, which the paths of diagnostics are relative to.
pub fn remember(project: &Path) {
    PREFIX.get_or_init(|| prefix(project));
}

/// `path` of a diagnostic, relative to the root of the repository.
pub fn from_repository(path: &str) -> String {
    match PREFIX.get().filter(|_| !Path::new(path).is_absolute()) {
        Some(prefix) => format!("{prefix}{path}"),
        None => path.to_owned(),
    }
}

/// The way from the nearest folder with `.git` to `project`; empty where there is none.
fn prefix(project: &Path) -> String {
    let root = project
        .ancestors()
        .find(|folder| folder.join(".git").exists());
    let Some(below) = root.and_then(|root| project.strip_prefix(root).ok()) else {
        return String::new();
    };
    let parts = below.components();
    parts
        .map(|part| format!("{}/", part.as_os_str().to_string_lossy()))
        .collect()
}
