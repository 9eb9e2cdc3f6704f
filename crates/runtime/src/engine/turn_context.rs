//! Everything one model turn needs, borrowed from the run.

use tokio::time::Instant;

use crate::auth::claims::Caller;
use crate::engine::circuit_breaker::{CircuitBreakers, Outages};
use crate::engine::durable_turns::DurableTurns;
use crate::engine::todo_list::TodoList;
use crate::engine::tools::{ToolContext, Tools};
use crate::event::agent_event::{AgentEvent, PolicyKind};
use crate::event::event_sink::Sink;
use crate::event::usage_meter::Meter;
use crate::model::Provider;
use crate::session::caller_conversation::OpenConversation;
use crate::spec::agent_spec::AgentSpec;
use crate::telemetry::metrics::Metrics;

/// Provider, tools, limits and event sink of one turn. Built by `RunContext::turn_context`; a handoff clones it with
/// another agent, deadline and sink.
#[derive(Clone)]
pub(crate) struct TurnContext<'a> {
    pub(crate) provider: &'a dyn Provider,
    /// All tools of the service; the agent's own list narrows them.
    pub(crate) tools: &'a Tools,
    /// Passed to every tool that is called.
    pub(crate) tool_context: ToolContext,
    /// What the agent has to do in this run.
    pub(crate) todo_list: TodoList,
    /// Who the turn is for: it reaches no agent whose roles the caller lacks.
    pub(crate) caller: &'a Caller,
    /// No model call starts or waits for its first chunk after this.
    pub(crate) deadline: Instant,
    pub(crate) outages: &'a Outages,
    pub(crate) breakers: &'a CircuitBreakers,
    pub(crate) metrics: &'a Metrics,
    /// Tokens that this turn has used, those of its handoffs included.
    pub(crate) meter: Meter,
    /// Receives text, tool calls and policy decisions; `None` sends none.
    pub(crate) sink: Option<&'a Sink>,
    /// Stores the turn, so that it can wait for a person; `None` where nobody can be asked.
    pub(crate) turns: Option<&'a DurableTurns>,
    /// Under which key.
    pub(crate) turn_key: String,
    /// The conversation that the caller brought; `None` in every turn but those about it.
    pub(crate) conversation: Option<&'a OpenConversation>,
}

impl TurnContext<'_> {
    /// Logs, counts and emits what a policy of `agent` decided. `detail` must not quote a prompt or an answer.
    pub(crate) async fn record_policy(
        &self,
        agent: &AgentSpec,
        policy: PolicyKind,
        model: Option<&str>,
        detail: String,
    ) {
        tracing::info!(
            agent = agent.slug,
            policy = policy.as_str(),
            model,
            detail,
            "a policy was applied"
        );
        self.metrics.policy_applied(agent.slug, policy.as_str());
        if let Some(sink) = self.sink {
            let model = model.map(str::to_owned);
            sink.aside(AgentEvent::PolicyApplied {
                policy,
                model,
                detail,
            })
            .await;
        }
    }

    /// Whether a caller receives the answer while it is written. What was sent can't be taken back.
    pub(crate) fn is_streaming(&self) -> bool {
        self.sink.is_some_and(Sink::is_watched)
    }
}
