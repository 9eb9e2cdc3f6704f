//! Metrics and the log.
//!
//! Invariant: no prompt, answer, token or query is a label or a log field.

pub(crate) mod endpoint_metrics;
pub(crate) mod log;
pub(crate) mod metrics;
