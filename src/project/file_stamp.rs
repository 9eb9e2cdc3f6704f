//! What the system says of a file besides its content: enough to tell whether it was written to.

use std::fs::{self, Metadata};
use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

/// How far a change may be from the time that the system notes for it. Linux counts in steps of up to 10 ms.
const STEP: Duration = Duration::from_millis(50);
/// The same for file systems that note whole seconds.
const LONG_STEP: Duration = Duration::from_secs(3);

/// Size, times and place of a file. Two stamps of a path are equal if nobody wrote to it between them, and differ if somebody did,
/// provided that the first one [is settled](Self::is_settled).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileStamp(u64, u64, u64, u64);

impl FileStamp {
    /// The stamp of the file at `path`; a link is followed.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn of_target(path: &Path) -> io::Result<Self> {
        fs::metadata(path).map(|metadata| Self::new(&metadata))
    }

    /// The stamp of the plain file at `path` itself; none where something else is there, or nothing.
    pub fn of_file(path: &Path) -> Option<Self> {
        let metadata = fs::symlink_metadata(path).ok()?;
        metadata.is_file().then(|| Self::new(&metadata))
    }

    /// The stamp of the folder at `path` itself, whatever is in it; none where something else is there, or nothing.
    pub fn of_folder(path: &Path) -> Option<Self> {
        let metadata = fs::symlink_metadata(path).ok()?;
        metadata.is_dir().then(|| Self(0, 0, 0, place(&metadata)))
    }

    /// The stamp in `metadata`.
    pub fn new(metadata: &Metadata) -> Self {
        let modified = metadata.modified().map_or(0, nanoseconds);
        Self(metadata.len(), modified, changed(metadata), place(metadata))
    }

    /// Whether this is `written`, the stamp of a file that has only been moved since.
    pub fn is_moved(self, written: Self) -> bool {
        (self.0, self.1, self.3) == (written.0, written.1, written.3)
    }

    /// Whether a change after `now`, when this stamp was taken, will have another time. One right before it may have the same.
    pub fn is_settled(self, now: SystemTime) -> bool {
        let last = self.1.max(self.2);
        let step = match last.is_multiple_of(1_000_000_000) {
            true => LONG_STEP,
            false => STEP,
        };
        last.saturating_add(step.as_nanos() as u64) < nanoseconds(now)
    }
}

/// Since 1970; what is before counts as 1970.
fn nanoseconds(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

/// When anything about the file changed, its name included: nobody can set this time.
#[cfg(unix)]
fn changed(metadata: &Metadata) -> u64 {
    use std::os::unix::fs::MetadataExt;

    let seconds = u64::try_from(metadata.ctime()).unwrap_or_default();
    let nanoseconds = u64::try_from(metadata.ctime_nsec()).unwrap_or_default();
    seconds * 1_000_000_000 + nanoseconds
}

#[cfg(not(unix))]
fn changed(_metadata: &Metadata) -> u64 {
    0
}

/// The file's number, which another file at the same path does not have.
#[cfg(unix)]
fn place(metadata: &Metadata) -> u64 {
    use std::os::unix::fs::MetadataExt;

    metadata.ino() ^ metadata.dev().rotate_left(48)
}

#[cfg(not(unix))]
fn place(_metadata: &Metadata) -> u64 {
    0
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::fs;
    use std::time::{Duration, SystemTime};

    use super::FileStamp;

    #[test]
    fn a_stamp_tells_every_change_once_it_is_settled() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.md");
        fs::write(&path, "one").unwrap();
        let first = FileStamp::of_file(&path).unwrap();
        assert!(!first.is_settled(SystemTime::now()));
        assert!(first.is_settled(SystemTime::now() + Duration::from_secs(4)));
        std::thread::sleep(Duration::from_millis(60));
        assert_eq!(FileStamp::of_file(&path).unwrap(), first);

        // Same size, and the time of before.
        let time = fs::metadata(&path).unwrap().modified().unwrap();
        fs::write(&path, "two").unwrap();
        let file = fs::File::options().write(true).open(&path).unwrap();
        file.set_modified(time).unwrap();
        if cfg!(unix) {
            assert_ne!(FileStamp::of_file(&path).unwrap(), first);
        }
        assert_eq!(FileStamp::of_file(folder.path()), None);
        assert_eq!(FileStamp::of_folder(&path), None);
        assert!(FileStamp::of_folder(folder.path()).is_some());
    }
}
