//! `agentgen route`

use agentgen_build::inspect::{has_errors, json_text, printable};
use agentgen_build::{Agent, check};
use agentgen_ranking::{Document, Ranking};
use clap::Args;
use serde_json::{Value, json};

use crate::commands::remote_selection;
use crate::configuration::project_arguments::{Inputs, Settings};
use crate::terminal::diagnostic_report::{self, Format, bold};
use crate::terminal::{Status, eprint_line, print};

#[derive(Debug, Args)]
pub struct Arguments {
    /// The request
    text: String,
    #[command(flatten)]
    inputs: Inputs,
    /// Ask a running service instead: its model chooses among its agents, if it has one
    #[arg(long, value_name = "URL", conflicts_with = "Inputs")]
    service: Option<String>,
    /// The highest number of agents to print
    #[arg(long, value_name = "COUNT", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    /// What to print
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    format: Format,
}

/// Prints the agents for the request, best first: chosen by a running service, or by the local ranking, which needs no
/// network.
pub fn run(arguments: &Arguments) -> Result<Status, Status> {
    match &arguments.service {
        Some(address) => by_service(arguments, address),
        None => by_ranking(arguments),
    }
}

fn by_service(arguments: &Arguments, address: &str) -> Result<Status, Status> {
    let reply = remote_selection::route(address, &arguments.text, arguments.limit)?;
    let agents = reply["agents"].as_array().map_or(&[][..], Vec::as_slice);
    print_agents(arguments.format, agents)?;
    if agents.is_empty() {
        eprint_line("the service found no agent for the request");
        return Ok(Status::Refused);
    }
    if reply["by"] == "model" {
        eprint_line("chosen by the service's model");
    }
    Ok(Status::Fine)
}

fn by_ranking(arguments: &Arguments) -> Result<Status, Status> {
    let settings = Settings::read(&arguments.inputs, None, Format::Text)?;
    let mut generation = check(&settings.load());
    let ranked = ranking(&generation.agents).rank(&arguments.text);
    let ranked = ranked.iter().take(arguments.limit as usize);
    let ranked = ranked.map(|ranked| json!({ "agent": ranked.slug, "score": ranked.score }));
    let ranked: Vec<Value> = ranked.collect();
    print_agents(arguments.format, &ranked)?;
    if has_errors(&generation.diagnostics) {
        diagnostic_report::deduplicate(&mut generation.diagnostics);
        diagnostic_report::draw(&generation.diagnostics);
        return Ok(Status::of(&generation.diagnostics));
    }
    if ranked.is_empty() {
        eprint_line("no agent matches: none shares a word with the request");
        return Ok(Status::Refused);
    }
    Ok(Status::Fine)
}

fn ranking(agents: &[Agent]) -> Ranking {
    let examples: Vec<String> = agents
        .iter()
        .map(|agent| {
            let examples = agent.spec.examples.iter();
            let examples = examples.map(|example| example.situation());
            examples.collect::<Vec<_>>().join("\n")
        })
        .collect();
    let documents = agents.iter().zip(&examples).map(|(agent, examples)| {
        let spec = &agent.spec;
        Document {
            name: &spec.name,
            slug: spec.slug.as_str(),
            summary: &spec.summary,
            examples,
            prompt: spec.prompt(),
        }
    });
    Ranking::new(&documents.collect::<Vec<_>>())
}

/// Prints `agents`, each with its name under `agent` and perhaps a `score`.
fn print_agents(format: Format, agents: &[Value]) -> Result<(), Status> {
    let name = |agent: &Value| printable(agent["agent"].as_str().unwrap_or_default());
    let width = agents.iter().map(|agent| name(agent).len()).max();
    let width = width.unwrap_or(0);
    let line = |agent: &Value| match agent["score"].as_f64() {
        Some(score) => format!("{}  {score:.3}\n", bold(&format!("{:width$}", name(agent)))),
        None => format!("{}\n", bold(&name(agent))),
    };
    print(&match format {
        Format::Json => format!("{}\n", json_text(&Value::Array(agents.to_vec()))),
        Format::Text => agents.iter().map(line).collect(),
    })
}
