//! Artifacts compared with what is on disk. Reads the output folder and writes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::diagnostics::code::Code;
use crate::diagnostics::{Diagnostic, Severity};
use crate::output::artifact::Artifact;
use crate::output::manifest::{self, Manifest};
use crate::output::planner::{Planner, Seen};
use crate::output::staging::Staging;
use crate::project::config::Target;
use crate::project::discover::relative;

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
    /// Its text.
    pub(crate) manifest_text: String,
    /// What the manifest on the disk does not have of it.
    pub(crate) pending: Manifest,
    /// Whether an earlier run was cut off while it wrote.
    pub(crate) interrupted: bool,
    /// The folders, relative to the output folder, in which that run may have left something.
    pub(crate) known_folders: BTreeSet<PathBuf>,
    /// What is written already and waits for its place.
    pub(crate) staging: Staging,
    /// The files with the right content, as they were looked at or written.
    pub(crate) seen: BTreeMap<String, Seen>,
}

/// What has to happen with one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change<'a> {
    /// The path below the output folder, with `/` between its parts.
    pub path: String,
    /// What has to happen.
    pub kind: ChangeKind,
    /// The content to write; none for the manifest, where nothing is written, and where the file is on the disk already and waits for
    /// its place.
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
    pub(crate) fn writes(&self, path: &str) -> bool {
        match self {
            Self::All | Self::Targets { .. } => true,
            Self::Files(paths) => paths.contains(path),
        }
    }

    /// Whether the file at `path` goes if it is not generated any more.
    pub(crate) fn deletes(&self, path: &str) -> bool {
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
    /// The plan for the folder `out`, relative to `root`, in which the files at `paths` and the manifest are as they should be.
    pub(crate) fn unchanged(root: &Path, out: &str, mut paths: Vec<String>) -> Self {
        paths.sort();
        paths.push(manifest::FILE_NAME.to_owned());
        let changes = paths.into_iter().map(|path| Change {
            path,
            kind: ChangeKind::Unchanged,
            bytes: None,
        });
        let folder = root.join(out);
        Self {
            changes: changes.collect(),
            name: relative(root, &folder),
            staging: Staging::new(&folder),
            out: folder,
            left_alone: Vec::new(),
            outdated: Vec::new(),
            previous_manifest: Manifest::default(),
            manifest: Manifest::default(),
            manifest_text: String::new(),
            pending: Manifest::default(),
            interrupted: false,
            known_folders: BTreeSet::new(),
            seen: BTreeMap::new(),
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
    let planner = Planner::new(root, out, options).map_err(|problem| vec![problem])?;
    for artifact in artifacts {
        planner.add(artifact);
    }
    planner.finish()
}
