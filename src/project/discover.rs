//! From folders on disk to a [`Project`] in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use crate::diagnostics::code::Code;
use crate::diagnostics::source::{MAX_FILE_BYTES, Source, SourceError};
use crate::diagnostics::{Diagnostic, Severity};
use crate::project::config::Config;
use crate::project::glob;
use crate::project::{Project, UserTemplate};

/// Reads the spec files and templates that `config` names; its paths are relative to `root`.
///
/// What can't be found or read is among the project's diagnostics; everything else is read all the same.
pub fn load(root: &Path, config: Config) -> Project {
    let root = normalize(root);
    let mut diagnostics = Vec::new();
    let files = spec_files(&root, &config, &mut diagnostics);
    let mut sources = Vec::new();
    for (name, path) in &files {
        match read(path, name) {
            Ok(source) => sources.push(source),
            Err(diagnostic) => diagnostics.push(diagnostic),
        }
    }
    let folder = normalize(&root.join(&config.templates));
    let mut walk = Walk::new(&root, &normalize(&root.join(&config.out)));
    if folder.is_dir() {
        walk.folder(&folder, &mut |path| {
            path.extension().is_some_and(|ending| ending == "tera")
        });
    }
    diagnostics.append(&mut walk.diagnostics);
    let mut templates: Vec<UserTemplate> = Vec::new();
    for (name, path) in &walk.files {
        match read(path, name) {
            Ok(source) => templates.push(UserTemplate {
                name: relative(&folder, path),
                source,
            }),
            Err(diagnostic) => diagnostics.push(diagnostic),
        }
    }
    Project {
        config,
        sources,
        templates,
        diagnostics,
    }
}

/// Reads one file, to be known as `name`. A file that is too large is refused before it is read.
///
/// # Errors
///
/// A diagnostic where the file can't be read, is too large or is not text.
pub fn read(path: &Path, name: &str) -> Result<Arc<Source>, Diagnostic> {
    let failed = |error: io::Error| {
        Diagnostic::error(
            Code::Io,
            name,
            format!("the file can't be read: {}", reason(&error)),
        )
    };
    let metadata = fs::metadata(path).map_err(failed)?;
    if !metadata.is_file() {
        return Err(Diagnostic::error(Code::Io, name, "this is not a file"));
    }
    let refused = |error: SourceError| {
        Diagnostic::error(error.code(), name, error.to_string()).help(error.help())
    };
    if metadata.len() > MAX_FILE_BYTES as u64 {
        return Err(refused(SourceError::TooLarge(metadata.len())));
    }
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(MAX_FILE_BYTES as u64 + 1).read_to_end(&mut bytes))
        .map_err(failed)?;
    Source::from_bytes(name, bytes).map_err(refused)
}

/// `path` as seen from the folder `root`, with `/` between its parts; never absolute.
pub fn relative(root: &Path, path: &Path) -> String {
    let (root, path) = (normalize(root), normalize(path));
    let shared = root
        .components()
        .zip(path.components())
        .take_while(|(left, right)| left == right)
        .count();
    let up = root.components().skip(shared).map(|_| "..".to_owned());
    let down = path
        .components()
        .skip(shared)
        .filter_map(|component| match component {
            Component::Normal(name) => Some(name.to_string_lossy().into_owned()),
            _ => None,
        });
    let names: Vec<String> = up.chain(down).collect();
    if names.is_empty() {
        ".".to_owned()
    } else {
        names.join("/")
    }
}

/// What went wrong, in a few words in lower case.
pub fn reason(error: &io::Error) -> String {
    let kind = error.kind().to_string();
    match kind.as_str() {
        "entity not found" => "no such file or folder".to_owned(),
        "uncategorized error" | "other error" => error.to_string(),
        _ => kind,
    }
}

/// The absolute path without `.` and `..`. Links are not resolved, so the name is the one the user gave.
fn normalize(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    let mut normal = PathBuf::new();
    for component in absolute.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                normal.pop();
            }
            other => normal.push(other),
        }
    }
    normal
}

fn spec_files(
    root: &Path,
    config: &Config,
    diagnostics: &mut Vec<Diagnostic>,
) -> BTreeMap<String, PathBuf> {
    let mut walk = Walk::new(root, &normalize(&root.join(&config.out)));
    let mut empty = Vec::new();
    for entry in &config.agents {
        let (folder, pattern) = if glob::is_pattern(entry) {
            glob::split(entry)
        } else {
            (entry.clone(), Vec::new())
        };
        let folder = normalize(&root.join(folder));
        if folder == walk.skip {
            let message = "the output folder is a folder of agents too";
            let path = relative(root, &folder);
            diagnostics.push(
                Diagnostic::error(Code::BadConfig, path, message)
                    .help("choose another output folder"),
            );
            continue;
        }
        let before = walk.found;
        walk.visited.clear();
        if folder.is_dir() {
            let base = folder.clone();
            walk.folder(&folder, &mut |path| {
                let below = relative(&base, path);
                let names: Vec<&str> = below.split('/').collect();
                names.last().is_some_and(|name| is_spec(name))
                    && (pattern.is_empty() || glob::matches(&pattern, &names))
            });
        } else if pattern.is_empty() && folder.exists() {
            walk.file(&folder);
        } else {
            let path = relative(root, &root.join(entry));
            diagnostics.push(
                Diagnostic::error(Code::NotFound, path, "there is no such folder").help(
                    "create it with one Markdown file per agent, or name another one in `agents`",
                ),
            );
            continue;
        }
        if walk.found == before {
            empty.push(relative(root, &root.join(entry)));
        }
    }
    let severity = if walk.files.is_empty() {
        Severity::Error
    } else {
        Severity::Warning
    };
    diagnostics.append(&mut walk.diagnostics);
    diagnostics.extend(empty.into_iter().map(|path| {
        Diagnostic::error(Code::NoAgents, path, "there are no agents here")
            .with_severity(severity)
            .help("an agent is a file that ends in `.md`, `.yaml` or `.yml`")
    }));
    walk.files
}

fn is_spec(name: &str) -> bool {
    [".md", ".yaml", ".yml"]
        .iter()
        .any(|ending| name.ends_with(ending))
}

/// Collects files below folders. Hidden files and folders and the folder `skip` are left out.
struct Walk<'a> {
    root: &'a Path,
    skip: PathBuf,
    /// Folders that were entered, by their real path, so that links in a circle come to an end.
    visited: BTreeSet<PathBuf>,
    files: BTreeMap<String, PathBuf>,
    found: usize,
    diagnostics: Vec<Diagnostic>,
}

impl<'a> Walk<'a> {
    fn new(root: &'a Path, skip: &Path) -> Self {
        Self {
            root,
            skip: skip.to_path_buf(),
            visited: BTreeSet::new(),
            files: BTreeMap::new(),
            found: 0,
            diagnostics: Vec::new(),
        }
    }

    fn folder(&mut self, folder: &Path, wanted: &mut dyn FnMut(&Path) -> bool) {
        let listed = fs::canonicalize(folder).and_then(|real| {
            if !self.visited.insert(real) {
                return Ok(Vec::new());
            }
            let mut entries = Vec::new();
            for entry in fs::read_dir(folder)? {
                let entry = entry?;
                entries.push((entry.file_type()?.is_symlink(), entry.file_name()));
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
        for (_, name) in entries {
            let path = folder.join(&name);
            if name.as_encoded_bytes().starts_with(b".") || path == self.skip {
                continue;
            }
            if path.is_dir() {
                self.folder(&path, wanted);
            } else if wanted(&path) {
                self.file(&path);
            }
        }
    }

    fn file(&mut self, path: &Path) {
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
