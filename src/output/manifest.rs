//! The manifest: which files of the output folder are ours, and what we wrote into them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The name of the manifest in the output folder.
pub const FILE_NAME: &str = "manifest.json";
/// The manifest of a run that has begun to write and has not come to its end.
pub const PENDING_NAME: &str = "manifest.json.pending";

const VERSION: u64 = 1;

/// Every generated path with the SHA-256 of its content, in lower-case hexadecimal.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Manifest {
    /// The hashes by path; paths are relative to the output folder, with `/` between their parts.
    pub files: BTreeMap<String, String>,
}

/// The document. The order of its members is that of the file.
#[derive(Serialize, Deserialize)]
struct Document<Files> {
    version: u64,
    files: Files,
}

impl Manifest {
    /// Reads what [`Manifest::to_json`] wrote.
    ///
    /// # Errors
    ///
    /// What is wrong with the text, as a fragment of a sentence.
    pub fn parse(text: &str) -> Result<Self, String> {
        // Most texts are right, and only of the others it matters why not.
        if let Ok(document) = serde_json::from_str::<Document<BTreeMap<String, String>>>(text)
            && document.version == VERSION
            && document.files.keys().all(|path| is_safe(path))
        {
            let files = document.files;
            return Ok(Self { files });
        }
        let value: Value =
            serde_json::from_str(text).map_err(|error| format!("it is not JSON: {error}"))?;
        let (Some(version), Some(entries)) =
            (value["version"].as_u64(), value["files"].as_object())
        else {
            return Err("it is not a manifest of agentgen".to_owned());
        };
        if version != VERSION {
            return Err(format!(
                "its format is version {version}, and this agentgen knows version {VERSION}"
            ));
        }
        let mut files = BTreeMap::new();
        for (path, hash) in entries {
            let Some(hash) = hash.as_str() else {
                return Err(format!("the hash of `{path}` is not text"));
            };
            if !is_safe(path) {
                return Err(format!("`{path}` is not a path below the output folder"));
            }
            files.insert(path.clone(), hash.to_owned());
        }
        Ok(Self { files })
    }

    /// The manifest as a JSON document: the format's version and the files, sorted.
    pub fn to_json(&self) -> String {
        let (version, files) = (VERSION, &self.files);
        let text = serde_json::to_string_pretty(&Document { version, files });
        text.unwrap_or_default() + "\n"
    }
}

/// Whether `path` stays below the folder it is relative to, on every system.
pub fn is_safe(path: &str) -> bool {
    path.split('/').all(|name| {
        !name.is_empty()
            && name != "."
            && name != ".."
            && !name.contains(|character: char| {
                character.is_control() || matches!(character, '\\' | ':')
            })
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::{Manifest, is_safe};
    use crate::text::measures::sha256_hex;

    #[test]
    fn reads_what_it_writes() {
        let mut manifest = Manifest::default();
        manifest.files.insert("b/c".to_owned(), sha256_hex(b""));
        manifest.files.insert("a".to_owned(), sha256_hex(b"a"));
        let text = manifest.to_json();
        assert!(text.find("\"a\"") < text.find("\"b/c\""));
        assert_eq!(Manifest::parse(&text), Ok(manifest));
        assert_eq!(
            sha256_hex(b""),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
    }

    #[test]
    fn refuses_what_it_would_not_write() {
        for text in [
            "",
            "[]",
            "{}",
            r#"{"version": 2, "files": {}}"#,
            r#"{"version": 1, "files": {"a": 1}}"#,
            r#"{"version": 1, "files": {"/etc/passwd": "0"}}"#,
            r#"{"version": 1, "files": {"a/../../b": "0"}}"#,
        ] {
            Manifest::parse(text).unwrap_err();
        }
    }

    #[test]
    fn paths_stay_below() {
        for path in ["a", "a/b.c", "..a/b..", ".a"] {
            assert!(is_safe(path), "{path}");
        }
        for path in [
            "", "/", "/a", "a//b", "a/", "..", "a/./b", "C:/a", "a\\b", "a\nb",
        ] {
            assert!(!is_safe(path), "{path}");
        }
    }
}
