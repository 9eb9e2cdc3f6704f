//! The record of what agentgen wrote into a project: `.agentgen/project.json`. An update compares it with what is there, to tell the
//! user's changes from its own.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use agentgen_build::inspect::{reason, sha256_hex};
use agentgen_build::{Artifact, Code, Diagnostic};
use serde::{Deserialize, Serialize};

use crate::scaffold::vendor::VERSION;
use crate::scaffold::{ProjectFacts, is_merged};

/// The path of the record.
pub const RECORD_PATH: &str = ".agentgen/project.json";
/// The folder of agentgen's own crates in a vendored project.
pub const VENDOR: &str = "vendor/";

/// What agentgen wrote into a project.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProjectRecord {
    /// The version that wrote it last.
    pub version: String,
    /// What the files are filled with.
    pub facts: ProjectFacts,
    /// Each file by its path, without the vendored sources.
    pub files: BTreeMap<String, FileRecord>,
    /// The crates in `vendor/`, each with the hash of its files.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub vendor: BTreeMap<String, String>,
}

/// What agentgen wrote as one file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileRecord {
    /// This text: changes of it are merged with those of an update.
    Text(String),
    /// A file with this SHA-256.
    Sha256(String),
    /// Nothing: the user had a file there.
    Own,
}

impl ProjectRecord {
    /// The record of `files`, which this version makes of `facts`.
    pub fn of(facts: ProjectFacts, files: &[Artifact]) -> Self {
        let (vendored, own): (Vec<_>, Vec<_>) =
            files.iter().partition(|file| file.path.starts_with(VENDOR));
        Self {
            version: VERSION.to_owned(),
            facts,
            files: own
                .into_iter()
                .map(|file| (file.path.clone(), FileRecord::of(file)))
                .collect(),
            vendor: crate_hashes(vendored),
        }
    }

    /// The record in the project at `root`; none where there is no such file.
    ///
    /// # Errors
    ///
    /// The file can't be read, or is not a record.
    pub fn read(root: &Path) -> Result<Option<Self>, Diagnostic> {
        let text = match fs::read_to_string(root.join(RECORD_PATH)) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => {
                let message = format!("the file can't be read: {}", reason(&error));
                return Err(Diagnostic::error(Code::Io, RECORD_PATH, message));
            }
        };
        serde_json::from_str(&text).map(Some).map_err(|error| {
            let message = format!("this is not a record of agentgen: {error}");
            Diagnostic::error(Code::BadConfig, RECORD_PATH, message)
                .help("restore the file from version control, or delete it")
        })
    }

    /// The record as JSON.
    pub fn to_json(&self) -> String {
        let text = serde_json::to_string_pretty(self);
        text.expect("a record is made of texts") + "\n"
    }

    /// Whether `bytes` are still what agentgen wrote as the file `path`.
    pub fn is_as_written(&self, path: &str, bytes: &[u8]) -> bool {
        self.files.get(path).is_some_and(|record| record.is(bytes))
    }
}

impl FileRecord {
    fn of(file: &Artifact) -> Self {
        match std::str::from_utf8(&file.bytes) {
            Ok(text) if is_merged(&file.path) => Self::Text(text.to_owned()),
            _ => Self::Sha256(sha256_hex(&file.bytes)),
        }
    }

    /// Whether this is the record of `bytes`; the kind of line ends does not count.
    pub fn is(&self, bytes: &[u8]) -> bool {
        let unix = || String::from_utf8_lossy(bytes).replace("\r\n", "\n");
        match self {
            Self::Text(text) => text.as_bytes() == bytes || *text == unix(),
            Self::Sha256(hash) => {
                *hash == sha256_hex(bytes) || *hash == sha256_hex(unix().as_bytes())
            }
            Self::Own => false,
        }
    }
}

/// The hash of each crate among the vendored `files`: of the paths and contents of its files.
pub fn crate_hashes<'a>(files: impl IntoIterator<Item = &'a Artifact>) -> BTreeMap<String, String> {
    let mut lists: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for file in files {
        let Some((name, path)) = file
            .path
            .strip_prefix(VENDOR)
            .and_then(|p| p.split_once('/'))
        else {
            continue;
        };
        let line = format!("{} {path}\n", sha256_hex(&file.bytes));
        lists.entry(name.to_owned()).or_default().push(line);
    }
    lists
        .into_iter()
        .map(|(name, mut lines)| {
            lines.sort();
            (name, sha256_hex(lines.concat().as_bytes()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use agentgen_build::Artifact;

    use super::{FileRecord, crate_hashes};

    fn file(path: &str, text: &str) -> Artifact {
        Artifact {
            path: path.to_owned(),
            bytes: text.as_bytes().to_vec(),
        }
    }

    #[test]
    fn a_file_is_known_by_its_content_whatever_its_line_ends_are() {
        for path in ["Dockerfile", "agents/a.md"] {
            let record = FileRecord::of(&file(path, "a\nb\n"));
            assert!(record.is(b"a\nb\n") && record.is(b"a\r\nb\r\n"), "{path}");
            assert!(
                !record.is(b"a\nc\n") && !FileRecord::Own.is(b"a\nb\n"),
                "{path}"
            );
        }
    }

    #[test]
    fn a_crate_is_known_by_the_names_and_contents_of_its_files() {
        let hashes = |files: &[Artifact]| crate_hashes(files);
        let one = hashes(&[
            file("vendor/x/a", "1"),
            file("vendor/x/b/c", "2"),
            file("README.md", ""),
        ]);
        let same = hashes(&[file("vendor/x/b/c", "2"), file("vendor/x/a", "1")]);
        assert_eq!(one, same);
        assert_eq!(one.len(), 1);
        assert_ne!(
            one,
            hashes(&[file("vendor/x/a", "1"), file("vendor/x/b/d", "2")])
        );
        assert_ne!(
            one,
            hashes(&[file("vendor/x/a", "1"), file("vendor/x/b/c", "3")])
        );
    }
}
