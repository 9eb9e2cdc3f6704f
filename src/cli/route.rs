//! `agentgen route`

use agentgen_build::agent::Agent;
use agentgen_build::diagnostic::has_errors;
use agentgen_build::generate::check;
use agentgen_build::ranking::{Document, Ranked, Ranking};
use clap::Args;
use serde_json::{Value, json};

use super::inputs::{Inputs, Settings};
use super::output::{Status, print, say};
use super::report::{self, Format};

#[derive(Debug, Args)]
pub struct Arguments {
    /// What somebody asks
    text: String,
    #[command(flatten)]
    inputs: Inputs,
    /// How many agents to name at most
    #[arg(long, value_name = "COUNT", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    /// What to print
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    format: Format,
}

/// Prints the agents that the text is for, best first, with their scores. No network is needed, and no model asked.
pub fn run(arguments: &Arguments) -> Result<Status, Status> {
    let settings = Settings::read(&arguments.inputs, None, Format::Text)?;
    let mut generation = check(&settings.load());
    let mut ranked = ranking(&generation.agents).rank(&arguments.text);
    ranked.truncate(arguments.limit as usize);
    print(&match arguments.format {
        Format::Json => {
            let rows: Vec<Value> = ranked.iter().map(row).collect();
            format!("{:#}\n", Value::Array(rows))
        }
        Format::Text => lines(&ranked),
    })?;
    if has_errors(&generation.diagnostics) {
        report::deduplicate(&mut generation.diagnostics);
        report::draw(&generation.diagnostics);
        return Ok(Status::of(&generation.diagnostics));
    }
    if ranked.is_empty() {
        say("no agent fits: none shares a word with the request");
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

fn row(ranked: &Ranked) -> Value {
    json!({ "agent": ranked.slug, "score": ranked.score })
}

fn lines(ranked: &[Ranked]) -> String {
    let width = ranked.iter().map(|ranked| ranked.slug.len()).max();
    let width = width.unwrap_or(0);
    let lines = ranked
        .iter()
        .map(|Ranked { slug, score }| format!("{slug:width$}  {score:.3}\n"));
    lines.collect()
}
