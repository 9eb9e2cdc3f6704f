//! The pure core: a project in, artifacts and diagnostics out.

use serde_json::Value as Json;

use crate::agent::{Agent, agent_reader};
use crate::check::{agent_checks, handler_check, model_check, workflow_check};
use crate::diagnostics::code::Code;
use crate::diagnostics::{Diagnostic, Severity, has_errors};
use crate::output::artifact::Artifact;
use crate::parallel::in_parallel;
use crate::project::Project;
use crate::project::config::{Config, Target};
use crate::targets::openapi::arazzo;
use crate::targets::template_engine::Templates;
use crate::targets::{openapi, prompts, rust, rust_client, template_overrides};

/// What came of a project.
#[derive(Debug, Clone, Default)]
pub struct Generation {
    /// The generated files, sorted by path; none when a diagnostic is an error.
    pub artifacts: Vec<Artifact>,
    /// The agents, sorted by slug; those that could be read, when a diagnostic is an error.
    pub agents: Vec<Agent>,
    /// Everything worth saying, sorted by file and place, each thing once.
    pub diagnostics: Vec<Diagnostic>,
}

/// Reads and checks everything in `project` and generates nothing.
pub fn check(project: &Project) -> Generation {
    let mut diagnostics = project.diagnostics.clone();
    let agents = agent_reader::read_all(
        &project.sources,
        &project.found_folders,
        project.config.strict,
        &mut diagnostics,
    );
    agent_checks::check_agents(&agents, &project.config, &mut diagnostics);
    model_check::check_models(&agents, &project.config, &mut diagnostics);
    workflow_check::check_workflows(&agents, &mut diagnostics);
    diagnostics.extend(template_overrides::check(project));
    if agents.is_empty() && !has_errors(&diagnostics) {
        let folders = project.config.agents.join(", ");
        diagnostics.push(
            Diagnostic::error(Code::NoAgents, folders, "there are no agents here")
                .help("an agent is a Markdown file that starts with a line `---`"),
        );
    }
    // Of an agent that can't be read, nobody knows whether it is gone.
    if let Some(handlers) = &project.handlers
        && !has_errors(&diagnostics)
    {
        handler_check::check_handlers(&agents, handlers, &mut diagnostics);
    }
    for diagnostic in &mut diagnostics {
        if project.config.deny.contains(&diagnostic.code) {
            diagnostic.severity = Severity::Error;
        }
    }
    Generation {
        artifacts: Vec::new(),
        agents,
        diagnostics: sorted(diagnostics),
    }
}

/// Generates everything `project` asks for. Reads nothing and writes nothing but memory.
pub fn generate(project: &Project) -> Generation {
    let mut generation = check(project);
    if has_errors(&generation.diagnostics) {
        return generation;
    }
    match render(project, &generation.agents) {
        Ok(artifacts) => generation.artifacts = artifacts,
        Err(diagnostics) => {
            generation.diagnostics.extend(diagnostics);
            generation.diagnostics = sorted(generation.diagnostics);
        }
    }
    generation
}

/// What is generated for one agent.
struct AgentOutputs {
    artifacts: Vec<Artifact>,
    fragment: Json,
}

fn render(project: &Project, agents: &[Agent]) -> Result<Vec<Artifact>, Vec<Diagnostic>> {
    let config = &project.config;
    let one = |diagnostic: Diagnostic| vec![diagnostic];
    let templates = Templates::new(&project.templates).map_err(one)?;
    let mut artifacts = Vec::new();
    let mut fragments = Vec::new();
    let mut diagnostics = Vec::new();
    for outputs in in_parallel(agents, |agent| {
        Ok(AgentOutputs {
            artifacts: agent_artifacts(agent, agents, config, &templates)?,
            fragment: openapi::fragment(agent, config, &templates)?,
        })
    }) {
        match outputs {
            Ok(outputs) => {
                artifacts.extend(outputs.artifacts);
                fragments.push(outputs.fragment);
            }
            Err(diagnostic) => diagnostics.push(diagnostic),
        }
    }
    if !diagnostics.is_empty() {
        return Err(diagnostics);
    }
    let documents = openapi::render(agents, &fragments, config, &templates)?;
    for target in config.targets() {
        match target {
            Target::Prompts => {}
            Target::Rust => {
                artifacts.push(rust::registry(agents, &templates).map_err(one)?);
                artifacts.push(Artifact {
                    path: "rust/openapi.json".to_owned(),
                    bytes: documents.served.clone().into_bytes(),
                });
            }
            Target::Openapi => {
                artifacts.extend(documents.artifacts.iter().cloned());
                artifacts.extend(arazzo::render(agents, config, &templates).map_err(one)?);
            }
            Target::Client => {
                artifacts.extend(rust_client::shared(agents, &templates).map_err(one)?);
            }
        }
    }
    artifacts.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(artifacts)
}

/// The files of `agent` alone.
fn agent_artifacts(
    agent: &Agent,
    agents: &[Agent],
    config: &Config,
    templates: &Templates,
) -> Result<Vec<Artifact>, Diagnostic> {
    let mut artifacts = Vec::new();
    for target in config.targets() {
        match target {
            Target::Prompts => artifacts.extend(prompts::render(agent, agents, templates)?),
            Target::Rust => {
                // The module includes the prompt's file.
                if !config.targets.contains(&Target::Prompts) {
                    artifacts.extend(prompts::render(agent, agents, templates)?);
                }
                artifacts.push(rust::module(agent, agents, templates)?);
            }
            Target::Openapi => {}
            Target::Client => artifacts.push(rust_client::module(agent, agents, templates)?),
        }
    }
    Ok(artifacts)
}

/// The diagnostics by file and place; duplicates at one place are removed.
fn sorted(mut diagnostics: Vec<Diagnostic>) -> Vec<Diagnostic> {
    diagnostics.sort_by(|a, b| {
        let key = |d: &Diagnostic| (d.path.clone(), d.location(), d.code, d.message.clone());
        key(a).cmp(&key(b))
    });
    diagnostics.dedup_by(|a, b| {
        // A broken template fails for every agent: once is enough.
        let one_cause = matches!(a.code, Code::BadTemplate | Code::BadOutput);
        let same = a.path == b.path && a.span == b.span && a.code == b.code;
        same && (one_cause || a.message == b.message)
    });
    diagnostics
}
