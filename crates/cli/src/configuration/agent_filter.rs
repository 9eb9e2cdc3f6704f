//! Finds agents by name and the generated files of each.

use std::collections::BTreeSet;

use agentgen_build::inspect::did_you_mean;
use agentgen_build::{Agent, Artifact, Code, Diagnostic};

/// The paths of the artifacts of the named agents, and of those that belong to no single agent.
///
/// # Errors
///
/// A diagnostic for every name that no agent has.
pub fn select(
    artifacts: &[Artifact],
    agents: &[Agent],
    names: &[String],
) -> Result<BTreeSet<String>, Vec<Diagnostic>> {
    let unknown: Vec<Diagnostic> = names
        .iter()
        .filter(|name| find(agents, name).is_none())
        .map(|name| unknown_agent(name, agents))
        .collect();
    if !unknown.is_empty() {
        return Err(unknown);
    }
    let others: Vec<&Agent> = agents
        .iter()
        .filter(|agent| !names.iter().any(|name| is_called(agent, name)))
        .collect();
    let paths = artifacts.iter().map(|artifact| artifact.path.clone());
    Ok(paths
        .filter(|path| !others.iter().any(|agent| owns(agent, path)))
        .collect())
}

/// The agent called `name`, by its name, its slug or its module.
pub fn find<'a>(agents: &'a [Agent], name: &str) -> Option<&'a Agent> {
    agents.iter().find(|agent| is_called(agent, name))
}

/// The diagnostic for a name that no agent has.
pub fn unknown_agent(name: &str, agents: &[Agent]) -> Diagnostic {
    let slugs = agents.iter().map(|agent| agent.spec.slug.as_str());
    let help = did_you_mean(name, slugs, "`agentgen list` shows the agents");
    Diagnostic::error(Code::UnknownAgent, name, "there is no such agent").help(help)
}

fn is_called(agent: &Agent, name: &str) -> bool {
    [
        agent.spec.slug.as_str(),
        &agent.spec.name,
        agent.module.as_str(),
    ]
    .iter()
    .any(|own| own.eq_ignore_ascii_case(name))
}

/// Whether the generated file at `path` is made of `agent` alone.
fn owns(agent: &Agent, path: &str) -> bool {
    let slug = agent.spec.slug.as_str();
    match path.split_once('/') {
        Some(("prompts", rest)) => rest.split('/').next() == Some(slug),
        Some(("openapi", rest)) => rest.rsplit_once('.').is_some_and(|(stem, _)| stem == slug),
        Some(("rust", rest)) => rest.strip_suffix(".rs") == Some(agent.module.as_str()),
        Some(("a2a", rest)) => rest.strip_suffix(".json") == Some(slug),
        Some(("client", rest)) => {
            rest.strip_prefix("agents/")
                .and_then(|file| file.strip_suffix(".rs"))
                == Some(agent.module.as_str())
        }
        _ => false,
    }
}
