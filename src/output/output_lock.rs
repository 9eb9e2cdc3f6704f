//! One run at a time in an output folder.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use crate::diagnostics::Diagnostic;
use crate::diagnostics::code::Code;
use crate::project::discover::relative;

/// How long a run waits for another one by default.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often it looks whether the other one has ended.
const PAUSE: Duration = Duration::from_millis(20);

/// The right to write into an output folder, until it is dropped or the process ends.
///
/// Take it before the project is read: the last of several runs then writes what the last change made. The lock is one of the
/// system's on the folder itself, so that nothing of it is left behind.
#[derive(Debug)]
#[must_use = "the folder is locked as long as this lives"]
pub struct OutputLock {
    /// None where the file system has no locks, or where the folder can't be created, which is reported when a file is written.
    _folder: Option<File>,
    /// The folders that were created for the lock, the output folder first.
    created: Vec<PathBuf>,
}

impl OutputLock {
    /// Locks the folder `out`, which is relative to `root`; creates it where it is missing. Calls `waiting` once if another run
    /// has it, and then waits for that one.
    ///
    /// # Errors
    ///
    /// The other run has not ended in a minute.
    pub fn acquire(root: &Path, out: &str, waiting: impl FnOnce()) -> Result<Self, Diagnostic> {
        Self::acquire_within(PATIENCE, root, out, waiting)
    }

    /// Like [`OutputLock::acquire`], with another limit to the waiting.
    ///
    /// # Errors
    ///
    /// The other run has not ended in that time.
    pub fn acquire_within(
        patience: Duration,
        root: &Path,
        out: &str,
        waiting: impl FnOnce(),
    ) -> Result<Self, Diagnostic> {
        let folder = root.join(out);
        let begun = Instant::now();
        let mut waiting = Some(waiting);
        let mut lock = Self {
            _folder: None,
            created: Vec::new(),
        };
        loop {
            lock.create(&folder);
            let Ok(file) = open(&folder) else {
                return Ok(lock);
            };
            match file.try_lock() {
                // Another run may have removed the folder that it had created in vain.
                Ok(()) if !is_at(&file, &folder) => continue,
                Err(TryLockError::WouldBlock) if begun.elapsed() < patience => {}
                Err(TryLockError::WouldBlock) => {
                    let name = relative(root, &folder);
                    let message = "another run of agentgen is writing here";
                    return Err(Diagnostic::error(Code::Io, name, message).help(format!(
                        "it has not ended in {} seconds; see what it does, and run the same command again",
                        patience.as_secs()
                    )));
                }
                Ok(()) | Err(TryLockError::Error(_)) => {
                    lock._folder = Some(file);
                    return Ok(lock);
                }
            }
            if let Some(waiting) = waiting.take() {
                waiting();
            }
            thread::sleep(PAUSE);
        }
    }

    fn create(&mut self, folder: &Path) {
        let missing = folder.ancestors().take_while(|above| !above.exists());
        let missing: Vec<PathBuf> = missing.map(Path::to_path_buf).collect();
        if !missing.is_empty() && fs::create_dir_all(folder).is_ok() {
            self.created = missing;
        }
    }
}

impl Drop for OutputLock {
    /// A run that wrote nothing leaves no empty folders.
    fn drop(&mut self) {
        for folder in &self.created {
            // This fails where the folder is not empty, which is where it has to stop.
            if fs::remove_dir(folder).is_err() {
                break;
            }
        }
    }
}

#[cfg(unix)]
fn open(folder: &Path) -> io::Result<File> {
    File::open(folder)
}

/// Elsewhere a folder can't be opened like a file.
#[cfg(not(unix))]
fn open(folder: &Path) -> io::Result<File> {
    let mut options = fs::OpenOptions::new();
    options.create(true).truncate(false).write(true);
    options.open(folder.join(".agentgen-lock"))
}

/// Whether the open folder still is the one at `path`.
#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;

    match (file.metadata(), fs::metadata(path)) {
        (Ok(open), Ok(there)) => (open.dev(), open.ino()) == (there.dev(), there.ino()),
        _ => false,
    }
}

#[cfg(not(unix))]
fn is_at(_file: &File, _path: &Path) -> bool {
    true
}
