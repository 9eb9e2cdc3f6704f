//! Handoffs: the tools by which a model passes a task to another agent.
//!
//! Example: the agent `desk` with `agents: [porter]` has the tool `hand_over_to_porter`.
//! Invariant: within one turn a task never returns to an agent that has had it, and passes through at most
//! [`MAX_HANDOFFS`] handoffs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Value, json};

use crate::auth::claims::Caller;
use crate::engine::fallbacks::Answerer;
use crate::model::{MAX_TOOL_NAME, ToolDefinition};
use crate::spec::agent_spec::AgentSpec;

/// How the names of handoff tools start. No registered tool may start like this.
pub(crate) const TOOL_PREFIX: &str = "hand_over_to_";
const MAX_HANDOFFS: usize = 4;

/// The agents of a service, and those that a task has already passed through.
#[derive(Clone, Default)]
pub(crate) struct HandoffTargets {
    agents: Arc<BTreeMap<&'static str, &'static AgentSpec>>,
    /// The slugs of those whose turns may wait for a person.
    asking: Arc<BTreeSet<&'static str>>,
    /// Slugs, the first agent of the chain first.
    visited: Vec<&'static str>,
    /// How often the task was handed on.
    handoffs: usize,
}

impl HandoffTargets {
    /// The agents of a service, before any handoff.
    pub(crate) fn new(agents: impl IntoIterator<Item = &'static AgentSpec>) -> Self {
        let agents = agents.into_iter().map(|agent| (agent.slug, agent));
        let agents: BTreeMap<_, _> = agents.collect();
        Self {
            asking: Arc::new(asking(&agents)),
            agents: Arc::new(agents),
            visited: Vec::new(),
            handoffs: 0,
        }
    }

    /// The agent with this slug, whether it may receive a task or not.
    pub(crate) fn agent(&self, slug: &str) -> Option<&'static AgentSpec> {
        self.agents.get(slug).copied()
    }

    /// Whether a turn of `answerer` may wait for a person: it asks, or one that works for it does.
    pub(crate) fn asks(&self, answerer: Answerer) -> bool {
        answerer
            .agents()
            .any(|agent| self.asking.contains(agent.slug))
    }

    /// The targets that remain after `answerer` has handed the task on.
    pub(crate) fn after(&self, answerer: Answerer) -> Self {
        let mut targets = self.clone();
        let agents = answerer.agents().map(|agent| agent.slug);
        targets.visited.extend(agents);
        targets.handoffs += 1;
        targets
    }

    /// The handoff tools of `answerer`: one for each agent that it lists, that it is not denied, whose roles admit the caller
    /// and that has not had the task.
    pub(crate) fn definitions(&self, answerer: Answerer, caller: &Caller) -> Vec<ToolDefinition> {
        let tools = self.tools(answerer, caller).map(|(name, target)| ToolDefinition {
            name,
            description: format!(
                "Hands a task over to the agent {}, and gives back its answer. {}",
                target.name, target.summary
            ),
            input_schema: json!({
                "type": "object",
                "properties": {
                    "task": {
                        "type": "string",
                        "description": "The task, with all that there is to know: the agent sees nothing else of this conversation.",
                    },
                },
                "required": ["task"],
                "additionalProperties": false,
            }),
        });
        tools.collect()
    }

    /// The agent that the tool `name` of `answerer` hands over to; `None` if it has no such handoff tool.
    pub(crate) fn target(
        &self,
        answerer: Answerer,
        caller: &Caller,
        name: &str,
    ) -> Option<&'static AgentSpec> {
        let mut tools = self.tools(answerer, caller);
        tools
            .find(|(tool, _)| tool == name)
            .map(|(_, target)| target)
    }

    fn tools<'a>(
        &'a self,
        answerer: Answerer,
        caller: &'a Caller,
    ) -> impl Iterator<Item = (String, &'static AgentSpec)> + use<'a> {
        let listed = if self.handoffs < MAX_HANDOFFS && answerer.may_hand_off() {
            answerer.agent.agents
        } else {
            &[]
        };
        listed.iter().enumerate().filter_map(move |(index, slug)| {
            let target = self.agent(slug)?;
            let name = tool_name(target.slug, index);
            let has_had_it = self.visited.contains(&target.slug)
                || answerer.agents().any(|agent| agent.slug == target.slug);
            let is_admitted = caller.has_one_of(target.roles) && !answerer.denies(&name);
            (!has_had_it && is_admitted).then_some((name, target))
        })
    }
}

/// The slugs of the agents that ask, and of those that may hand a task to one of them or be replaced by one.
fn asking(agents: &BTreeMap<&'static str, &'static AgentSpec>) -> BTreeSet<&'static str> {
    let asks = agents.values().filter(|agent| agent.asks());
    let mut asking: BTreeSet<_> = asks.map(|agent| agent.slug).collect();
    loop {
        let known = asking.len();
        for agent in agents.values() {
            let mut others = agent.agents.iter().chain(agent.policy.fallbacks);
            if others.any(|other| asking.contains(other)) {
                asking.insert(agent.slug);
            }
        }
        if asking.len() == known {
            return asking;
        }
    }
}

/// The task in the arguments that a model gave to a handoff tool; `None` if it is missing or blank.
pub(crate) fn task(arguments: &Value) -> Option<&str> {
    let task = arguments.get("task")?.as_str()?;
    (!task.trim().is_empty()).then_some(task)
}

/// The name of the tool for the agent at `index` of the list. A slug that is too long is cut; the index keeps the name
/// unique.
fn tool_name(slug: &str, index: usize) -> String {
    let room = MAX_TOOL_NAME - TOOL_PREFIX.len();
    if slug.len() <= room {
        return format!("{TOOL_PREFIX}{slug}");
    }
    let suffix = format!("_{index}");
    let end = slug.floor_char_boundary(room - suffix.len());
    format!("{TOOL_PREFIX}{}{suffix}", &slug[..end])
}
