//! Creates a folder with files completely or not at all.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use agentgen_build::Artifact;
use agentgen_build::inspect::write_file;

/// Why a folder was not made.
#[derive(Debug)]
pub enum CreateDirError {
    /// Something is there already.
    Occupied(&'static str),
    /// The system failed at a path.
    Io(PathBuf, io::Error),
}

/// Checks that a folder can be created at `path`: nothing is there, or an empty folder.
///
/// # Errors
///
/// What is there instead.
pub fn check_is_free(path: &Path) -> Result<(), CreateDirError> {
    let metadata = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(CreateDirError::Io(path.to_path_buf(), error)),
    };
    if !metadata.is_dir() && !path.is_dir() {
        return Err(CreateDirError::Occupied("it is not a folder"));
    }
    let mut entries = fs::read_dir(path).map_err(failed(path))?;
    match entries.next() {
        None => Ok(()),
        Some(_) => Err(CreateDirError::Occupied("the folder is not empty")),
    }
}

/// Creates the folder `path` with `files`, whose paths are relative to it. They are written to a temporary folder beside it
/// and moved when all are written; a failure leaves nothing behind.
///
/// # Errors
///
/// What is there already, or what the system says.
pub fn create_dir_atomically(path: &Path, files: &[Artifact]) -> Result<(), CreateDirError> {
    check_is_free(path)?;
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
fn make_parents(path: &Path) -> Result<Vec<PathBuf>, CreateDirError> {
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
            return Err(CreateDirError::Io(folder.clone(), error));
        }
    }
    Ok(made)
}

fn write_all(folder: &Path, files: &[Artifact]) -> Result<(), CreateDirError> {
    for file in files {
        let path = folder.join(&file.path);
        write_file(&path, &file.bytes).map_err(failed(&path))?;
    }
    Ok(())
}

/// Moves what is in `from` to `path`. An existing empty folder is filled, not replaced, since it may be the current folder of a shell.
fn move_all(from: &Path, path: &Path) -> Result<(), CreateDirError> {
    if fs::symlink_metadata(path).is_err() {
        return fs::rename(from, path).map_err(failed(path));
    }
    check_is_free(path)?;
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
            let _ = if target.is_dir() {
                fs::remove_dir_all(&target)
            } else {
                fs::remove_file(&target)
            };
        }
        CreateDirError::Io(path.to_path_buf(), error)
    })
}

fn failed(path: &Path) -> impl Fn(io::Error) -> CreateDirError {
    let path = path.to_path_buf();
    move |error| CreateDirError::Io(path.clone(), error)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::fs;
    use std::path::Path;

    use agentgen_build::Artifact;

    use super::create_dir_atomically;

    #[test]
    fn a_failure_midway_leaves_nothing() {
        let root = tempfile::tempdir().unwrap();
        let names = |path: &Path| -> Vec<String> {
            let entries = fs::read_dir(path).unwrap();
            let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
            let mut names: Vec<String> = names.collect();
            names.sort();
            names
        };
        let file = |path: &str| Artifact {
            path: path.to_owned(),
            bytes: b"text".to_vec(),
        };
        let files = [file("a"), file("b/c"), file("a/below-a-file")];
        assert!(create_dir_atomically(&root.path().join("x/y/project"), &files).is_err());
        assert_eq!(names(root.path()), [""; 0]);
        let empty = root.path().join("empty");
        fs::create_dir(&empty).unwrap();
        assert!(create_dir_atomically(&empty, &files).is_err());
        assert_eq!(
            (names(root.path()), names(&empty)),
            (vec!["empty".to_owned()], vec![])
        );
        create_dir_atomically(&empty, &files[..2]).unwrap();
        assert_eq!(names(&empty), ["a", "b"]);
        assert_eq!(names(&empty.join("b")), ["c"]);
    }
}
