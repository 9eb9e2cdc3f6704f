//! `agentgen schema`

use crate::configuration::config_file;
use agentgen_build::contract;
use agentgen_build::targets::prompts;
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
        Document::Bundle => print(prompts::SCHEMA)?,
        Document::Config => print(config_file::SCHEMA)?,
        Document::Service => print(contract::SCHEMA)?,
    }
    Ok(Status::Fine)
}
