//! Which part of the output `build` brings up to date: `--only` and `--target`.

use agentgen_build::{Agent, Artifact, Diagnostic, Plan, Scope, Target};

use crate::configuration::agent_filter;
use crate::terminal::plural::plural;

/// What the arguments ask for. `configured` are the targets of the project, `chosen` those of `--target`.
///
/// # Errors
///
/// A diagnostic for every name in `only` that no agent has.
pub fn scope(
    only: &[String],
    chosen: &[Target],
    configured: &[Target],
    artifacts: &[Artifact],
    agents: &[Agent],
) -> Result<Scope, Vec<Diagnostic>> {
    if !only.is_empty() {
        return agent_filter::select(artifacts, agents, only).map(Scope::Files);
    }
    Ok(targets_scope(chosen, configured))
}

/// What `--target` asks for.
pub fn targets_scope(chosen: &[Target], configured: &[Target]) -> Scope {
    if chosen.is_empty() {
        return Scope::All;
    }
    let others = configured.iter().filter(|target| !chosen.contains(target));
    Scope::Targets {
        chosen: chosen.to_vec(),
        others: others.copied().collect(),
    }
}

/// What a partial build left as it was, in words: `left alone: 34 files of rust, openapi`.
pub fn left_alone(plan: &Plan<'_>, only: &[String]) -> Option<String> {
    if plan.left_alone.is_empty() {
        return None;
    }
    let owners = match only {
        [] => {
            let mut targets: Vec<&str> = Vec::new();
            for path in &plan.left_alone {
                let target = Target::of(path).as_str();
                if !targets.contains(&target) {
                    targets.push(target);
                }
            }
            targets.join(", ")
        }
        _ => "other agents".to_owned(),
    };
    let mut words = format!(
        "left alone: {} of {owners}",
        plural(plan.left_alone.len(), "file")
    );
    if !plan.outdated.is_empty() {
        let count = plan.outdated.len();
        words.push_str(&format!(
            ", {count} of them missing or out of date: `agentgen build` writes all"
        ));
    }
    Some(words)
}
