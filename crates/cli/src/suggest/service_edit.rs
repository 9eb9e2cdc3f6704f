//! Puts a proposal into the file of an agent, so that everything else stays as it is.

use std::sync::Arc;

use crate::suggest::insertion::{Insertion, inserted, into_map, into_service};
use crate::suggest::proposal::Proposal;
use crate::suggest::yaml_lines::{self, YamlLine, header};
use agentgen_build::inspect::{
    Node, Reading, Report, is_pattern, lines, read_frontmatter, read_yaml,
};
use agentgen_build::{Agent, Diagnostic, Project, Severity, Source, generate};

/// The result of applying a proposal.
#[derive(Debug, Clone)]
pub enum Edit {
    /// All of it is in the file already, in comments.
    Nothing,
    /// A file changes.
    Change(Change),
    /// It can't be added to the contract that is there; these are the lines of a block with it.
    Impossible(Vec<String>),
}

/// A changed file.
#[derive(Debug, Clone)]
pub struct Change {
    /// The file, relative to the project.
    pub path: String,
    /// Its text; `None` where it is not there yet.
    pub old: Option<String>,
    /// Its text with the proposal.
    pub new: String,
    /// Whether everything proposed had to be put into comments.
    pub commented: bool,
}

/// The change that adds `proposal` to the contract of `agent`: in its frontmatter, or in the file beside
/// it. Frontmatter that can't take the contract gets a new file beside it.
///
/// The changed project is generated in memory, and no change is answered with which it would have an error that it
/// has not now, or with which the agent would be another.
pub fn edit(project: &Project, agent: &Agent, proposal: &Proposal) -> Edit {
    let source = &agent.service.source;
    let stands = comments(source.text());
    let proposal = proposal
        .clone()
        .without(|text| stands.iter().any(|other| other == text));
    if proposal.is_empty() {
        return Edit::Nothing;
    }
    let before = errors(project);
    let mut candidates = vec![inline(agent, &proposal, false)];
    let bare = agent.spec.frontmatter.entry("service").is_none()
        && source.path() == agent.spec.source.path();
    if bare {
        candidates.push(beside(project, agent, &proposal, false));
        let commented = proposal.clone().commented();
        candidates.push(inline(agent, &commented, true));
        candidates.push(beside(project, agent, &commented, true));
    }
    let mut candidates = candidates.into_iter().flatten();
    match candidates.find(|change| passes_check(project, agent, change, &before)) {
        Some(change) => Edit::Change(change),
        None => {
            let whole = header("service", branches(&proposal));
            Edit::Impossible(yaml_lines::lines(&[whole], 0))
        }
    }
}

/// The text of every comment line in `text`, without its mark.
fn comments(text: &str) -> Vec<String> {
    lines(text, 0..text.len())
        .filter_map(|line| line.text.trim_start().strip_prefix('#'))
        .map(|comment| comment.trim().to_owned())
        .collect()
}

fn errors(project: &Project) -> Vec<String> {
    let is_error = |diagnostic: &&Diagnostic| diagnostic.severity == Severity::Error;
    let all = generate(project).diagnostics;
    let errors = all.iter().filter(is_error);
    errors
        .map(|error| format!("{} {} {}", error.path, error.code, error.message))
        .collect()
}

/// Whether the project with `change` has no error besides those `before`, and the same agent.
fn passes_check(project: &Project, agent: &Agent, change: &Change, before: &[String]) -> bool {
    let Ok(new) = Source::from_bytes(&change.path, change.new.clone().into_bytes()) else {
        return false;
    };
    let mut changed = project.clone();
    changed
        .sources
        .retain(|source| source.path() != change.path);
    changed.sources.push(new);
    changed.sources.sort_by(|a, b| a.path().cmp(b.path()));
    if errors(&changed).iter().any(|error| !before.contains(error)) {
        return false;
    }
    let own = |source: &&Arc<Source>| source.path() == agent.spec.source.path();
    let again = changed.sources.iter().find(own).and_then(|source| {
        let strict = changed.config.strict;
        agentgen_build::inspect::read_spec(&mut Report::new(source), strict)
    });
    again.is_some_and(|again| {
        again.repaired == agent.spec.repaired
            && again.prompt() == agent.spec.prompt()
            && without_service(&again.frontmatter) == without_service(&agent.spec.frontmatter)
    })
}

fn without_service(frontmatter: &Node) -> serde_json::Value {
    let mut json = frontmatter.to_json();
    if let Some(map) = json.as_object_mut() {
        map.shift_remove("service");
    }
    json
}

/// The change of a new file beside that of the agent, where the settings would find it.
fn beside(
    project: &Project,
    agent: &Agent,
    proposal: &Proposal,
    commented: bool,
) -> Option<Change> {
    let (base, _) = agent.spec.source.path().rsplit_once('.')?;
    let path = format!("{base}.service.yaml");
    let found = project.config.agents.iter().any(|entry| {
        let folder = entry.trim_start_matches("./").trim_end_matches('/');
        let below = path
            .strip_prefix(folder)
            .is_some_and(|rest| rest.starts_with('/'));
        !is_pattern(entry) && !entry.starts_with('!') && (below || matches!(folder, "" | "."))
    });
    let lines = yaml_lines::lines(&branches(proposal), 0);
    found.then(|| Change {
        path,
        old: None,
        new: lines.join("\n") + "\n",
        commented,
    })
}

/// A branch for each key that something is proposed for.
fn branches(proposal: &Proposal) -> Vec<YamlLine> {
    let parts = proposal.parts().into_iter();
    let filled = parts.filter(|(_, branches)| !branches.is_empty());
    filled
        .map(|(key, branches)| header(key, branches.to_vec()))
        .collect()
}

/// The change of the file with the contract, or of the agent's file.
fn inline(agent: &Agent, proposal: &Proposal, commented: bool) -> Option<Change> {
    let source = &agent.service.source;
    let text = source.text();
    let insertions = if source.path() != agent.spec.source.path() {
        let node = read_yaml(&mut Report::new(source))?;
        match node.entry("service") {
            Some(service) => into_service(text, service, text.len(), proposal)?,
            None => into_map(text, &node, 0, text.len(), proposal)?,
        }
    } else if agentgen_build::inspect::is_yaml(source.path()) {
        // The keys of such a file are prompts and more; its contract is easier to find beside it.
        let service = agent.spec.frontmatter.entry("service")?;
        into_service(text, service, text.len(), proposal)?
    } else {
        let end = match read_frontmatter(&mut Report::new(source), false) {
            Reading::Agent(document) => closing_line(text, document.body.start),
            Reading::NoFrontmatter | Reading::Unreadable => return None,
        };
        match agent.spec.frontmatter.entry("service") {
            Some(service) => into_service(text, service, end, proposal)?,
            None => {
                let whole = header("service", branches(proposal));
                vec![Insertion::of(end, &[whole], 0)]
            }
        }
    };
    let new = inserted(text, insertions);
    (new != text).then(|| Change {
        path: source.path().to_owned(),
        old: Some(text.to_owned()),
        new,
        commented,
    })
}

/// The start of the line in front of the byte at `body`.
fn closing_line(text: &str, body: usize) -> usize {
    lines(text, 0..body).last().map_or(0, |line| line.start)
}
