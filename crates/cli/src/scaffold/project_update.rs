//! Brings the files that `agentgen new` wrote into a project up to date with this version, and keeps what the user changed in them.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::Path;

use agentgen_build::inspect::{reason, relative};
use agentgen_build::{Artifact, Code, Diagnostic};

use crate::scaffold::file_change::FileChange;
use crate::scaffold::project_record::{FileRecord, ProjectRecord, RECORD_PATH, crate_hashes};
use crate::scaffold::three_way_merge::merge;
use crate::scaffold::{Origin, ProjectFacts, project_files, vendored_files};

/// The changes of an update, and what the user has to know of them.
#[derive(Debug, Default)]
pub struct ProjectUpdate {
    /// The changes; that of the record is the last one.
    pub changes: Vec<FileChange>,
    /// What is left to the user.
    pub notes: Vec<String>,
}

/// The update of the project at `root`, which has `record`, to the files that this version makes of `facts`. With `force`, the new version
/// of a file takes the place of one that the user changed.
///
/// # Errors
///
/// The error in a template, a file that can't be read, and vendored sources that the user changed.
pub fn plan_update(
    root: &Path,
    record: Option<&ProjectRecord>,
    facts: &ProjectFacts,
    force: bool,
) -> Result<ProjectUpdate, Vec<Diagnostic>> {
    let one = |diagnostic| vec![diagnostic];
    let files = project_files(facts).map_err(one)?;
    let mut update = ProjectUpdate::default();
    for file in &files {
        let known = record.and_then(|record| record.files.get(&file.path));
        update_file(root, file, known, force, &mut update).map_err(one)?;
    }
    if let Some(record) = record {
        remove_old_files(root, record, &files, &mut update).map_err(one)?;
    }
    let vendored = match facts.origin {
        Origin::Vendored => vendored_files(),
        Origin::Checkout(_) | Origin::Registry => Vec::new(),
    };
    update_vendor(root, record, &vendored, force, &mut update)?;
    update_record(root, record, facts, &files, &vendored, &mut update).map_err(one)?;
    Ok(update)
}

/// Plans the change of one file, whose record is `known`.
fn update_file(
    root: &Path,
    file: &Artifact,
    known: Option<&FileRecord>,
    force: bool,
    update: &mut ProjectUpdate,
) -> Result<(), Diagnostic> {
    let path = file.path.as_str();
    let Some(disk) = read(root, path)? else {
        match known {
            Some(_) if !force => {}
            _ => update
                .changes
                .push(FileChange::create(path, file.bytes.clone())),
        }
        return Ok(());
    };
    let same = FileRecord::Sha256(agentgen_build::inspect::sha256_hex(&file.bytes));
    if same.is(&disk) || known == Some(&FileRecord::Own) {
        return Ok(());
    }
    let new = with_line_ends_of(&disk, &file.bytes);
    match known {
        _ if force => {}
        Some(record) if record.is(&disk) => {}
        // What agentgen writes did not change.
        Some(record) if record.is(&file.bytes) => return Ok(()),
        Some(FileRecord::Text(base)) => match merged(base, &disk, &file.bytes) {
            Some(text) => {
                if text != disk {
                    update.changes.push(FileChange::edit(path, disk, text));
                }
                return Ok(());
            }
            None => {
                let note = format!(
                    "{path}: your changes and the new version meet in the same lines. The new version is in {path}.new: take \
                     from it what you want, and delete it"
                );
                beside(root, file, note, update)?;
                return Ok(());
            }
        },
        // Cargo brings it in line with Cargo.toml.
        Some(_) if path == "Cargo.lock" => return Ok(()),
        _ => {
            let note = format!("{path} is yours; the new version is in {path}.new");
            beside(root, file, note, update)?;
            return Ok(());
        }
    }
    update.changes.push(FileChange::edit(path, disk, new));
    Ok(())
}

/// Puts the new version of a file beside the one of the user.
fn beside(
    root: &Path,
    file: &Artifact,
    note: String,
    update: &mut ProjectUpdate,
) -> Result<(), Diagnostic> {
    let path = format!("{}.new", file.path);
    match read(root, &path)? {
        Some(old) if old == file.bytes => {}
        Some(old) => update
            .changes
            .push(FileChange::edit(&path, old, file.bytes.clone())),
        None => update
            .changes
            .push(FileChange::create(&path, file.bytes.clone())),
    }
    update.notes.push(note);
    Ok(())
}

/// Plans the deletion of files that this version no longer writes.
fn remove_old_files(
    root: &Path,
    record: &ProjectRecord,
    files: &[Artifact],
    update: &mut ProjectUpdate,
) -> Result<(), Diagnostic> {
    for (path, known) in &record.files {
        let is_kept =
            !matches!(known, FileRecord::Text(_)) || files.iter().any(|file| file.path == *path);
        if is_kept {
            continue;
        }
        match read(root, path)? {
            Some(disk) if known.is(&disk) => update.changes.push(FileChange::delete(path, disk)),
            Some(_) => update.notes.push(format!(
                "{path} stays, since you changed it; this version of agentgen has no such file"
            )),
            None => {}
        }
    }
    Ok(())
}

/// Replaces the vendored crates by those of this version.
fn update_vendor(
    root: &Path,
    record: Option<&ProjectRecord>,
    new: &[Artifact],
    force: bool,
    update: &mut ProjectUpdate,
) -> Result<(), Vec<Diagnostic>> {
    let names: BTreeSet<String> = crate_hashes(new).into_keys().collect();
    let recorded = record.map(|record| record.vendor.keys().cloned());
    let names: BTreeSet<String> = names
        .into_iter()
        .chain(recorded.into_iter().flatten())
        .collect();
    let mut edited = Vec::new();
    for name in names {
        let folder = format!("vendor/{name}");
        let old = files_below(root, &folder).map_err(|diagnostic| vec![diagnostic])?;
        let own = |file: &&Artifact| file.path.starts_with(&format!("{folder}/"));
        let own: Vec<&Artifact> = new.iter().filter(own).collect();
        let hash = |files: &[&Artifact]| crate_hashes(files.iter().copied()).remove(&name);
        let found = hash(&old.iter().collect::<Vec<_>>());
        if found == hash(&own) {
            continue;
        }
        let known = record.and_then(|record| record.vendor.get(&name));
        if !old.is_empty() && !force && found.as_ref() != known {
            edited.push(
                Diagnostic::error(Code::Conflict, folder, "these sources were changed by hand")
                    .help("move the change out of `vendor`, or overwrite it with `--force`"),
            );
            continue;
        }
        for file in &own {
            match old.iter().find(|other| other.path == file.path) {
                Some(other) if other.bytes == file.bytes => {}
                Some(other) => update.changes.push(FileChange::edit(
                    &file.path,
                    other.bytes.clone(),
                    file.bytes.clone(),
                )),
                None => update
                    .changes
                    .push(FileChange::create(&file.path, file.bytes.clone())),
            }
        }
        for file in old {
            if own.iter().all(|other| other.path != file.path) {
                update
                    .changes
                    .push(FileChange::delete(&file.path, file.bytes));
            }
        }
    }
    match edited.is_empty() {
        true => Ok(()),
        false => Err(edited),
    }
}

/// Records what the project has after the update: also what the user did not take over, so that it is not proposed again.
fn update_record(
    root: &Path,
    record: Option<&ProjectRecord>,
    facts: &ProjectFacts,
    files: &[Artifact],
    vendored: &[Artifact],
    update: &mut ProjectUpdate,
) -> Result<(), Diagnostic> {
    let all: Vec<Artifact> = files.iter().chain(vendored).cloned().collect();
    let mut new = ProjectRecord::of(facts.clone(), &all);
    if let Some(record) = record {
        for (path, known) in &record.files {
            // Files that only `new` writes, such as examples, and the user's own.
            let is_example =
                matches!(known, FileRecord::Sha256(_)) && !new.files.contains_key(path);
            if is_example || *known == FileRecord::Own {
                new.files.insert(path.clone(), known.clone());
            }
        }
    }
    let text = new.to_json();
    match read(root, RECORD_PATH)? {
        Some(old) if old == text.as_bytes() => {}
        Some(old) => update
            .changes
            .push(FileChange::edit(RECORD_PATH, old, text)),
        None => update.changes.push(FileChange::create(RECORD_PATH, text)),
    }
    Ok(())
}

/// The changes of `disk` and those of `new`, both made to `base`.
fn merged(base: &str, disk: &[u8], new: &[u8]) -> Option<Vec<u8>> {
    let (ours, theirs) = (
        std::str::from_utf8(disk).ok()?,
        std::str::from_utf8(new).ok()?,
    );
    let text = merge(base, &ours.replace("\r\n", "\n"), theirs)?;
    Some(with_line_ends_of(disk, text.as_bytes()))
}

/// `new` with the line ends of `old`.
fn with_line_ends_of(old: &[u8], new: &[u8]) -> Vec<u8> {
    match (std::str::from_utf8(old), std::str::from_utf8(new)) {
        (Ok(old), Ok(new)) if old.contains("\r\n") => new.replace('\n', "\r\n").into_bytes(),
        _ => new.to_vec(),
    }
}

/// The content of a file of the project; none where there is none.
fn read(root: &Path, path: &str) -> Result<Option<Vec<u8>>, Diagnostic> {
    match fs::read(root.join(path)) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(unreadable(path, &error)),
    }
}

/// All files in and below a folder of the project, by their paths; none where there is no such folder.
fn files_below(root: &Path, folder: &str) -> Result<Vec<Artifact>, Diagnostic> {
    let mut found = Vec::new();
    let mut folders = vec![root.join(folder)];
    while let Some(current) = folders.pop() {
        let shown = relative(root, &current);
        let entries = match fs::read_dir(&current) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(unreadable(&shown, &error)),
        };
        for entry in entries {
            let entry = entry.map_err(|error| unreadable(&shown, &error))?;
            let path = relative(root, &entry.path());
            // A link is not one of ours.
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => folders.push(entry.path()),
                _ => {
                    let bytes = read(root, &path)?.unwrap_or_default();
                    found.push(Artifact { path, bytes });
                }
            }
        }
    }
    Ok(found)
}

fn unreadable(path: &str, error: &io::Error) -> Diagnostic {
    let message = format!("this can't be read: {}", reason(error));
    Diagnostic::error(Code::Io, path, message)
}
