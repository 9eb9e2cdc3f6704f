//! The user's handlers on the disk: stubs for agents that have none.

use std::fs;
use std::path::Path;

use agentgen_build::inspect::{STUB_MODULE, reason, write_file};
use agentgen_build::{Agent, Code, Diagnostic, Severity, UserTemplate, stubs};

/// Writes the stubs that are missing in `folder` of the project at `root`; the answer is the paths of what was
/// written. What can't be done is added to `diagnostics`.
pub fn write_missing(
    root: &Path,
    folder: &str,
    agents: &[Agent],
    templates: &[UserTemplate],
    diagnostics: &mut Vec<Diagnostic>,
) -> Vec<String> {
    let base = root.join(folder);
    let stubs = stubs(agents, templates, |name| {
        let path = base.join(name);
        // A file that can't be read is there all the same.
        fs::symlink_metadata(&path).ok()?;
        Some(fs::read_to_string(&path).unwrap_or_default())
    });
    let stubs = match stubs {
        Ok(stubs) => stubs,
        Err(diagnostic) => {
            diagnostics.push(diagnostic);
            return Vec::new();
        }
    };
    for module in &stubs.unmarked {
        let path = format!("{folder}/{}", STUB_MODULE);
        let message = format!("the marks are gone, so `{module}` is not named here");
        let help = format!(
            "add `pub mod {module};`, and `fn {module}` to the impl of `crate::generated::Handlers`"
        );
        diagnostics.push(
            Diagnostic::error(Code::StubUnnamed, path, message)
                .with_severity(Severity::Warning)
                .help(help),
        );
    }
    let mut written = Vec::new();
    for file in stubs.files {
        let path = format!("{folder}/{}", file.path);
        match write_file(&root.join(&path), &file.bytes) {
            Ok(()) => written.push(path),
            Err(error) => {
                let message = format!("the file can't be written: {}", reason(&error));
                diagnostics.push(Diagnostic::error(Code::Io, path, message));
            }
        }
    }
    written
}
