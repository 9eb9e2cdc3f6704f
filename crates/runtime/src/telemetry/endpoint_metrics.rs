//! What is counted of one endpoint.

use std::sync::Arc;
use std::time::Duration;

use prometheus::{Histogram, IntCounter, IntGauge};

use crate::telemetry::metrics::{COMPLETED, Metrics, SUCCESS};

/// The counters of one endpoint. Those that count the usual case are at hand, and need not be looked up for each request.
pub(crate) struct EndpointMetrics {
    metrics: Arc<Metrics>,
    agent: &'static str,
    endpoint: &'static str,
    seconds: Histogram,
    succeeded: IntCounter,
    in_flight: IntGauge,
    completed: IntCounter,
}

impl EndpointMetrics {
    /// The counters of an endpoint in `metrics`.
    pub(crate) fn new(metrics: &Arc<Metrics>, agent: &'static str, endpoint: &'static str) -> Self {
        let labels = [agent, endpoint];
        Self {
            metrics: Arc::clone(metrics),
            agent,
            endpoint,
            seconds: metrics.seconds.with_label_values(&labels),
            succeeded: metrics
                .requests
                .with_label_values(&[agent, endpoint, SUCCESS]),
            in_flight: metrics.in_flight.with_label_values(&[agent]),
            completed: metrics
                .runs
                .with_label_values(&[agent, endpoint, COMPLETED]),
        }
    }

    /// A request was answered.
    pub(crate) fn answered(&self, status: u16, took: Duration) {
        if status == 200 {
            self.seconds.observe(took.as_secs_f64());
            self.succeeded.inc();
        } else {
            self.metrics
                .answered(self.agent, self.endpoint, status, took);
        }
    }

    /// A run began.
    pub(crate) fn run_began(&self) {
        self.in_flight.inc();
    }

    /// A run is over: `completed`, `failed` or `cancelled`.
    pub(crate) fn run_ended(&self, outcome: &str) {
        self.in_flight.dec();
        if outcome == COMPLETED {
            self.completed.inc();
        } else {
            let labels = [self.agent, self.endpoint, outcome];
            self.metrics.runs.with_label_values(&labels).inc();
        }
    }
}
