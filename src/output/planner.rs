//! Builds a [`Plan`] file by file: each artifact is compared with the disk, and what has to be written may be put on the disk, in a
//! folder of its own, before the next one is made.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use hmac_sha256::Hash;

use crate::diagnostics::Diagnostic;
use crate::diagnostics::code::Code;
use crate::output::artifact::{Artifact, Content, unwritable};
use crate::output::manifest::{self, Manifest, is_safe};
use crate::output::plan::{Change, ChangeKind, Obstacle, Options, Plan};
use crate::output::previous_output::{Ownership, PreviousOutput};
use crate::output::staging::Staging;
use crate::project::discover::{reason, relative};
use crate::project::file_stamp::FileStamp;
use crate::text::measures::{hex, sha256_hex};

/// Compares artifacts with the folder of the output, from several threads at once.
pub struct Planner<'a> {
    out: PathBuf,
    name: String,
    options: Options,
    ours: PreviousOutput,
    staging: Staging,
    found: Mutex<Found<'a>>,
}

/// A file of the output when it was looked at.
#[derive(Debug, Clone, Copy)]
pub enum Seen {
    /// It was read, or known without that; with whether its stamp [is settled](FileStamp::is_settled).
    OnDisk(FileStamp, bool),
    /// It was written, and has not taken its place yet.
    Staged(FileStamp),
}

/// What was found so far.
#[derive(Default)]
struct Found<'a> {
    changes: Vec<Change<'a>>,
    /// The paths of all artifacts, those outside of the scope included.
    paths: Vec<String>,
    left_alone: Vec<String>,
    outdated: Vec<String>,
    /// The files on disk that are ours.
    previous: Manifest,
    /// The manifest once everything is written.
    next: Manifest,
    seen: BTreeMap<String, Seen>,
    problems: Vec<Diagnostic>,
}

/// What is to happen with an artifact.
struct Comparison {
    kind: ChangeKind,
    /// The hash of what is on the disk, where that is ours.
    recorded: Option<String>,
    /// The file, where there is one with the right content.
    seen: Option<Seen>,
}

impl Comparison {
    fn is_written(&self) -> bool {
        matches!(self.kind, ChangeKind::Create | ChangeKind::Update)
    }
}

impl<'a> Planner<'a> {
    /// Reads what earlier runs wrote to the folder `out`, which is relative to `root`.
    ///
    /// # Errors
    ///
    /// A broken manifest.
    pub fn new(root: &Path, out: &str, options: &Options) -> Result<Self, Diagnostic> {
        let name = relative(root, &root.join(out));
        let out = root.join(out);
        Ok(Self {
            ours: PreviousOutput::read(&out, &name, options.force)?,
            staging: Staging::new(&out),
            out,
            name,
            options: options.clone(),
            found: Mutex::default(),
        })
    }

    /// Compares `artifact`, whose content the plan borrows.
    pub fn add(&self, artifact: &'a Artifact) {
        let hash = sha256_hex(&artifact.bytes);
        self.consider(&artifact.path, Some(&artifact.bytes), |path, _| {
            let compared = self.compare(path, &hash)?;
            Ok((hash, compared))
        });
    }

    /// Compares `artifact`. What has to be written is put into a folder of its own inside of the output folder.
    pub fn stage(&self, artifact: &Artifact) {
        let hash = sha256_hex(&artifact.bytes);
        self.consider(&artifact.path, None, |path, in_scope| {
            let mut compared = self.compare(path, &hash)?;
            if in_scope && compared.is_written() {
                let staged = self.write(path, |file| file.write_all(&artifact.bytes))?;
                compared.seen = Some(Seen::Staged(staged));
            }
            Ok((hash, compared))
        });
    }

    /// Like [`stage`](Self::stage), for a large file, to which `content` gives its content piece by piece.
    pub fn stage_pieces(&self, path: &str, content: &Content<'_>) {
        self.consider(path, None, |path, in_scope| {
            let mut hash = Hash::new();
            let mut staged = None;
            if in_scope {
                staged = Some(self.write(path, |file| {
                    let mut written = Ok(());
                    content(&mut |piece| {
                        hash.update(piece);
                        if written.is_ok() {
                            written = file.write_all(piece);
                        }
                    });
                    written
                })?);
            } else {
                content(&mut |piece| hash.update(piece));
            }
            let hash = hex(&hash.finalize());
            let mut compared = self.compare(path, &hash)?;
            match staged {
                Some(stamp) if compared.is_written() => compared.seen = Some(Seen::Staged(stamp)),
                Some(_) => {
                    let removed = self.staging.remove(path);
                    removed.map_err(|error| self.unwritten(path, &error))?;
                }
                None => {}
            }
            Ok((hash, compared))
        });
    }

    /// Takes the file at `path`, whose content has the given hash, as unchanged. The caller knows that.
    pub fn keep(&self, path: &str, hash: &str, seen: Seen) {
        let found = &mut *self.found();
        found.seen.insert(path.to_owned(), seen);
        for files in [&mut found.previous.files, &mut found.next.files] {
            files.insert(path.to_owned(), hash.to_owned());
        }
        found.paths.push(path.to_owned());
        found.changes.push(Change {
            path: path.to_owned(),
            kind: ChangeKind::Unchanged,
            bytes: None,
        });
    }

    /// Adds the file at `path`. `compare` is told whether it is in the scope, and answers with the hash of its content.
    fn consider(
        &self,
        path: &str,
        bytes: Option<&'a [u8]>,
        compare: impl FnOnce(&str, bool) -> Result<(String, Comparison), Diagnostic>,
    ) {
        let path = path.to_owned();
        if !is_safe(&path) {
            self.found().paths.push(path);
            return;
        }
        let in_scope = self.options.scope.writes(&path);
        let compared = compare(&path, in_scope);
        let found = &mut *self.found();
        found.paths.push(path.clone());
        let (hash, compared) = match compared {
            Ok(compared) => compared,
            Err(problem) => {
                found.problems.push(problem);
                return;
            }
        };
        if let Some(hash) = compared.recorded {
            found.previous.files.insert(path.clone(), hash);
        }
        if let Some(seen) = compared.seen {
            found.seen.insert(path.clone(), seen);
        }
        let kind = compared.kind;
        if in_scope {
            found.next.files.insert(path.clone(), hash);
            found.changes.push(Change { path, kind, bytes });
        } else {
            if kind != ChangeKind::Unchanged {
                found.outdated.push(path.clone());
            }
            found.leave(path);
        }
    }

    /// The plan for all artifacts that were given, which also says what becomes of files that are not generated any more.
    ///
    /// # Errors
    ///
    /// Everything that makes a plan impossible: artifacts that leave the folder or meet in one file, a file that can't be read.
    pub fn finish(self) -> Result<Plan<'a>, Vec<Diagnostic>> {
        let mut found = self
            .found
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        found.paths.sort();
        let problems = unwritable(&self.name, &found.paths);
        if !problems.is_empty() {
            return Err(problems);
        }
        let gone: BTreeSet<&String> = self.ours.paths().collect();
        let gone = gone.into_iter();
        let gone = gone.filter(|path| found.paths.binary_search(path).is_err());
        let gone: Vec<&String> = gone.collect();
        let wanted: BTreeSet<String> = match gone.is_empty() {
            true => BTreeSet::new(),
            false => found.paths.iter().map(|path| path.to_lowercase()).collect(),
        };
        for path in gone {
            let has_twin = wanted.contains(&path.to_lowercase());
            let owner = match owner_on_disk(&self.out, &self.name, path, &self.ours) {
                Ok(owner) => owner,
                Err(problem) => {
                    found.problems.push(problem);
                    continue;
                }
            };
            let recorded = match &owner {
                Ownership::Ours(hash) => Some(hash.clone()),
                _ => self.ours.recorded(path).cloned(),
            };
            if let Some(hash) = recorded {
                found.previous.files.insert(path.clone(), hash);
            }
            let kind = match owner {
                Ownership::Nothing => continue,
                _ if !self.options.scope.deletes(path) && !has_twin => {
                    found.leave(path.clone());
                    continue;
                }
                Ownership::Ours(_) => ChangeKind::Delete,
                Ownership::Other => ChangeKind::Keep,
            };
            found.changes.push(Change {
                path: path.clone(),
                kind,
                bytes: None,
            });
        }
        if !found.problems.is_empty() {
            found
                .problems
                .sort_by(|left, right| left.path.cmp(&right.path));
            return Err(found.problems);
        }
        let mut changes = found.changes;
        changes.sort_by(|left, right| left.path.cmp(&right.path));
        let manifest_text = found.next.to_json();
        let kind = match &self.ours.manifest_text {
            None => ChangeKind::Create,
            Some(text) if *text == manifest_text => ChangeKind::Unchanged,
            Some(_) => ChangeKind::Update,
        };
        changes.push(Change {
            path: manifest::FILE_NAME.to_owned(),
            kind,
            bytes: None,
        });
        let pending = found.next.files.iter();
        let pending = pending.filter(|(path, hash)| {
            self.ours.interrupted || self.ours.recorded(path) != Some(*hash)
        });
        let pending = pending.map(|(path, hash)| (path.clone(), hash.clone()));
        let files = pending.collect();
        Ok(Plan {
            manifest_text,
            pending: Manifest { files },
            changes,
            out: self.out,
            name: self.name,
            left_alone: found.left_alone,
            outdated: found.outdated,
            previous_manifest: found.previous,
            manifest: found.next,
            interrupted: self.ours.interrupted,
            known_folders: match self.ours.interrupted {
                true => self.ours.folders(),
                false => BTreeSet::new(),
            },
            staging: self.staging,
            seen: found.seen,
        })
    }

    /// Puts the file that will be at `path` into the staging folder.
    fn write(
        &self,
        path: &str,
        content: impl FnOnce(&mut File) -> io::Result<()>,
    ) -> Result<FileStamp, Diagnostic> {
        let written = self.staging.write(path, content);
        written.map_err(|error| self.unwritten(path, &error))
    }

    fn unwritten(&self, path: &str, error: &io::Error) -> Diagnostic {
        let path = format!("{}/{path}", self.name);
        let message = format!("the file can't be written: {}", reason(error));
        Diagnostic::error(Code::Io, path, message)
            .help("put that right and run the same command again")
    }

    fn found(&self) -> std::sync::MutexGuard<'_, Found<'a>> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What has to happen with the file at `path` whose content has the hash `hash`.
    fn compare(&self, path: &str, hash: &str) -> Result<Comparison, Diagnostic> {
        let (ours, force) = (&self.ours, self.options.force);
        let without_content = |kind| {
            Ok(Comparison {
                kind,
                recorded: None,
                seen: None,
            })
        };
        // A file that only changes the case of its name is deleted and made anew: on some systems both
        // names mean the same file.
        let renamed = ours.renamed(path);
        let (bytes, seen) = match on_disk(&self.out, &self.name, path)? {
            OnDisk::Nothing => return without_content(ChangeKind::Create),
            OnDisk::Blocked => return without_content(ChangeKind::Conflict(Obstacle::Blocked)),
            OnDisk::Link if force => return without_content(ChangeKind::Update),
            OnDisk::Link => return without_content(ChangeKind::Conflict(Obstacle::Foreign)),
            OnDisk::File(bytes, seen) => (bytes, seen),
        };
        let found = sha256_hex(&bytes);
        let same = found == hash;
        let owner = ours.classify(path, &bytes, found);
        let kind = match owner {
            _ if same && !renamed => ChangeKind::Unchanged,
            Ownership::Ours(_) => ChangeKind::Update,
            _ if force || same => ChangeKind::Update,
            _ if ours.recorded(path).is_some() => ChangeKind::Conflict(Obstacle::Edited),
            _ => ChangeKind::Conflict(Obstacle::Foreign),
        };
        let recorded = match owner {
            Ownership::Ours(hash) => Some(hash),
            _ => ours.recorded(path).cloned(),
        };
        Ok(Comparison {
            kind,
            recorded,
            seen: same.then_some(seen),
        })
    }
}

impl Found<'_> {
    /// Leaves the file at `path` as it is, and in the manifest.
    fn leave(&mut self, path: String) {
        if let Some(hash) = self.previous.files.get(&path) {
            self.next.files.insert(path.clone(), hash.clone());
        }
        self.left_alone.push(path);
    }
}

/// Whose a file is that the manifest lists.
fn owner_on_disk(
    out: &Path,
    name: &str,
    path: &str,
    ours: &PreviousOutput,
) -> Result<Ownership, Diagnostic> {
    Ok(match on_disk(out, name, path)? {
        OnDisk::Nothing => Ownership::Nothing,
        OnDisk::Blocked | OnDisk::Link => Ownership::Other,
        OnDisk::File(bytes, _) => ours.classify(path, &bytes, sha256_hex(&bytes)),
    })
}

/// What is at a path.
enum OnDisk {
    Nothing,
    File(Vec<u8>, Seen),
    Link,
    Blocked,
}

/// What is at `path` below `out`. A link is never followed, neither there nor on the way there.
fn on_disk(out: &Path, name: &str, path: &str) -> Result<OnDisk, Diagnostic> {
    let failed = |error: io::Error| {
        let path = format!("{name}/{path}");
        let message = format!("the file can't be read: {}", reason(&error));
        Diagnostic::error(Code::Io, path, message)
    };
    let mut at = out.to_path_buf();
    let mut names = path.split('/').peekable();
    while let Some(name) = names.next() {
        at.push(name);
        let metadata = match fs::symlink_metadata(&at) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(OnDisk::Nothing);
            }
            Err(error) => return Err(failed(error)),
        };
        let kind = metadata.file_type();
        let last = names.peek().is_none();
        if last && kind.is_file() {
            let stamp = FileStamp::new(&metadata);
            let seen = Seen::OnDisk(stamp, stamp.is_settled(SystemTime::now()));
            return fs::read(&at)
                .map(|bytes| OnDisk::File(bytes, seen))
                .map_err(failed);
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
