//! From folders on disk to a [`Project`] in memory.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use crate::diagnostics::Diagnostic;
use crate::diagnostics::code::Code;
use crate::diagnostics::source::{MAX_FILE_BYTES, Source, SourceError};
use crate::parallel::in_parallel;
use crate::project::agent_entries::{self, Boundary, spec_files};
use crate::project::config::Config;
use crate::project::folder_walk::Walk;
use crate::project::glob;
use crate::project::handler_stubs::{read_handlers, usual_handlers};
use crate::project::project_boundary::path_inside;
use crate::project::{Project, UserTemplate};

/// Reads the spec files and templates that `config` names; its paths are relative to `root`.
///
/// Without `agents` in the settings, the folder is `agents`, else `.claude/agents`. What can't be found or read is among the
/// project's diagnostics; everything else is read all the same. So are paths and links that lead out of `root`, unless the
/// settings allow that.
pub fn load(root: &Path, config: Config) -> Project {
    find(root, config).read()
}

/// Like [`load`], where a person has just named the folders under `agents`: they may be anywhere, and links below them must
/// stay inside their repository, or inside them where there is none.
pub fn load_named(root: &Path, config: Config) -> Project {
    find_named(root, config).read()
}

/// Finds the files that [`load`] reads.
pub fn find(root: &Path, config: Config) -> ProjectFiles {
    find_within(root, config, Boundary::Project)
}

/// Finds the files that [`load_named`] reads.
pub fn find_named(root: &Path, config: Config) -> ProjectFiles {
    find_within(root, config, Boundary::Repository)
}

fn find_within(root: &Path, config: Config, boundary: Boundary) -> ProjectFiles {
    let written: Vec<String> = std::iter::once(config.out.clone())
        .chain(config.stubs.clone())
        .filter(|_| !config.allow_outside)
        .collect();
    let mut files = find_files(root, config, boundary);
    for folder in written {
        if let Err(diagnostic) = path_inside(root, &root.join(folder)) {
            files.found.diagnostics.push(diagnostic);
        }
    }
    files
}

/// The files of a project. Agents and contracts are not read yet; the rest is, which is little.
#[derive(Debug, Clone)]
pub struct ProjectFiles {
    /// The spec files and sidecars, sorted by name: their names and their paths.
    pub(crate) specs: Vec<(String, PathBuf)>,
    /// The project without its sources.
    pub(crate) found: Project,
}

impl ProjectFiles {
    /// Reads the agents and contracts.
    pub fn read(self) -> Project {
        let mut project = self.found;
        for source in in_parallel(&self.specs, |(name, path)| read(path, name)) {
            match source {
                Ok(source) => project.sources.push(source),
                Err(diagnostic) => project.diagnostics.push(diagnostic),
            }
        }
        project
    }

    /// The folders of agents that were found in a repository, by precedence; none where the folders were named.
    pub fn found_folders(&self) -> &[String] {
        &self.found.found_folders
    }

    /// The settings, with the folders of agents that count.
    pub fn config(&self) -> &Config {
        &self.found.config
    }

    /// The folders in which agents are looked for, those in which none are included.
    pub fn agent_folders(&self, root: &Path) -> Vec<PathBuf> {
        let entries = agent_entries::entries(root, self.config()).into_iter();
        let entries = entries.map(|entry| match glob::is_pattern(&entry) {
            true => glob::split(&entry).0,
            false => entry,
        });
        entries.map(|entry| normalize(&root.join(entry))).collect()
    }

    /// The paths of the agents' files and contracts.
    pub fn spec_paths(&self) -> impl Iterator<Item = &Path> {
        self.specs.iter().map(|(_, path)| path.as_path())
    }

    /// Leaves out the user's handlers: they are not those of these agents.
    pub fn without_handlers(mut self) -> Self {
        self.found.handlers = None;
        self
    }
}

/// Like [`find`], for a caller that answers for where it writes.
pub(crate) fn find_files(root: &Path, mut config: Config, boundary: Boundary) -> ProjectFiles {
    let root = normalize(root);
    let mut diagnostics = Vec::new();
    let mut found_folders = Vec::new();
    let files = spec_files(
        &root,
        &config,
        boundary,
        &mut found_folders,
        &mut diagnostics,
    );
    config.agents = agent_entries::resolved(&root, &config);
    let folder = normalize(&root.join(&config.templates));
    let mut other_template_files = Vec::new();
    let boundary = (!config.allow_outside).then(|| root.clone());
    let mut walk = Walk::new(&root, &normalize(&root.join(&config.out)), boundary);
    if config.templates.is_empty() {
        // The settings say that there are none.
    } else if folder.is_dir() && walk.is_inside(&folder) {
        walk.folder(&folder, &mut |path| {
            let is_template = path.extension().is_some_and(|ending| ending == "tera");
            if !is_template {
                other_template_files.push(relative(&folder, path));
            }
            is_template
        });
    } else if config.templates != Config::default().templates && !folder.exists() {
        let path = relative(&root, &folder);
        diagnostics.push(
            Diagnostic::error(Code::NotFound, path, "there is no such folder of templates")
                .help("create it, or correct `templates`"),
        );
    }
    other_template_files.sort();
    other_template_files.dedup();
    diagnostics.append(&mut walk.diagnostics);
    let mut templates: Vec<UserTemplate> = Vec::new();
    for (name, path) in &walk.files {
        match read(path, name) {
            Ok(source) => templates.push(UserTemplate {
                name: relative(&folder, path),
                source,
            }),
            Err(diagnostic) => diagnostics.push(diagnostic),
        }
    }
    let handlers = match &config.stubs {
        Some(folder) => read_handlers(&root, folder),
        None => usual_handlers(&root),
    };
    ProjectFiles {
        specs: files.into_iter().collect(),
        found: Project {
            config,
            found_folders,
            sources: Vec::new(),
            handlers,
            templates,
            other_template_files,
            diagnostics,
        },
    }
}

/// Reads one file, to be known as `name`. A file that is too large is refused before it is read.
///
/// # Errors
///
/// A diagnostic where the file can't be read, is too large or is not text.
pub fn read(path: &Path, name: &str) -> Result<Arc<Source>, Diagnostic> {
    let failed = |error: io::Error| {
        Diagnostic::error(
            Code::Io,
            name,
            format!("the file can't be read: {}", reason(&error)),
        )
    };
    let metadata = fs::metadata(path).map_err(failed)?;
    if !metadata.is_file() {
        return Err(Diagnostic::error(Code::Io, name, "this is not a file"));
    }
    let refused = |error: SourceError| {
        Diagnostic::error(error.code(), name, error.to_string()).help(error.help())
    };
    if metadata.len() > MAX_FILE_BYTES as u64 {
        return Err(refused(SourceError::TooLarge(metadata.len())));
    }
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(MAX_FILE_BYTES as u64 + 1).read_to_end(&mut bytes))
        .map_err(failed)?;
    Source::from_bytes(name, bytes).map_err(refused)
}

/// The byte order mark of the file at `path`, which sources leave out; empty if it has none or can't be read.
pub fn byte_order_mark(path: &Path) -> &'static str {
    const MARK: &str = "\u{feff}";
    let mut start = [0; MARK.len()];
    match File::open(path).and_then(|mut file| file.read_exact(&mut start)) {
        Ok(()) if start == *MARK.as_bytes() => MARK,
        _ => "",
    }
}

/// `path` as seen from the folder `root`, with `/` between its parts; never absolute.
pub fn relative(root: &Path, path: &Path) -> String {
    // Most paths are below the root, and are written so.
    if let Ok(below) = path.strip_prefix(root) {
        let names = below.components().map(|component| match component {
            Component::Normal(name) => Some(name.to_string_lossy()),
            _ => None,
        });
        if let Some(names) = names
            .collect::<Option<Vec<_>>>()
            .filter(|names| !names.is_empty())
        {
            return names.join("/");
        }
    }
    let (root, path) = (normalize(root), normalize(path));
    let shared = root
        .components()
        .zip(path.components())
        .take_while(|(left, right)| left == right)
        .count();
    let up = root.components().skip(shared).map(|_| "..".to_owned());
    let down = path
        .components()
        .skip(shared)
        .filter_map(|component| match component {
            Component::Normal(name) => Some(name.to_string_lossy().into_owned()),
            _ => None,
        });
    let names: Vec<String> = up.chain(down).collect();
    if names.is_empty() {
        ".".to_owned()
    } else {
        names.join("/")
    }
}

/// What went wrong, in a few words in lower case.
pub fn reason(error: &io::Error) -> String {
    let kind = error.kind().to_string();
    match kind.as_str() {
        "entity not found" => "no such file or folder".to_owned(),
        "uncategorized error" | "other error" => error.to_string(),
        _ => kind,
    }
}

/// The absolute path without `.` and `..`. Links are not resolved, so the name is the one the user gave.
pub(crate) fn normalize(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    let mut normal = PathBuf::new();
    for component in absolute.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                normal.pop();
            }
            other => normal.push(other),
        }
    }
    normal
}

/// How the name of a file ends that is the contract of the agent of that name beside it.
pub const SIDECAR_ENDINGS: [&str; 3] = [".service.yaml", ".service.yml", ".service.json"];
