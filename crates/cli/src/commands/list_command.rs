//! `agentgen list`

use agentgen_build::inspect::{has_errors, json_text, operations};
use agentgen_build::{Agent, check};
use clap::Args;
use serde_json::{Value, json};

use crate::configuration::project_arguments::{Inputs, Settings};
use crate::terminal::diagnostic_report::{self, Format};
use crate::terminal::text_table::text_table;
use crate::terminal::{Status, print};

#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    inputs: Inputs,
    /// What to print
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    format: Format,
}

/// Prints a table of the agents, or a JSON array.
pub fn run(arguments: &Arguments) -> Result<Status, Status> {
    let settings = Settings::read(&arguments.inputs, None, Format::Text)?;
    let mut generation = check(&settings.load());
    let text = match arguments.format {
        Format::Json => {
            let rows: Vec<Value> = generation.agents.iter().map(row).collect();
            format!("{}\n", json_text(&Value::Array(rows)))
        }
        Format::Text => table(&generation.agents),
    };
    print(&text)?;
    if has_errors(&generation.diagnostics) {
        diagnostic_report::deduplicate(&mut generation.diagnostics);
        diagnostic_report::draw(&generation.diagnostics);
    }
    Ok(Status::of(&generation.diagnostics))
}

fn row(agent: &Agent) -> Value {
    json!({
        "name": agent.spec.name,
        "slug": agent.spec.slug.as_str(),
        "path": agent.spec.source.path(),
        "summary": agent.spec.summary,
        "model": agent.model(),
        "repaired": agent.spec.repaired,
        "operations": operations(agent)
            .iter()
            .map(|operation| format!("{} {}", operation.method, operation.path))
            .collect::<Vec<_>>(),
    })
}

fn table(agents: &[Agent]) -> String {
    let rows: Vec<Vec<String>> = agents
        .iter()
        .map(|agent| {
            let workflows = agent.service.workflows.len();
            vec![
                agent.spec.slug.to_string(),
                agent.model().unwrap_or_default().to_owned(),
                operations(agent).len().to_string(),
                match workflows {
                    0 => String::new(),
                    count => count.to_string(),
                },
                agent.spec.source.path().to_owned(),
            ]
        })
        .collect();
    text_table(&["NAME", "MODEL", "ENDPOINTS", "WORKFLOWS", "FILE"], &rows)
}
