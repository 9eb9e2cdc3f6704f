//! Agents with their contracts, resolved against each other, and the operations that a service offers for them.
//!
//! Invariant: an [`Agent`] exists only if its own file is free of errors. It imports `spec`, `contract` and `project`.

pub mod agent_names;
pub mod agent_reader;
pub mod invoke;
pub mod operation;

use crate::contract::Service;
use crate::spec::agent_file::Spec;
use crate::text::ident::Ident;
use crate::text::slug::Slug;

/// One agent with its contract.
#[derive(Debug, Clone)]
pub struct Agent {
    /// What the agent's file says.
    pub spec: Spec,
    /// Its HTTP contract.
    pub service: Service,
    /// The name of its module.
    pub module: Ident,
    /// The name of its trait.
    pub type_name: Ident,
}

impl Agent {
    /// The model or alias that runs the agent, if it names one.
    pub fn model(&self) -> Option<&str> {
        let named = self.service.model.as_ref();
        let named = named.or(self.spec.models.first.as_ref());
        named.map(|name| name.text.as_str())
    }

    /// Those of `agents` that the agent may hand tasks to, in the order in which it lists them.
    pub fn handoffs<'a>(&'a self, agents: &'a [Self]) -> impl Iterator<Item = &'a Self> {
        let listed = self.service.agents.iter();
        listed
            .filter_map(|name| find_agent(agents, &name.text))
            .filter(|other| self.may_hand_off_to(other))
    }

    /// Whether the agent's tools leave it free to hand tasks to `other`.
    pub fn may_hand_off_to(&self, other: &Self) -> bool {
        let names = [other.spec.name.as_str(), other.spec.slug.as_str()];
        self.spec.tools.may_hand_off_to(names)
    }
}

/// The agent with this name or slug.
pub fn find_agent<'a>(agents: &'a [Agent], name: &str) -> Option<&'a Agent> {
    let is_meant = |agent: &&Agent| agent.spec.slug.as_str() == name || agent.spec.name == name;
    agents.iter().find(is_meant)
}

/// The slug of the agent with this name or slug.
pub fn find_slug<'a>(agents: &'a [Agent], name: &str) -> Option<&'a Slug> {
    find_agent(agents, name).map(|agent| &agent.spec.slug)
}
