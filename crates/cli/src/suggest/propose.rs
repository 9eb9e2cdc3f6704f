//! Turns findings into a proposed service block, for the agents of the project.

use crate::suggest::Findings;
use crate::suggest::endpoint_proposal::add_endpoints;
use crate::suggest::proposal::{Proposal, missing};
use crate::suggest::workflow_proposal::add_workflow;
use crate::suggest::yaml_lines::{YamlLine, scalar};
use agentgen_build::Agent;
use agentgen_build::inspect::{Slug, find_slug};

/// What `findings` propose for `agent`, one of `agents`.
pub fn propose(findings: &Findings, agent: &Agent, agents: &[Agent]) -> Proposal {
    let mut proposal = Proposal::default();
    add_specialists(findings, agent, agents, &mut proposal);
    for workflow in &findings.workflows {
        add_workflow(workflow, agent, agents, &mut proposal);
    }
    add_endpoints(findings, agent, agents, &mut proposal);
    proposal
}

fn add_specialists(findings: &Findings, agent: &Agent, agents: &[Agent], proposal: &mut Proposal) {
    let listed: Vec<&Slug> = agent
        .service
        .agents
        .iter()
        .filter_map(|name| find_slug(agents, &name.text))
        .collect();
    for specialist in &findings.specialists {
        match find_slug(agents, &specialist.name) {
            Some(slug) if *slug == agent.spec.slug || listed.contains(&slug) => {}
            Some(slug) => {
                let branch = YamlLine::leaf(format!("- {}", scalar(slug.as_str())));
                if !proposal.agents.contains(&branch) {
                    proposal.agents.push(branch);
                }
            }
            None => {
                if let Some(name) = missing(&specialist.name, proposal) {
                    proposal.agents.push(YamlLine {
                        enabled: false,
                        ..YamlLine::leaf(format!("- {}", scalar(&name)))
                    });
                }
            }
        }
    }
}
