//! How a file of the workspace is written.
//!
//! Invariant: a file is there as it was, or as it was to be, and never as a part of it. No link is followed, and what belongs to version
//! control is left alone: a hook in `.git` would be a program that somebody runs.

use std::io::Write;
use std::sync::PoisonError;

use cap_fs_ext::{FollowSymlinks, MetadataExt};
use cap_std::fs::{Dir, Permissions};
use cap_tempfile::TempFile;

use crate::engine::tools::ToolError;
use crate::workspace::workspace_call::{Stop, Workspace};
use crate::workspace::workspace_folder::{Problem, failed, open_file, read_file, subfolder};
use crate::workspace::workspace_path::WorkspacePath;

/// The folders of version control systems, which run programs that are named in there.
const VERSION_CONTROL: [&str; 4] = [".git", ".hg", ".jj", ".svn"];

/// A file before it is written.
struct Existing {
    /// What is in it.
    bytes: Vec<u8>,
    permissions: Permissions,
}

/// Writes the file at `path` with what `change` makes of it; it is given `None` where there is no file yet. Folders that are missing are
/// made. Returns what `change` says.
///
/// # Errors
/// A file that may not be written, and the errors of `change`; then nothing was written.
pub(super) fn write(
    workspace: &Workspace,
    path: &WorkspacePath,
    stop: &Stop,
    change: impl FnOnce(Option<&[u8]>) -> Result<(Vec<u8>, String), ToolError>,
) -> Result<String, ToolError> {
    let (folders, name) = path.split_last()?;
    let changing = workspace.folder.changing.lock();
    let _changing = changing.unwrap_or_else(PoisonError::into_inner);
    let max = workspace.settings.file_bytes;
    check_folders(workspace, folders)?;
    let folder = workspace.folder.folder(folders)?;
    let existing = match &folder {
        Some(folder) => existing(folder, name, path, max)?,
        None => None,
    };
    if is_version_control(folder.as_ref(), name) {
        return Err(version_control(name));
    }
    let (bytes, said) = change(existing.as_ref().map(|existing| &*existing.bytes))?;
    if bytes.len() > max {
        return Err(ToolError::new(format!(
            "`{path}` would have {} bytes; a file of this workspace has {max} at most",
            bytes.len()
        )));
    }
    if stop.is_cancelled() {
        return Err(ToolError::new("the run has ended"));
    }
    let folder = match folder {
        Some(folder) => folder,
        None => made_folder(workspace, folders)?,
    };
    let permissions = existing.map(|existing| existing.permissions);
    replace(&folder, name, &bytes, permissions).map_err(|error| failed(path, &error))?;
    Ok(said)
}

/// Writes a file that nobody sees, and gives it the name.
fn replace(
    folder: &Dir,
    name: &str,
    bytes: &[u8],
    permissions: Option<Permissions>,
) -> std::io::Result<()> {
    let mut file = TempFile::new(folder)?;
    file.write_all(bytes)?;
    if let Some(permissions) = permissions {
        file.as_file().set_permissions(permissions)?;
    }
    // Else the name could be there after a power cut, and the text not.
    file.as_file().sync_all()?;
    file.replace(name)
}

/// The file `name` in `folder`; `None` if there is none.
fn existing(
    folder: &Dir,
    name: &str,
    path: &WorkspacePath,
    max: usize,
) -> Result<Option<Existing>, ToolError> {
    let file = match open_file(folder, name, FollowSymlinks::No) {
        Ok(file) => file,
        Err(Problem::Missing) => return Ok(None),
        Err(problem) => return Err(problem.about(path)),
    };
    let wrong = |detail: String| ToolError::new(format!("`{path}` {detail}"));
    // A file system that takes several spellings for one name has found the file under another one.
    let mut entries = folder.entries().map_err(|error| failed(path, &error))?;
    let is_this = entries.any(|entry| entry.is_ok_and(|entry| entry.file_name() == name));
    if !is_this {
        return Err(wrong(
            "is there in another spelling: use the one that `Glob` shows".to_owned(),
        ));
    }
    let metadata = file.metadata().map_err(|error| failed(path, &error))?;
    if metadata.permissions().readonly() {
        return Err(wrong("is read-only".to_owned()));
    }
    let mut bytes = Vec::new();
    match read_file(file, max, &mut bytes).map_err(|error| failed(path, &error))? {
        true => Ok(Some(Existing {
            bytes,
            permissions: metadata.permissions(),
        })),
        false => Err(wrong(format!(
            "has more than {max} bytes, which is too large for this workspace"
        ))),
    }
}

/// Refuses folders of version control on the way to a file.
fn check_folders(workspace: &Workspace, folders: &[String]) -> Result<(), ToolError> {
    for (depth, name) in folders.iter().enumerate() {
        let parent = workspace.folder.folder(&folders[..depth])?;
        if is_version_control(parent.as_ref(), name) {
            return Err(version_control(name));
        }
    }
    Ok(())
}

fn version_control(name: &str) -> ToolError {
    ToolError::new(format!(
        "`{name}` belongs to version control and is not changed"
    ))
}

/// Whether `name` in `folder` is one of [`VERSION_CONTROL`], in whatever spelling the file system takes for it.
fn is_version_control(folder: Option<&Dir>, name: &str) -> bool {
    if is_version_control_name(name) {
        return true;
    }
    let identity = |name: &str| {
        let metadata = folder?.symlink_metadata(name).ok()?;
        Some((metadata.dev(), metadata.ino()))
    };
    let own = identity(name);
    own.is_some() && VERSION_CONTROL.iter().any(|known| identity(known) == own)
}

/// Whether `name` is one of [`VERSION_CONTROL`] as people write it.
pub(super) fn is_version_control_name(name: &str) -> bool {
    let mut known = VERSION_CONTROL.into_iter();
    known.any(|known| name.eq_ignore_ascii_case(known))
}

/// The folder `names` below the root, made where it is missing.
fn made_folder(workspace: &Workspace, names: &[String]) -> Result<Dir, ToolError> {
    let root = &workspace.folder.root;
    let wrong = |name: &str, problem: Problem| match problem {
        Problem::Refused(error) => ToolError::new(format!(
            "the folder `{name}` can't be made: {}",
            error.kind()
        )),
        _ => ToolError::new(format!("`{name}` is no folder")),
    };
    let mut dir = root
        .try_clone()
        .map_err(|error| wrong(".", Problem::Refused(error)))?;
    for name in names {
        if let Err(error) = dir.create_dir(name)
            && error.kind() != std::io::ErrorKind::AlreadyExists
        {
            return Err(wrong(name, Problem::Refused(error)));
        }
        dir = subfolder(&dir, name).map_err(|problem| wrong(name, problem))?;
    }
    Ok(dir)
}
