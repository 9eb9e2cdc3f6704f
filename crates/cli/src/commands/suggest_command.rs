//! `agentgen suggest`

use std::path::Path;

use crate::suggest::proposal::Proposal;
use crate::suggest::propose::propose;
use crate::suggest::service_edit::{Change, Edit, edit};
use crate::suggest::{self, Findings};
use agentgen_build::inspect::{byte_order_mark, json_text, printable, relative, replace_file};
use agentgen_build::{Agent, Diagnostic, Severity, check};
use clap::Args;
use serde_json::json;

use crate::configuration::agent_filter::{find, unknown_agent};
use crate::configuration::project_arguments::{Inputs, Settings};
use crate::terminal::diagnostic_report::{self, Format};
use crate::terminal::plural::plural;
use crate::terminal::terminal_diff;
use crate::terminal::{Status, eprint_line, print};

#[derive(Debug, Args)]
pub struct Arguments {
    /// The name of an agent of the project, or the path of any file
    #[arg(value_name = "NAME|PATH")]
    agent: String,
    #[command(flatten)]
    inputs: Inputs,
    /// Print a diff, or all findings as JSON
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    format: Format,
    /// Write the change instead of printing it
    #[arg(long)]
    write: bool,
}

/// Reads the agent's body and prints a proposed service block as a diff.
pub fn run(arguments: &Arguments) -> Result<Status, Status> {
    let settings = Settings::read(&arguments.inputs, None, arguments.format)?;
    let mut root = settings.root.clone();
    let mut project = settings.load();
    let mut generation = check(&project);
    let mut found = find(&generation.agents, &arguments.agent);
    let path = Path::new(&arguments.agent);
    if found.is_none() && path.is_file() {
        let current = std::env::current_dir().unwrap_or_default();
        let name = relative(&root, &current.join(path));
        if !project.sources.iter().any(|source| source.path() == name) {
            project = settings.load_alone(&current, path);
            root = current.clone();
            generation = check(&project);
        }
        let name = relative(&root, &current.join(path));
        let mut agents = generation.agents.iter();
        found = agents.find(|agent| agent.spec.source.path() == name);
    }
    let Some(agent) = found else {
        let mut diagnostics = generation.diagnostics.clone();
        if path.is_file() {
            // Beside other agents, a file that is none is only worth a note.
            let current = std::env::current_dir().unwrap_or_default();
            diagnostics = check(&settings.load_alone(&current, path)).diagnostics;
        } else {
            diagnostics.push(unknown_agent(&arguments.agent, &generation.agents));
        }
        diagnostics.retain(|diagnostic| diagnostic.severity == Severity::Error);
        let status = Status::of(&diagnostics).max(Status::Refused);
        return Err(diagnostic_report::refuse(
            diagnostics,
            arguments.format,
            status,
        ));
    };
    let own = own_errors(agent, &generation.diagnostics);
    if !own.is_empty() {
        let status = Status::of(&own);
        return Err(diagnostic_report::refuse(own, arguments.format, status));
    }
    let agents = &generation.agents;
    let names: Vec<&str> = agents
        .iter()
        .flat_map(|agent| [agent.spec.slug.as_str(), agent.spec.name.as_str()])
        .collect();
    let above = agent.spec.body_line().map_or(0, |line| line - 1);
    let findings = suggest::read(agent.spec.prompt(), &names).below(above);
    let proposal = propose(&findings, agent, agents);
    let edit = edit(&project, agent, &proposal);
    let change = match &edit {
        Edit::Change(change) => Some(change),
        Edit::Nothing | Edit::Impossible(_) => None,
    };
    let diff = change.map(|change| unified(&root, change));
    if arguments.write
        && let Some(change) = change
    {
        write(&root, change).map_err(|diagnostic| {
            let status = Status::of(std::slice::from_ref(&diagnostic));
            diagnostic_report::refuse(vec![diagnostic], arguments.format, status)
        })?;
    }
    if arguments.format == Format::Json {
        let document = json!({
            "agent": agent.spec.slug.as_str(),
            "path": agent.spec.source.path(),
            "findings": findings,
            "missing": proposal.missing,
            "notes": proposal.notes,
            "change": change.map(|change| &change.path),
            "diff": diff,
        });
        print(&format!("{}\n", json_text(&document)))?;
        return Ok(Status::Fine);
    }
    report(agent, &findings, &proposal, &edit);
    match (change, &diff) {
        (Some(change), _) if arguments.write => {
            eprint_line(&format!("wrote {}", printable(&change.path)))
        }
        (_, Some(diff)) => print(&terminal_diff::coloured(diff))?,
        _ => {}
    }
    Ok(Status::Fine)
}

/// The errors in the agent's files.
fn own_errors(agent: &Agent, diagnostics: &[Diagnostic]) -> Vec<Diagnostic> {
    let files = [agent.spec.source.path(), agent.service.source.path()];
    diagnostics
        .iter()
        .filter(|diagnostic| diagnostic.severity == Severity::Error)
        .filter(|diagnostic| files.contains(&diagnostic.path.as_str()))
        .cloned()
        .collect()
}

/// Reports on stderr what was found and proposed.
fn report(agent: &Agent, findings: &Findings, proposal: &Proposal, edit: &Edit) {
    let name = &agent.spec.name;
    let counts = [
        (findings.specialists.len(), "specialist"),
        (findings.workflows.len(), "workflow"),
        (findings.routes.len(), "route"),
        (usize::from(findings.output.is_some()), "output format"),
    ];
    let found: Vec<String> = counts
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| plural(*count, what))
        .collect();
    let found = found.join(", ");
    let line = match edit {
        _ if findings.is_empty() => {
            "the prompt mentions nothing that a service block could say".to_owned()
        }
        Edit::Nothing => format!("found {found}; there is nothing to add"),
        Edit::Change(_) | Edit::Impossible(_) => format!("found {found}"),
    };
    eprint_line(&printable(&format!("{name}: {line}")));
    if findings.is_empty() {
        return;
    }
    let note = |text: &str| eprint_line(&printable(&format!("note: {text}")));
    for text in &proposal.notes {
        note(text);
    }
    for checklist in &findings.checklists {
        note(&format!(
            "the checklist {:?} (line {}, {}) stays in the prompt: a service block has no form of it.",
            checklist.title,
            checklist.line,
            plural(checklist.items.len(), "item")
        ));
    }
    if !proposal.missing.is_empty() {
        note(&format!(
            "the project has no {}; what needs them is in comments. `agentgen add NAME` makes an agent's file.",
            proposal.missing.join(", ")
        ));
    }
    match edit {
        Edit::Change(change) if change.commented => {
            note("`agentgen check` would refuse the block as it is, so all of it is in comments.");
        }
        Edit::Impossible(lines) => {
            note(
                "the service block is written in a form that nothing can be added to. This is the proposal:",
            );
            for line in lines {
                eprint_line(&printable(line));
            }
        }
        _ => {}
    }
}

/// The byte order mark of the file on the disk, if it has one; sources leave it out.
fn mark(root: &Path, change: &Change) -> &'static str {
    byte_order_mark(&root.join(&change.path))
}

/// The change as a unified diff.
fn unified(root: &Path, change: &Change) -> String {
    let mark = mark(root, change);
    let old = change.old.as_ref().map(|old| format!("{mark}{old}"));
    let new = format!("{mark}{}", change.new);
    terminal_diff::of_file(&change.path, old.as_deref(), &new)
}

fn write(root: &Path, change: &Change) -> Result<(), Diagnostic> {
    let mark = mark(root, change);
    let old = change.old.as_ref().map(|old| format!("{mark}{old}"));
    let new = format!("{mark}{}", change.new);
    let path = root.join(&change.path);
    replace_file(
        root,
        &path,
        old.as_ref().map(String::as_bytes),
        new.as_bytes(),
    )
}
