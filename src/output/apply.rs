//! Carries out a plan. Nothing else in this crate writes files.
//!
//! Every file is replaced in one step, so a reader sees the old content or the new one. Before the first file
//! is touched, what is new in the manifest is put beside the old one as `manifest.json.pending`; it goes away after the
//! manifest itself is written. A run that is cut off at any point so leaves a record of all contents that may
//! be on disk, and the next run tells them from edits by hand and finishes the job.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Write};
use std::path::Path;

use crate::diagnostics::code::Code;
use crate::diagnostics::{Diagnostic, Severity};
use crate::output::atomic_file::{leftovers, write_file, write_generated};
use crate::output::manifest;
use crate::output::plan::{Change, ChangeKind, Plan};
use crate::project::discover::reason;

/// Makes the output folder what `plan` says. With a conflict in the plan, nothing is written.
///
/// Where other runs may write to the folder, hold an [`OutputLock`](crate::OutputLock) since before the project was read.
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
    begin(plan)?;
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
    plan.staging
        .promote()
        .map_err(|(path, error)| failure(&path, "written")(error))?;
    for change in plan.files() {
        if let (ChangeKind::Create | ChangeKind::Update, Some(bytes)) = (change.kind, change.bytes)
        {
            write_generated(&plan.out.join(&change.path), |file| file.write_all(bytes))
                .map_err(failure(&change.path, "written"))?;
        }
    }
    delete(plan, &orphans)?;
    write_manifest(plan, &plan.manifest_text)?;
    fs::remove_file(plan.out.join(manifest::PENDING_NAME))
        .map_err(failure(manifest::PENDING_NAME, "deleted"))
}

/// Removes what a run that was cut off has left, and records what will be written.
fn begin(plan: &Plan<'_>) -> Result<(), Failure> {
    if plan.interrupted {
        // The record of that run is about to be overwritten. What it wrote becomes part of the manifest first.
        write_manifest(plan, &plan.previous_manifest.to_json())?;
        clean(plan);
    }
    let path = plan.out.join(manifest::PENDING_NAME);
    write_file(&path, plan.pending.to_json().as_bytes())
        .map_err(failure(manifest::PENDING_NAME, "written"))
}

/// Removes temporary files, and the folders that were created for them.
fn clean(plan: &Plan<'_>) {
    for folder in &plan.known_folders {
        let folder = plan.out.join(folder);
        for left in leftovers(&folder) {
            // That of this run waits for its place.
            if left != plan.staging.folder() {
                let _ = fs::remove_file(&left).or_else(|_| fs::remove_dir_all(&left));
            }
        }
        remove_empty(&folder, &plan.out);
    }
}

/// Removes `folder`, and those above it and below `top`, as far as they are empty.
fn remove_empty(folder: &Path, top: &Path) {
    let inside = folder.ancestors().take_while(|above| *above != top);
    for above in inside {
        // This fails where the folder is not empty, which is where it has to stop.
        if fs::remove_dir(above).is_err() {
            break;
        }
    }
}

fn write_manifest(plan: &Plan<'_>, text: &str) -> Result<(), Failure> {
    let path = plan.out.join(manifest::FILE_NAME);
    write_file(&path, text.as_bytes()).map_err(failure(manifest::FILE_NAME, "written"))
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
        remove_empty(path.parent().unwrap_or(&plan.out), &plan.out);
    }
    Ok(())
}
