//! What earlier runs wrote into the output folder, and how to tell it from what others wrote.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::diagnostics::Diagnostic;
use crate::diagnostics::code::Code;
use crate::output::atomic_file::leftovers;
use crate::output::manifest::{self, Manifest};
use crate::project::discover::reason;
use crate::text::measures::sha256_hex;

/// The manifest, and that of a run that was cut off.
pub(crate) struct PreviousOutput {
    /// The manifest's own text, where there is one.
    pub(crate) manifest_text: Option<String>,
    manifest: Manifest,
    /// What a run that was cut off may have written besides.
    pending: Manifest,
    /// The paths that have capitals, by their form in lower case.
    capitals: BTreeMap<String, BTreeSet<String>>,
    pub(crate) interrupted: bool,
}

/// Who wrote the content of a file on disk.
pub(crate) enum Ownership {
    /// There is no file.
    Nothing,
    /// agentgen; with the SHA-256 of the content.
    Ours(String),
    /// Someone else, or agentgen and then someone else.
    Other,
}

impl PreviousOutput {
    pub(crate) fn read(out: &Path, name: &str, force: bool) -> Result<Self, Diagnostic> {
        let manifest_text = read_text(out, name, manifest::FILE_NAME)?;
        let manifest = match manifest_text.as_deref().map(Manifest::parse) {
            None => Manifest::default(),
            Some(Ok(manifest)) => manifest,
            Some(Err(_)) if force => Manifest::default(),
            Some(Err(problem)) => {
                let path = format!("{name}/{}", manifest::FILE_NAME);
                let message = format!("the manifest can't be used: {problem}");
                return Err(Diagnostic::error(Code::Conflict, path, message).help(
                    "restore it, choose another output folder, or start it anew with `--force`",
                ));
            }
        };
        let pending = read_text(out, name, manifest::PENDING_NAME)?;
        let interrupted = pending.is_some() || !leftovers(out).is_empty();
        // A pending manifest that can't be read was cut off itself, before any other file was written.
        let pending = pending
            .and_then(|text| Manifest::parse(&text).ok())
            .unwrap_or_default();
        let mut capitals: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for path in manifest.files.keys().chain(pending.files.keys()) {
            let lower = path.to_lowercase();
            if lower != *path {
                capitals.entry(lower).or_default().insert(path.clone());
            }
        }
        Ok(Self {
            manifest_text,
            manifest,
            pending,
            capitals,
            interrupted,
        })
    }

    /// Whether we wrote `bytes`, which have the given hash, at `path`. A checkout that only changed the line ends is not an edit,
    /// and neither is a file of ours that is empty: a power failure leaves that, and there is nothing in it to lose.
    pub(crate) fn classify(&self, path: &str, bytes: &[u8], hash: String) -> Ownership {
        let lower = path.to_lowercase();
        let hashes = || self.names(&lower).flat_map(|path| self.hashes(path));
        let is_empty = bytes.is_empty() && hashes().next().is_some();
        if is_empty || hashes().any(|known| *known == hash) {
            return Ownership::Ours(hash);
        }
        if bytes.contains(&b'\r') && hashes().next().is_some() {
            let unix = sha256_hex(&without_carriage_returns(bytes));
            if hashes().any(|known| *known == unix) {
                return Ownership::Ours(hash);
            }
        }
        Ownership::Other
    }

    /// The paths of all files that may be ours, some of them twice.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &String> {
        self.manifest.files.keys().chain(self.pending.files.keys())
    }

    /// The contents that are ours at `path`. A run that was cut off leaves two.
    fn hashes(&self, path: &str) -> impl Iterator<Item = &String> {
        let manifests = [&self.manifest, &self.pending].into_iter();
        manifests.filter_map(move |manifest| manifest.files.get(path))
    }

    /// The paths that are `lower` in lower case.
    fn names<'a>(&'a self, lower: &'a str) -> impl Iterator<Item = &'a str> {
        let same = self.hashes(lower).next().is_some().then_some(lower);
        let others = self.capitals.get(lower).into_iter().flatten();
        same.into_iter().chain(others.map(String::as_str))
    }

    /// The folders of all paths, relative to the output folder, that one included.
    pub(crate) fn folders(&self) -> BTreeSet<PathBuf> {
        let paths = self.paths().map(Path::new);
        let parents = paths.flat_map(|path| path.ancestors().skip(1));
        std::iter::once(Path::new(""))
            .chain(parents)
            .map(Path::to_path_buf)
            .collect()
    }

    /// The hash that the manifest has for `path`.
    pub(crate) fn recorded(&self, path: &str) -> Option<&String> {
        self.manifest.files.get(path)
    }

    /// Whether the file was listed under a name that differs in case.
    pub(crate) fn renamed(&self, path: &str) -> bool {
        self.names(&path.to_lowercase()).any(|name| name != path)
    }
}

fn without_carriage_returns(bytes: &[u8]) -> Vec<u8> {
    let followed = bytes.iter().zip(bytes.iter().skip(1).chain(&[0]));
    followed
        .filter(|(byte, next)| !(**byte == b'\r' && **next == b'\n'))
        .map(|(byte, _)| *byte)
        .collect()
}

/// The text of one of our own files; empty where it is something else, which no manifest is.
fn read_text(out: &Path, name: &str, file: &str) -> Result<Option<String>, Diagnostic> {
    let path = out.join(file);
    let read = fs::symlink_metadata(&path).and_then(|metadata| {
        if metadata.is_file() {
            fs::read(&path)
        } else {
            Ok(Vec::new())
        }
    });
    match read {
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => {
            let path = format!("{name}/{file}");
            let message = format!("the file can't be read: {}", reason(&error));
            Err(Diagnostic::error(Code::Io, path, message))
        }
    }
}
