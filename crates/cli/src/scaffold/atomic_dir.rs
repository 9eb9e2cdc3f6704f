//! Puts a new folder where nothing is: all of it, or nothing.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use agentgen_build::output::apply::write_file;
use agentgen_build::output::artifact::Artifact;

/// Why a folder was not made.
#[derive(Debug)]
pub enum PlaceError {
    /// Something is there already.
    Taken(&'static str),
    /// The system failed at a path.
    Io(PathBuf, io::Error),
}

/// Whether a folder can be made at `path`: nothing is there, or an empty folder.
///
/// # Errors
///
/// What is there instead.
pub fn check(path: &Path) -> Result<(), PlaceError> {
    let metadata = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(PlaceError::Io(path.to_path_buf(), error)),
    };
    if !metadata.is_dir() && !path.is_dir() {
        return Err(PlaceError::Taken("it is not a folder"));
    }
    let mut entries = fs::read_dir(path).map_err(failed(path))?;
    match entries.next() {
        None => Ok(()),
        Some(_) => Err(PlaceError::Taken("the folder is not empty")),
    }
}

/// Makes the folder `path` with `files`, whose paths are below it. They are written beside it first and moved to
/// their place when all of them are there; after a failure nothing is left.
///
/// # Errors
///
/// What is there already, or what the system says.
pub fn place(path: &Path, files: &[Artifact]) -> Result<(), PlaceError> {
    check(path)?;
    let path = std::path::absolute(path).map_err(failed(path))?;
    let made = make_parents(&path)?;
    let undo = |error| {
        for folder in &made {
            let _ = fs::remove_dir(folder);
        }
        error
    };
    // Only a folder that is not there is taken, so nobody else's is touched.
    let name = format!(".agentgen-new-{}", std::process::id());
    let temporary = path.with_file_name(name);
    fs::create_dir(&temporary)
        .map_err(failed(&temporary))
        .map_err(undo)?;
    let written = write_all(&temporary, files).and_then(|()| move_all(&temporary, &path));
    if written.is_err() {
        let _ = fs::remove_dir_all(&temporary);
    }
    written.map_err(undo)
}

/// Makes the folders above `path`; the answer is those that were not there, the innermost first.
fn make_parents(path: &Path) -> Result<Vec<PathBuf>, PlaceError> {
    let parents = path.ancestors().skip(1);
    let made: Vec<PathBuf> = parents
        .take_while(|folder| fs::symlink_metadata(folder).is_err())
        .map(Path::to_path_buf)
        .collect();
    for (index, folder) in made.iter().enumerate().rev() {
        if let Err(error) = fs::create_dir(folder) {
            for folder in &made[index + 1..] {
                let _ = fs::remove_dir(folder);
            }
            return Err(PlaceError::Io(folder.clone(), error));
        }
    }
    Ok(made)
}

fn write_all(folder: &Path, files: &[Artifact]) -> Result<(), PlaceError> {
    for file in files {
        let path = folder.join(&file.path);
        write_file(&path, &file.bytes).map_err(failed(&path))?;
    }
    Ok(())
}

/// Moves what is in `from` to `path`. An empty folder that is there stays the same folder, since a shell may stand in it.
fn move_all(from: &Path, path: &Path) -> Result<(), PlaceError> {
    if fs::symlink_metadata(path).is_err() {
        return fs::rename(from, path).map_err(failed(path));
    }
    check(path)?;
    let mut moved = Vec::new();
    let result = fs::read_dir(from).and_then(|entries| {
        for entry in entries {
            let entry = entry?;
            let target = path.join(entry.file_name());
            fs::rename(entry.path(), &target)?;
            moved.push(target);
        }
        fs::remove_dir(from)
    });
    result.map_err(|error| {
        for target in moved {
            let _ = match target.is_dir() {
                true => fs::remove_dir_all(&target),
                false => fs::remove_file(&target),
            };
        }
        PlaceError::Io(path.to_path_buf(), error)
    })
}

fn failed(path: &Path) -> impl Fn(io::Error) -> PlaceError {
    let path = path.to_path_buf();
    move |error| PlaceError::Io(path.clone(), error)
}
