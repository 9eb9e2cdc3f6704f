//! `agentgen schema`

use agentgen_build::inspect::{BUNDLE_SCHEMA, CONFIG_SCHEMA, SERVICE_SCHEMA, agent_schema};
use clap::{Args, ValueEnum};

use crate::terminal::{Status, print};

#[derive(Debug, Args)]
pub struct Arguments {
    /// The file format
    #[arg(value_enum)]
    of: Document,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Document {
    /// The frontmatter of an agent's file, with its service block
    Agent,
    /// The file bundle.json of every agent
    Bundle,
    /// The file agentgen.toml
    Config,
    /// The service block: a file AGENT.service.yaml, and the key `service` of an agent's frontmatter
    Service,
}

/// Prints the JSON Schema.
pub fn run(arguments: &Arguments) -> Result<Status, Status> {
    match arguments.of {
        Document::Agent => print(&agent_schema())?,
        Document::Bundle => print(BUNDLE_SCHEMA)?,
        Document::Config => print(CONFIG_SCHEMA)?,
        Document::Service => print(SERVICE_SCHEMA)?,
    }
    Ok(Status::Fine)
}
