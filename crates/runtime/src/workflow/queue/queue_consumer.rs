//! Executes the runs that the queue delivers to this process, and looks in the journal for those that it does not.

use std::sync::{Arc, Weak};
use std::time::Duration;

use futures_util::StreamExt;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use crate::error::store_error::StoreError;
use crate::schema::Uuid;
use crate::workflow::journal::ClaimOutcome;
use crate::workflow::leases::{
    ack, claim_abandoned, claim_next, heartbeat, permits, spawn_executor,
};
use crate::workflow::queue::{Ack, Delivery, Queue};
use crate::workflow::workflow_service::WorkflowService;

/// The longest time that one pull waits for a run.
const MAX_PULL_TIMEOUT: Duration = Duration::from_secs(5);

/// Pulls a run for each free slot, until the service is dropped or drains. Sweeps the journal once per lease TTL, and
/// three times as often while the queue can't be reached.
pub(crate) async fn consume(service: Weak<WorkflowService>, queue: Arc<dyn Queue>) {
    // The first sweep can wait: runs that this process finds at its start are mostly in the queue.
    let mut last_sweep = Instant::now();
    let mut is_down = false;
    loop {
        let Some(service) = service.upgrade() else {
            return;
        };
        let interval = if queue.is_reachable() {
            service.lease.ttl
        } else {
            service.lease.ttl / 3
        };
        if last_sweep.elapsed() >= interval {
            sweep(&service).await;
            last_sweep = Instant::now();
        }
        let mut polled = std::pin::pin!(poll(&service, &queue, &mut is_down));
        loop {
            tokio::select! {
                () = &mut polled => break,
                // A run could not be enqueued.
                () = service.slot_freed.notified() => sweep(&service).await,
                () = service.resources.shutdown.draining() => return,
            }
        }
    }
}

/// Claims runs that nobody owns.
async fn sweep(service: &Arc<WorkflowService>) {
    if let Err(error) = claim_abandoned(service).await {
        tracing::warn!(%error, "abandoned runs can't be claimed");
    }
}

/// Waits for a free slot and then for a run.
async fn poll(service: &Arc<WorkflowService>, queue: &Arc<dyn Queue>, is_down: &mut bool) {
    let timeout = service.lease.ttl / 3;
    let Ok(slot) = Arc::clone(&service.slots).acquire_owned().await else {
        return;
    };
    match queue.pull(timeout.min(MAX_PULL_TIMEOUT)).await {
        Ok(delivery) => {
            *is_down = false;
            if let Some(delivery) = delivery {
                tokio::spawn(handle_delivery(Arc::clone(service), delivery, slot));
            }
        }
        Err(error) => {
            drop(slot);
            if !std::mem::replace(is_down, true) {
                tracing::warn!(%error, "the queue delivers no runs; they are claimed from the journal");
            }
            tokio::time::sleep(timeout).await;
        }
    }
}

/// Executes a delivered run, unless another process does.
async fn handle_delivery(
    service: Arc<WorkflowService>,
    delivery: Arc<dyn Delivery>,
    slot: OwnedSemaphorePermit,
) {
    let metrics = &service.resources.metrics;
    metrics.run_delivered(delivery.is_redelivery());
    let Some(id) = delivery.run() else {
        tracing::warn!("the queue delivered something that is no run id; it is dropped");
        return ack(&*delivery, Ack::Done).await;
    };
    if let Some(active) = service.active().get_mut(&id)
        && active.delivery.is_none()
    {
        active.delivery = Some(delivery);
        return;
    }
    let ttl = service.lease.ttl;
    let answer = match claim(&service, id).await {
        Ok(ClaimOutcome::Claimed(run)) => match service.spec(&run) {
            Some(spec) => {
                if let Some(permits) = permits(&service, &run, slot) {
                    return spawn_executor(&service, *run, spec, Some(permits), Some(delivery));
                }
                let released = service.journal.release(run.id, &service.lease.owner).await;
                log_failure(run.id, released);
                Ack::RetryAfter(ttl / 3)
            }
            None => {
                let workflow = &run.workflow;
                tracing::debug!(run_id = %id, workflow, "a delivered run is of a definition that this program does not have");
                let released = service.journal.release(run.id, &service.lease.owner).await;
                log_failure(run.id, released);
                Ack::RetryAfter(ttl)
            }
        },
        Ok(ClaimOutcome::Leased(left)) => Ack::RetryAfter(left.max(ttl / 10)),
        // A run that is resumed is enqueued again.
        Ok(ClaimOutcome::Finished | ClaimOutcome::Paused) => Ack::Done,
        Ok(ClaimOutcome::NotFound) => {
            tracing::warn!(run_id = %id, "the queue delivered a run that is not in the store; it is dropped");
            Ack::Done
        }
        Err(error) => {
            log_failure(id, Err(error));
            Ack::RetryAfter(ttl)
        }
    };
    ack(&*delivery, answer).await;
}

/// Claims the run whose turn it is, which another delivery may be about: each delivery means that one run more can begin.
/// Without such a run, claims the delivered one, or says why that can't be executed.
async fn claim(service: &WorkflowService, delivered: Uuid) -> Result<ClaimOutcome, StoreError> {
    match claim_next(service).await? {
        Some(run) => Ok(ClaimOutcome::Claimed(Box::new(run))),
        None => service.journal.claim(delivered, &service.lease).await,
    }
}

fn log_failure(id: Uuid, outcome: Result<(), StoreError>) {
    if let Err(error) = outcome {
        tracing::warn!(run_id = %id, %error, "the lease of a run can't be changed");
    }
}

/// Passes the changes of other processes on to subscribers, until the service is dropped.
pub(crate) async fn relay_changes(service: Weak<WorkflowService>, queue: Arc<dyn Queue>) {
    let mut changes = match queue.subscribe_changes().await {
        Ok(changes) => changes,
        Err(error) => {
            tracing::warn!(%error, "changes of runs in other processes are not relayed");
            return;
        }
    };
    // The connection must end with the service, not with this task.
    drop(queue);
    while let Some(id) = changes.next().await {
        let Some(service) = service.upgrade() else {
            return;
        };
        let is_active = service.active().contains_key(&id);
        if is_active {
            // Another process changes a run that this one executes only to have it cancelled or paused.
            heartbeat(&service, id).await;
        }
        service.followers.notify(id, true);
    }
}
