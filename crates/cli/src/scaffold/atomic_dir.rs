//! Creates a folder with files completely or not at all.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use agentgen_build::Artifact;
use agentgen_build::inspect::{printable, write_file};

/// Why a folder was not made.
#[derive(Debug)]
pub enum CreateDirError {
    /// Something is there already.
    Occupied(String),
    /// The system failed at a path.
    Io(PathBuf, io::Error),
}

/// What a folder may hold before it is filled, besides files whose names start with one of [`KEPT_PREFIXES`]: what a new repository
/// has, and what systems put into folders.
const KEPT: [&str; 5] = [
    ".DS_Store",
    ".git",
    ".gitattributes",
    GITIGNORE,
    "lost+found",
];
/// In any case.
const KEPT_PREFIXES: [&str; 4] = ["copying", "licence", "license", README_PREFIX];
/// The file that gets what it lacks.
const GITIGNORE: &str = ".gitignore";
const README_PREFIX: &str = "readme";

/// What a folder has already.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExistingFiles {
    /// The name of the README.
    pub readme: Option<String>,
    /// The text of `.gitignore`.
    pub gitignore: Option<String>,
}

/// Checks that a project can be created at `path`: nothing is there, or a folder that holds nothing but what a new repository
/// has. The answer is what there is.
///
/// # Errors
///
/// What is there instead.
pub fn check_is_free(path: &Path) -> Result<ExistingFiles, CreateDirError> {
    let metadata = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Ok(ExistingFiles::default());
        }
        Err(error) => return Err(CreateDirError::Io(path.to_path_buf(), error)),
    };
    if !metadata.is_dir() && !path.is_dir() {
        return Err(CreateDirError::Occupied("it is not a folder".to_owned()));
    }
    let mut existing = ExistingFiles::default();
    let mut others = Vec::new();
    for entry in fs::read_dir(path).map_err(failed(path))? {
        let entry = entry.map_err(failed(path))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let lower = name.to_lowercase();
        let kept = KEPT_PREFIXES.iter().any(|prefix| lower.starts_with(prefix));
        if !kept && !KEPT.contains(&name.as_str()) {
            others.push(format!("`{}`", printable(&name)));
        } else if name == GITIGNORE {
            let text = fs::read_to_string(entry.path()).map_err(failed(&entry.path()))?;
            existing.gitignore = Some(text);
        } else if lower.starts_with(README_PREFIX) {
            existing.readme = Some(name);
        }
    }
    others.sort();
    if others.is_empty() {
        return Ok(existing);
    }
    let rest = match others.len() {
        0..=3 => String::new(),
        count => format!(" and {} more", count - 3),
    };
    others.truncate(3);
    let others = others.join(", ");
    Err(CreateDirError::Occupied(format!(
        "the folder is not empty: it has {others}{rest}"
    )))
}

/// Creates the folder `path` with `files`, whose paths are relative to it; a folder that is there is filled. They are written to a
/// temporary folder and moved when all are written; a failure leaves nothing behind. Only `.gitignore` takes the place of a file
/// that is there.
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
    // In a folder that is there, since another one may be in another file system. Only a folder that is not there is taken,
    // so nobody else's is touched.
    let name = format!(".agentgen-new-{}", std::process::id());
    let temporary = match path.is_dir() {
        true => path.join(name),
        false => path.with_file_name(name),
    };
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

/// Moves what is in `from` to `path`. An existing folder is filled, not replaced, since it may be the current folder of a shell, or a
/// mount point.
fn move_all(from: &Path, path: &Path) -> Result<(), CreateDirError> {
    if fs::symlink_metadata(path).is_err() {
        return fs::rename(from, path).map_err(failed(path));
    }
    let mut moved = Vec::new();
    // The user's own file, while the new one takes its place.
    let aside = from.join(".replaced");
    let result = fs::read_dir(from).and_then(|entries| {
        for entry in entries {
            let entry = entry?;
            let target = path.join(entry.file_name());
            if fs::symlink_metadata(&target).is_ok() {
                if entry.file_name() != GITIGNORE {
                    return Err(io::ErrorKind::AlreadyExists.into());
                }
                // Its permissions stay.
                fs::set_permissions(entry.path(), fs::metadata(&target)?.permissions())?;
                fs::rename(&target, &aside)?;
            }
            fs::rename(entry.path(), &target)?;
            moved.push(target);
        }
        Ok(())
    });
    if let Err(error) = result {
        for target in moved {
            let _ = match target.is_dir() {
                true => fs::remove_dir_all(&target),
                false => fs::remove_file(&target),
            };
        }
        if fs::symlink_metadata(&aside).is_ok() {
            let _ = fs::rename(&aside, path.join(GITIGNORE));
        }
        return Err(CreateDirError::Io(path.to_path_buf(), error));
    }
    fs::remove_dir_all(from).map_err(failed(from))
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

    use super::{check_is_free, create_dir_atomically};

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

        let repository = root.path().join("repository");
        fs::create_dir_all(repository.join(".git")).unwrap();
        fs::write(repository.join(".gitignore"), "mine\n").unwrap();
        fs::write(repository.join("readme.txt"), "mine\n").unwrap();
        let found = check_is_free(&repository).unwrap();
        assert_eq!(found.readme.as_deref(), Some("readme.txt"));
        assert_eq!(found.gitignore.as_deref(), Some("mine\n"));
        // The last file is in the way of the project's own.
        let clash = [file(".gitignore"), file("readme.txt")];
        assert!(create_dir_atomically(&repository, &clash).is_err());
        let before = [".git", ".gitignore", "readme.txt"];
        assert_eq!(names(&repository), before);
        let ignored = || fs::read_to_string(repository.join(".gitignore")).unwrap();
        assert_eq!(ignored(), "mine\n");
        create_dir_atomically(&repository, &clash[..1]).unwrap();
        assert_eq!(
            (names(&repository).len(), ignored()),
            (3, "text".to_owned())
        );
    }
}
