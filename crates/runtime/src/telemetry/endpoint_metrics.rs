//! The metrics of one endpoint.

use std::sync::Arc;
use std::time::Duration;

use prometheus::{Histogram, IntCounter, IntGauge};

use crate::telemetry::metrics::{COMPLETED, Metrics, SUCCESS};

/// The metrics of one endpoint. The counters of successful requests and completed runs are resolved once, since looking
/// them up by label takes a lock.
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
    /// The metrics of an endpoint of `metrics`.
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

    /// Counts a response.
    pub(crate) fn answered(&self, status: u16, duration: Duration) {
        if status == 200 {
            self.seconds.observe(duration.as_secs_f64());
            self.succeeded.inc();
        } else {
            self.metrics
                .answered(self.agent, self.endpoint, status, duration);
        }
    }

    /// Counts the start of a run.
    pub(crate) fn run_started(&self) {
        self.in_flight.inc();
    }

    /// Counts the end of a run: `completed`, `failed` or `cancelled`.
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
