//! Changes of a project's files that are shown as a diff before they are made, and made completely or not at all.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use agentgen_build::inspect::{reason, write_file};
use agentgen_build::{Code, Diagnostic};
use similar::TextDiff;

/// One file that changes, moves, appears or goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileChange {
    /// The path before and the content there, unless the file is new.
    pub before: Option<(String, Vec<u8>)>,
    /// The path after and the content there, unless the file goes.
    pub after: Option<(String, Vec<u8>)>,
}

impl FileChange {
    /// A new content for the file at `path`, whose content is `old`.
    pub fn edit(path: &str, old: impl Into<Vec<u8>>, new: impl Into<Vec<u8>>) -> Self {
        Self {
            before: Some((path.to_owned(), old.into())),
            after: Some((path.to_owned(), new.into())),
        }
    }

    /// A new file.
    pub fn create(path: &str, new: impl Into<Vec<u8>>) -> Self {
        Self {
            before: None,
            after: Some((path.to_owned(), new.into())),
        }
    }

    /// A file that goes.
    pub fn delete(path: &str, old: impl Into<Vec<u8>>) -> Self {
        Self {
            before: Some((path.to_owned(), old.into())),
            after: None,
        }
    }

    /// The path after the change, or the one of a file that goes.
    pub fn path(&self) -> &str {
        let side = self.after.as_ref().or(self.before.as_ref());
        side.map_or("", |(path, _)| path)
    }

    /// What happens to the file, in a word.
    pub fn verb(&self) -> &'static str {
        match (&self.before, &self.after) {
            (None, _) => "create",
            (_, None) => "delete",
            (Some((from, _)), Some((to, _))) if from != to => "rename",
            _ => "update",
        }
    }
}

/// The changes as a unified diff that `git apply` takes.
pub fn unified_diff(changes: &[FileChange]) -> String {
    let mut text = String::new();
    for change in changes {
        let (old_path, old) = side(&change.before);
        let (new_path, new) = side(&change.after);
        if let (Some(from), Some(to)) = (old_path, new_path)
            && from != to
        {
            text.push_str(&format!(
                "diff --git a/{from} b/{to}\nrename from {from}\nrename to {to}\n"
            ));
            if old == new {
                continue;
            }
        }
        let header = |prefix: &str, path: Option<&str>| match path {
            Some(path) => format!("{prefix}/{path}"),
            None => "/dev/null".to_owned(),
        };
        let (from, to) = (header("a", old_path), header("b", new_path));
        match (std::str::from_utf8(old), std::str::from_utf8(new)) {
            (Ok(old), Ok(new)) => {
                let diff = TextDiff::configure()
                    .timeout(Duration::from_secs(1))
                    .diff_lines(old, new);
                text.push_str(&diff.unified_diff().header(&from, &to).to_string());
            }
            _ => text.push_str(&format!("Binary files {from} and {to} differ\n")),
        }
    }
    text
}

fn side(side: &Option<(String, Vec<u8>)>) -> (Option<&str>, &[u8]) {
    match side {
        Some((path, bytes)) => (Some(path), bytes),
        None => (None, &[]),
    }
}

/// Makes the changes in the folder `root`. What is on disk must still be what they start from; after a failure everything
/// is as it was.
///
/// # Errors
///
/// The file that could not be changed, and why.
pub fn apply_changes(root: &Path, changes: &[FileChange]) -> Result<(), Diagnostic> {
    for change in changes {
        check_start(root, change)?;
    }
    for (index, change) in changes.iter().enumerate() {
        if let Err(error) = apply_one(root, change) {
            for done in changes[..index].iter().rev() {
                let back = FileChange {
                    before: done.after.clone(),
                    after: done.before.clone(),
                };
                // The first failure is the one to report.
                let _ = apply_one(root, &back);
            }
            return Err(io_failure(change.path(), &error));
        }
    }
    Ok(())
}

/// Refuses a change that does not start from what is on disk.
fn check_start(root: &Path, change: &FileChange) -> Result<(), Diagnostic> {
    if let Some((path, expected)) = &change.before {
        let found = fs::read(root.join(path)).map_err(|error| io_failure(path, &error))?;
        if &found != expected {
            let message = "the file was changed meanwhile; nothing was written";
            return Err(Diagnostic::error(Code::Io, path, message).help("run the command again"));
        }
    }
    if let Some((path, _)) = &change.after {
        let moves = change.before.as_ref().is_none_or(|(from, _)| from != path);
        // Where case does not matter, a file can be renamed to itself in another case.
        let itself = change.before.as_ref().is_some_and(|(from, _)| {
            let same = |path: &str| root.join(path).canonicalize().ok();
            from.eq_ignore_ascii_case(path) && same(from) == same(path)
        });
        if moves && !itself && fs::symlink_metadata(root.join(path)).is_ok() {
            let message = "this file exists; nothing was written";
            return Err(Diagnostic::error(Code::Taken, path, message)
                .help("move it out of the way, or choose another name"));
        }
    }
    Ok(())
}

fn apply_one(root: &Path, change: &FileChange) -> io::Result<()> {
    // A link stays a link: the file it leads to is the one to change.
    let real = |path: &str| -> PathBuf {
        let path = root.join(path);
        path.canonicalize().unwrap_or(path)
    };
    match (&change.before, &change.after) {
        (Some((from, _)), None) => {
            fs::remove_file(root.join(from))?;
            remove_empty_folders(root, from);
            Ok(())
        }
        (Some((from, old)), Some((to, new))) if from != to => {
            if let Some(folder) = root.join(to).parent() {
                fs::create_dir_all(folder)?;
            }
            fs::rename(root.join(from), root.join(to))?;
            if old != new {
                write_keeping_mode(&real(to), new)?;
            }
            remove_empty_folders(root, from);
            Ok(())
        }
        (_, Some((path, new))) => write_keeping_mode(&real(path), new),
        (None, None) => Ok(()),
    }
}

/// Writes the file in one step; the permissions of one that exists stay.
fn write_keeping_mode(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let permissions = fs::metadata(path).map(|metadata| metadata.permissions());
    write_file(path, bytes)?;
    match permissions {
        Ok(permissions) => fs::set_permissions(path, permissions),
        Err(_) => Ok(()),
    }
}

/// Removes the folders above the file `path` that nothing is left in, up to `root`.
fn remove_empty_folders(root: &Path, path: &str) {
    let folders = Path::new(path).ancestors().skip(1);
    for folder in folders.filter(|folder| !folder.as_os_str().is_empty()) {
        if fs::remove_dir(root.join(folder)).is_err() {
            return;
        }
    }
}

fn io_failure(path: &str, error: &io::Error) -> Diagnostic {
    let message = format!("the file can't be changed: {}", reason(error));
    Diagnostic::error(Code::Io, path, message)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::fs;

    use super::{FileChange, apply_changes, unified_diff};

    #[test]
    fn all_changes_are_made_or_none() {
        let root = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(root.path().join(name), text).unwrap();
        let read = |name: &str| fs::read_to_string(root.path().join(name)).ok();
        write("a", "one\n");
        write("b", "two\n");
        write("file", "");
        let moved = FileChange {
            before: Some(("b".to_owned(), b"two\n".to_vec())),
            after: Some(("deep/c".to_owned(), b"three\n".to_vec())),
        };
        let good = [FileChange::edit("a", "one\n", "1\n"), moved];
        let mut bad = good.to_vec();
        bad.push(FileChange::create("file/below", "x"));
        assert!(apply_changes(root.path(), &bad).is_err());
        assert_eq!(
            (read("a").unwrap(), read("b").unwrap()),
            ("one\n".into(), "two\n".into())
        );
        assert!(!root.path().join("deep").exists());
        apply_changes(root.path(), &good).unwrap();
        assert_eq!((read("a").unwrap(), read("b")), ("1\n".into(), None));
        assert_eq!(read("deep/c").unwrap(), "three\n");
        // They no longer start from what is there.
        assert!(apply_changes(root.path(), &good).is_err());
        apply_changes(root.path(), &[FileChange::delete("deep/c", "three\n")]).unwrap();
        assert!(!root.path().join("deep").exists());
    }

    #[test]
    fn a_rename_is_shown_as_git_shows_it() {
        let change = |new: &str| FileChange {
            before: Some(("a".to_owned(), b"one\n".to_vec())),
            after: Some(("b".to_owned(), new.into())),
        };
        let head = "diff --git a/a b/b\nrename from a\nrename to b\n";
        assert_eq!(unified_diff(&[change("one\n")]), head);
        assert_eq!(
            unified_diff(&[change("1\n")]),
            format!("{head}--- a/a\n+++ b/b\n@@ -1 +1 @@\n-one\n+1\n")
        );
    }
}
