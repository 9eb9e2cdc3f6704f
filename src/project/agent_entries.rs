//! The spec files that the entries under `agents` name: folders, files, patterns, and `!` with what is left out.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::diagnostics::code::Code;
use crate::diagnostics::{Diagnostic, Severity};
use crate::project::agent_folders;
use crate::project::config::Config;
use crate::project::discover::{SIDECAR_ENDINGS, normalize, relative};
use crate::project::folder_walk::Walk;
use crate::project::glob;

/// What links of agents must not lead out of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Boundary {
    /// The project.
    Project,
    /// The repository of the folder that was named, or that folder.
    Repository,
}

/// The spec files and sidecars of a project, by their names relative to `root`. Folders that were found in a repository are
/// added to `found_folders`.
pub fn spec_files(
    root: &Path,
    config: &Config,
    boundary: Boundary,
    found_folders: &mut Vec<String>,
    diagnostics: &mut Vec<Diagnostic>,
) -> BTreeMap<String, PathBuf> {
    let out = normalize(&root.join(&config.out));
    let excluded: Vec<Excluded> = Excluded::all(root, config);
    let mut walk = Walk::new(root, &out, None);
    let mut searched = vec![root.to_path_buf()];
    let mut empty = Vec::new();
    let mut other_endings = Vec::new();
    for entry in &entries(root, config) {
        let (folder, pattern) = if glob::is_pattern(entry) {
            glob::split(entry)
        } else {
            (entry.clone(), Vec::new())
        };
        let folder = normalize(&root.join(folder));
        if folder == out {
            let message = "the output folder is a folder of agents too";
            let path = relative(root, &folder);
            diagnostics.push(
                Diagnostic::error(Code::BadConfig, path, message)
                    .help("choose another output folder"),
            );
            continue;
        }
        walk.boundary = match boundary {
            _ if config.allow_outside => None,
            Boundary::Repository => Some(repository_of(&folder)),
            Boundary::Project => Some(root.to_path_buf()),
        };
        if !walk.is_inside(&folder) {
            continue;
        }
        let before = walk.found;
        walk.visited.clear();
        if pattern.is_empty() && !searched.contains(&folder) {
            searched.push(folder.clone());
        }
        if folder.is_dir() {
            let mut folders = vec![folder.clone()];
            if pattern.is_empty() {
                let found = agent_folders::in_repository(&folder, &out);
                if !found.is_empty() {
                    diagnostics.extend(agent_folders::elsewhere(root, &folder, &found, &out));
                    found_folders.extend(found.iter().map(|found| relative(root, found)));
                    folders = found;
                }
            }
            for base in &folders {
                if !walk.is_inside(base) {
                    continue;
                }
                walk.folder(base, &mut |path| {
                    let below = relative(base, path);
                    let names: Vec<&str> = below.split('/').collect();
                    let name = names.last().copied().unwrap_or_default();
                    if has_other_ending(name) && agent_folders::begins_like_an_agent(path) {
                        other_endings.push(relative(root, path));
                    }
                    is_spec(name)
                        && (pattern.is_empty()
                            || glob::matches(&pattern, &names)
                            || is_sidecar_of_a_match(&pattern, &names))
                        && !Excluded::any(&excluded, &relative(root, path))
                });
            }
        } else if pattern.is_empty() && folder.exists() {
            if !Excluded::any(&excluded, &relative(root, &folder)) {
                walk.file(&folder);
            }
        } else {
            let path = relative(root, &root.join(entry));
            diagnostics.push(missing(root, path, config, &out));
            continue;
        }
        if walk.found == before {
            empty.push((relative(root, &root.join(entry)), folder));
        }
    }
    let severity = if walk.files.is_empty() {
        Severity::Error
    } else {
        Severity::Warning
    };
    diagnostics.append(&mut walk.diagnostics);
    other_endings.sort();
    other_endings.dedup();
    other_endings.retain(|path| !Excluded::any(&excluded, path));
    diagnostics.extend(other_endings.into_iter().map(|path| {
        Diagnostic::error(
            Code::NoFrontmatter,
            path,
            "the file is left out: its name does not end in `.md`",
        )
        .with_severity(Severity::Warning)
        .help("rename it; names of agents end in `.md`, in small letters")
    }));
    for (path, folder) in empty {
        let help = match agent_folders::search(root, &folder, &out).as_slice() {
            [] => "an agent is a file that ends in `.md`, `.yaml` or `.yml`".to_owned(),
            found => format!(
                "hidden folders are passed over; {}",
                agent_folders::advice(root, &folder, found, &out)
            ),
        };
        diagnostics.push(
            Diagnostic::error(Code::NoAgents, path, "there are no agents here")
                .with_severity(severity)
                .help(help),
        );
    }
    diagnostics.extend(codex_agents(root, &searched, &excluded));
    // Where nothing else is read, the errors above name them, and in a repository the warning about its other folders does.
    if !walk.files.is_empty() && found_folders.is_empty() {
        diagnostics.extend(hidden_agents(root, &walk.hidden, &out));
    }
    let unused = excluded.iter().filter(|excluded| !excluded.is_used.get());
    diagnostics.extend(unused.map(|excluded| {
        Diagnostic::error(
            Code::NotFound,
            &excluded.entry,
            "no agent file is left out by this",
        )
        .with_severity(Severity::Warning)
        .help("name a file, a folder or a pattern relative to agentgen.toml, or remove the entry")
    }));
    walk.files
}

/// A note about agents of Codex, which are TOML, in `folders` and the repositories that these are; none where there are none.
fn codex_agents(root: &Path, folders: &[PathBuf], excluded: &[Excluded]) -> Option<Diagnostic> {
    let found = folders
        .iter()
        .flat_map(|folder| agent_folders::of_codex(folder));
    let found: BTreeSet<String> = found
        .map(|path| relative(root, &path))
        .filter(|path| !Excluded::any(excluded, path))
        .collect();
    let path = found.first()?;
    let message = match found.len() {
        1 => "an agent of Codex is not read".to_owned(),
        count => format!("{count} agents of Codex are not read"),
    };
    Some(
        Diagnostic::error(Code::AgentsElsewhere, path, message)
            .with_severity(Severity::Note)
            .help("to serve one, put its `name` and `description` into the frontmatter of a `.md` file, and its `developer_instructions` below"),
    )
}

/// A note about agents in the `hidden` folders, which were passed over; none where there are none.
fn hidden_agents(root: &Path, hidden: &[PathBuf], out: &Path) -> Option<Diagnostic> {
    let folders = hidden
        .iter()
        .filter(|folder| !agent_folders::is_passed_over(folder));
    let found: Vec<String> = folders
        .flat_map(|folder| agent_folders::search(root, folder, out))
        .collect();
    let path = found.first()?;
    let message = format!(
        "hidden folders are passed over: {}",
        agent_folders::list(&found)
    );
    let help = format!(
        "{}, to read them too",
        agent_folders::advice(root, root, &found, out)
    );
    Some(
        Diagnostic::error(Code::AgentsElsewhere, path, message)
            .with_severity(Severity::Note)
            .help(help),
    )
}

/// Whether the file is the contract beside an agent file that the pattern matches: nobody means an agent without its contract.
fn is_sidecar_of_a_match(pattern: &[&str], names: &[&str]) -> bool {
    let Some((name, folders)) = names.split_last() else {
        return false;
    };
    let stem = SIDECAR_ENDINGS
        .iter()
        .find_map(|ending| name.strip_suffix(ending));
    stem.is_some_and(|stem| {
        let agent = format!("{stem}.md");
        let names: Vec<&str> = folders.iter().copied().chain([agent.as_str()]).collect();
        glob::matches(pattern, &names)
    })
}

/// What is read: the entries without those that leave something out.
pub fn entries(root: &Path, config: &Config) -> Vec<String> {
    let named = config.agents.iter().filter(|entry| !entry.starts_with('!'));
    let named: Vec<String> = named.cloned().collect();
    if named.is_empty() {
        vec![agent_folders::default_folder(root).to_owned()]
    } else {
        named
    }
}

/// The settings' `agents` with the default where they name nothing to read.
pub fn resolved(root: &Path, config: &Config) -> Vec<String> {
    let left_out = config.agents.iter().filter(|entry| entry.starts_with('!'));
    let mut all = entries(root, config);
    all.extend(left_out.cloned());
    all
}

fn repository_of(folder: &Path) -> PathBuf {
    let mut folders = folder.ancestors();
    let root = folders.find(|folder| folder.join(".git").exists());
    root.unwrap_or(folder).to_path_buf()
}

/// The diagnostic for a folder that is not there.
fn missing(root: &Path, path: String, config: &Config, out: &Path) -> Diagnostic {
    let is_default = config.agents.iter().all(|entry| entry.starts_with('!'));
    let found = agent_folders::search(root, root, out);
    let message = match is_default {
        true => "there is no such folder, and no `.claude/agents` either",
        false => "there is no such folder",
    };
    let help = match found.as_slice() {
        [] => {
            "create it with one Markdown file per agent, or name another one in `agents`".to_owned()
        }
        found => agent_folders::advice(root, root, found, out),
    };
    Diagnostic::error(Code::NotFound, path, message).help(help)
}

/// Whether a file of this name is Markdown by an ending that is not read.
fn has_other_ending(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    !is_spec(name)
        && [".md", ".markdown", ".mdx"]
            .iter()
            .any(|end| lower.ends_with(end))
}

fn is_spec(name: &str) -> bool {
    let endings = [".md", ".yaml", ".yml"].iter().chain(&SIDECAR_ENDINGS);
    endings.into_iter().any(|ending| name.ends_with(ending))
}

/// An entry that begins with `!`: a file, a folder or a pattern of agents that are left out.
struct Excluded {
    entry: String,
    names: Vec<String>,
    is_used: Cell<bool>,
}

impl Excluded {
    fn all(root: &Path, config: &Config) -> Vec<Self> {
        let entries = config.agents.iter();
        let paths = entries.filter_map(|entry| Some((entry, entry.strip_prefix('!')?)));
        paths
            .map(|(entry, path)| Self {
                entry: entry.clone(),
                names: relative(root, &root.join(path))
                    .split('/')
                    .map(str::to_owned)
                    .collect(),
                is_used: Cell::new(false),
            })
            .collect()
    }

    /// Whether one of `excluded` leaves out the file at `path`: an agent, or a contract whose agent is left out.
    fn any(excluded: &[Self], path: &str) -> bool {
        let agent = SIDECAR_ENDINGS
            .iter()
            .find_map(|ending| path.strip_suffix(ending));
        let agents = agent
            .map(|base| [".md", ".agent.md", ".yaml", ".yml"].map(|end| format!("{base}{end}")));
        let mut paths = agents.into_iter().flatten().chain([path.to_owned()]);
        paths.any(|path| excluded.iter().any(|excluded| excluded.matches(&path)))
    }

    /// Whether this names the file at `path` or a folder it is in.
    fn matches(&self, path: &str) -> bool {
        let pattern: Vec<&str> = self.names.iter().map(String::as_str).collect();
        let path: Vec<&str> = path.split('/').collect();
        let is_match = (1..=path.len()).any(|length| glob::matches(&pattern, &path[..length]));
        self.is_used.set(self.is_used.get() || is_match);
        is_match
    }
}
