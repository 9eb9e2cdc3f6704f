//! Waits until something that a project is made of changes.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use agentgen_build::ProjectFiles;
use agentgen_build::inspect::USUAL_STUBS;
use notify::event::{AccessKind, AccessMode, CreateKind, ModifyKind};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};

use crate::configuration::project_arguments::Settings;

/// An editor writes a file in several steps, which are one change if they are no further apart.
const QUIET: Duration = Duration::from_millis(5);
/// Who changes more files than this at once, as git does, may pause for longer.
const FEW: usize = 3;
const LONG_QUIET: Duration = Duration::from_millis(50);
/// So long a change may take in steps.
const PATIENCE: Duration = Duration::from_millis(50);
const LONG_PATIENCE: Duration = Duration::from_secs(2);
/// The folder that cargo makes.
const TARGET: &str = "target";
/// The endings of the files that projects are made of, code included.
const ENDINGS: [&str; 7] = ["json", "md", "rs", "tera", "toml", "yaml", "yml"];

/// What is watched: folders, and how.
type Folders = BTreeMap<PathBuf, Watched>;

#[derive(Default, PartialEq, Eq)]
struct Watched {
    /// Whether what is below it is watched too.
    is_recursive: bool,
    /// Which folder has the path: where another one took its place, the old one would be watched.
    identity: u64,
}

/// A watch over the folders of a project, so that files that are replaced, and those that are new, are noticed too.
pub struct ProjectWatch {
    folders: Folders,
    changes: Receiver<Vec<PathBuf>>,
    /// It watches as long as it lives.
    _watcher: RecommendedWatcher,
}

impl ProjectWatch {
    /// Watches what the project is made of, and what is below the folders `more`, from now on. `before` goes on if it watches the
    /// same.
    ///
    /// # Errors
    ///
    /// The system can't watch so much.
    pub fn of(
        settings: &Settings,
        files: &ProjectFiles,
        more: &[PathBuf],
        before: Option<Self>,
    ) -> notify::Result<Self> {
        let folders = folders(settings, files, more);
        match before {
            Some(before) if before.folders == folders => Ok(before),
            _ => Self::new(folders, &settings.root.join(&settings.config.out)),
        }
    }

    fn new(folders: Folders, out: &Path) -> notify::Result<Self> {
        let (sender, changes) = mpsc::channel();
        let out = out.canonicalize().unwrap_or_else(|_| out.to_path_buf());
        let mut watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            // A lost event may have been any.
            let change = event.map_or(Some(Vec::new()), |event| change(event, &out));
            if let Some(paths) = change {
                // Nobody waits any more.
                let _ = sender.send(paths);
            }
        })?;
        for (folder, watched) in &folders {
            let mode = match watched.is_recursive {
                true => RecursiveMode::Recursive,
                false => RecursiveMode::NonRecursive,
            };
            watcher.watch(folder, mode)?;
        }
        Ok(Self {
            folders,
            changes,
            _watcher: watcher,
        })
    }

    /// Waits for a change and until it is over. Returns what changed, as far as the system says.
    pub fn wait(&self) -> BTreeSet<PathBuf> {
        let Ok(first) = self.changes.recv() else {
            return BTreeSet::new();
        };
        let mut changed = BTreeSet::from_iter(first);
        let begun = Instant::now();
        loop {
            let (quiet, patience) = match changed.len() > FEW {
                true => (LONG_QUIET, LONG_PATIENCE),
                false => (QUIET, PATIENCE),
            };
            match self.changes.recv_timeout(quiet) {
                Ok(more) if begun.elapsed() < patience => changed.extend(more),
                _ => return changed,
            }
        }
    }
}

/// The inputs that `event` says were changed; none where it is about something else. Reading is no change, and neither is what a
/// build writes, nor what a service does that runs in the same folder.
fn change(event: Event, out: &Path) -> Option<Vec<PathBuf>> {
    let is_read = match event.kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => false,
        EventKind::Access(_) => true,
        _ => false,
    };
    // A folder comes and goes with all that is in it.
    let may_be_folder = matches!(
        event.kind,
        EventKind::Create(CreateKind::Folder)
            | EventKind::Remove(_)
            | EventKind::Modify(ModifyKind::Name(_))
    );
    let is_meant = |path: &PathBuf| {
        let ending = path.extension().and_then(|ending| ending.to_str());
        let is_input = match ending {
            Some(ending) => {
                ENDINGS.contains(&ending) || event.kind == EventKind::Create(CreateKind::Folder)
            }
            None => may_be_folder && !path.ends_with(TARGET),
        };
        is_input && !path.starts_with(out)
    };
    if is_read {
        return None;
    }
    if event.paths.is_empty() {
        return Some(Vec::new());
    }
    let paths: Vec<PathBuf> = event
        .paths
        .iter()
        .filter(|path| is_meant(path))
        .cloned()
        .collect();
    (!paths.is_empty()).then_some(paths)
}

fn folders(settings: &Settings, files: &ProjectFiles, more: &[PathBuf]) -> Folders {
    let root = settings.root.as_path();
    let config = files.config();
    let mut folders = Folders::new();
    let mut add = |path: &Path, is_recursive: bool| {
        let there = path.ancestors().find(|path| path.is_dir());
        if let Some(folder) = there.and_then(|folder| folder.canonicalize().ok()) {
            // Of a folder that is not there yet, the one above is watched.
            let is_recursive = is_recursive && there == Some(path);
            let identity = identity(&folder);
            let watched = folders.entry(folder).or_default();
            watched.is_recursive |= is_recursive;
            watched.identity = identity;
        }
    };
    add(root, false);
    let stubs = config.stubs.as_deref().unwrap_or(USUAL_STUBS);
    add(&root.join(stubs), false);
    if !config.templates.is_empty() {
        add(&root.join(&config.templates), true);
    }
    for folder in files.agent_folders(root).iter().chain(more) {
        add(folder, true);
    }
    for path in files.spec_paths() {
        // A link is a file of another folder.
        let real = path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
        add(real.parent().unwrap_or(root), false);
    }
    folders
}

#[cfg(unix)]
fn identity(folder: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;

    folder.metadata().map_or(0, |metadata| metadata.ino())
}

#[cfg(not(unix))]
fn identity(_: &Path) -> u64 {
    0
}
