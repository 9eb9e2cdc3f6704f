//! The folder of a workspace, as a capability.
//!
//! Invariant: nothing outside of it can be opened. Reading follows links that stay inside; searches and changes follow none.

use std::io::{self, ErrorKind, Read};
use std::sync::Mutex;

use cap_fs_ext::{DirExt, FollowSymlinks, OpenOptionsFollowExt, OpenOptionsSyncExt};
use cap_std::ambient_authority;
use cap_std::fs::{Dir, File, OpenOptions};

use crate::engine::tools::ToolError;
use crate::error::start_error::SettingError;
use crate::workspace::workspace_path::WorkspacePath;
use crate::workspace::workspace_settings::{ROOT, WorkspaceSettings, check_root};

/// The root of the workspace.
pub(super) struct Folder {
    pub(super) root: Dir,
    /// Held while a file is changed: two changes of one file must not lose one of them.
    pub(super) changing: Mutex<()>,
}

impl Folder {
    /// Opens the folder of the settings.
    ///
    /// # Errors
    /// A folder that can't be opened.
    pub(super) fn open(settings: &WorkspaceSettings) -> Result<Self, SettingError> {
        check_root(&settings.root)?;
        let root = Dir::open_ambient_dir(&settings.root, ambient_authority());
        let root = root.map_err(|error| {
            let root = settings.root.display();
            SettingError::new(ROOT, format!("`{root}` can't be opened: {error}"))
        })?;
        Ok(Self {
            root,
            changing: Mutex::new(()),
        })
    }

    /// The bytes of the file at `path`, of which there are `max` at most.
    ///
    /// # Errors
    /// What is no file, can't be opened or is larger.
    pub(super) fn read(&self, path: &WorkspacePath, max: usize) -> Result<Vec<u8>, ToolError> {
        path.split_last()?;
        let file = open_file(&self.root, &path.to_string(), FollowSymlinks::Yes);
        let file = file.map_err(|problem| problem.about(path))?;
        let mut bytes = Vec::new();
        let is_whole = read_file(file, max, &mut bytes).map_err(|error| failed(path, &error))?;
        match is_whole {
            true => Ok(bytes),
            false => Err(ToolError::new(format!(
                "`{path}` has more than {max} bytes, which is too large for this workspace; `Grep` does not search it either"
            ))),
        }
    }

    /// The folder `names` below the root, without following a link; `None` if a part of it does not exist.
    ///
    /// # Errors
    /// A part that is no folder or can't be opened.
    pub(super) fn folder(&self, names: &[String]) -> Result<Option<Dir>, ToolError> {
        let mut dir = self.root.try_clone().map_err(|error| unnamed(&error))?;
        for name in names {
            dir = match subfolder(&dir, name) {
                Ok(dir) => dir,
                Err(Problem::Missing) => return Ok(None),
                Err(problem) => return Err(problem.in_folder(name)),
            };
        }
        Ok(Some(dir))
    }
}

/// Why something is not opened.
#[derive(Debug)]
pub(super) enum Problem {
    Missing,
    Link,
    Folder,
    NoFolder,
    /// A device, a pipe or a socket.
    NoFile,
    Refused(io::Error),
}

impl Problem {
    /// What the model is told of the file at `path`.
    pub(super) fn about(self, path: &WorkspacePath) -> ToolError {
        let detail = match self {
            Self::Missing => return ToolError::new(format!("there is no file `{path}`")),
            Self::Link => "is a link: name the file that it leads to",
            Self::Folder => "is a folder",
            Self::NoFolder => "leads through something that is no folder",
            Self::NoFile => "is a device, a pipe or a socket, and no file",
            Self::Refused(error) => return failed(path, &error),
        };
        ToolError::new(format!("`{path}` {detail}"))
    }

    /// What the model is told of the folder `name` on the way to something.
    fn in_folder(self, name: &str) -> ToolError {
        let detail = match self {
            Self::Link => "is a link: name the folder that it leads to".to_owned(),
            Self::Refused(error) => reason(&error),
            _ => "is no folder".to_owned(),
        };
        ToolError::new(format!("`{name}` {detail}"))
    }
}

impl From<io::Error> for Problem {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            ErrorKind::NotFound => Self::Missing,
            ErrorKind::NotADirectory => Self::NoFolder,
            _ => Self::Refused(error),
        }
    }
}

/// Opens the file at `path` below `dir` for reading. Nothing but a file is opened, and nothing is waited for: to open a pipe would wait for a
/// writer.
pub(super) fn open_file(dir: &Dir, path: &str, follow: FollowSymlinks) -> Result<File, Problem> {
    let metadata = match follow {
        FollowSymlinks::Yes => dir.metadata(path)?,
        FollowSymlinks::No => dir.symlink_metadata(path)?,
    };
    check_is_file(metadata.file_type())?;
    let mut options = OpenOptions::new();
    options.read(true).nonblock(true).follow(follow);
    let file = dir.open_with(path, &options)?;
    // It may be another one by now.
    check_is_file(file.metadata()?.file_type())?;
    Ok(file)
}

fn check_is_file(file_type: cap_std::fs::FileType) -> Result<(), Problem> {
    if file_type.is_file() {
        Ok(())
    } else if file_type.is_symlink() {
        Err(Problem::Link)
    } else if file_type.is_dir() {
        Err(Problem::Folder)
    } else {
        Err(Problem::NoFile)
    }
}

/// Opens the folder `name` in `dir`. A link is not followed.
pub(super) fn subfolder(dir: &Dir, name: &str) -> Result<Dir, Problem> {
    let file_type = dir.symlink_metadata(name)?.file_type();
    if file_type.is_symlink() {
        return Err(Problem::Link);
    }
    if !file_type.is_dir() {
        return Err(Problem::NoFolder);
    }
    Ok(dir.open_dir_nofollow(name)?)
}

/// Reads `file` to the end of `bytes`, at most `max` bytes. Whether that is all of it.
///
/// # Errors
/// Those of the operating system.
pub(super) fn read_file(file: File, max: usize, bytes: &mut Vec<u8>) -> io::Result<bool> {
    bytes.clear();
    let most = u64::try_from(max).unwrap_or(u64::MAX);
    file.take(most.saturating_add(1)).read_to_end(bytes)?;
    Ok(bytes.len() <= max)
}

/// What the model is told of an error at `path`.
pub(super) fn failed(path: &WorkspacePath, error: &io::Error) -> ToolError {
    ToolError::new(format!("`{path}` {}", reason(error)))
}

fn unnamed(error: &io::Error) -> ToolError {
    ToolError::new(format!("the workspace {}", reason(error)))
}

/// In words that name no path of the machine.
fn reason(error: &io::Error) -> String {
    match error.kind() {
        // The capability refuses by itself: no error of the system is behind it.
        ErrorKind::PermissionDenied if error.raw_os_error().is_none() => {
            "leads out of the workspace".to_owned()
        }
        ErrorKind::PermissionDenied => "may not be opened by the service".to_owned(),
        kind => format!("can't be opened: {kind}"),
    }
}

/// Whether `bytes` are those of something else than a text.
pub(super) fn is_binary(bytes: &[u8]) -> bool {
    bytes.contains(&0)
}
