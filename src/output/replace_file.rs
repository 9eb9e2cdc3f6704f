//! Changes a file of the user's own: the whole of it or nothing, and never another one.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::diagnostics::Diagnostic;
use crate::diagnostics::code::Code;
use crate::project::discover::{reason, relative};
use crate::project::project_boundary::path_inside;

/// Why a file was left as it is.
enum Failure {
    /// Its content is not what it was when it was read.
    Changed,
    /// The system says no.
    Io(io::Error),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Gives the file at `path` the content `new`, if its content still is `old`; `None` creates it, if it is not there.
///
/// A link stays a link: the file it leads to changes, if that is in the folder `root`. A path that is not in `root` by its
/// name must not leave its own folder. Readers see the old content or the new one, also after a power cut, and several runs
/// at a time don't disturb each other. The mode and the owner stay. A file with further hard links is written in place, so
/// that they keep showing the same content. A file that has the content `new` already is left alone.
///
/// # Errors
///
/// A diagnostic that says why the file is as it was.
pub fn replace_file(
    root: &Path,
    path: &Path,
    old: Option<&[u8]>,
    new: &[u8],
) -> Result<(), Diagnostic> {
    let name = relative(root, path);
    let folder = match name.starts_with("../") {
        true => path.parent().unwrap_or(path),
        false => root,
    };
    let target = path_inside(folder, path).map_err(|mut diagnostic| {
        diagnostic.advise("nothing was written; change that file where it is");
        diagnostic
    })?;
    let written = match old {
        Some(old) => update(&target, old, new),
        None => create(&target, new),
    };
    written.map_err(|failure| match failure {
        Failure::Changed => {
            Diagnostic::error(Code::Io, name, "the file has changed since it was read")
                .help("nothing was written to it; run the same command again")
        }
        Failure::Io(error) => {
            let message = format!("the file can't be written: {}", reason(&error));
            Diagnostic::error(Code::Io, name, message)
        }
    })
}

fn update(path: &Path, old: &[u8], new: &[u8]) -> Result<(), Failure> {
    let mut file = open(path)?;
    let mut now = Vec::new();
    file.read_to_end(&mut now)?;
    if now == new {
        return Ok(());
    }
    if now != old {
        return Err(Failure::Changed);
    }
    let metadata = file.metadata()?;
    let folder = path.parent().unwrap_or(Path::new(""));
    if links(&metadata) > 1 {
        return Ok(write_through(&mut file, old, new)?);
    }
    let mut temporary = Temporary::create(folder)?;
    temporary.file.write_all(new)?;
    if !same_owner(&temporary.file, &metadata)? {
        return Ok(write_through(&mut file, old, new)?);
    }
    temporary.file.set_permissions(metadata.permissions())?;
    temporary.file.sync_all()?;
    temporary.replace(path)?;
    Ok(sync_folder(folder)?)
}

/// The file at `path`, locked: other runs wait until it is closed. Another run may replace it before the lock is there; then
/// the new one is opened.
fn open(path: &Path) -> io::Result<File> {
    loop {
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        // Where the file system knows no locks, there is none.
        let _ = file.lock();
        if is_same(&file.metadata()?, &fs::metadata(path)?) {
            return Ok(file);
        }
    }
}

/// Writes `new` over `old` in the file itself. If that fails, the old content comes back as far as it can.
fn write_through(file: &mut File, old: &[u8], new: &[u8]) -> io::Result<()> {
    let mut write = |bytes: &[u8]| {
        file.rewind()?;
        file.write_all(bytes)?;
        file.set_len(bytes.len() as u64)?;
        file.sync_all()
    };
    write(new).inspect_err(|_| {
        // The first failure is the one to report.
        let _ = write(old);
    })
}

fn create(path: &Path, new: &[u8]) -> Result<(), Failure> {
    let mut file = match OpenOptions::new().write(true).create_new(true).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(Failure::Changed),
        Err(error) => return Err(error.into()),
    };
    if let Err(error) = file.write_all(new).and_then(|()| file.sync_all()) {
        let _ = fs::remove_file(path);
        return Err(error.into());
    }
    Ok(sync_folder(path.parent().unwrap_or(Path::new("")))?)
}

/// A new file beside the one that it will replace. It is deleted if it does not.
struct Temporary {
    file: File,
    path: PathBuf,
    done: bool,
}

impl Temporary {
    fn create(folder: &Path) -> io::Result<Self> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        loop {
            let count = COUNT.fetch_add(1, Ordering::Relaxed);
            let name = format!(".agentgen-{}-{count}.tmp", std::process::id());
            let path = folder.join(name);
            match open_private(&path) {
                Ok(file) => {
                    let done = false;
                    return Ok(Self { file, path, done });
                }
                // A process with the same number was killed here.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn replace(&mut self, path: &Path) -> io::Result<()> {
        fs::rename(&self.path, path)?;
        self.done = true;
        Ok(())
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.done {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// A new file that only its owner reads until it has the mode of the one it replaces.
#[cfg(unix)]
fn open_private(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600).open(path)
}

#[cfg(unix)]
fn links(metadata: &fs::Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::nlink(metadata)
}

#[cfg(unix)]
fn is_same(left: &fs::Metadata, right: &fs::Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    (left.dev(), left.ino()) == (right.dev(), right.ino())
}

/// Gives the new file the owner of the old one; whether it has it then.
#[cfg(unix)]
fn same_owner(new: &File, old: &fs::Metadata) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt;
    let own = new.metadata()?;
    if (own.uid(), own.gid()) == (old.uid(), old.gid()) {
        return Ok(true);
    }
    Ok(std::os::unix::fs::fchown(new, Some(old.uid()), Some(old.gid())).is_ok())
}

#[cfg(unix)]
fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(not(unix))]
fn open_private(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).open(path)
}

#[cfg(not(unix))]
fn links(_: &fs::Metadata) -> u64 {
    1
}

#[cfg(not(unix))]
fn is_same(left: &fs::Metadata, right: &fs::Metadata) -> bool {
    left.created().ok() == right.created().ok()
}

#[cfg(not(unix))]
fn same_owner(_: &File, _: &fs::Metadata) -> io::Result<bool> {
    Ok(true)
}

#[cfg(not(unix))]
fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}
