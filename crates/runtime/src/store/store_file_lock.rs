//! The lock that shows other processes that a SQLite file is open.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;
use std::time::Duration;

/// How often the lock is tried while another process opens the store, and the pause between.
const LOCK_TRIES: u32 = 100;
const LOCK_PAUSE: Duration = Duration::from_millis(50);

/// A lock on a file beside the store (locks on SQLite's own files are SQLite's). Every process that has the store open
/// holds it shared; the operating system releases it when the process ends, however that happens.
#[derive(Debug)]
pub(crate) struct StoreFileLock {
    file: File,
    /// Whether no other process has the store open, or can open it before [`StoreFileLock::downgrade`].
    pub(super) is_exclusive: bool,
}

impl StoreFileLock {
    /// Tries to lock exclusively; does not wait.
    pub(super) fn acquire(path: &Path) -> io::Result<Self> {
        let mut lock_path = OsString::from(path);
        lock_path.push("-lock");
        let file = open_private(Path::new(&lock_path))?;
        let is_exclusive = file.try_lock().is_ok();
        Ok(Self { file, is_exclusive })
    }

    /// Holds the lock shared from now on.
    ///
    /// # Errors
    /// What the operating system says, and `WouldBlock` if another process keeps its exclusive lock.
    pub(super) async fn downgrade(&mut self) -> io::Result<()> {
        if std::mem::take(&mut self.is_exclusive) {
            self.file.unlock()?;
        }
        for _ in 0..LOCK_TRIES {
            if self.file.try_lock_shared().is_ok() {
                return Ok(());
            }
            tokio::time::sleep(LOCK_PAUSE).await;
        }
        Err(io::ErrorKind::WouldBlock.into())
    }
}

pub(super) fn open_private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.create(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}
