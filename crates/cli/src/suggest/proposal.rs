//! What is proposed for a service block.

use crate::suggest::yaml_lines::Branch;
use agentgen_build::text::slug::Slug;

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

/// The slug that an agent called `name` would have, after it was counted among those that are missing.
pub fn missing(name: &str, proposal: &mut Proposal) -> Option<String> {
    let slug = Slug::new(name).ok()?.to_string();
    if !proposal.missing.contains(&slug) {
        proposal.missing.push(slug.clone());
    }
    Some(slug)
}
