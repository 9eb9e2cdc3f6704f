//! `agentgen dev`

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Instant;

use agentgen_build::ServedDocuments;
use agentgen_build::inspect::write_file;
use clap::Args;
use serde_json::{Map, Value};

use crate::serve::dev_process::DevProcess;
use crate::serve::served_agents::{ReadAgents, ServedAgents, count_words};
use crate::terminal::plural::plural;
use crate::terminal::{Status, eprint_line};

/// The endings of files of which a change always needs a build.
const CODE: [&str; 3] = ["rs", "tera", "toml"];
/// Where the code is, below the project.
const SOURCES: &str = "src";
/// Where the prompts are for the service that runs, below the project.
const PROMPTS: &str = "target/agentgen/dev-prompts.json";
const WAITING: &str = "waiting for a change";

#[derive(Debug, Args)]
pub struct Arguments {
    /// Arguments of `cargo build` and of the service, as in `-- --release`
    #[arg(last = true, value_name = "CARGO_ARGUMENTS")]
    cargo: Vec<String>,
}

/// What the service is made of, as it was read last.
struct Made {
    /// The agents without their prompts.
    contracts: Vec<Value>,
    documents: ServedDocuments,
    prompts: Map<String, Value>,
}

/// Builds and runs the project, and again whenever a file changes. A prompt alone needs no build.
pub fn run(arguments: &Arguments) -> Result<Status, Status> {
    let root = std::env::current_dir().map_err(|error| {
        eprint_line(&format!("error: there is no current folder: {error}"));
        Status::Io
    })?;
    if !root.join("Cargo.toml").is_file() {
        eprint_line(
            "error: there is no Cargo.toml here; `agentgen serve` serves agents without a project",
        );
        return Err(Status::Usage);
    }
    let prompts_file = root.join(PROMPTS);
    let process = DevProcess::new(arguments.cargo.clone(), prompts_file.clone());
    process.end_with_this_one().map_err(|error| {
        eprint_line(&format!("error: {error}"));
        Status::Io
    })?;
    let sources = root.join(SOURCES);
    let mut served = ServedAgents::new(&[]).watching(std::slice::from_ref(&sources));
    let sources = sources.canonicalize().unwrap_or(sources);
    let mut running: Option<Made> = None;
    let mut changed: BTreeSet<PathBuf> = BTreeSet::new();
    loop {
        let began = Instant::now();
        let read = served.read();
        let read = read.ok().filter(|read| read.status == Status::Fine);
        match read.and_then(|read| Some((made(&read)?, read))) {
            None => eprint_line(WAITING),
            Some((new, read)) => {
                let has_code = changed.iter().any(|path| is_code(path, &sources));
                let same = running
                    .as_ref()
                    .filter(|old| !has_code && old.has_contracts_of(&new));
                write_prompts(&prompts_file, &new.prompts)?;
                if let Some(old) = same {
                    let differs =
                        |(slug, text): &(&String, &Value)| old.prompts.get(*slug) != Some(*text);
                    let count = new.prompts.iter().filter(differs).count();
                    let ms = began.elapsed().as_millis();
                    if count > 0 {
                        eprint_line(&format!(
                            "{} live in {ms} ms, without a build",
                            plural(count, "prompt")
                        ));
                    }
                    running = Some(new);
                } else {
                    eprint_line(&format!("building: {}", count_words(&read)));
                    match process.build() {
                        Ok(program) => {
                            process.restart(&program);
                            running = Some(new);
                        }
                        Err(reason) => {
                            eprint_line(&reason);
                            eprint_line(WAITING);
                            running = None;
                        }
                    }
                }
            }
        }
        changed = served.wait();
    }
}

fn is_code(path: &Path, sources: &Path) -> bool {
    let ending = path.extension().and_then(|ending| ending.to_str());
    ending.is_some_and(|ending| CODE.contains(&ending)) || path.starts_with(sources)
}

/// The prompts of the agents, and all else of them.
fn made(read: &ReadAgents) -> Option<Made> {
    let documents = read.documents.clone()?;
    let mut contracts = Vec::new();
    let mut prompts = Map::new();
    for document in &documents.agents {
        let mut agent: Map<String, Value> = serde_json::from_str(document).ok()?;
        let prompt = agent.remove("prompt")?;
        agent.remove("prompt_sha256");
        prompts.insert(agent["slug"].as_str()?.to_owned(), prompt);
        contracts.push(Value::Object(agent));
    }
    Some(Made {
        contracts,
        documents,
        prompts,
    })
}

impl Made {
    fn has_contracts_of(&self, other: &Self) -> bool {
        self.contracts == other.contracts
            && self.documents.openapi == other.documents.openapi
            && self.documents.arazzo == other.documents.arazzo
    }
}

fn write_prompts(path: &Path, prompts: &Map<String, Value>) -> Result<(), Status> {
    let text = Value::Object(prompts.clone()).to_string();
    let folder = path.parent().unwrap_or(path);
    let written = std::fs::create_dir_all(folder).and_then(|()| write_file(path, text.as_bytes()));
    written.map_err(|error| {
        eprint_line(&format!("error: {}: {error}", path.display()));
        Status::Io
    })
}
