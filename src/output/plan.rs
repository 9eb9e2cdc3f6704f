//! Artifacts compared with what is on disk. Reads the output folder and writes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::diagnostics::code::Code;
use crate::diagnostics::{Diagnostic, Severity};
use crate::output::artifact::{Artifact, unwritable};
use crate::output::manifest::{self, Manifest};
use crate::output::previous_output::{Ownership, PreviousOutput};
use crate::project::config::Target;
use crate::project::discover::{reason, relative};
use crate::text::measures::sha256_hex;

/// What has to happen in the output folder.
#[derive(Debug)]
pub struct Plan<'a> {
    /// One entry per file, sorted by path; the manifest comes last.
    pub changes: Vec<Change<'a>>,
    /// The output folder.
    pub out: PathBuf,
    /// The output folder as diagnostics name it.
    pub name: String,
    /// The generated files outside of the scope: they stay as they are.
    pub left_alone: Vec<String>,
    /// Those of them that a run for everything would create or change.
    pub outdated: Vec<String>,
    /// The files on disk that are ours, as they are before anything is written.
    pub(crate) previous_manifest: Manifest,
    /// The manifest once everything is written.
    pub(crate) manifest: Manifest,
    /// Whether an earlier run was cut off while it wrote.
    pub(crate) interrupted: bool,
    /// The folders, relative to the output folder, in which that run may have left something.
    pub(crate) known_folders: BTreeSet<PathBuf>,
}

/// What has to happen with one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change<'a> {
    /// The path below the output folder, with `/` between its parts.
    pub path: String,
    /// What has to happen.
    pub kind: ChangeKind,
    /// The generated content; none for the manifest and where the file is deleted or kept.
    pub bytes: Option<&'a [u8]>,
}

/// What has to happen with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ChangeKind {
    /// The file is new.
    Create,
    /// The file gets other content.
    Update,
    /// The file is as it should be.
    Unchanged,
    /// The file is not generated any more, and its content is still ours.
    Delete,
    /// The file is not generated any more, but was edited by hand: it stays and is no longer ours.
    Keep,
    /// Something of the user's is where the file must go. Nothing is written.
    Conflict(Obstacle),
}

/// What is where a generated file must go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Obstacle {
    /// The generated file, edited by hand.
    Edited,
    /// A file that was never generated.
    Foreign,
    /// Something other than a plain file, or a link on the way to the file.
    Blocked,
}

/// How to plan.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Whether files of the user's are overwritten.
    pub force: bool,
    /// Which part of the output the artifacts are.
    pub scope: Scope,
}

/// Which part of the output is brought up to date. Generated files outside of it are neither changed nor deleted nor forgotten.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Scope {
    /// Everything.
    #[default]
    All,
    /// What some targets generate, which is what the artifacts are.
    Targets {
        /// These targets.
        chosen: Vec<Target>,
        /// The project's other targets: what they generate too is not deleted.
        others: Vec<Target>,
    },
    /// The files at these paths; nothing is deleted.
    Files(BTreeSet<String>),
}

impl Scope {
    /// Whether an artifact at `path` may be written over what is there.
    fn writes(&self, path: &str) -> bool {
        match self {
            Self::All | Self::Targets { .. } => true,
            Self::Files(paths) => paths.contains(path),
        }
    }

    /// Whether the file at `path` goes if it is not generated any more.
    fn deletes(&self, path: &str) -> bool {
        let is_of = |targets: &[Target]| targets.iter().any(|target| target.generates(path));
        match self {
            Self::All => true,
            Self::Targets { chosen, others } => is_of(chosen) && !is_of(others),
            Self::Files(_) => false,
        }
    }
}

impl ChangeKind {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Unchanged => "unchanged",
            Self::Delete => "delete",
            Self::Keep => "keep",
            Self::Conflict(_) => "conflict",
        }
    }
}

impl Plan<'_> {
    /// How many files there are of the given kind; the manifest is not counted.
    pub fn count(&self, wanted: impl Fn(ChangeKind) -> bool) -> usize {
        self.files().filter(|change| wanted(change.kind)).count()
    }

    /// The entries without that of the manifest.
    pub fn files(&self) -> impl Iterator<Item = &Change<'_>> {
        self.changes
            .iter()
            .filter(|change| change.path != manifest::FILE_NAME)
    }

    /// Whether the output folder is already as it should be.
    pub fn is_noop(&self) -> bool {
        !self.interrupted
            && self
                .changes
                .iter()
                .all(|change| change.kind == ChangeKind::Unchanged)
    }

    /// What the user should know: an error for every conflict, a warning for every file that stays.
    pub fn diagnostics(&self) -> Vec<Diagnostic> {
        self.changes
            .iter()
            .filter_map(|change| {
                let path = format!("{}/{}", self.name, change.path);
                let error = |message, help: &str| {
                    Some(Diagnostic::error(Code::Conflict, path.clone(), message).help(help))
                };
                match change.kind {
                    ChangeKind::Conflict(Obstacle::Edited) => error(
                        "the generated file was edited by hand",
                        "make the change in the agent's file or in a template, then overwrite this file with `--force`",
                    ),
                    ChangeKind::Conflict(Obstacle::Foreign) => error(
                        "a file that agentgen did not write is where a generated file must go",
                        "move it, choose another output folder, or overwrite it with `--force`",
                    ),
                    ChangeKind::Conflict(Obstacle::Blocked) => error(
                        "a folder, a link or a special file is in the way of a generated file",
                        "move it or choose another output folder",
                    ),
                    ChangeKind::Keep => error(
                        "the file is not generated any more, and stays because it was edited by hand",
                        "delete it or make it your own; agentgen will not touch it again",
                    )
                    .map(|diagnostic| diagnostic.with_severity(Severity::Warning)),
                    _ => None,
                }
            })
            .collect()
    }
}

/// Compares `artifacts` with the folder `out`, which is relative to `root`.
///
/// # Errors
///
/// Everything that makes a plan impossible: artifacts that leave the folder or meet in one file, a broken
/// manifest, a file that can't be read.
pub fn plan<'a>(
    root: &Path,
    out: &str,
    artifacts: &'a [Artifact],
    options: &Options,
) -> Result<Plan<'a>, Vec<Diagnostic>> {
    let name = relative(root, &root.join(out));
    let out = root.join(out);
    let problems = unwritable(&name, artifacts);
    if !problems.is_empty() {
        return Err(problems);
    }
    let ours = PreviousOutput::read(&out, &name, options.force).map_err(|problem| vec![problem])?;
    let mut plan = Plan {
        changes: Vec::new(),
        out,
        name,
        previous_manifest: Manifest::default(),
        left_alone: Vec::new(),
        outdated: Vec::new(),
        manifest: Manifest::default(),
        interrupted: ours.interrupted,
        known_folders: ours.folders(),
    };
    let mut problems = Vec::new();
    let wanted: BTreeMap<String, &Artifact> = artifacts
        .iter()
        .map(|artifact| (artifact.path.to_lowercase(), artifact))
        .collect();
    for artifact in artifacts {
        let hash = sha256_hex(&artifact.bytes);
        let path = artifact.path.clone();
        match plan.compare(artifact, &hash, &ours, options) {
            Ok(kind) if !options.scope.writes(&path) => {
                if kind != ChangeKind::Unchanged {
                    plan.outdated.push(path.clone());
                }
                plan.leave(path);
                continue;
            }
            Ok(kind) => plan.changes.push(Change {
                path,
                kind,
                bytes: Some(&artifact.bytes),
            }),
            Err(problem) => problems.push(problem),
        }
        plan.manifest.files.insert(artifact.path.clone(), hash);
    }
    for path in ours.hashes.keys() {
        let twin = wanted.get(&path.to_lowercase());
        if twin.is_some_and(|artifact| artifact.path == *path) {
            continue;
        }
        let found = match plan.hash_on_disk(path, &ours) {
            Ok(found) => found,
            Err(problem) => {
                problems.push(problem);
                continue;
            }
        };
        let kind = match found {
            Ownership::Nothing => continue,
            _ if !options.scope.deletes(path) && twin.is_none() => {
                plan.leave(path.clone());
                continue;
            }
            Ownership::Ours(_) => ChangeKind::Delete,
            Ownership::Other => ChangeKind::Keep,
        };
        plan.changes.push(Change {
            path: path.clone(),
            kind,
            bytes: None,
        });
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    plan.changes
        .sort_by(|left, right| left.path.cmp(&right.path));
    let kind = match &ours.manifest_text {
        None => ChangeKind::Create,
        Some(text) if *text == plan.manifest.to_json() => ChangeKind::Unchanged,
        Some(_) => ChangeKind::Update,
    };
    plan.changes.push(Change {
        path: manifest::FILE_NAME.to_owned(),
        kind,
        bytes: None,
    });
    Ok(plan)
}

impl Plan<'_> {
    /// Leaves the file at `path` as it is, and in the manifest.
    fn leave(&mut self, path: String) {
        if let Some(hash) = self.previous_manifest.files.get(&path) {
            self.manifest.files.insert(path.clone(), hash.clone());
        }
        self.left_alone.push(path);
    }

    /// What has to happen with an artifact; remembers its hash.
    fn compare(
        &mut self,
        artifact: &Artifact,
        hash: &str,
        ours: &PreviousOutput,
        options: &Options,
    ) -> Result<ChangeKind, Diagnostic> {
        let path = &artifact.path;
        // A file that only changes the case of its name is deleted and made anew: on some systems both
        // names mean the same file.
        let renamed = ours.renamed(path);
        let bytes = match self.bytes_on_disk(path)? {
            OnDisk::Nothing => return Ok(ChangeKind::Create),
            OnDisk::Blocked => return Ok(ChangeKind::Conflict(Obstacle::Blocked)),
            OnDisk::Link if options.force => return Ok(ChangeKind::Update),
            OnDisk::Link => return Ok(ChangeKind::Conflict(Obstacle::Foreign)),
            OnDisk::File(bytes) => bytes,
        };
        let same = bytes == artifact.bytes;
        let found = ours.classify(path, &bytes, same.then_some(hash));
        self.remember(path, &found, ours);
        Ok(match found {
            _ if same && !renamed => ChangeKind::Unchanged,
            Ownership::Ours(_) => ChangeKind::Update,
            _ if options.force || same => ChangeKind::Update,
            _ if ours.recorded(path).is_some() => ChangeKind::Conflict(Obstacle::Edited),
            _ => ChangeKind::Conflict(Obstacle::Foreign),
        })
    }

    /// Whose a file is that the manifest lists; remembers its hash.
    fn hash_on_disk(&mut self, path: &str, ours: &PreviousOutput) -> Result<Ownership, Diagnostic> {
        let found = match self.bytes_on_disk(path)? {
            OnDisk::Nothing => Ownership::Nothing,
            OnDisk::Blocked | OnDisk::Link => Ownership::Other,
            OnDisk::File(bytes) => ours.classify(path, &bytes, None),
        };
        self.remember(path, &found, ours);
        Ok(found)
    }

    fn remember(&mut self, path: &str, found: &Ownership, ours: &PreviousOutput) {
        let hash = match found {
            Ownership::Ours(hash) => Some(hash.clone()),
            _ => ours.recorded(path),
        };
        if let Some(hash) = hash {
            self.previous_manifest.files.insert(path.to_owned(), hash);
        }
    }

    /// What is at `path`. A link is never followed, neither there nor on the way there.
    fn bytes_on_disk(&self, path: &str) -> Result<OnDisk, Diagnostic> {
        let failed = |error: io::Error| {
            let path = format!("{}/{path}", self.name);
            let message = format!("the file can't be read: {}", reason(&error));
            Diagnostic::error(Code::Io, path, message)
        };
        let mut at = self.out.clone();
        let mut names = path.split('/').peekable();
        while let Some(name) = names.next() {
            at.push(name);
            let kind = match fs::symlink_metadata(&at) {
                Ok(metadata) => metadata.file_type(),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    return Ok(OnDisk::Nothing);
                }
                Err(error) => return Err(failed(error)),
            };
            let last = names.peek().is_none();
            if last && kind.is_file() {
                return fs::read(&at).map(OnDisk::File).map_err(failed);
            }
            if last && kind.is_symlink() {
                return Ok(OnDisk::Link);
            }
            if last || !kind.is_dir() {
                return Ok(OnDisk::Blocked);
            }
        }
        Ok(OnDisk::Blocked)
    }
}

/// What is at a path.
enum OnDisk {
    Nothing,
    File(Vec<u8>),
    Link,
    Blocked,
}
