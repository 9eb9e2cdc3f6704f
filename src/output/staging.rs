//! A folder inside of the output folder where files wait until all of them are there.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::output::atomic_file::TEMPORARY_PREFIX;
use crate::project::file_stamp::FileStamp;

/// Files that wait to take their places. They go when this is dropped.
#[derive(Debug)]
pub struct Staging {
    /// The output folder.
    out: PathBuf,
    /// The folder of the files, which is there once there is a file.
    folder: PathBuf,
    /// The folders that were created, relative to `folder`.
    created: Mutex<BTreeSet<String>>,
}

impl Staging {
    /// An empty one for the output folder `out`. Nothing is created yet.
    pub fn new(out: &Path) -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("{TEMPORARY_PREFIX}-{}-{number}.d", process::id());
        Self {
            out: out.to_path_buf(),
            folder: out.join(name),
            created: Mutex::default(),
        }
    }

    /// Adds the file that will be at `path` below the output folder and has what `content` writes. The answer is its stamp.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn write(
        &self,
        path: &str,
        content: impl FnOnce(&mut File) -> io::Result<()>,
    ) -> io::Result<FileStamp> {
        let parent = path.rsplit_once('/').map_or("", |(parent, _)| parent);
        self.create(parent)?;
        let mut file = File::create(self.folder.join(path))?;
        content(&mut file)?;
        Ok(FileStamp::new(&file.metadata()?))
    }

    /// Takes the file back that would have been at `path`.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn remove(&self, path: &str) -> io::Result<()> {
        fs::remove_file(self.folder.join(path))
    }

    /// Creates the folder `path` and those above it; another thread may be doing the same.
    fn create(&self, path: &str) -> io::Result<()> {
        let created = || self.created.lock().unwrap_or_else(PoisonError::into_inner);
        if created().contains(path) {
            return Ok(());
        }
        fs::create_dir_all(self.folder.join(path))?;
        created().insert(path.to_owned());
        Ok(())
    }

    /// The folder where the files wait.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Moves all files to their places. A folder that is not there yet moves as a whole, with all that is in it.
    ///
    /// # Errors
    ///
    /// The path of the file or folder that can't be moved, and what the system says. The others may have moved.
    pub fn promote(&self) -> Result<(), (String, io::Error)> {
        if self
            .created
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .is_empty()
        {
            return Ok(());
        }
        move_entries(&self.folder, &self.out, "")
    }
}

fn move_entries(from: &Path, to: &Path, below: &str) -> Result<(), (String, io::Error)> {
    let entries = fs::read_dir(from).and_then(Iterator::collect::<io::Result<Vec<_>>>);
    for entry in entries.map_err(|error| (below.to_owned(), error))? {
        let name = entry.file_name();
        let shown = match below {
            "" => name.to_string_lossy().into_owned(),
            _ => format!("{below}/{}", name.to_string_lossy()),
        };
        let failed = |error| (shown.clone(), error);
        let (source, target) = (entry.path(), to.join(&name));
        let is_folder = entry.file_type().map_err(failed)?.is_dir();
        let is_there = match fs::symlink_metadata(&target) {
            Ok(_) => true,
            Err(error) if error.kind() == ErrorKind::NotFound => false,
            Err(error) => return Err(failed(error)),
        };
        if is_folder && is_there {
            move_entries(&source, &target, &shown)?;
        } else {
            fs::rename(&source, &target).map_err(failed)?;
        }
    }
    Ok(())
}

impl Drop for Staging {
    fn drop(&mut self) {
        let created = self
            .created
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner);
        if !created.is_empty() {
            // What is left is cleared away by the next run.
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}
