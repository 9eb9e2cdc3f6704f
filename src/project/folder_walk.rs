//! Collects the files below folders.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use crate::diagnostics::Diagnostic;
use crate::diagnostics::code::Code;
use crate::project::discover::{reason, relative};
use crate::project::project_boundary::path_inside;

/// So many files and folders are looked at.
const MAX_LOOKS: usize = 100_000;

/// Collects files below folders. Hidden files and folders, `node_modules` and the folder `skip` are left out.
pub struct Walk<'a> {
    /// The project: names are relative to it.
    root: &'a Path,
    /// The folder that links must not lead out of, if there is one.
    pub boundary: Option<PathBuf>,
    /// The folder that is left out.
    pub skip: PathBuf,
    /// Folders that were entered, by their real path, so that links in a circle come to an end.
    pub visited: BTreeSet<PathBuf>,
    /// What was found: its name and its path.
    pub files: BTreeMap<String, PathBuf>,
    /// Hidden folders, which were passed over.
    pub hidden: Vec<PathBuf>,
    /// How many files and folders were looked at.
    looks: usize,
    /// How many files were found, those that were found before included.
    pub found: usize,
    /// What could not be read.
    pub diagnostics: Vec<Diagnostic>,
}

impl<'a> Walk<'a> {
    /// A walk that has found nothing yet.
    pub fn new(root: &'a Path, skip: &Path, boundary: Option<PathBuf>) -> Self {
        Self {
            root,
            boundary,
            skip: skip.to_path_buf(),
            visited: BTreeSet::new(),
            files: BTreeMap::new(),
            hidden: Vec::new(),
            looks: 0,
            found: 0,
            diagnostics: Vec::new(),
        }
    }

    /// Adds what is `wanted` of the files below `folder`.
    pub fn folder(&mut self, folder: &Path, wanted: &mut dyn FnMut(&Path) -> bool) {
        let listed = fs::canonicalize(folder).and_then(|real| {
            if !self.visited.insert(real) {
                return Ok(Vec::new());
            }
            let mut entries = Vec::new();
            for entry in fs::read_dir(folder)? {
                let entry = entry?;
                let kind = entry.file_type()?;
                entries.push((kind.is_symlink(), entry.file_name(), kind.is_dir()));
            }
            Ok(entries)
        });
        let mut entries = match listed {
            Ok(entries) => entries,
            Err(error) => {
                let message = format!("the folder can't be read: {}", reason(&error));
                let name = relative(self.root, folder);
                self.diagnostics
                    .push(Diagnostic::error(Code::Io, name, message));
                return;
            }
        };
        // Links come last, so that a folder is known by its own name and not by a link to it.
        entries.sort();
        for (is_link, name, is_folder) in entries {
            let path = folder.join(&name);
            self.looks += 1;
            if self.looks == MAX_LOOKS {
                let name = relative(self.root, folder);
                let message =
                    format!("there are more than {MAX_LOOKS} files and folders to look at");
                self.diagnostics.push(
                    Diagnostic::error(Code::TooLarge, name, message)
                        .help("name the folders that hold agents"),
                );
            }
            if self.looks >= MAX_LOOKS {
                return;
            }
            let is_folder = is_folder || (is_link && path.is_dir());
            let is_foreign = is_folder && name == "node_modules";
            if name.as_encoded_bytes().starts_with(b".") || path == self.skip || is_foreign {
                if is_folder && !is_link && !is_foreign && path != self.skip {
                    self.hidden.push(path);
                }
                continue;
            }
            if is_link && (is_folder || wanted(&path)) && !self.is_inside(&path) {
                continue;
            }
            if is_folder {
                self.folder(&path, wanted);
            } else if wanted(&path) {
                self.file(&path);
            }
        }
    }

    /// Whether `path` may be read; if not, that is reported.
    pub fn is_inside(&mut self, path: &Path) -> bool {
        let Some(boundary) = &self.boundary else {
            return true;
        };
        match path_inside(boundary, path) {
            Err(mut diagnostic) if diagnostic.code == Code::OutsideProject => {
                diagnostic.path = relative(self.root, path);
                self.diagnostics.push(diagnostic);
                false
            }
            // What can't be followed can't be read either, and that is reported then.
            _ => true,
        }
    }

    /// Adds the file at `path`.
    pub fn file(&mut self, path: &Path) {
        self.found += 1;
        let name = relative(self.root, path);
        if path.to_str().is_none() {
            let message = "the name of the file is not UTF-8";
            self.diagnostics
                .push(Diagnostic::error(Code::Io, name, message).help("rename the file"));
        } else {
            self.files.insert(name, path.to_path_buf());
        }
    }
}
