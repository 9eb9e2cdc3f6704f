//! Additions to a service block that `suggest` proposes.

use crate::suggest::yaml_lines::YamlLine;
use agentgen_build::inspect::Slug;

/// Additions to a service block.
#[derive(Debug, Clone, Default)]
pub struct Proposal {
    /// The entries of `endpoints`.
    pub endpoints: Vec<YamlLine>,
    /// The items of `agents`.
    pub agents: Vec<YamlLine>,
    /// The entries of `workflows`.
    pub workflows: Vec<YamlLine>,
    /// The agents that the body names and the project lacks, each once.
    pub missing: Vec<String>,
    /// Remarks for the user, in whole sentences.
    pub notes: Vec<String>,
}

impl Proposal {
    /// Whether nothing is proposed.
    pub fn is_empty(&self) -> bool {
        self.parts().iter().all(|(_, lines)| lines.is_empty())
    }

    /// The keys of the service block with what is proposed for each.
    pub fn parts(&self) -> [(&'static str, &[YamlLine]); 3] {
        [
            ("endpoints", &self.endpoints),
            ("agents", &self.agents),
            ("workflows", &self.workflows),
        ]
    }

    /// The same proposal with everything in comments.
    pub fn commented(mut self) -> Self {
        let all = [&mut self.endpoints, &mut self.agents, &mut self.workflows];
        for line in all.into_iter().flatten() {
            line.enabled = false;
        }
        self
    }

    /// The same proposal without the comments for which `stands` is true: those that are in the file already.
    pub fn without(mut self, stands: impl Fn(&str) -> bool) -> Self {
        for lines in [&mut self.endpoints, &mut self.agents, &mut self.workflows] {
            lines.retain(|line| line.enabled || !stands(&line.text));
        }
        self
    }
}

/// Adds an agent called `name` to the missing ones; returns its slug.
pub fn missing(name: &str, proposal: &mut Proposal) -> Option<String> {
    let slug = Slug::new(name).ok()?.to_string();
    if !proposal.missing.contains(&slug) {
        proposal.missing.push(slug.clone());
    }
    Some(slug)
}
