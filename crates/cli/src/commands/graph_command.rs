//! `agentgen graph`

use crate::graph::{self, Graph};
use crate::graph::{graph_dot, graph_mermaid, graph_svg};
use agentgen_build::inspect::{Workflow, did_you_mean, has_errors};
use agentgen_build::{Agent, Code, Diagnostic, check};
use clap::{Args, ValueEnum};

use crate::configuration::agent_filter::find;
use crate::configuration::project_arguments::{Inputs, Settings};
use crate::terminal::diagnostic_report::{self, Format};
use crate::terminal::{Status, eprint_line, print};

/// The most edges in one part of an SVG: the time of the layout grows much faster than their number.
const MAX_EDGES: usize = 250;

#[derive(Debug, Args)]
pub struct Arguments {
    /// An agent or a workflow [default: the whole project]
    #[arg(value_name = "NAME")]
    name: Option<String>,
    #[command(flatten)]
    inputs: Inputs,
    /// Language of the diagram
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    format: Language,
}

#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum Language {
    /// A flowchart that GitHub and many editors draw.
    #[default]
    Mermaid,
    /// For Graphviz.
    Dot,
    /// An image.
    Svg,
}

/// Prints the diagram.
pub fn run(arguments: &Arguments) -> Result<Status, Status> {
    let settings = Settings::read(&arguments.inputs, None, Format::Text)?;
    let mut generation = check(&settings.load());
    if has_errors(&generation.diagnostics) {
        diagnostic_report::deduplicate(&mut generation.diagnostics);
        diagnostic_report::draw(&generation.diagnostics);
        return Err(Status::of(&generation.diagnostics));
    }
    let agents = &generation.agents;
    let graph = match &arguments.name {
        None => graph::of_project(agents),
        Some(name) => of_name(name, agents).map_err(|diagnostic| {
            diagnostic_report::draw(&[diagnostic]);
            Status::Refused
        })?,
    };
    let text = match arguments.format {
        Language::Mermaid => graph_mermaid::write(&graph),
        Language::Dot => graph_dot::write(&graph),
        Language::Svg => {
            let lines = graph.parts.iter().map(|part| part.edges.len()).max();
            if lines > Some(MAX_EDGES) {
                eprint_line(&format!(
                    "error: more than {MAX_EDGES} edges in one part are too many for the layout: name one agent or one workflow, \
                     or use `--format dot` and Graphviz"
                ));
                return Err(Status::Refused);
            }
            graph_svg::write(&graph)
        }
    };
    print(&text)?;
    Ok(Status::Fine)
}

fn of_name(name: &str, agents: &[Agent]) -> Result<Graph, Diagnostic> {
    if let Some(agent) = find(agents, name) {
        return Ok(graph::of_agent(agent, agents));
    }
    let workflows = agents.iter().flat_map(|agent| &agent.service.workflows);
    let is_meant = |workflow: &&Workflow| workflow.name == name || workflow.slug.as_str() == name;
    if let Some(workflow) = workflows.clone().find(is_meant) {
        return Ok(graph::of_workflow(workflow));
    }
    let slugs = agents.iter().map(|agent| agent.spec.slug.as_str());
    let names = workflows.map(|workflow| workflow.name.as_str());
    let otherwise = "`agentgen graph` without a name draws all";
    let help = did_you_mean(name, names.chain(slugs), otherwise);
    let message = "there is no such agent or workflow";
    Err(Diagnostic::error(Code::UnknownAgent, name, message).help(help))
}
