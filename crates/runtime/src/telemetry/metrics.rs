//! What a service counts of itself, in the text format of Prometheus. No label holds what a caller chose.

use std::time::Duration;

use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use prometheus::{
    HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGaugeVec, Opts, Registry,
    TextEncoder,
};

use crate::event::agent_event::Usage;

/// The content type of the text format, version 0.0.4.
const CONTENT_TYPE: HeaderValue =
    HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
/// The upper bounds of the durations that are counted together, in seconds: from an answer out of memory to the
/// longest run.
const SECONDS: [f64; 15] = [
    0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 120.0, 300.0,
];

/// The status of most answers.
pub(crate) const SUCCESS: &str = "200";
/// The outcome of most runs.
pub(crate) const COMPLETED: &str = "completed";

/// The counters of one service.
pub(crate) struct Metrics {
    registry: Registry,
    pub(crate) requests: IntCounterVec,
    pub(crate) seconds: HistogramVec,
    pub(crate) runs: IntCounterVec,
    pub(crate) in_flight: IntGaugeVec,
    tokens: IntCounterVec,
    provider_errors: IntCounterVec,
    rate_limited: IntCounterVec,
    rejected: IntCounterVec,
    connections_full: IntCounter,
    policies: IntCounterVec,
    workflow_runs: IntCounterVec,
    workflow_steps: IntCounterVec,
    workflow_decisions: IntCounterVec,
    deliveries: IntCounterVec,
    routed: IntCounterVec,
    handoffs: IntCounterVec,
    searches: IntCounterVec,
    retrieved: IntCounterVec,
    embedded: IntCounterVec,
    embedding_errors: IntCounterVec,
}

impl Metrics {
    /// Counters at zero.
    ///
    /// # Panics
    /// Never: two counters of one name are what it panics at, and the names are these.
    pub(crate) fn new() -> Self {
        let registry = Registry::new();
        let counter = |name: &str, help: &str, labels: &[&str]| {
            let counter = IntCounterVec::new(Opts::new(name, help), labels).expect("a good name");
            registry.register(Box::new(counter.clone())).expect("one");
            counter
        };
        let requests = counter(
            "agentgen_requests_total",
            "Requests that were answered; the service's own have no agent.",
            &["agent", "endpoint", "status"],
        );
        let runs = counter(
            "agentgen_runs_total",
            "Runs that are over: completed, failed, or cancelled because the caller went away.",
            &["agent", "endpoint", "outcome"],
        );
        let tokens = counter(
            "agentgen_tokens_total",
            "Tokens that models read (input) and wrote (output).",
            &["agent", "model", "kind"],
        );
        let provider_errors = counter(
            "agentgen_provider_errors_total",
            "Turns that a model did not finish, by what went wrong.",
            &["agent", "model", "kind"],
        );
        let rate_limited = counter(
            "agentgen_rate_limited_total",
            "Requests that were over a rate, by the limit that refused them.",
            &["limit"],
        );
        let rejected = counter(
            "agentgen_rejected_total",
            "Requests that were turned away unread, because of concurrency or shutdown.",
            &["reason"],
        );
        let connections_full = counter(
            "agentgen_connections_full_total",
            "How often there were as many connections as there may be, and the next one had to wait.",
            &[],
        );
        let policies = counter(
            "agentgen_policies_applied_total",
            "Decisions of agents' policies: retry, fallback, breaker, budget, deadline.",
            &["agent", "policy"],
        );
        let workflow_runs = counter(
            "agentgen_workflow_runs_total",
            "Runs of workflows that are over, by how they ended.",
            &["workflow", "status"],
        );
        let workflow_steps = counter(
            "agentgen_workflow_steps_total",
            "Steps of runs that are over, by how they ended.",
            &["workflow", "step", "status"],
        );
        let workflow_decisions = counter(
            "agentgen_workflow_decisions_total",
            "What workflows decided about steps that failed (retry, fallback, skip, stop, escalate) and about runs (deadline).",
            &["workflow", "step", "decision"],
        );
        let deliveries = counter(
            "agentgen_workflow_deliveries_total",
            "Runs that the queue handed out to this process, for the first time (new) or not (again).",
            &["delivery"],
        );
        let routed = counter(
            "agentgen_routed_total",
            "Requests for which agents were chosen, by what chose: model or ranking.",
            &["by"],
        );
        let handoffs = counter(
            "agentgen_handoffs_total",
            "Tasks that one agent handed over to another: completed or failed.",
            &["from", "to", "outcome"],
        );
        let searches = counter(
            "agentgen_searches_total",
            "Searches of agents' documents.",
            &["agent"],
        );
        let retrieved = counter(
            "agentgen_passages_retrieved_total",
            "Passages that models were given with a request.",
            &["agent"],
        );
        let embedded = counter(
            "agentgen_embedded_texts_total",
            "Texts that were embedded.",
            &["model"],
        );
        let embedding_errors = counter(
            "agentgen_embedding_errors_total",
            "Embeddings that did not come about, by what went wrong.",
            &["model", "kind"],
        );
        let seconds = HistogramVec::new(
            HistogramOpts::new(
                "agentgen_request_duration_seconds",
                "How long a request took to the last byte of its answer.",
            )
            .buckets(SECONDS.to_vec()),
            &["agent", "endpoint"],
        )
        .expect("a good name");
        registry.register(Box::new(seconds.clone())).expect("one");
        let in_flight = IntGaugeVec::new(
            Opts::new("agentgen_runs_in_flight", "Runs that are under way."),
            &["agent"],
        )
        .expect("a good name");
        registry.register(Box::new(in_flight.clone())).expect("one");
        Self {
            registry,
            requests,
            seconds,
            runs,
            in_flight,
            tokens,
            provider_errors,
            rate_limited,
            rejected,
            connections_full: connections_full.with_label_values::<&str>(&[]),
            policies,
            workflow_runs,
            workflow_steps,
            workflow_decisions,
            deliveries,
            routed,
            handoffs,
            searches,
            retrieved,
            embedded,
            embedding_errors,
        }
    }

    /// A request was answered: `agent` and `endpoint` are names of the registry, or empty and a route.
    pub(crate) fn answered(&self, agent: &str, endpoint: &str, status: u16, took: Duration) {
        let labels = [agent, endpoint];
        self.seconds
            .with_label_values(&labels)
            .observe(took.as_secs_f64());
        let mut buffer = [0; 3];
        self.requests
            .with_label_values(&[agent, endpoint, digits(status, &mut buffer)])
            .inc();
    }

    /// A model answered for an agent.
    pub(crate) fn model_answered(&self, agent: &str, model: &str, usage: Usage) {
        for (kind, tokens) in [
            ("input", usage.input_tokens),
            ("output", usage.output_tokens),
        ] {
            self.tokens
                .with_label_values(&[agent, model, kind])
                .inc_by(tokens);
        }
    }

    /// A model did not finish its turn for an agent.
    pub(crate) fn model_failed(&self, agent: &str, model: &str, kind: &str) {
        self.provider_errors
            .with_label_values(&[agent, model, kind])
            .inc();
    }

    /// A request was over the rate that is called `limit`.
    pub(crate) fn rate_limited(&self, limit: &str) {
        self.rate_limited.with_label_values(&[limit]).inc();
    }

    /// A policy of an agent decided how a run goes on.
    pub(crate) fn policy_applied(&self, agent: &str, policy: &str) {
        self.policies.with_label_values(&[agent, policy]).inc();
    }

    /// A request was turned away: `concurrency` or `shutdown`.
    pub(crate) fn rejected(&self, reason: &str) {
        self.rejected.with_label_values(&[reason]).inc();
    }

    /// There is no place for another connection.
    pub(crate) fn connections_full(&self) {
        self.connections_full.inc();
    }

    /// A run of a workflow is over.
    pub(crate) fn workflow_ended(&self, workflow: &str, status: &str) {
        self.workflow_runs
            .with_label_values(&[workflow, status])
            .inc();
    }

    /// A step of a run is over.
    pub(crate) fn step_ended(&self, workflow: &str, step: &str, status: &str) {
        self.workflow_steps
            .with_label_values(&[workflow, step, status])
            .inc();
    }

    /// A workflow decided about a step that failed, or about the run, which is the step without a name.
    pub(crate) fn step_decided(&self, workflow: &str, step: &str, decision: &str) {
        self.workflow_decisions
            .with_label_values(&[workflow, step, decision])
            .inc();
    }

    /// The queue handed out a run.
    pub(crate) fn run_delivered(&self, is_again: bool) {
        let delivery = if is_again { "again" } else { "new" };
        self.deliveries.with_label_values(&[delivery]).inc();
    }

    /// Agents were chosen: by `model` or by `ranking`.
    pub(crate) fn routed(&self, by: &str) {
        self.routed.with_label_values(&[by]).inc();
    }

    /// A task that an agent handed over came back.
    pub(crate) fn handed_off(&self, from: &str, to: &str, is_error: bool) {
        let outcome = if is_error { "failed" } else { COMPLETED };
        self.handoffs.with_label_values(&[from, to, outcome]).inc();
    }

    /// The documents of an agent were searched.
    pub(crate) fn searched(&self, agent: &str) {
        self.searches.with_label_values(&[agent]).inc();
    }

    /// A model was given so many passages.
    pub(crate) fn retrieved(&self, agent: &str, passages: usize) {
        self.retrieved
            .with_label_values(&[agent])
            .inc_by(passages as u64);
    }

    /// So many texts were embedded.
    pub(crate) fn embedded(&self, model: &str, texts: usize) {
        self.embedded
            .with_label_values(&[model])
            .inc_by(texts as u64);
    }

    /// An embedding did not come about.
    pub(crate) fn embedding_failed(&self, model: &str, kind: &str) {
        self.embedding_errors
            .with_label_values(&[model, kind])
            .inc();
    }

    /// All of it.
    pub(crate) fn respond(&self) -> Response {
        let mut text = String::new();
        if let Err(error) = TextEncoder::new().encode_utf8(&self.registry.gather(), &mut text) {
            tracing::error!(%error, "the metrics can't be written");
        }
        ([(header::CONTENT_TYPE, CONTENT_TYPE)], text).into_response()
    }
}

/// The three digits of a status, without an allocation for each request.
fn digits(status: u16, buffer: &mut [u8; 3]) -> &str {
    for (place, unit) in buffer.iter_mut().zip([100, 10, 1]) {
        *place = b'0' + (status / unit % 10) as u8;
    }
    std::str::from_utf8(buffer).unwrap_or_default()
}
