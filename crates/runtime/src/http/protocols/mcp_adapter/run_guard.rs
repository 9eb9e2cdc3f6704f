//! The end of a call whose client leaves.

use std::sync::Arc;

use axum::http::request::Parts;
use tokio::runtime::Handle;

use crate::http::protocols::mcp_adapter::mcp_envelope::Era;
use crate::schema::Uuid;
use crate::workflow::leases;
use crate::workflow::workflow_service::WorkflowService;

/// Cancels a run when it is dropped: from 2026-07-28 on, a client cancels its request by closing the stream. Up to 2025-11-25, a lost
/// connection says nothing. A run with an `Idempotency-Key` waits for the retry, and one that the service interrupts goes on after its
/// next start.
pub(super) struct RunGuard {
    run: Option<Uuid>,
    runs: Arc<WorkflowService>,
}

/// An extension of requests whose end is what cancels them, whatever revision they speak: those over standard input.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CancelledByEnd;

impl RunGuard {
    pub(super) fn new(runs: &Arc<WorkflowService>, run: Uuid, era: Era, parts: &Parts) -> Self {
        let ends = era == Era::Stateless || parts.extensions.get::<CancelledByEnd>().is_some();
        let is_kept = parts.headers.contains_key("idempotency-key");
        Self {
            run: (ends && !is_kept).then_some(run),
            runs: Arc::clone(runs),
        }
    }

    /// The run goes on, or has ended.
    pub(super) fn keep(mut self) {
        self.run = None;
    }
}

impl Drop for RunGuard {
    fn drop(&mut self) {
        let Some(run) = self.run else {
            return;
        };
        let shutdown = &self.runs.resources.shutdown;
        let Ok(handle) = Handle::try_current() else {
            return;
        };
        if shutdown.is_draining() {
            return;
        }
        let runs = Arc::clone(&self.runs);
        handle.spawn(async move {
            if let Err(error) = leases::cancel(&runs, run).await {
                tracing::warn!(run_id = %run, %error, "a run can't be cancelled");
            }
        });
    }
}
