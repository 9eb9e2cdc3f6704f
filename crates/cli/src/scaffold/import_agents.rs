//! Finds agents anywhere for a new project, which copies their files or refers to them.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use agentgen_build::inspect::{
    SIDECAR_ENDINGS, has_errors, load_named, printable, reason, relative,
};
use agentgen_build::{Artifact, Code, Config, Diagnostic, Severity, generate};

use crate::terminal::read_summary::ReadSummary;

/// A path that no project has.
const NOWHERE: &str = ".agentgen-nowhere";

/// The files of the agents to import, and their diagnostics.
#[derive(Debug, Clone, Default)]
pub struct Imported {
    /// The agents and their contracts, byte for byte, by their paths below `agents/`; none where a diagnostic is an
    /// error. They are sorted by path.
    pub files: Vec<Artifact>,
    /// What was read, files that are no agents included.
    pub reading: ReadSummary,
    /// The folders that were found in a repository.
    pub found_folders: Vec<String>,
    /// The diagnostics of a build of these agents.
    pub diagnostics: Vec<Diagnostic>,
}

/// The agents in `from`: files, and folders or repositories with what is below them. Paths are relative to `root`. What a
/// build would refuse is refused, and so are two files that would get the same path. A link that leads out of its repository
/// is left out.
pub fn import_agents(root: &Path, from: &[String]) -> Imported {
    let mut agents = Vec::new();
    for entry in from {
        agents.push(entry.clone());
        let (base, _) = entry.rsplit_once('.').unwrap_or((entry, ""));
        for ending in SIDECAR_ENDINGS {
            let contract = format!("{base}{ending}");
            if root.join(entry).is_file() && contract != *entry && root.join(&contract).is_file() {
                agents.push(contract);
            }
        }
    }
    let mut project = load_named(
        root,
        Config {
            agents: agents.clone(),
            out: NOWHERE.to_owned(),
            templates: String::new(),
            ..Config::default()
        },
    );
    for diagnostic in &mut project.diagnostics {
        if diagnostic.code == Code::NotFound && diagnostic.severity == Severity::Error {
            // What else there is in the current folder is no answer to `--from`.
            let entry = agents.iter().find(|entry| {
                is_url(entry) && relative(root, &root.join(entry)) == diagnostic.path
            });
            diagnostic.help = Some(match entry {
                Some(url) => format!(
                    "`--from` takes a path: run `git clone {}` first and name its folder",
                    printable(url)
                ),
                None => "name a file, a folder or a repository that is there".to_owned(),
            });
        }
    }
    // Those of the current folder are not of these agents.
    project.handlers = None;
    for diagnostic in &mut project.diagnostics {
        if diagnostic.code == Code::OutsideProject {
            diagnostic.severity = Severity::Warning;
            diagnostic.help =
                Some("it is left out; name what it leads to with `--from`".to_owned());
        }
    }
    let generation = generate(&project);
    let mut imported = Imported {
        reading: ReadSummary::new(
            &project.sources,
            &generation.agents,
            &generation.diagnostics,
        ),
        found_folders: project.found_folders,
        diagnostics: generation.diagnostics,
        files: Vec::new(),
    };
    if has_errors(&imported.diagnostics) {
        return imported;
    }
    let mut wanted = Vec::new();
    for agent in &generation.agents {
        wanted.push(agent.spec.source.path());
        wanted.push(agent.service.source.path());
    }
    wanted.sort_unstable();
    wanted.dedup();
    let folders: Vec<String> = imported
        .found_folders
        .iter()
        .chain(&agents)
        .cloned()
        .collect();
    let mut placed: BTreeMap<String, &str> = BTreeMap::new();
    for source in wanted {
        let mut path = below(root, &folders, source);
        if placed.contains_key(&path.to_lowercase()) {
            path = with_owner(&imported.found_folders, source).unwrap_or(path);
        }
        if let Some(other) = placed.insert(path.to_lowercase(), source) {
            let message = format!("{other} and {source} would both be agents/{path}");
            imported.diagnostics.push(
                Diagnostic::error(Code::NameCollision, source, message).help("rename one of them"),
            );
            continue;
        }
        match fs::read(root.join(source)) {
            Ok(bytes) => imported.files.push(Artifact { path, bytes }),
            Err(error) => {
                let message = format!("the file can't be read: {}", reason(&error));
                imported
                    .diagnostics
                    .push(Diagnostic::error(Code::Io, source, message));
            }
        }
    }
    if has_errors(&imported.diagnostics) {
        imported.files.clear();
    }
    imported.files.sort_by(|a, b| a.path.cmp(&b.path));
    imported
}

/// Whether `entry` is the address of a repository: `https://host/x`, `git@host:x`.
fn is_url(entry: &str) -> bool {
    let has_host = |entry: &str| {
        entry
            .split_once(':')
            .is_some_and(|(host, _)| host.contains('@'))
    };
    entry.contains("://") || has_host(entry)
}

/// The path of `source` below the one of `folders` it was found in; its name, where it was named itself.
fn below(root: &Path, folders: &[String], source: &str) -> String {
    let path = root.join(source);
    let found = folders
        .iter()
        .map(|folder| relative(&root.join(folder), &path))
        .find(|below| below != "." && !below.starts_with("../"));
    let name = source.rsplit('/').next().unwrap_or(source);
    found.unwrap_or_else(|| name.to_owned())
}

/// The path of `source` below a folder of its own, named after the plugin or the tool that the folder of agents belongs to:
/// `testing/reviewer.md` for `plugins/testing/agents/reviewer.md`.
fn with_owner(found_folders: &[String], source: &str) -> Option<String> {
    let in_folder = |folder: &&String| source.starts_with(&format!("{folder}/"));
    let folder = found_folders.iter().find(in_folder)?;
    let rest = &source[folder.len() + 1..];
    let (owner, _) = folder.rsplit_once('/')?;
    let owner = owner.rsplit('/').next()?.trim_start_matches('.');
    (!owner.is_empty()).then(|| format!("{owner}/{rest}"))
}
