//! Who has a store's file open: a process that has it alone knows that whoever held something in it before is gone.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;
use std::time::Duration;

/// How often it is tried to be there beside another process that is just opening the store, and the pause between.
const TRIES: u32 = 100;
const PAUSE: Duration = Duration::from_millis(50);

/// Says to other processes that a store is open here. However a process ends, the operating system takes that back.
#[derive(Debug)]
pub(crate) struct Presence {
    file: File,
    /// Whether it is open nowhere else, and nobody else may open it yet.
    pub(crate) is_alone: bool,
}

impl Presence {
    /// Is there for the store at `path`, in a file beside it: locks on SQLite's own files are SQLite's.
    ///
    /// # Errors
    /// What the operating system says.
    pub(crate) fn at(path: &Path) -> io::Result<Self> {
        let mut beside = OsString::from(path);
        beside.push("-lock");
        let mut options = OpenOptions::new();
        options.create(true).append(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(beside)?;
        let is_alone = file.try_lock().is_ok();
        Ok(Self { file, is_alone })
    }

    /// Lets others be there too.
    ///
    /// # Errors
    /// What the operating system says, and that another process keeps the store to itself.
    pub(crate) async fn share(&mut self) -> io::Result<()> {
        if std::mem::take(&mut self.is_alone) {
            self.file.unlock()?;
        }
        for _ in 0..TRIES {
            if self.file.try_lock_shared().is_ok() {
                return Ok(());
            }
            tokio::time::sleep(PAUSE).await;
        }
        Err(io::ErrorKind::WouldBlock.into())
    }
}
