//! Copies agent files from anywhere into a new project.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use agentgen_build::inspect::{SIDECAR_ENDINGS, has_errors, reason, relative};
use agentgen_build::{Artifact, Code, Config, Diagnostic, generate, load};

/// A path that no project has.
const NOWHERE: &str = ".agentgen-nowhere";

/// The files of the agents to import, and their diagnostics.
#[derive(Debug, Clone, Default)]
pub struct Imported {
    /// The agents and their contracts, byte for byte, by their paths below `agents/`; none where a diagnostic is an
    /// error. They are sorted by path.
    pub files: Vec<Artifact>,
    /// The diagnostics of a build of these agents.
    pub diagnostics: Vec<Diagnostic>,
}

/// The agents in `from`: files, and folders with what is below them. Paths are relative to `root`. What a build would
/// refuse is refused, and so are two files that would get the same path.
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
    let mut project = load(
        root,
        Config {
            agents: agents.clone(),
            out: NOWHERE.to_owned(),
            templates: String::new(),
            ..Config::default()
        },
    );
    // Those of the current folder are not of these agents.
    project.handlers = None;
    let generation = generate(&project);
    let mut diagnostics = generation.diagnostics;
    if has_errors(&diagnostics) {
        return Imported {
            files: Vec::new(),
            diagnostics,
        };
    }
    let mut wanted = Vec::new();
    for agent in &generation.agents {
        wanted.push(agent.spec.source.path());
        wanted.push(agent.service.source.path());
    }
    wanted.sort_unstable();
    wanted.dedup();
    let mut placed: BTreeMap<String, &str> = BTreeMap::new();
    let mut files = Vec::new();
    for source in wanted {
        let path = below(root, &agents, source);
        if let Some(other) = placed.insert(path.to_lowercase(), source) {
            let message = format!("{other} and {source} would both be agents/{path}");
            diagnostics.push(
                Diagnostic::error(Code::NameCollision, source, message).help("rename one of them"),
            );
            continue;
        }
        match fs::read(root.join(source)) {
            Ok(bytes) => files.push(Artifact { path, bytes }),
            Err(error) => {
                let message = format!("the file can't be read: {}", reason(&error));
                diagnostics.push(Diagnostic::error(Code::Io, source, message));
            }
        }
    }
    if has_errors(&diagnostics) {
        files.clear();
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Imported { files, diagnostics }
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
