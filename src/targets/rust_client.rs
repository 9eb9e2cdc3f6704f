//! A Rust client of the service: a module for each agent, and what all of them need to send requests and read answers.
//!
//! Invariant: types of requests and answers come from the target `rust`, so that they are called alike and read alike.

use serde::Serialize;

use crate::agent::Agent;
use crate::diagnostics::Diagnostic;
use crate::output::artifact::Artifact;
use crate::targets::rust;
use crate::targets::rust::rust_context::{EndpointContext, endpoint_contexts};
use crate::targets::rust::rust_item::RustType;
use crate::targets::rust::rust_paths::{CLIENT, CLIENT_WORKFLOWS, RustPaths};
use crate::targets::rust::workflow_function::{RustWorkflow, workflows};
use crate::targets::template_engine::Templates;
use crate::text::ident::Ident;
use crate::text::rust_literal::{code_span, doc};

const AGENT_TEMPLATE: &str = "client/agent_client.rs.tera";
const AGENTS_TEMPLATE: &str = "client/agents.rs.tera";

/// What is the same in every client: no template can change it.
const SUPPORT: [(&str, &str); 11] = [
    ("call", include_str!("../../templates/client/call.rs")),
    ("codegen", include_str!("../../templates/client/codegen.rs")),
    (
        "connection",
        include_str!("../../templates/client/connection.rs"),
    ),
    (
        "event_stream",
        include_str!("../../templates/client/event_stream.rs"),
    ),
    (
        "events",
        include_str!("../../templates/client/run_events.rs"),
    ),
    ("mod", include_str!("../../templates/client/client.rs")),
    ("problem", include_str!("../../templates/client/problem.rs")),
    ("reports", include_str!("../../templates/client/reports.rs")),
    ("runs", include_str!("../../templates/client/runs.rs")),
    ("service", include_str!("../../templates/client/service.rs")),
    ("values", include_str!("../../templates/client/values.rs")),
];

/// What the template of an agent's module reads.
#[derive(Debug, Serialize)]
struct AgentContext<'a> {
    /// The struct that calls the agent.
    type_name: &'a Ident,
    /// The name as Markdown.
    name_doc: String,
    /// One sentence of Markdown.
    doc: String,
    /// The endpoints, `invoke` first.
    endpoints: Vec<EndpointContext<'a>>,
    /// The workflows.
    workflows: Vec<RustWorkflow>,
    /// The types of requests and answers.
    types: Vec<RustType>,
    /// Where they find what is not of their module.
    paths: &'static RustPaths,
    /// The same for the types of workflows.
    workflow_paths: &'static RustPaths,
}

/// What the template of the list of agents reads.
#[derive(Debug, Serialize)]
struct AgentsContext<'a> {
    /// All agents, in the order of the modules.
    agents: Vec<AgentEntry<'a>>,
}

/// An agent in the list.
#[derive(Debug, Serialize)]
struct AgentEntry<'a> {
    /// The module.
    module: &'a Ident,
    /// One sentence of Markdown about it.
    doc: String,
}

/// The module of `agent`, which names others of `agents`.
///
/// # Errors
///
/// What is wrong with the template or with what it renders.
pub(crate) fn module(
    agent: &Agent,
    agents: &[Agent],
    templates: &Templates,
) -> Result<Artifact, Diagnostic> {
    let (endpoints, types) = endpoint_contexts(agent, &CLIENT);
    let name_doc = code_span(&agent.spec.name);
    let context = AgentContext {
        type_name: &agent.type_name,
        doc: match doc(&agent.spec.summary) {
            summary if summary.is_empty() => name_doc.clone(),
            summary => summary,
        },
        name_doc,
        endpoints,
        workflows: workflows(agent, agents, &CLIENT_WORKFLOWS),
        types,
        paths: &CLIENT,
        workflow_paths: &CLIENT_WORKFLOWS,
    };
    let path = format!("client/agents/{}.rs", agent.module);
    let header = rust::header_of(agent);
    rust::file(path, AGENT_TEMPLATE, &header, &context, templates)
}

/// Everything that is not of one agent.
///
/// # Errors
///
/// What is wrong with the template or with what it renders.
pub(crate) fn shared(agents: &[Agent], templates: &Templates) -> Result<Vec<Artifact>, Diagnostic> {
    let mut entries: Vec<AgentEntry<'_>> = agents
        .iter()
        .map(|agent| AgentEntry {
            module: &agent.module,
            doc: format!("The agent {}.", code_span(&agent.spec.name)),
        })
        .collect();
    entries.sort_by_key(|entry| entry.module);
    let context = AgentsContext { agents: entries };
    let path = "client/agents/mod.rs".to_owned();
    let mut artifacts = vec![rust::file(
        path,
        AGENTS_TEMPLATE,
        rust::HEADER,
        &context,
        templates,
    )?];
    artifacts.extend(SUPPORT.iter().map(|(stem, text)| Artifact {
        path: format!("client/{stem}.rs"),
        bytes: format!("{}\n\n{text}", rust::HEADER).into_bytes(),
    }));
    Ok(artifacts)
}
