//! Writes a file in one step: a reader, and whoever comes after a crash, sees the old content or the new one.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};

/// How the name of a file or folder starts that is written before it takes its place.
pub(crate) const TEMPORARY_PREFIX: &str = ".agentgen-tmp";

/// Writes one file in one step, and the folders it is in. The content is on the disk before it takes its place: not even a power
/// failure leaves half of it.
///
/// # Errors
///
/// What the system says; the file is then as it was.
pub fn write_file(path: &Path, bytes: &[u8]) -> io::Result<()> {
    write_generated(path, |file| {
        file.write_all(bytes)?;
        file.sync_data()
    })
}

/// Like [`write_file`], for what can be made again: the system decides when what `content` writes reaches the disk.
pub(crate) fn write_generated(
    path: &Path,
    content: impl FnOnce(&mut File) -> io::Result<()>,
) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new(""));
    fs::create_dir_all(folder)?;
    let (temporary, mut file) = create_temporary(folder)?;
    let written = content(&mut file).and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        // The first failure is the one to report.
        let _ = fs::remove_file(&temporary);
    }
    written
}

/// A new file in `folder` that no other process and no other thread has.
fn create_temporary(folder: &Path) -> io::Result<(PathBuf, File)> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    loop {
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("{TEMPORARY_PREFIX}-{}-{number}", process::id());
        let path = folder.join(name);
        let created = OpenOptions::new().write(true).create_new(true).open(&path);
        match created {
            Ok(file) => return Ok((path, file)),
            // A run that was cut off had the same process id.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
}

/// The files and folders in `folder` that a run which was cut off has left there. Only for a folder in which nobody else writes.
pub(crate) fn leftovers(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let entries = entries.filter_map(Result::ok);
    let left = entries.filter(|entry| {
        let name = entry.file_name();
        name.as_encoded_bytes()
            .starts_with(TEMPORARY_PREFIX.as_bytes())
    });
    left.map(|entry| entry.path()).collect()
}
