//! `agentgen show`

use std::path::Path;

use agentgen_build::inspect::{Tool, bundle, json_text, operations, printable};
use agentgen_build::{Agent, Severity, check};
use clap::Args;
use serde_json::Value;

use crate::configuration::agent_filter::{find, unknown_agent};
use crate::configuration::project_arguments::{Inputs, Settings};
use crate::terminal::diagnostic_report::{self, Format, bold, enumeration};
use crate::terminal::text_table::text_table;
use crate::terminal::{Status, print};

#[derive(Debug, Args)]
pub struct Arguments {
    /// The name of an agent of the project, or the path of any file
    #[arg(value_name = "NAME|PATH")]
    agent: String,
    #[command(flatten)]
    inputs: Inputs,
    /// What to print
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    format: Format,
}

/// Prints the agent's bundle.
pub fn run(arguments: &Arguments) -> Result<Status, Status> {
    let settings = Settings::read(&arguments.inputs, None, Format::Text)?;
    let path = Path::new(&arguments.agent);
    let is_path = path.is_file();
    let project = if is_path {
        let root = std::env::current_dir().unwrap_or_default();
        settings.load_alone(&root, path)
    } else {
        settings.load()
    };
    let generation = check(&project);
    let agent = if is_path {
        generation.agents.first()
    } else {
        find(&generation.agents, &arguments.agent)
    };
    let Some(agent) = agent else {
        let mut diagnostics = generation.diagnostics;
        diagnostic_report::deduplicate(&mut diagnostics);
        if !is_path {
            diagnostics.retain(|diagnostic| diagnostic.severity == Severity::Error);
            diagnostics.push(unknown_agent(&arguments.agent, &generation.agents));
        }
        diagnostic_report::draw(&diagnostics);
        return Err(Status::of(&diagnostics).max(Status::Refused));
    };
    // For a single file the agents it names are not read, so references to them are not checked.
    let own: Vec<_> = generation
        .diagnostics
        .iter()
        .filter(|diagnostic| {
            let own = [&agent.spec.source, &agent.service.source];
            own.iter().any(|source| diagnostic.path == source.path()) || is_path
        })
        .filter(|diagnostic| diagnostic.severity == Severity::Error)
        .filter(|diagnostic| !(is_path && diagnostic.code == agentgen_build::Code::UnknownAgent))
        .cloned()
        .collect();
    if !own.is_empty() {
        diagnostic_report::draw(&own);
        return Err(Status::of(&own));
    }
    let bundle = bundle(agent, &generation.agents);
    match arguments.format {
        Format::Json => print(&format!("{}\n", json_text(&bundle)))?,
        Format::Text => print(&overview(agent, &bundle))?,
    }
    Ok(Status::Fine)
}

/// For people: a line for each fact, and tables of endpoints and workflows.
fn overview(agent: &Agent, bundle: &Value) -> String {
    let spec = &agent.spec;
    let prompt = &bundle["prompt"];
    let entries = |tools: &[Tool]| {
        let entries: Vec<&str> = tools.iter().map(|tool| tool.entry.as_str()).collect();
        entries.join(", ")
    };
    let tools = match &spec.tools.allowed {
        Some(tools) if tools.is_empty() => "none".to_owned(),
        Some(tools) => entries(tools),
        None => "any".to_owned(),
    };
    let mut lines = vec![
        ("name", spec.name.clone()),
        ("file", spec.source.path().to_owned()),
        ("summary", spec.summary.clone()),
        ("model", agent.model().unwrap_or("any").to_owned()),
        ("tools", tools),
        ("examples", spec.examples.len().to_string()),
        (
            "prompt",
            format!(
                "{} bytes, {} words, {} tokens ({})",
                prompt["bytes"],
                prompt["words"],
                prompt["tokens"]["count"],
                prompt["tokens"]["encoding"].as_str().unwrap_or_default()
            ),
        ),
        (
            "sha256",
            prompt["sha256"].as_str().unwrap_or_default().to_owned(),
        ),
    ];
    if !spec.tools.denied.is_empty() {
        lines.push(("denied", entries(&spec.tools.denied)));
    }
    let named: Vec<&str> = agent
        .service
        .agents
        .iter()
        .map(|name| name.text.as_str())
        .filter(|name| spec.tools.may_hand_off_to([name, name]))
        .collect();
    if !named.is_empty() {
        lines.push(("hands to", named.join(", ")));
    }
    if let Some(documents) = &agent.service.documents {
        let who = match documents.roles.as_slice() {
            [] => "for everyone".to_owned(),
            roles => format!("for {}", roles.join(", ")),
        };
        lines.push(("documents", format!("{}, {who}", documents.collection)));
    }
    let facts: String = lines
        .iter()
        .map(|(key, value)| format!("{} {}\n", bold(&format!("{key:9}")), printable(value)))
        .collect();
    let tables = [endpoints(agent), workflows(agent)];
    let tables = tables.into_iter().filter(|table| !table.is_empty());
    std::iter::once(facts)
        .chain(tables)
        .collect::<Vec<_>>()
        .join("\n")
}

fn endpoints(agent: &Agent) -> String {
    let rows: Vec<Vec<String>> = operations(agent)
        .iter()
        .map(|operation| {
            let endpoint = operation.endpoint;
            let handler = endpoint.map_or("model", |endpoint| endpoint.handler.as_str());
            let roles = endpoint.map(|endpoint| endpoint.roles.join(", "));
            vec![
                operation.name.to_owned(),
                format!("{} {}", operation.method, operation.path),
                handler.to_owned(),
                if operation.stream { "yes" } else { "" }.to_owned(),
                roles.unwrap_or_default(),
            ]
        })
        .collect();
    text_table(&["ENDPOINT", "ROUTE", "HANDLER", "EVENTS", "ROLES"], &rows)
}

fn workflows(agent: &Agent) -> String {
    let rows: Vec<Vec<String>> = agent
        .service
        .workflows
        .iter()
        .map(|workflow| {
            let steps = workflow.steps.iter().map(|step| match step.call() {
                Some(call) if step.for_each().is_some() => {
                    format!("{} ({}, for each item)", step.id, call.agent.text)
                }
                Some(call) if call.agent.text == step.id => step.id.clone(),
                Some(call) => format!("{} ({})", step.id, call.agent.text),
                None if step.has_units() => format!("{} (a plan)", step.id),
                None => {
                    let what = step.waits_for_what().unwrap_or_default();
                    format!("{} (waits for {what})", step.id)
                }
            });
            vec![
                workflow.name.clone(),
                format!("POST /v1/workflows/{}/runs", workflow.slug),
                enumeration(&steps.collect::<Vec<_>>(), MAX_STEPS),
                workflow.roles.join(", "),
                workflow
                    .schedule
                    .as_ref()
                    .map_or(String::new(), |schedule| schedule.to_string()),
            ]
        })
        .collect();
    text_table(&["WORKFLOW", "ROUTE", "STEPS", "ROLES", "SCHEDULE"], &rows)
}

/// So many steps of a workflow are named.
const MAX_STEPS: usize = 6;
