//! The tools by which a model hands a task over to another agent: which there are, and how far that goes.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::model::{LONGEST_NAME, ToolDefinition};
use crate::spec::agent_spec::AgentSpec;

/// What the names of these tools begin with; no other tool's does.
pub(crate) const PREFIX: &str = "hand_over_to_";
/// How many times a task may be handed on within one turn.
const MOST_HANDOVERS: usize = 4;

/// The agents of a service, and through whose hands a task went before it came to the one at work.
#[derive(Clone, Default)]
pub(crate) struct Team {
    agents: Arc<BTreeMap<&'static str, &'static AgentSpec>>,
    before: Vec<&'static str>,
}

impl Team {
    /// The agents of a service, none of them at work.
    pub(crate) fn new(agents: impl IntoIterator<Item = &'static AgentSpec>) -> Self {
        let agents = agents.into_iter().map(|agent| (agent.slug, agent));
        Self {
            agents: Arc::new(agents.collect()),
            before: Vec::new(),
        }
    }

    /// The agent of this slug.
    pub(crate) fn agent(&self, slug: &str) -> Option<&'static AgentSpec> {
        self.agents.get(slug).copied()
    }

    /// The same agents, for one that `agent` hands a task over to.
    pub(crate) fn after(&self, agent: &AgentSpec) -> Self {
        let mut team = self.clone();
        team.before.push(agent.slug);
        team
    }

    /// What the model of `agent` is told: a tool for everyone it may hand over to and who has not had the task yet.
    pub(crate) fn definitions(&self, agent: &AgentSpec) -> Vec<ToolDefinition> {
        let tools = self.open_to(agent).map(|(name, target)| ToolDefinition {
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

    /// Whom `agent` hands a task over to with the tool `name`, if it may.
    pub(crate) fn target(&self, agent: &AgentSpec, name: &str) -> Option<&'static AgentSpec> {
        let mut open = self.open_to(agent);
        open.find(|(own, _)| own == name).map(|(_, target)| target)
    }

    fn open_to(
        &self,
        agent: &AgentSpec,
    ) -> impl Iterator<Item = (String, &'static AgentSpec)> + use<'_> {
        let own = agent.slug;
        let is_deep = self.before.len() >= MOST_HANDOVERS;
        let named = (0..).zip(agent.agents).filter(move |_| !is_deep);
        named.filter_map(move |(index, slug)| {
            let target = self.agent(slug)?;
            let is_new = target.slug != own && !self.before.contains(&target.slug);
            is_new.then(|| (tool_name(target.slug, index), target))
        })
    }
}

/// The task in what a model wrote as a tool's input.
pub(crate) fn task(arguments: &Value) -> Option<&str> {
    let task = arguments.get("task")?.as_str()?;
    (!task.trim().is_empty()).then_some(task)
}

/// The name of the tool for the agent at `index` in a list; a slug that is too long is cut, and told apart by its place.
fn tool_name(slug: &str, index: usize) -> String {
    let room = LONGEST_NAME - PREFIX.len();
    if slug.len() <= room {
        return format!("{PREFIX}{slug}");
    }
    let place = format!("_{index}");
    let kept = slug.get(..room - place.len()).unwrap_or_default();
    format!("{PREFIX}{kept}{place}")
}
