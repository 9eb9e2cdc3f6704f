//! Sets up the log.
//!
//! Invariant: requests, prompts and answers are never logged.

use std::time::Duration;

/// Settings of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Log {
    /// The format of a line.
    pub format: LogFormat,
    /// The least severe level that is logged.
    pub level: tracing::Level,
}

/// The format of a line of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// A JSON object, for log collectors.
    Json,
    /// Plain text, for people.
    Text,
}

/// Sends the log to stderr. A subscriber that the program has set up already stays.
pub(crate) fn start(log: Log) {
    let lines = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_writer(std::io::stderr)
        .with_max_level(log.level);
    let _ = match log.format {
        LogFormat::Text => lines.try_init(),
        LogFormat::Json => lines
            .json()
            .flatten_event(true)
            .with_current_span(true)
            .with_span_list(false)
            .try_init(),
    };
}

/// A duration as a log field: the `u128` of `as_millis` would become a string in JSON.
pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
