//! Agents with their contracts, resolved against each other, and the operations that a service offers for them.
//!
//! Invariant: an [`Agent`] exists only if its own file is free of errors. It imports `spec`, `contract` and `project`; the JSON Schema
//! of a whole agent file also needs the keys of `frontmatter`.

pub mod agent_index;
pub mod agent_names;
pub mod agent_reader;
pub mod agent_schema;
pub mod invoke;
pub mod operation;

use std::sync::Arc;

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
    /// Whether its answers may have to wait for a person: it asks, or one that works for it does.
    pub asks: bool,
}

impl Agent {
    /// The model or alias that runs the agent, if it names one.
    pub fn model(&self) -> Option<&str> {
        let named = self.service.model.as_ref();
        let named = named.or(self.spec.models.first.as_ref());
        named.map(|name| name.text.as_str())
    }

    /// Gives back the texts of which only the agent's own files are made: its prompt and its frontmatter. A contract stays.
    pub(crate) fn forget_texts(&mut self) {
        let is_in_file = Arc::ptr_eq(&self.service.source, &self.spec.source);
        let (endpoints, workflows) = (&self.service.endpoints, &self.service.workflows);
        if is_in_file && !(endpoints.is_empty() && workflows.is_empty()) {
            return;
        }
        self.spec.forget_texts();
        if is_in_file {
            self.service.source = Arc::clone(&self.spec.source);
        }
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
