//! The shutdown signal of a service, in two phases: draining, then termination.

use std::sync::Arc;

use tokio::sync::{OwnedRwLockReadGuard, RwLock, watch};

/// Clones share one signal. The phase only ever moves forward: serving, draining, terminated.
#[derive(Debug, Clone)]
pub(crate) struct Shutdown {
    phase: Arc<watch::Sender<Phase>>,
    /// Read-locked by work that no connection waits for.
    work: Arc<RwLock<()>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Serving,
    Draining,
    Terminated,
}

impl Shutdown {
    /// The signal of a service that is serving.
    pub(crate) fn new() -> Self {
        Self {
            phase: Arc::new(watch::Sender::new(Phase::Serving)),
            work: Arc::default(),
        }
    }

    /// Has the service wait for work that goes on without its connection, until the guard is dropped.
    pub(crate) async fn working(&self) -> OwnedRwLockReadGuard<()> {
        Arc::clone(&self.work).read_owned().await
    }

    /// Waits until no work goes on without its connection.
    pub(crate) async fn idle(&self) {
        drop(self.work.write().await);
    }

    /// From now on no new work is accepted; running work may finish.
    pub(crate) fn start_draining(&self) {
        self.phase.send_replace(Phase::Draining);
    }

    /// From now on running work has to stop.
    pub(crate) fn terminate(&self) {
        self.phase.send_replace(Phase::Terminated);
    }

    /// Whether new work must be refused.
    pub(crate) fn is_draining(&self) -> bool {
        *self.phase.borrow() != Phase::Serving
    }

    /// Waits until the service drains or has terminated.
    pub(crate) async fn draining(&self) {
        let mut phase = self.phase.subscribe();
        let _ = phase.wait_for(|phase| *phase != Phase::Serving).await;
    }

    /// Waits until running work has to stop.
    pub(crate) async fn terminated(&self) {
        let mut phase = self.phase.subscribe();
        let _ = phase.wait_for(|phase| *phase == Phase::Terminated).await;
    }
}
