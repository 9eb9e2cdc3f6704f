//! The service block that findings come to, for the agents there are.

use crate::agent::{self, Agent};
use crate::slug::Slug;
use crate::suggest::Findings;
use crate::suggest_branch::{Branch, scalar};
use crate::suggest_endpoint::add_endpoints;
use crate::suggest_steps::add_workflow;

/// What could stand in a service block and does not yet.
#[derive(Debug, Clone, Default)]
pub struct Proposal {
    /// The entries of `endpoints`.
    pub endpoints: Vec<Branch>,
    /// The items of `agents`.
    pub agents: Vec<Branch>,
    /// The entries of `workflows`.
    pub workflows: Vec<Branch>,
    /// The agents that the body names and the project has not, each once.
    pub missing: Vec<String>,
    /// What is worth saying about what is proposed and what is not: whole sentences.
    pub notes: Vec<String>,
}

impl Proposal {
    /// Whether nothing is proposed.
    pub fn is_empty(&self) -> bool {
        self.parts().iter().all(|(_, branches)| branches.is_empty())
    }

    /// The keys of the service block with what is proposed for each.
    pub fn parts(&self) -> [(&'static str, &[Branch]); 3] {
        [
            ("endpoints", &self.endpoints),
            ("agents", &self.agents),
            ("workflows", &self.workflows),
        ]
    }

    /// The same proposal with everything in comments.
    pub fn commented(mut self) -> Self {
        let all = [&mut self.endpoints, &mut self.agents, &mut self.workflows];
        for branch in all.into_iter().flatten() {
            branch.live = false;
        }
        self
    }

    /// The same proposal without the comments for which `stands` says that they stand there already.
    pub fn without(mut self, stands: impl Fn(&str) -> bool) -> Self {
        for branches in [&mut self.endpoints, &mut self.agents, &mut self.workflows] {
            branches.retain(|branch| branch.live || !stands(&branch.text));
        }
        self
    }
}

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

/// The slug that an agent called `name` would have, after it was counted among those that are missing.
pub(crate) fn missing(name: &str, proposal: &mut Proposal) -> Option<String> {
    let slug = Slug::new(name).ok()?.to_string();
    if !proposal.missing.contains(&slug) {
        proposal.missing.push(slug.clone());
    }
    Some(slug)
}
