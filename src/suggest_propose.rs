//! The service block that findings come to, for the agents there are.

use crate::agent::{self, Agent};
use crate::slug::Slug;
use crate::suggest::Findings;
use crate::suggest_branch::{Branch, scalar};
use crate::suggest_endpoint::add_endpoints;
use crate::suggest_proposal::{Proposal, missing};
use crate::suggest_steps::add_workflow;

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
        .filter_map(|name| agent::resolve(agents, &name.text))
        .collect();
    for specialist in &findings.specialists {
        match agent::resolve(agents, &specialist.name) {
            Some(slug) if *slug == agent.spec.slug || listed.contains(&slug) => {}
            Some(slug) => {
                let branch = Branch::leaf(format!("- {}", scalar(slug.as_str())));
                if !proposal.agents.contains(&branch) {
                    proposal.agents.push(branch);
                }
            }
            None => {
                if let Some(name) = missing(&specialist.name, proposal) {
                    proposal.agents.push(Branch {
                        live: false,
                        ..Branch::leaf(format!("- {}", scalar(&name)))
                    });
                }
            }
        }
    }
}
