//! The shutdown signal of a service, in two phases: draining, then termination.

use std::sync::Arc;

use tokio::sync::watch;

/// Clones share one signal. The phase only ever moves forward: serving, draining, terminated.
#[derive(Debug, Clone)]
pub(crate) struct Shutdown(Arc<watch::Sender<Phase>>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Serving,
    Draining,
    Terminated,
}

impl Shutdown {
    /// The signal of a service that is serving.
    pub(crate) fn new() -> Self {
        Self(Arc::new(watch::Sender::new(Phase::Serving)))
    }

    /// From now on no new work is accepted; running work may finish.
    pub(crate) fn start_draining(&self) {
        self.0.send_replace(Phase::Draining);
    }

    /// From now on running work has to stop.
    pub(crate) fn terminate(&self) {
        self.0.send_replace(Phase::Terminated);
    }

    /// Whether new work must be refused.
    pub(crate) fn is_draining(&self) -> bool {
        *self.0.borrow() != Phase::Serving
    }

    /// Waits until the service drains or has terminated.
    pub(crate) async fn draining(&self) {
        let mut phase = self.0.subscribe();
        let _ = phase.wait_for(|phase| *phase != Phase::Serving).await;
    }

    /// Waits until running work has to stop.
    pub(crate) async fn terminated(&self) {
        let mut phase = self.0.subscribe();
        let _ = phase.wait_for(|phase| *phase == Phase::Terminated).await;
    }
}
