//! The metrics of a service, in the text format of Prometheus.
//!
//! Invariant: labels come from the agents, the settings and fixed lists, never from a request, so that a caller can't add
//! time series.

use std::collections::BTreeMap;
use std::time::Duration;

use prometheus::{
    HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGaugeVec, Opts, Registry,
    TextEncoder,
};

use crate::event::agent_event::Usage;
use crate::telemetry::log;

/// The media type of the text format.
pub(crate) const METRICS_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";
/// The buckets of request durations, in seconds: from an answer without a model to the longest run.
const DURATION_BUCKETS: [f64; 15] = [
    0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 120.0, 300.0,
];

/// The label `status` of most responses.
pub(crate) const SUCCESS: &str = "200";
/// The label `outcome` of most runs.
pub(crate) const COMPLETED: &str = "completed";

/// The metrics of one service.
pub(crate) struct Metrics {
    registry: Registry,
    pub(crate) requests: IntCounterVec,
    pub(crate) seconds: HistogramVec,
    pub(crate) runs: IntCounterVec,
    pub(crate) in_flight: IntGaugeVec,
    tokens: IntCounterVec,
    estimated_tokens: IntCounterVec,
    provider_errors: IntCounterVec,
    rate_limited: IntCounterVec,
    failed_logins: IntCounterVec,
    rejected: IntCounterVec,
    connections_full: IntCounter,
    policies: IntCounterVec,
    workflow_runs: IntCounterVec,
    workflow_resumptions: IntCounterVec,
    workflow_other_definitions: IntGaugeVec,
    workflow_steps: IntCounterVec,
    workflow_decisions: IntCounterVec,
    deliveries: IntCounterVec,
    agents_selected: IntCounterVec,
    handoffs: IntCounterVec,
    searches: IntCounterVec,
    retrieved: IntCounterVec,
    embedded: IntCounterVec,
    embedding_errors: IntCounterVec,
}

impl Metrics {
    /// New metrics, all at zero.
    ///
    /// # Panics
    /// Never: it would panic at invalid or duplicate names, and the names are constants.
    pub(crate) fn new() -> Self {
        let registry = Registry::new();
        let counter = |name: &str, help: &str, labels: &[&str]| {
            let counter =
                IntCounterVec::new(Opts::new(name, help), labels).expect("the name is valid");
            registry
                .register(Box::new(counter.clone()))
                .expect("the name is unique");
            counter
        };
        let requests = counter(
            "agentgen_requests_total",
            "HTTP responses. The service's own endpoints have no agent.",
            &["agent", "endpoint", "status"],
        );
        let runs = counter(
            "agentgen_runs_total",
            "Runs that ended: completed, failed, or cancelled because the caller disconnected.",
            &["agent", "endpoint", "outcome"],
        );
        let tokens = counter(
            "agentgen_tokens_total",
            "Tokens that models read (input) and wrote (output).",
            &["agent", "model", "kind"],
        );
        let estimated_tokens = counter(
            "agentgen_estimated_tokens_total",
            "Those of agentgen_tokens_total that are estimated: of calls that were cut off, and of models that report none.",
            &["agent", "model", "kind"],
        );
        let provider_errors = counter(
            "agentgen_provider_errors_total",
            "Model calls that failed, by kind of error.",
            &["agent", "model", "kind"],
        );
        let rate_limited = counter(
            "agentgen_rate_limited_total",
            "Requests refused by a rate limit.",
            &["limit"],
        );
        let failed_logins = counter(
            "agentgen_failed_logins_total",
            "Clients that failed to authenticate for a token. For one that the settings do not name, client is empty.",
            &["client"],
        );
        let rejected = counter(
            "agentgen_rejected_total",
            "Requests refused unread, because of the concurrency limit or the shutdown.",
            &["reason"],
        );
        let connections_full = counter(
            "agentgen_connections_full_total",
            "How often a connection had to wait because of the connection limit.",
            &[],
        );
        let policies = counter(
            "agentgen_policies_applied_total",
            "Decisions of agents' policies: retry, fallback, breaker, budget, deadline.",
            &["agent", "policy"],
        );
        let workflow_runs = counter(
            "agentgen_workflow_runs_total",
            "Workflow runs that ended, by status.",
            &["workflow", "status"],
        );
        let workflow_resumptions = counter(
            "agentgen_workflow_resumptions_total",
            "Workflow runs that this process resumed after the process that executed them had died.",
            &["workflow"],
        );
        let workflow_steps = counter(
            "agentgen_workflow_steps_total",
            "Workflow steps that ended, by status.",
            &["workflow", "step", "status"],
        );
        let workflow_decisions = counter(
            "agentgen_workflow_decisions_total",
            "Decisions about failed steps (retry, fallback, skip, stop, escalate) and about runs (deadline).",
            &["workflow", "step", "decision"],
        );
        let deliveries = counter(
            "agentgen_workflow_deliveries_total",
            "Workflow runs that the queue delivered to this process, for the first time (new) or not (again).",
            &["delivery"],
        );
        let agents_selected = counter(
            "agentgen_agent_selections_total",
            "Agent selections, by what selected: model or ranking.",
            &["by"],
        );
        let handoffs = counter(
            "agentgen_handoffs_total",
            "Handoffs from one agent to another: completed or failed.",
            &["from", "to", "outcome"],
        );
        let searches = counter(
            "agentgen_searches_total",
            "Searches of agents' documents.",
            &["agent"],
        );
        let retrieved = counter(
            "agentgen_passages_retrieved_total",
            "Passages given to models with a request.",
            &["agent"],
        );
        let embedded = counter(
            "agentgen_embedded_texts_total",
            "Texts that were embedded.",
            &["model"],
        );
        let embedding_errors = counter(
            "agentgen_embedding_errors_total",
            "Embedding requests that failed, by kind of error.",
            &["model", "kind"],
        );
        let seconds = HistogramVec::new(
            HistogramOpts::new(
                "agentgen_request_duration_seconds",
                "Time from the request to the last byte of the response.",
            )
            .buckets(DURATION_BUCKETS.to_vec()),
            &["agent", "endpoint"],
        )
        .expect("the name is valid");
        registry
            .register(Box::new(seconds.clone()))
            .expect("the name is unique");
        registry
            .register(Box::new(log::dropped_lines()))
            .expect("the name is unique");
        let in_flight = IntGaugeVec::new(
            Opts::new("agentgen_runs_in_flight", "Runs in progress."),
            &["agent"],
        )
        .expect("the name is valid");
        registry
            .register(Box::new(in_flight.clone()))
            .expect("the name is unique");
        let workflow_other_definitions = IntGaugeVec::new(
            Opts::new(
                "agentgen_workflow_other_definitions",
                "Workflow runs that wait for a process with another definition of their workflow.",
            ),
            &["workflow"],
        )
        .expect("the name is valid");
        registry
            .register(Box::new(workflow_other_definitions.clone()))
            .expect("the name is unique");
        Self {
            registry,
            requests,
            seconds,
            runs,
            in_flight,
            tokens,
            estimated_tokens,
            provider_errors,
            rate_limited,
            failed_logins,
            rejected,
            connections_full: connections_full.with_label_values::<&str>(&[]),
            policies,
            workflow_runs,
            workflow_resumptions,
            workflow_other_definitions,
            workflow_steps,
            workflow_decisions,
            deliveries,
            agents_selected,
            handoffs,
            searches,
            retrieved,
            embedded,
            embedding_errors,
        }
    }

    /// Counts a response. For the service's own endpoints, `agent` is empty and `endpoint` is the route.
    pub(crate) fn answered(&self, agent: &str, endpoint: &str, status: u16, duration: Duration) {
        let labels = [agent, endpoint];
        self.seconds
            .with_label_values(&labels)
            .observe(duration.as_secs_f64());
        let mut buffer = [0; 3];
        self.requests
            .with_label_values(&[agent, endpoint, digits(status, &mut buffer)])
            .inc();
    }

    /// Counts the tokens of a model call.
    pub(crate) fn model_used(&self, agent: &str, model: &str, usage: Usage) {
        for (kind, tokens) in [
            ("input", usage.input_tokens),
            ("output", usage.output_tokens),
        ] {
            let labels = [agent, model, kind];
            self.tokens.with_label_values(&labels).inc_by(tokens);
            if usage.estimated {
                let estimated = self.estimated_tokens.with_label_values(&labels);
                estimated.inc_by(tokens);
            }
        }
    }

    /// Counts a failed model call.
    pub(crate) fn model_failed(&self, agent: &str, model: &str, kind: &str) {
        self.provider_errors
            .with_label_values(&[agent, model, kind])
            .inc();
    }

    /// Counts a request that was refused by the rate limit with this name.
    pub(crate) fn rate_limited(&self, limit: &str) {
        self.rate_limited.with_label_values(&[limit]).inc();
    }

    /// Counts a client that failed to authenticate; empty if the settings do not name it.
    pub(crate) fn login_failed(&self, client: &str) {
        self.failed_logins.with_label_values(&[client]).inc();
    }

    /// Counts a decision of an agent's policy.
    pub(crate) fn policy_applied(&self, agent: &str, policy: &str) {
        self.policies.with_label_values(&[agent, policy]).inc();
    }

    /// Counts a request refused because of `concurrency` or `shutdown`.
    pub(crate) fn rejected(&self, reason: &str) {
        self.rejected.with_label_values(&[reason]).inc();
    }

    /// Counts a connection that has to wait.
    pub(crate) fn connections_full(&self) {
        self.connections_full.inc();
    }

    /// Counts the end of a workflow run.
    pub(crate) fn workflow_ended(&self, workflow: &str, status: &str) {
        self.workflow_runs
            .with_label_values(&[workflow, status])
            .inc();
    }

    /// Counts a run that is resumed after its process died.
    pub(crate) fn workflow_resumed(&self, workflow: &str) {
        self.workflow_resumptions
            .with_label_values(&[workflow])
            .inc();
    }

    /// Sets how many runs of each workflow wait for a process with another definition.
    pub(crate) fn set_other_definitions(&self, counts: &BTreeMap<String, u64>) {
        self.workflow_other_definitions.reset();
        for (workflow, count) in counts {
            let gauge = self
                .workflow_other_definitions
                .with_label_values(&[workflow]);
            gauge.set(i64::try_from(*count).unwrap_or(i64::MAX));
        }
    }

    /// Counts the end of a step.
    pub(crate) fn step_ended(&self, workflow: &str, step: &str, status: &str) {
        self.workflow_steps
            .with_label_values(&[workflow, step, status])
            .inc();
    }

    /// Counts a decision about a failed step. `step` is empty for a decision about the run.
    pub(crate) fn step_decided(&self, workflow: &str, step: &str, decision: &str) {
        self.workflow_decisions
            .with_label_values(&[workflow, step, decision])
            .inc();
    }

    /// Counts a run that the queue delivered.
    pub(crate) fn run_delivered(&self, is_redelivery: bool) {
        let delivery = if is_redelivery { "again" } else { "new" };
        self.deliveries.with_label_values(&[delivery]).inc();
    }

    /// Counts an agent selection by `model` or `ranking`.
    pub(crate) fn agents_selected(&self, by: &str) {
        self.agents_selected.with_label_values(&[by]).inc();
    }

    /// Counts a handoff that ended.
    pub(crate) fn handed_off(&self, from: &str, to: &str, is_error: bool) {
        let outcome = if is_error { "failed" } else { COMPLETED };
        self.handoffs.with_label_values(&[from, to, outcome]).inc();
    }

    /// Counts a search in an agent's documents.
    pub(crate) fn searched(&self, agent: &str) {
        self.searches.with_label_values(&[agent]).inc();
    }

    /// Counts passages that a model was given.
    pub(crate) fn retrieved(&self, agent: &str, passages: usize) {
        self.retrieved
            .with_label_values(&[agent])
            .inc_by(passages as u64);
    }

    /// Counts embedded texts.
    pub(crate) fn embedded(&self, model: &str, texts: usize) {
        self.embedded
            .with_label_values(&[model])
            .inc_by(texts as u64);
    }

    /// Counts a failed embedding request.
    pub(crate) fn embedding_failed(&self, model: &str, kind: &str) {
        self.embedding_errors
            .with_label_values(&[model, kind])
            .inc();
    }

    /// All metrics in the text format.
    pub(crate) fn render(&self) -> String {
        let mut text = String::new();
        if let Err(error) = TextEncoder::new().encode_utf8(&self.registry.gather(), &mut text) {
            tracing::error!(%error, "the metrics can't be written");
        }
        text
    }
}

/// The three digits of a status, without an allocation for each request.
fn digits(status: u16, buffer: &mut [u8; 3]) -> &str {
    for (digit, unit) in buffer.iter_mut().zip([100, 10, 1]) {
        *digit = b'0' + (status / unit % 10) as u8;
    }
    // Digits are ASCII.
    std::str::from_utf8(buffer).unwrap_or("")
}
