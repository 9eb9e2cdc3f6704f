//! A walk over the files below a folder, in the order of their names.
//!
//! Invariant: it follows no link, ends with the time of the search, and holds one open folder for each level.

use std::ops::ControlFlow;

use cap_fs_ext::FollowSymlinks;
use cap_std::fs::Dir;
use ignore::Match;
use ignore::gitignore::{Gitignore, GitignoreBuilder};

use crate::engine::tools::ToolError;
use crate::workspace::file_filter::FileFilter;
use crate::workspace::workspace_call::{Stop, Workspace};
use crate::workspace::workspace_folder::{open_file, read_file, subfolder};
use crate::workspace::workspace_path::WorkspacePath;

/// The most entries of folders that a walk reads.
const MAX_ENTRIES: usize = 500_000;
/// How many folders below the first one a walk goes.
const MAX_DEPTH: usize = 64;
/// The files with patterns of what is left out; what a later one says counts.
const IGNORE_FILES: [&str; 2] = [".gitignore", ".ignore"];
/// The largest of these files that is read, in bytes.
const MAX_IGNORE_FILE: usize = 256 << 10;

/// What the model is told of a search that was stopped.
pub(super) const TIME_IS_OVER: &str =
    "stopped: the time of a search is over; name a folder as `path`";

/// A file on the way.
pub(super) struct FoundFile<'a> {
    /// The folder it is in.
    pub(super) folder: &'a Dir,
    pub(super) name: &'a str,
    /// Its path from the root of the workspace.
    pub(super) path: &'a str,
}

/// Shows `visit` the files below the folder `start` that `filter` and the ignore files admit, until it breaks. Returns what the model has to
/// know about files that were left out.
///
/// # Errors
/// A folder that is not there or can't be opened.
pub(super) fn walk(
    workspace: &Workspace,
    start: &WorkspacePath,
    filter: &FileFilter,
    stop: &Stop,
    visit: &mut dyn FnMut(FoundFile<'_>) -> ControlFlow<()>,
) -> Result<Vec<String>, ToolError> {
    let names = start.names();
    let missing = || ToolError::new(format!("there is no folder `{start}`"));
    let mut walk = Walk {
        filter,
        stop,
        visit,
        rules: Vec::new(),
        path: String::new(),
        entries: 0,
        is_too_deep: false,
        note: None,
    };
    for depth in 0..names.len() {
        let parent = workspace.folder.folder(&names[..depth])?;
        walk.read_rules(&parent.ok_or_else(missing)?);
        walk.path.push_str(&names[depth]);
        walk.path.push('/');
    }
    let folder = workspace.folder.folder(names)?.ok_or_else(missing)?;
    let _ = walk.folder(&folder, 0);
    let mut notes = Vec::from_iter(walk.note);
    if walk.is_too_deep {
        notes.push(format!(
            "folders more than {MAX_DEPTH} levels down were left out"
        ));
    }
    Ok(notes)
}

struct Walk<'a> {
    filter: &'a FileFilter,
    stop: &'a Stop,
    visit: &'a mut dyn FnMut(FoundFile<'_>) -> ControlFlow<()>,
    /// The patterns of the folders on the way, each with the length of the path to its folder.
    rules: Vec<(usize, Gitignore)>,
    /// The path to the folder that is read: empty, or with `/` at its end.
    path: String,
    entries: usize,
    is_too_deep: bool,
    /// Why the walk ended early.
    note: Option<String>,
}

impl Walk<'_> {
    fn folder(&mut self, folder: &Dir, depth: usize) -> ControlFlow<()> {
        let rules_before = self.rules.len();
        self.read_rules(folder);
        let length = self.path.len();
        for (name, is_folder) in self.names(folder)? {
            self.check_time()?;
            self.path.push_str(&name);
            if self.is_left_out(&name, is_folder) {
                self.path.truncate(length);
                continue;
            }
            if !is_folder {
                (self.visit)(FoundFile {
                    folder,
                    name: &name,
                    path: &self.path,
                })?;
            } else if depth == MAX_DEPTH {
                self.is_too_deep = true;
            } else if let Ok(inner) = subfolder(folder, &name) {
                self.path.push('/');
                self.folder(&inner, depth + 1)?;
            }
            self.path.truncate(length);
        }
        self.rules.truncate(rules_before);
        ControlFlow::Continue(())
    }

    /// The files and folders in `folder`, sorted, each with whether it is a folder. What else is there is left out: links, and names that are
    /// no text, which no call could name.
    fn names(&mut self, folder: &Dir) -> ControlFlow<(), Vec<(String, bool)>> {
        let mut names = Vec::new();
        // What may not be read has no files for the model.
        for entry in folder.entries().into_iter().flatten().flatten() {
            self.entries += 1;
            if self.entries > MAX_ENTRIES {
                self.note = Some(format!(
                    "stopped after {MAX_ENTRIES} files and folders: name a folder as `path`"
                ));
                return ControlFlow::Break(());
            }
            self.check_time()?;
            let Ok(file_type) = entry.file_type() else {
                continue;
            };
            if let Ok(name) = entry.file_name().into_string()
                && (file_type.is_dir() || file_type.is_file())
            {
                names.push((name, file_type.is_dir()));
            }
        }
        names.sort_unstable();
        ControlFlow::Continue(names)
    }

    fn check_time(&mut self) -> ControlFlow<()> {
        if self.stop.is_over() {
            self.note = Some(TIME_IS_OVER.to_owned());
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }

    /// Whether the file or folder at the current path is left out.
    fn is_left_out(&self, name: &str, is_folder: bool) -> bool {
        if self.filter.skips(&self.path, name, is_folder) {
            return true;
        }
        for (start, rules) in self.rules.iter().rev() {
            match rules.matched(&self.path[*start..], is_folder) {
                Match::None => {}
                Match::Ignore(_) => return true,
                Match::Whitelist(_) => return false,
            }
        }
        false
    }

    /// Adds the patterns of the ignore files in `folder`, which is at the current path.
    fn read_rules(&mut self, folder: &Dir) {
        let mut builder = GitignoreBuilder::new(".");
        let mut bytes = Vec::new();
        for name in IGNORE_FILES {
            let Ok(file) = open_file(folder, name, FollowSymlinks::Yes) else {
                continue;
            };
            if !read_file(file, MAX_IGNORE_FILE, &mut bytes).is_ok_and(|is_whole| is_whole) {
                continue;
            }
            for line in String::from_utf8_lossy(&bytes).lines() {
                // git leaves a line out that is no pattern.
                let _ = builder.add_line(None, line);
            }
        }
        if let Ok(rules) = builder.build()
            && !rules.is_empty()
        {
            self.rules.push((self.path.len(), rules));
        }
    }
}
