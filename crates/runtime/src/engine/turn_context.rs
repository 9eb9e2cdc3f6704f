//! What a turn of a conversation runs on.

use tokio::time::Instant;

use crate::engine::circuit_breaker::Breakers;
use crate::engine::outage::Outage;
use crate::engine::tools::{ToolContext, Tools};
use crate::event::agent_event::{AgentEvent, PolicyKind};
use crate::event::event_sink::Sink;
use crate::event::usage_meter::Meter;
use crate::model::Provider;
use crate::spec::agent_spec::AgentSpec;
use crate::telemetry::metrics::Metrics;

/// What a turn runs on.
#[derive(Clone)]
pub(crate) struct Means<'a> {
    /// Who answers.
    pub(crate) provider: &'a dyn Provider,
    /// The tools of the service.
    pub(crate) tools: &'a Tools,
    /// For whom they work.
    pub(crate) worker: ToolContext,
    /// When the run ends in any case.
    pub(crate) deadline: Instant,
    /// Whether who answers is known to be down.
    pub(crate) outage: &'a Outage,
    /// Which models are left alone for a while.
    pub(crate) breakers: &'a Breakers,
    /// What is counted.
    pub(crate) metrics: &'a Metrics,
    /// What the turn took so far.
    pub(crate) meter: Meter,
    /// Where text and tool calls go as they come, if anywhere.
    pub(crate) sink: Option<&'a Sink>,
}

impl Means<'_> {
    /// Tells and counts what a policy of `agent` decided. `detail` repeats nothing that was said.
    pub(crate) async fn decided(
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

    /// Whether somebody sees the pieces of the answer as they come: what was seen can't be taken back.
    pub(crate) fn is_watched(&self) -> bool {
        self.sink.is_some_and(Sink::is_watched)
    }
}
