//! Hands workflow runs out to several processes.
//!
//! Invariant: a queue knows ids and nothing else. It may deliver a run twice, late, or not at all while it can't be reached: the
//! journal decides who executes it.

#[cfg(feature = "nats")]
pub(crate) mod nats;
pub(crate) mod queue_consumer;
pub(crate) mod queue_url;

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::BoxStream;

use crate::schema::formats::Uuid;

/// What a queue's method returns; an error says why the queue can't be used.
pub(crate) type Queued<'a, T> = Pin<Box<dyn Future<Output = Result<T, String>> + Send + 'a>>;

/// Hands runs out.
pub(crate) trait Queue: Send + Sync + 'static {
    /// Has the run be given to one process after the other until one says that it is over.
    fn hand_out(&self, run: Uuid) -> Queued<'_, ()>;

    /// The next run for this process, if one comes within `patience`.
    fn pull(&self, patience: Duration) -> Queued<'_, Option<Arc<dyn Delivery>>>;

    /// Says to the other processes, if there are any, that something is new about a run.
    fn tell(&self, run: Uuid) -> Queued<'_, ()>;

    /// The runs about which other processes say so from now on.
    fn told(&self) -> Queued<'_, BoxStream<'static, Uuid>>;

    /// Waits until everything that was said so far is on its way.
    fn flush(&self) -> Queued<'_, ()>;

    /// Whether it can be used, as far as is known.
    fn is_reachable(&self) -> bool;
}

/// A run that was handed out to this process. Unless it says something about it in time, another one is given it.
pub(crate) trait Delivery: Send + Sync + 'static {
    /// Which one; `None` if what came is not the id of a run.
    fn run(&self) -> Option<Uuid>;

    /// Whether it was handed out before.
    fn is_again(&self) -> bool;

    /// Says what becomes of it.
    fn settle(&self, settlement: Settlement) -> Queued<'_, ()>;
}

/// What becomes of a run that was handed out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Settlement {
    /// It is under way here.
    UnderWay,
    /// Nobody needs to be given it any more.
    Over,
    /// Somebody is to be given it after this time.
    Again(Duration),
}
