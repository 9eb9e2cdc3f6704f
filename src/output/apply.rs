//! Carries out a plan. Nothing else in this crate writes files.
//!
//! Every file is replaced in one step, so a reader sees the old content or the new one. Before the first file
//! is touched, the new manifest is put beside the old one as `manifest.json.pending`; it goes away after the
//! manifest itself is written. A run that is cut off at any point so leaves a record of all contents that may
//! be on disk, and the next run tells them from edits by hand and finishes the job.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Seek, Write};
use std::path::{Path, PathBuf};

use crate::diagnostics::code::Code;
use crate::diagnostics::{Diagnostic, Severity};
use crate::output::manifest::{self, Manifest};
use crate::output::plan::{Change, ChangeKind, Plan};
use crate::project::discover::reason;

/// The name under which a file is written before it takes its place.
const TEMPORARY_NAME: &str = ".agentgen-tmp";

/// Makes the output folder what `plan` says. With a conflict in the plan, nothing is written.
///
/// # Errors
///
/// The plan's conflicts; or what could not be written. In that case every file still is whole, and the same
/// call made again finishes the job.
pub fn apply(plan: &Plan<'_>) -> Result<(), Vec<Diagnostic>> {
    let mut conflicts = plan.diagnostics();
    conflicts.retain(|diagnostic| diagnostic.severity == Severity::Error);
    if !conflicts.is_empty() {
        return Err(conflicts);
    }
    if plan.is_noop() {
        return Ok(());
    }
    carry_out(plan).map_err(|failure| {
        let path = match &failure.path {
            Some(path) => format!("{}/{path}", plan.name),
            None => plan.name.clone(),
        };
        vec![
            Diagnostic::error(Code::Io, path, failure.message)
                .help("put that right and run the same command again; it resumes from here"),
        ]
    })
}

/// Writes one file in one step, and the folders it is in.
///
/// # Errors
///
/// What the system says; the file is then as it was.
pub fn write_file(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new(""));
    fs::create_dir_all(folder)?;
    let temporary = folder.join(TEMPORARY_NAME);
    let written = write_new(&temporary, bytes).and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        // The first failure is the one to report.
        let _ = fs::remove_file(&temporary);
    }
    written
}

struct Failure {
    path: Option<String>,
    message: String,
}

fn failure(path: &str, what: &str) -> impl Fn(io::Error) -> Failure {
    let path = path.to_owned();
    let what = what.to_owned();
    move |error| Failure {
        path: Some(path.clone()),
        message: format!("the file can't be {what}: {}", reason(&error)),
    }
}

fn carry_out(plan: &Plan<'_>) -> Result<(), Failure> {
    fs::create_dir_all(&plan.out).map_err(|error| Failure {
        path: None,
        message: format!("the folder can't be created: {}", reason(&error)),
    })?;
    let pending = begin(plan)?;
    // A file that changes the case of its name goes before it comes back, since both may be one file.
    let returning: BTreeSet<String> = plan
        .files()
        .filter(|change| change.bytes.is_some())
        .map(|change| change.path.to_lowercase())
        .collect();
    let (renamed, orphans): (Vec<&Change<'_>>, Vec<&Change<'_>>) = plan
        .files()
        .filter(|change| change.kind == ChangeKind::Delete)
        .partition(|change| returning.contains(&change.path.to_lowercase()));
    delete(plan, &renamed)?;
    for change in plan.files() {
        if let (ChangeKind::Create | ChangeKind::Update, Some(bytes)) = (change.kind, change.bytes)
        {
            write_file(&plan.out.join(&change.path), bytes)
                .map_err(failure(&change.path, "written"))?;
        }
    }
    delete(plan, &orphans)?;
    write_manifest(plan, &plan.manifest)?;
    drop(pending);
    fs::remove_file(plan.out.join(manifest::PENDING_NAME))
        .map_err(failure(manifest::PENDING_NAME, "deleted"))
}

/// Keeps other runs out and records what will be written. The file stays locked as long as it is open.
fn begin(plan: &Plan<'_>) -> Result<File, Failure> {
    let failed = || failure(manifest::PENDING_NAME, "written");
    let path = plan.out.join(manifest::PENDING_NAME);
    if fs::symlink_metadata(&path).is_ok_and(|metadata| !metadata.is_file()) {
        return Err(Failure {
            path: Some(manifest::PENDING_NAME.to_owned()),
            message: "this is not a file of agentgen's".to_owned(),
        });
    }
    let mut file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(failed())?;
    // Where the file system knows no locks, the run continues without one.
    if let Err(TryLockError::WouldBlock) = file.try_lock() {
        return Err(Failure {
            path: None,
            message: "another run of agentgen is writing here".to_owned(),
        });
    }
    if plan.interrupted {
        // The record of the run that was cut off is about to be overwritten. What it wrote becomes part of
        // the manifest first.
        write_manifest(plan, &plan.previous_manifest)?;
        for folder in folders(plan) {
            let _ = fs::remove_file(folder.join(TEMPORARY_NAME));
        }
    }
    file.set_len(0)
        .and_then(|()| file.rewind())
        .and_then(|()| file.write_all(plan.manifest.to_json().as_bytes()))
        .map_err(failed())?;
    Ok(file)
}

fn write_manifest(plan: &Plan<'_>, manifest: &Manifest) -> Result<(), Failure> {
    let bytes = manifest.to_json();
    let path = plan.out.join(manifest::FILE_NAME);
    write_file(&path, bytes.as_bytes()).map_err(failure(manifest::FILE_NAME, "written"))
}

/// Deletes files, and the folders that have become empty by that.
fn delete(plan: &Plan<'_>, changes: &[&Change<'_>]) -> Result<(), Failure> {
    for change in changes {
        let path = plan.out.join(&change.path);
        match fs::remove_file(&path) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failure(&change.path, "deleted")(error)),
        }
        let mut folder = path.parent();
        while let Some(at) = folder.filter(|at| *at != plan.out) {
            // This fails where the folder is not empty, which is where it has to stop.
            if fs::remove_dir(at).is_err() {
                break;
            }
            folder = at.parent();
        }
    }
    Ok(())
}

fn folders(plan: &Plan<'_>) -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> = plan
        .changes
        .iter()
        .filter_map(|change| plan.out.join(&change.path).parent().map(Path::to_path_buf))
        .collect();
    folders.sort();
    folders.dedup();
    folders
}

/// Writes a file that must not be there yet; what a run that was cut off has left there goes first.
fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
    file.write_all(bytes)
}
