//! Leases of runs in this process: claims runs, renews their leases, and spawns an executor for each.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, watch};

use crate::auth::claims::Caller;
use crate::error::store_error::StoreError;
use crate::schema::Uuid;
use crate::spec::workflow_spec::WorkflowSpec;
use crate::workflow::executor::{ExecutionEnd, deadline, execute};
use crate::workflow::journal::{ClaimOutcome, JournaledRun};
use crate::workflow::queue::{Ack, Delivery};
use crate::workflow::run_handle::RunHandle;
use crate::workflow::workflow_service::{ActiveRun, WorkflowService};

/// Renews the leases of all active runs.
pub(crate) async fn heartbeat_all(service: &WorkflowService) -> Result<(), StoreError> {
    let ids = service.active().keys().copied().collect::<Vec<_>>();
    for id in ids {
        heartbeat(service, id).await?;
    }
    Ok(())
}

/// Renews the lease of a run, and cancels the run if that was requested.
pub(crate) async fn heartbeat(service: &WorkflowService, id: Uuid) -> Result<(), StoreError> {
    let Some(cancel_requested) = service.journal.renew(id, &service.lease).await? else {
        // The lease is lost. The executor finds out when it writes its next change.
        return Ok(());
    };
    let delivery = service.active().get(&id).and_then(|active| {
        if cancel_requested {
            active.cancel.send_replace(true);
        }
        active.delivery.clone()
    });
    // The queue's timeout is the lease's TTL, so that it redelivers a run no earlier than others can claim it.
    if let Some(delivery) = delivery {
        ack(&*delivery, Ack::InProgress).await;
    }
    Ok(())
}

/// Claims runs that nobody owns while there are free slots: one of each workflow in turn, the oldest first.
pub(crate) async fn claim_abandoned(service: &Arc<WorkflowService>) -> Result<(), StoreError> {
    // Cleared first: a run that is created meanwhile sets it again.
    service.has_waiting.store(false, Ordering::Release);
    let mut specs = service.specs.values().collect::<VecDeque<_>>();
    let next = service.next_workflow.fetch_add(1, Ordering::Relaxed);
    let first = next % specs.len().max(1);
    specs.rotate_left(first);
    while let Some(spec) = specs.pop_front() {
        let Ok(slot) = Arc::clone(&service.slots).try_acquire_owned() else {
            // A reachable queue delivers what waits.
            let has_waiting = !service.has_queue();
            service.has_waiting.store(has_waiting, Ordering::Release);
            return Ok(());
        };
        let claimed = service
            .journal
            .claim_unowned(spec.name, &service.lease, 1)
            .await?;
        if let Some(run) = claimed.into_iter().next() {
            spawn_executor(service, run, spec, Some(slot), None);
            specs.push_back(spec);
        }
    }
    Ok(())
}

/// Requests the cancellation of a run; returns whether the run was unfinished. A run that nobody executes is cancelled
/// at once, without waiting for a slot.
pub(crate) async fn cancel(service: &Arc<WorkflowService>, id: Uuid) -> Result<bool, StoreError> {
    let was_unfinished = service.request_cancel(id).await?;
    if was_unfinished
        && let ClaimOutcome::Claimed(run) = service.journal.claim(id, &service.lease).await?
    {
        match service.spec(&run.workflow) {
            Some(spec) => spawn_executor(service, *run, spec, None, None),
            None => service.journal.release(id, &service.lease.owner).await?,
        }
    }
    Ok(was_unfinished)
}

/// Spawns a task that executes `run`, whose lease this process has. `delivery` is the queue's message about it, if it
/// came from there. A run that only has to be ended needs no `slot`.
pub(crate) fn spawn_executor(
    service: &Arc<WorkflowService>,
    run: JournaledRun,
    spec: &'static WorkflowSpec,
    slot: Option<OwnedSemaphorePermit>,
    delivery: Option<Arc<dyn Delivery>>,
) {
    let (cancel, cancelled) = watch::channel(false);
    let (changed_tx, changed) = watch::channel(());
    let id = run.id;
    {
        let mut active = service.active();
        // The lease expired and was claimed again by the same process: its executor still runs.
        if let Some(active) = active.get_mut(&id) {
            active.delivery = delivery.or(active.delivery.take());
            return;
        }
        let active_run = ActiveRun {
            cancel,
            changed,
            delivery,
        };
        active.insert(id, active_run);
    }
    let handle = RunHandle {
        service: Arc::clone(service),
        id,
        spec,
        caller: Caller {
            subject: run.subject.clone(),
            roles: run.roles.clone(),
        },
        input: run.input.clone(),
        deadline: deadline(run.created_at, spec.timeout_ms),
        changed_tx,
        unflushed_events: Mutex::default(),
        step_progress: Mutex::default(),
    };
    let service = Arc::clone(service);
    tokio::spawn(async move {
        let end = execute(Arc::new(handle), run, cancelled).await;
        let active = service.active().remove(&id);
        if let Some(delivery) = active.and_then(|active| active.delivery) {
            match end {
                ExecutionEnd::Finished => ack(&*delivery, Ack::Done).await,
                ExecutionEnd::Released => ack(&*delivery, Ack::RetryAfter(Duration::ZERO)).await,
                // The new owner has a delivery of its own, or the queue redelivers the run after its timeout.
                ExecutionEnd::LeaseLost => {}
            }
        }
        drop(slot);
        if service.has_waiting.load(Ordering::Acquire) {
            service.slot_freed.notify_one();
        }
    });
}

/// Acknowledges a delivery. If that fails, the queue redelivers the run, and the journal says who owns it.
pub(crate) async fn ack(delivery: &dyn Delivery, ack: Ack) {
    if let Err(error) = delivery.ack(ack).await {
        tracing::debug!(%error, "a delivery of the queue can't be acknowledged");
    }
}
