//! Agents by their names, and which of them each one names.

use std::collections::BTreeMap;

use crate::agent::Agent;
use crate::contract::workflow_contract::Step;

/// All agents of a project by name.
pub struct AgentIndex<'a> {
    agents: &'a [Agent],
    /// The first agent with each name or slug.
    by_name: BTreeMap<&'a str, usize>,
}

impl<'a> AgentIndex<'a> {
    /// The index of `agents`, which finds what [`find_agent`](crate::agent::find_agent) finds.
    pub fn new(agents: &'a [Agent]) -> Self {
        let mut by_name = BTreeMap::new();
        for (at, agent) in agents.iter().enumerate() {
            for name in [agent.spec.slug.as_str(), agent.spec.name.as_str()] {
                by_name.entry(name).or_insert(at);
            }
        }
        Self { agents, by_name }
    }

    /// The places of the agents that `agent` names: for handoffs, as fallbacks, and in workflows. Its own files depend on these
    /// and on no others.
    pub fn named(&self, agent: &Agent) -> Vec<usize> {
        let service = &agent.service;
        let steps = service
            .workflows
            .iter()
            .flat_map(|workflow| &workflow.steps);
        let steps = steps.flat_map(Step::agents);
        let names = service
            .agents
            .iter()
            .chain(&service.policy.fallbacks)
            .chain(steps);
        let found = names.filter_map(|name| self.by_name.get(name.text.as_str()).copied());
        let mut found: Vec<usize> = found.collect();
        found.sort_unstable();
        found.dedup();
        found
    }

    /// Copies of the agents that `agent` names, in the order of all agents.
    pub fn copies_of_named(&self, agent: &Agent) -> Vec<Agent> {
        let named = self.named(agent).into_iter();
        named.map(|at| self.agents[at].clone()).collect()
    }
}
