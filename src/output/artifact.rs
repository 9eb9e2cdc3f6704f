//! Generated files before they are written.

use std::collections::BTreeMap;

use crate::diagnostics::Diagnostic;
use crate::diagnostics::code::Code;
use crate::output::manifest::{self, is_safe};

/// One generated file, in memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Artifact {
    /// The path below the output folder, with `/` between its parts.
    pub path: String,
    /// The content.
    pub bytes: Vec<u8>,
}

/// Gives the content of a file, piece by piece, to what it is called with.
pub(crate) type Content<'a> = dyn Fn(&mut dyn FnMut(&[u8])) + 'a;

/// What is wrong with artifacts at `paths` that can't all be written to the folder `name`: paths that leave it, and paths that meet,
/// whatever the case.
pub(crate) fn unwritable(name: &str, paths: &[String]) -> Vec<Diagnostic> {
    let mut problems = Vec::new();
    let mut seen: BTreeMap<String, &str> = BTreeMap::new();
    for reserved in [manifest::FILE_NAME, manifest::PENDING_NAME] {
        seen.insert(reserved.to_owned(), reserved);
    }
    for path in paths {
        if !is_safe(path) {
            let message = format!("the path `{path}` leaves the output folder");
            problems.push(Diagnostic::error(Code::NameUnusable, name, message));
        } else if let Some(other) = seen.insert(path.to_lowercase(), path) {
            let message = format!("this and `{name}/{other}` would be one file");
            problems.push(
                Diagnostic::error(Code::NameCollision, format!("{name}/{path}"), message)
                    .help("give the agents names that differ in more than the case of letters"),
            );
        }
    }
    for written in paths {
        let path = written.to_lowercase();
        for (end, _) in path.match_indices('/') {
            if let Some(other) = seen.get(&path[..end]) {
                let path = format!("{name}/{written}");
                let message = format!("`{name}/{other}` would be a file and a folder");
                problems.push(Diagnostic::error(Code::NameCollision, path, message));
            }
        }
    }
    problems
}
