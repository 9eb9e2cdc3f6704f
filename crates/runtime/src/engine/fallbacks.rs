//! Who answers a turn: the agent that was asked, or what an entry of its policy's `fallbacks` put in its place.
//!
//! Invariant: a turn stays with who answered. A model that failed is not asked again in the same turn.

use crate::engine::turn_context::TurnContext;
use crate::model::{ModelRequest, ToolDefinition};
use crate::spec::agent_spec::AgentSpec;

/// The agent whose prompt, tools and handoffs a call has.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Answerer {
    pub(crate) agent: &'static AgentSpec,
    /// The agent in whose place it answers. What that one is denied stays denied.
    pub(crate) replaced: Option<&'static AgentSpec>,
}

impl Answerer {
    /// Whether its model may call the tool `name`.
    pub(crate) fn may_use(self, name: &str) -> bool {
        self.agent.may_use(name) && self.replaced.is_none_or(|replaced| !replaced.denies(name))
    }

    /// Whether the tool `name` is denied.
    pub(crate) fn denies(self, name: &str) -> bool {
        self.agents().any(|agent| agent.denies(name))
    }

    /// Whether a person approves each call of the tool `name`: what the agent says, and the one that it replaces.
    pub(crate) fn needs_approval(self, name: &str) -> bool {
        self.agents().any(|agent| agent.needs_approval(name))
    }

    /// The agent that says that a person approves calls of the tool `name`.
    pub(crate) fn asks_for(self, name: &str) -> &'static AgentSpec {
        let mut agents = self.agents();
        let asking = agents.find(|agent| agent.needs_approval(name));
        asking.unwrap_or(self.agent)
    }

    /// Whether its model may hand tasks to the agents it lists.
    pub(crate) fn may_hand_off(self) -> bool {
        self.agents().all(AgentSpec::may_hand_off)
    }

    /// The agents that have had the task.
    pub(crate) fn agents(self) -> impl Iterator<Item = &'static AgentSpec> {
        self.replaced.into_iter().chain([self.agent])
    }
}

/// The fallbacks of one turn.
pub(crate) struct Fallbacks {
    /// The agent that was asked.
    primary: &'static AgentSpec,
    /// Those that were not tried yet.
    left: &'static [&'static str],
    /// The models that were tried for `primary`.
    tried: Vec<String>,
}

impl Fallbacks {
    /// Those of a turn of `primary`.
    pub(crate) fn new(primary: &'static AgentSpec) -> Self {
        Self {
            primary,
            left: primary.policy.fallbacks,
            tried: Vec::new(),
        }
    }

    /// The agent that was asked; its budget is that of the turn.
    pub(crate) fn primary(&self) -> &'static AgentSpec {
        self.primary
    }

    /// How many entries of the list were passed over or have failed, counting the one that answers.
    pub(crate) fn used(&self) -> usize {
        self.primary.policy.fallbacks.len() - self.left.len()
    }

    /// Points `request` at the one that answered when so many entries of the list were used.
    pub(crate) fn restore(
        &mut self,
        cx: &TurnContext<'_>,
        request: &mut ModelRequest,
        used: usize,
    ) {
        let fallbacks = self.primary.policy.fallbacks;
        let used = used.min(fallbacks.len());
        self.left = &fallbacks[used..];
        let Some(fallback) = used.checked_sub(1).map(|last| fallbacks[last]) else {
            return;
        };
        self.tried.push(cx.provider.model(request.model));
        let other = cx.tools.handoff_targets.agent(fallback);
        request.agent = other.unwrap_or(self.primary);
        request.model = other.map_or(Some(fallback), |other| other.model);
    }

    /// Who answers `request`.
    pub(crate) fn answerer(&self, request: &ModelRequest) -> Answerer {
        let agent = request.agent;
        Answerer {
            agent,
            replaced: (agent.slug != self.primary.slug).then_some(self.primary),
        }
    }

    /// The tools of who answers `request`, handoff tools included.
    pub(crate) async fn tools(
        &self,
        cx: &TurnContext<'_>,
        request: &ModelRequest,
    ) -> Vec<ToolDefinition> {
        let answerer = self.answerer(request);
        let mut tools = cx.tools.definitions(answerer, cx.turns.is_some()).await;
        tools.extend(cx.tools.handoff_targets.definitions(answerer, cx.caller));
        if let Some(own) = cx.conversation {
            // A tool of another program may have come after the names were compared.
            tools.retain(|tool| !own.has_tool(&tool.name));
            tools.extend(own.given.tools.iter().cloned());
        }
        tools
    }

    /// Points `request` at the next model, or at the next agent whose roles admit the caller. Returns the entry of the list and the model; `None` after the last.
    pub(crate) async fn next(
        &mut self,
        cx: &TurnContext<'_>,
        request: &mut ModelRequest,
    ) -> Option<(&'static str, String)> {
        if request.agent.slug == self.primary.slug {
            self.tried.push(cx.provider.model(request.model));
        }
        while let Some((fallback, left)) = self.left.split_first() {
            self.left = left;
            let other = cx.tools.handoff_targets.agent(fallback);
            let agent = other.unwrap_or(self.primary);
            let model = other.map_or(Some(*fallback), |other| other.model);
            let full_name = cx.provider.model(model);
            let was_tried = agent.slug == self.primary.slug && self.tried.contains(&full_name);
            if was_tried || !cx.caller.has_one_of(other.map_or(&[], |other| other.roles)) {
                continue;
            }
            request.agent = agent;
            request.model = model;
            request.tools = self.tools(cx, request).await;
            return Some((fallback, full_name));
        }
        None
    }
}
