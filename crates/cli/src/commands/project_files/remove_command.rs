//! `agentgen remove`

use std::fs;
use std::sync::Arc;

use agentgen_build::inspect::{did_you_mean, find_agent, orphaned_handlers, printable};
use agentgen_build::{Agent, Code, Diagnostic, Project, Severity, check};
use clap::Args;

use crate::commands::project_files::project_change::{ChangeArguments, change_project, rebuild};
use crate::configuration::project_arguments::{Inputs, Settings};
use crate::scaffold::agent_references::{mentions, mentions_in_code, references};
use crate::scaffold::file_change::FileChange;
use crate::scaffold::handler_edit::{HandlerEdit, handler_folder, remove_handler};
use crate::terminal::Status;
use crate::terminal::diagnostic_report;

#[derive(Debug, Args)]
pub struct Arguments {
    /// Name of the agent; or of a handler in `src/agents` whose agent is gone
    name: String,
    /// Remove the agent although other agents name it
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    change: ChangeArguments,
}

/// Deletes the agent's file, its contract and its handler, unless another agent needs it. A handler that the user wrote stays.
pub fn run(arguments: &Arguments) -> Result<Status, Status> {
    let format = arguments.change.format;
    let settings = Settings::read(&Inputs::default(), None, format)?;
    let mut project = settings.load();
    let handlers = project.handlers.take();
    let before = check(&project);
    let refuse = |diagnostics| diagnostic_report::refuse(diagnostics, format, Status::Refused);
    let name = arguments.name.trim();
    let agent = find_agent(&before.agents, name);
    let module = match agent {
        Some(agent) => agent.module.as_str().to_owned(),
        None => {
            let orphans = handlers.map(|handlers| orphaned_handlers(&before.agents, &handlers));
            let module = name.to_lowercase().replace('-', "_");
            let known = orphans.is_some_and(|orphans| orphans.contains_key(&module));
            // The agents that can't be read are not among those that were found.
            if !known {
                return Err(refuse(vec![unknown_agent(name, &before.agents)]));
            }
            module
        }
    };
    let mut changes = Vec::new();
    let mut diagnostics = Vec::new();
    let mut notes = Vec::new();
    if let Some(agent) = agent {
        let left = without(&project, agent);
        let broken = broken_references(&before.agents, agent, &before.diagnostics, &left);
        if !broken.is_empty() {
            if !arguments.force {
                return Err(refuse(broken));
            }
            diagnostics = broken;
            for diagnostic in &mut diagnostics {
                diagnostic.severity = Severity::Warning;
                diagnostic.help = Some("take the name out".to_owned());
            }
        }
        let known = references(&before.agents, agent);
        notes.extend(mention_note(mentions(&left.sources, agent, &known)));
        for source in own_files(agent) {
            match fs::read(settings.root.join(source)) {
                Ok(bytes) => changes.push(FileChange::delete(source, bytes)),
                Err(error) => {
                    let message = format!("the file can't be read: {error}");
                    return Err(refuse(vec![Diagnostic::error(Code::Io, source, message)]));
                }
            }
        }
    }
    let HandlerEdit {
        changes: edits,
        kept,
    } = remove_handler(&settings.root, &project, &module, agent);
    changes.extend(edits);
    let folder = handler_folder(&project);
    let mut own: Vec<String> = changes
        .iter()
        .map(|change| change.path().to_owned())
        .collect();
    own.push(format!("{folder}/{module}.rs"));
    diagnostics.extend(mentions_in_code(&settings.root, &module, &own));
    if let Some(path) = kept {
        notes.push(format!(
            "{path} stays: it is not what agentgen wrote. Nothing uses it any more"
        ));
    }
    if !change_project(&settings, &changes, &diagnostics, &notes, &arguments.change)? {
        return Ok(Status::Fine);
    }
    rebuild(&settings, format)
}

/// The error about a name that no agent has.
pub fn unknown_agent(name: &str, agents: &[Agent]) -> Diagnostic {
    let names: Vec<&str> = agents
        .iter()
        .map(|agent| agent.spec.slug.as_str())
        .collect();
    let advice = "`agentgen list` shows the agents";
    let help = did_you_mean(name, names.iter().copied(), advice);
    let message = format!("there is no agent `{}` in this project", printable(name));
    Diagnostic::error(Code::UnknownAgent, "agents", message).help(help)
}

/// The sentence about prompts that name the agent in `places`, if there are any.
pub fn mention_note(places: Vec<String>) -> Option<String> {
    const SHOWN: usize = 8;
    let (first, rest) = places.split_at(places.len().min(SHOWN));
    let more = match rest.len() {
        0 => String::new(),
        count => format!(" and {count} more"),
    };
    let places = first.join(", ");
    (!first.is_empty())
        .then(|| format!("the name is also mentioned at {places}{more}; that text stays"))
}

/// The files of `agent`: its own and its contract's.
pub fn own_files(agent: &Agent) -> Vec<&str> {
    let mut files = vec![agent.spec.source.path()];
    let contract = agent.service.source.path();
    if contract != files[0] {
        files.push(contract);
    }
    files
}

/// The project without the files of `agent`.
fn without(project: &Project, agent: &Agent) -> Project {
    let own = own_files(agent);
    let mut left = project.clone();
    left.sources.retain(|source| !own.contains(&source.path()));
    left
}

/// What would be wrong with the project that is `left` and was not before: the places that name the agent first.
fn broken_references(
    agents: &[Agent],
    agent: &Agent,
    before: &[Diagnostic],
    left: &Project,
) -> Vec<Diagnostic> {
    let own = own_files(agent);
    let mut broken = Vec::new();
    for reference in references(agents, agent) {
        if own.contains(&reference.source.path()) {
            continue;
        }
        let message = format!("`{}` is needed here", reference.text);
        broken.push(
            Diagnostic::error(Code::UnknownAgent, "", message)
                .at(&Arc::clone(&reference.source), reference.span)
                .help("take the name out first, or use `--force`"),
        );
    }
    let is_known = |found: &Diagnostic| {
        let same = |other: &Diagnostic| other.to_string() == found.to_string();
        let placed = |other: &Diagnostic| other.path == found.path && other.span == found.span;
        before.iter().any(same) || broken.iter().any(placed)
    };
    let new: Vec<Diagnostic> = check(left)
        .diagnostics
        .into_iter()
        .filter(|found| found.severity == Severity::Error && !is_known(found))
        .collect();
    broken.extend(new);
    broken
}
