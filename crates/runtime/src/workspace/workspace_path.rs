//! Paths as models write them.
//!
//! Invariant: a [`WorkspacePath`] has plain names only. None of them is `.` or `..`, none has a separator of any system in it.

use std::fmt;

use crate::engine::tools::ToolError;

/// The most bytes of a path.
const MAX_PATH: usize = 4096;
/// The most bytes of a name, as most file systems have it.
const MAX_NAME: usize = 255;

/// A path below the root of the workspace; without names, the root itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct WorkspacePath(Vec<String>);

impl WorkspacePath {
    /// Reads what a model wrote. `.` and an empty text are the root.
    ///
    /// # Errors
    /// A path that is not one from the root downwards, and one that no file can have.
    pub(super) fn read(text: &str) -> Result<Self, ToolError> {
        let wrong = |detail: &str| ToolError::new(format!("the path {detail}"));
        if text.len() > MAX_PATH || text.split('/').any(|name| name.len() > MAX_NAME) {
            return Err(wrong("is too long"));
        }
        if text.chars().any(char::is_control) {
            return Err(wrong("has a control character in it"));
        }
        let is_drive = |text: &str| {
            let mut chars = text.chars();
            chars.next().is_some_and(|c| c.is_ascii_alphabetic()) && chars.next() == Some(':')
        };
        let is_url = text.contains("://");
        if text.starts_with('/') || text.starts_with("~/") || is_drive(text) || is_url {
            return Err(wrong(
                "is absolute: paths start in the workspace, as in `src/main.rs`",
            ));
        }
        // A separator on some systems, and hardly a part of a name on others.
        if text.contains('\\') {
            return Err(wrong("has `\\` in it: folders are separated by `/`"));
        }
        // What follows it is another stream of the file there.
        if cfg!(windows) && text.contains(':') {
            return Err(wrong("has `:` in it"));
        }
        let names = text.split('/').filter(|name| !matches!(*name, "" | "."));
        let names: Vec<String> = names.map(str::to_owned).collect();
        if names.iter().any(|name| name == "..") {
            return Err(wrong(
                "has `..` in it, which could lead out of the workspace",
            ));
        }
        Ok(Self(names))
    }

    /// Its names, from the root downwards.
    pub(super) fn names(&self) -> &[String] {
        &self.0
    }

    /// The names of its folders, and its last name.
    ///
    /// # Errors
    /// The root has no name.
    pub(super) fn split_last(&self) -> Result<(&[String], &str), ToolError> {
        let (name, folders) = self
            .0
            .split_last()
            .ok_or_else(|| ToolError::new("the path is that of a folder"))?;
        Ok((folders, name))
    }
}

impl fmt::Display for WorkspacePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str(".");
        }
        f.write_str(&self.0.join("/"))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::WorkspacePath;

    #[test]
    fn only_paths_from_the_root_downwards_are_read() {
        for (text, read) in [
            ("src/main.rs", "src/main.rs"),
            ("./src//main.rs", "src/main.rs"),
            ("src/", "src"),
            ("", "."),
            ("a/..b/c..", "a/..b/c.."),
            ("\u{ff0e}\u{ff0e}/x", "\u{ff0e}\u{ff0e}/x"),
        ] {
            assert_eq!(WorkspacePath::read(text).unwrap().to_string(), read);
        }
        let (long_name, long_path) = ("x".repeat(256), "x/".repeat(2049));
        for text in [
            "..",
            "../x",
            "a/../../x",
            "a/..",
            "/etc/passwd",
            "//server/share",
            "~/x",
            "file:///x",
            "C:/x",
            "C:\\x",
            "c:x",
            "..\\x",
            "\\\\?\\C:\\x",
            "a\0b",
            "a\nb",
            &long_name,
            &long_path,
        ] {
            assert!(WorkspacePath::read(text).is_err(), "{text:?}");
        }
    }
}
