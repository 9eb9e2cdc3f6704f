//! Finds the folders of agents in a project or a repository where nobody has named them.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::diagnostics::code::Code;
use crate::diagnostics::{Diagnostic, Severity};
use crate::project::discover::relative;
use crate::text::printable::printable;

/// The folders that are read without configuration: the first that has agents.
pub const DEFAULT: [&str; 2] = ["agents", ".claude/agents"];

/// Where agents are in a repository, by precedence; those of plugins follow behind the first two.
const KNOWN: [&str; 11] = [
    "agents",
    ".claude/agents",
    ".github/agents",
    ".github/chatmodes",
    ".opencode/agents",
    ".opencode/agent",
    ".gemini/agents",
    ".cursor/agents",
    ".qwen/agents",
    ".codex/agents",
    ".factory/droids",
];

/// The names of folders that hold agents and nothing else.
const FOLDER_NAMES: [&str; 4] = ["agents", "agent", "chatmodes", "droids"];

/// The names of folders that hold no agents of a project, though their files may look like some.
const PASSED_OVER: [&str; 12] = [
    ".git",
    "commands",
    "docs",
    "examples",
    "fixtures",
    "node_modules",
    "prompts",
    "skills",
    "target",
    "templates",
    "tests",
    "vendor",
];

/// So deep below a folder agents are searched for.
const MAX_DEPTH: usize = 6;
/// So many files and folders are looked at in a search.
const MAX_LOOKS: usize = 20_000;
/// So much of a file is read to tell whether it is an agent.
const HEAD_BYTES: u64 = 4096;

/// The folder that is read without configuration.
pub fn default_folder(root: &Path) -> &'static str {
    let there = || {
        let folders = DEFAULT.into_iter();
        folders.filter(|folder| root.join(folder).is_dir())
    };
    let with_agents = there().find(|folder| has_agents(&root.join(folder)));
    with_agents.or_else(|| there().next()).unwrap_or(DEFAULT[0])
}

/// The folders of agents in `folder`, if it is the root of a repository and not itself a folder of agents; by precedence.
/// `out` is never one of them.
pub fn in_repository(folder: &Path, out: &Path) -> Vec<PathBuf> {
    let plugins = sorted(&folder.join("plugins")).into_iter();
    let plugins = plugins.map(|plugin| plugin.join("agents"));
    let known = KNOWN.iter().map(|name| folder.join(name));
    let candidates = known.clone().take(2).chain(plugins).chain(known.skip(2));
    let mut seen = BTreeSet::new();
    let found: Vec<PathBuf> = candidates
        .filter(|path| path != out && path.is_dir() && has_agents(path))
        .filter(|path| seen.insert(fs::canonicalize(path).unwrap_or_else(|_| path.clone())))
        .collect();
    let has = |name: &str| fs::symlink_metadata(folder.join(name)).is_ok();
    let name = folder.file_name().unwrap_or_default();
    let is_folder_of_agents = FOLDER_NAMES.iter().any(|known| name == *known);
    let is_root = has(".git") || has(".claude-plugin") || !is_folder_of_agents;
    let mut files = sorted(folder).into_iter();
    if !is_root || files.any(|path| is_agent(&path, false)) {
        return Vec::new();
    }
    found
}

/// What to say about agents in the repository `folder` that are in none of the folders `read`.
pub fn elsewhere(root: &Path, folder: &Path, read: &[PathBuf], out: &Path) -> Option<Diagnostic> {
    let linked = read.iter().flat_map(|path| sorted(path));
    let linked = linked.filter(|path| path.is_symlink());
    let linked: Vec<PathBuf> = linked
        .filter_map(|path| fs::canonicalize(path).ok())
        .collect();
    let mut others = search_without(root, folder, out, &linked);
    let read: Vec<String> = read.iter().map(|path| relative(root, path)).collect();
    others.retain(|other| folder_of(&read, other).is_none());
    if others.is_empty() {
        return None;
    }
    let message = format!(
        "of this repository, only the agents in {} are read",
        list(&read)
    );
    let diagnostic = Diagnostic::error(Code::AgentsElsewhere, relative(root, folder), message);
    Some(diagnostic.with_severity(Severity::Warning).help(format!(
        "{}, to read them too",
        advice(root, folder, &others, out)
    )))
}

/// The folders below `folder`, hidden ones included, that have files in them that look like agents; relative to `root`,
/// sorted.
pub fn search(root: &Path, folder: &Path, out: &Path) -> Vec<String> {
    search_without(root, folder, out, &[])
}

/// Like [`search`], without what is one of `known` or below it; these have no links in their paths.
fn search_without(root: &Path, folder: &Path, out: &Path, known: &[PathBuf]) -> Vec<String> {
    let is_other = |path: &Path| {
        let real = fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
        !known.iter().any(|known| real.starts_with(known))
    };
    let mut found = BTreeSet::new();
    let mut looks = 0;
    let mut rest = vec![(folder.to_path_buf(), 0)];
    while let Some((folder, depth)) = rest.pop() {
        let name = folder.file_name().unwrap_or_default();
        let is_known = FOLDER_NAMES.iter().any(|known| name == *known);
        for path in sorted(&folder) {
            looks += 1;
            if looks > MAX_LOOKS {
                return found.into_iter().collect();
            }
            // Links are not followed: what they lead to is found where it is.
            let Ok(kind) = fs::symlink_metadata(&path) else {
                continue;
            };
            if kind.is_dir() && depth < MAX_DEPTH && !is_passed_over(&path) && path != out {
                rest.push((path, depth + 1));
            } else if kind.is_file() && is_agent(&path, !is_known) && is_other(&path) {
                found.insert(relative(root, &folder));
            }
        }
    }
    found.into_iter().collect()
}

/// The agents of Codex in `folder`, where it is the root of a repository or their own folder.
pub fn of_codex(folder: &Path) -> Vec<PathBuf> {
    let folder = match folder.ends_with(".codex/agents") {
        true => folder.to_path_buf(),
        false => folder.join(".codex/agents"),
    };
    let mut files = sorted(&folder);
    files.retain(|path| path.extension().is_some_and(|ending| ending == "toml") && path.is_file());
    files
}

/// Whether `folder` is one in which nobody keeps agents of their own, such as `.git` or `node_modules`.
pub fn is_passed_over(folder: &Path) -> bool {
    let name = folder.file_name().unwrap_or_default();
    PASSED_OVER.iter().any(|known| name == *known)
}

/// How to read the agents in `folders`, which are below `top`. Of many, those that they have in common are named, if these read
/// nothing else.
pub fn advice(root: &Path, top: &Path, folders: &[String], out: &Path) -> String {
    let named = in_common(root, top, folders, out);
    let places = match named.len() < folders.len() {
        true => format!("{} folders below {}", folders.len(), list(&named)),
        false => list(folders),
    };
    let shown = || named.iter().take(SHOWN);
    let arguments: Vec<String> = shown()
        .map(|folder| format!("--agents {}", quoted(folder)))
        .collect();
    let entries: Vec<String> = shown().map(|folder| format!("{folder:?}")).collect();
    let more = if named.len() > SHOWN { ", ..." } else { "" };
    format!(
        "there are agents in {places}: pass `{}`, or write `agents = [{}{more}]` in agentgen.toml",
        arguments.join(" "),
        entries.join(", ")
    )
}

/// `folders` with those above them in place of several, until few are left or there is nothing to take together; sorted.
fn in_common(root: &Path, top: &Path, folders: &[String], out: &Path) -> Vec<String> {
    let mut named: BTreeSet<String> = folders.iter().cloned().collect();
    if named.len() <= SHOWN {
        return folders.to_vec();
    }
    let Some(tree) = AgentTree::below(root, top, folders, out) else {
        return folders.to_vec();
    };
    let above = folders.iter().flat_map(|folder| {
        let ends = folder.match_indices('/').map(|(end, _)| &folder[..end]);
        ends.filter(|above| root.join(above).starts_with(top) && root.join(above) != *top)
    });
    let mut above: Vec<&str> = above.collect::<BTreeSet<_>>().into_iter().collect();
    above.sort_by_key(|folder| std::cmp::Reverse(folder.matches('/').count()));
    // What can't be taken together here can't be later: what is taken in between only makes fewer of it.
    for above in above {
        if named.len() <= SHOWN {
            break;
        }
        let inner: Vec<String> = within(&named, above).cloned().collect();
        if inner.len() > 1 && tree.reads_found_alone(above) {
            for folder in &inner {
                named.remove(folder);
            }
            named.insert(above.to_owned());
        }
    }
    named.into_iter().collect()
}

/// The ones of `folders` that are `above` or in it.
fn within<'a>(
    folders: &'a BTreeSet<String>,
    above: &str,
) -> impl Iterator<Item = &'a String> + use<'a> {
    let start = format!("{above}/");
    let inner = folders.range(start.clone()..);
    let inner = inner.take_while(move |folder| folder.starts_with(&start));
    folders.get(above).into_iter().chain(inner)
}

/// The folders below a folder that have agents in them, hidden ones included; their paths are relative to the project.
struct AgentTree {
    /// Those that a search has found.
    found: BTreeSet<String>,
    /// Those with a file that would be read as an agent. Links to folders count as such: nobody looks into them.
    read: BTreeSet<String>,
}

impl AgentTree {
    /// Walks over what is in `top`; `None` where that is too much. `found` are the folders that a search has found.
    fn below(root: &Path, top: &Path, found: &[String], out: &Path) -> Option<Self> {
        let mut read = BTreeSet::new();
        let mut looks = 0;
        let mut rest = vec![top.to_path_buf()];
        while let Some(folder) = rest.pop() {
            for path in sorted(&folder) {
                looks += 1;
                if looks > MAX_LOOKS {
                    return None;
                }
                if path == out {
                    continue;
                }
                if !path.is_dir() {
                    if is_agent(&path, false) {
                        read.insert(relative(root, &folder));
                    }
                } else if path.is_symlink() {
                    read.insert(relative(root, &path));
                } else if !is_git(&path) {
                    rest.push(path);
                }
            }
        }
        let found = found.iter().cloned().collect();
        Some(Self { found, read })
    }

    /// Whether all agents that are read from `above` are in folders that were found, and all in those of them below it are read.
    fn reads_found_alone(&self, above: &str) -> bool {
        let is_visible = |folder: &&String| !folder[above.len()..].contains("/.");
        within(&self.found, above).all(|folder| is_visible(&folder))
            && !self.is_repository(above)
            && within(&self.read, above)
                .filter(is_visible)
                .all(|folder| self.found.contains(folder))
    }

    /// Whether of `above` only the known folders of agents in it are read: see [`in_repository`].
    fn is_repository(&self, above: &str) -> bool {
        let name = above.rsplit('/').next().unwrap_or_default();
        let is_known = |folder: &&String| {
            let below = folder.strip_prefix(above).unwrap_or_default();
            let below = below.trim_start_matches('/');
            KNOWN.iter().any(|known| is_in(known, below)) || is_of_plugin(below)
        };
        !FOLDER_NAMES.contains(&name)
            && !self.read.contains(above)
            && within(&self.read, above).any(|folder| is_known(&folder))
    }
}

/// Whether the path `below` is in `plugins/<any>/agents` or is that.
fn is_of_plugin(below: &str) -> bool {
    let mut names = below.split('/');
    names.next() == Some("plugins") && names.nth(1) == Some("agents")
}

fn is_git(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name == ".git")
}

/// Whether the path `folder` is in the folder `above` or is that.
fn is_in(above: &str, folder: &str) -> bool {
    let rest = folder.strip_prefix(above);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn is_hidden(path: &Path) -> bool {
    let name = path.file_name();
    name.is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
}

/// The index of the one of `folders` that the file at `path` is in.
pub fn folder_of(folders: &[String], path: &str) -> Option<usize> {
    let mut folders = folders.iter();
    folders.position(|folder| is_in(folder, path) || folder == ".")
}

/// So many folders are named.
const SHOWN: usize = 3;

/// "`a`, `b` and 4 more folders".
pub fn list(folders: &[String]) -> String {
    let shown = folders.iter().take(SHOWN);
    let shown: Vec<String> = shown
        .map(|folder| format!("`{}`", printable(folder)))
        .collect();
    let more = match folders.len().saturating_sub(SHOWN) {
        0 => String::new(),
        1 => " and 1 more folder".to_owned(),
        more => format!(" and {more} more folders"),
    };
    format!("{}{more}", shown.join(", "))
}

/// `folder` as a word of a shell.
fn quoted(folder: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./@+".contains(c);
    if folder.chars().all(is_plain) {
        folder.to_owned()
    } else {
        format!("'{}'", printable(&folder.replace('\'', r"'\''")))
    }
}

/// Whether an agent is in `folder` or below it.
fn has_agents(folder: &Path) -> bool {
    let mut looks = 0;
    let mut rest = vec![(folder.to_path_buf(), 0)];
    while let Some((folder, depth)) = rest.pop() {
        for path in sorted(&folder) {
            looks += 1;
            if looks > MAX_LOOKS {
                return false;
            }
            if is_hidden(&path) {
                continue;
            }
            if path.is_dir() {
                if depth < MAX_DEPTH {
                    rest.push((path, depth + 1));
                }
            } else if is_agent(&path, false) {
                return true;
            }
        }
    }
    false
}

/// Whether the file at `path`, whatever its name, begins with frontmatter.
pub fn begins_like_an_agent(path: &Path) -> bool {
    head(path).is_some_and(|head| {
        head.lines()
            .next()
            .is_some_and(|line| line.trim_end() == "---")
    })
}

/// The start of the file at `path` without its byte order mark; `None` if it can't be read.
fn head(path: &Path) -> Option<String> {
    let mut head = Vec::new();
    let file = path.is_file().then(|| File::open(path))?.ok()?;
    file.take(HEAD_BYTES).read_to_end(&mut head).ok()?;
    let head = String::from_utf8_lossy(&head);
    Some(head.trim_start_matches('\u{feff}').to_owned())
}

/// Whether the file at `path` begins like an agent. Outside of folders of agents it has to be `certain`: its frontmatter has
/// a name and a description.
fn is_agent(path: &Path, certain: bool) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let is_markdown = name.ends_with(".md");
    let is_yaml = !certain && (name.ends_with(".yaml") || name.ends_with(".yml"));
    let is_other = certain && ["SKILL.md", "README.md"].contains(&name.as_ref());
    if !(is_markdown || is_yaml) || is_other {
        return false;
    }
    let Some(head) = head(path) else {
        return false;
    };
    let mut lines = head.lines();
    if is_yaml {
        return lines.any(|line| line.starts_with("prompt:"));
    }
    if lines.next().is_none_or(|line| line.trim_end() != "---") {
        return false;
    }
    let keys: Vec<&str> = lines
        .take_while(|line| line.trim_end() != "---")
        .filter_map(|line| Some(line.split_once(':')?.0))
        .collect();
    !certain || (keys.contains(&"name") && keys.contains(&"description"))
}

/// What is in `folder`, sorted by name; nothing where it can't be read.
fn sorted(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    paths.sort();
    paths
}
