//! Distributes workflow runs over several processes.
//!
//! Invariant: a queue carries run ids and nothing else. It may deliver a run twice, late, or not at all while it can't
//! be reached: the journal decides who executes it. A delivery means that one run more can begin; which one, the journal
//! decides too, so that callers take turns.

#[cfg(feature = "nats")]
pub(crate) mod nats;
pub(crate) mod queue_consumer;
pub(crate) mod queue_url;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::BoxStream;

use crate::future::BoxFuture;
use crate::schema::Uuid;

/// What a method of a queue returns.
pub(crate) type QueueResult<'a, T> = BoxFuture<'a, Result<T, QueueError>>;

/// A work queue of run ids, and a channel for changes of runs.
pub(crate) trait Queue: Send + Sync + 'static {
    /// Adds a run. It is delivered to one process after the other until one acknowledges it with [`Ack::Done`].
    fn enqueue(&self, run: Uuid) -> QueueResult<'_, ()>;

    /// Adds a run that was in the queue before, and was acknowledged with [`Ack::Done`].
    fn enqueue_again(&self, run: Uuid) -> QueueResult<'_, ()>;

    /// The next run for this process; `None` if there is none within `timeout`.
    fn pull(&self, timeout: Duration) -> QueueResult<'_, Option<Arc<dyn Delivery>>>;

    /// Tells all other processes that a run changed.
    fn publish_change(&self, run: Uuid) -> QueueResult<'_, ()>;

    /// The runs that other processes change from now on.
    fn subscribe_changes(&self) -> QueueResult<'_, BoxStream<'static, Uuid>>;

    /// Waits until everything has been sent.
    fn flush(&self) -> QueueResult<'_, ()>;

    /// Whether the queue was reachable when last used.
    fn is_reachable(&self) -> bool;
}

/// A run that was delivered to this process. It is redelivered unless it is acknowledged within the lease's TTL.
pub(crate) trait Delivery: Send + Sync + 'static {
    /// The run; `None` if the message is not the id of a run.
    fn run(&self) -> Option<Uuid>;

    /// Whether the message was delivered before.
    fn is_redelivery(&self) -> bool;

    /// Acknowledges the message.
    fn ack(&self, ack: Ack) -> QueueResult<'_, ()>;
}

/// How a delivery is acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ack {
    /// This process executes the run; the time until redelivery starts anew.
    InProgress,
    /// The run is never redelivered.
    Done,
    /// The run is redelivered after this time.
    RetryAfter(Duration),
}

/// Why a queue can't be used now.
#[cfg_attr(
    not(feature = "nats"),
    expect(dead_code, reason = "only the queue over NATS can fail")
)]
#[derive(Debug)]
pub(crate) enum QueueError {
    /// There is no connection.
    Disconnected,
    /// The server did not answer in time.
    TimedOut,
    /// What the server or its client says.
    Failed(String),
}

impl fmt::Display for QueueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Disconnected => f.write_str("there is no connection"),
            Self::TimedOut => f.write_str("there is no answer in time"),
            Self::Failed(detail) => f.write_str(detail),
        }
    }
}

impl std::error::Error for QueueError {}
