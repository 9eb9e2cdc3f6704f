//! Starts runs, waits for their reports, and supervises those of this process and the abandoned ones.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};

use serde_json::Value;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::auth::claims::Caller;
use crate::error::AgentError;
use crate::schema::{Uuid, new_uuid_v7};
use crate::spec::workflow_spec::WorkflowSpec;
use crate::unix_time::now;
use crate::workflow::journal::JournaledRun;
use crate::workflow::leases::{claim_abandoned, heartbeat_all, spawn_executor};
use crate::workflow::queue::Queue;
use crate::workflow::queue::queue_consumer::{consume, relay_changes};
use crate::workflow::run_report::{RunReport, RunStatus};
use crate::workflow::workflow_service::WorkflowService;

/// Starts a run. If the caller already started one with `idempotency_key`, that one is returned, whatever its input.
pub(crate) async fn start_run(
    service: &Arc<WorkflowService>,
    spec: &'static WorkflowSpec,
    input: Value,
    caller: Caller,
    idempotency_key: Option<String>,
) -> Result<JournaledRun, AgentError> {
    let schema = service.input_schemas.get(spec.name);
    let schema =
        schema.ok_or_else(|| AgentError::internal(format!("no workflow `{}`", spec.name)))?;
    let violations = schema.violations(&input);
    if !violations.is_empty() {
        return Err(AgentError::Invalid(violations));
    }
    spawn_supervisor(service);
    let service = Arc::clone(service);
    // In a task of its own: once the journal has the run, it must start even if the caller goes away.
    let starting = tokio::spawn(async move {
        let run = JournaledRun {
            id: new_uuid_v7(),
            workflow: spec.name.to_owned(),
            subject: caller.subject,
            roles: caller.roles,
            input,
            status: RunStatus::Queued,
            error: None,
            created_at: now(),
            ended_at: None,
            cancel_requested: false,
            steps: Vec::new(),
        };
        let key = idempotency_key.as_deref();
        if let Some(queue) = service.queue.clone() {
            if let Some(earlier) = service.journal.create(&run, None, key).await? {
                return Ok(earlier);
            }
            // The caller need not wait for the queue.
            tokio::spawn(enqueue(service, queue, run.id));
            return Ok(run);
        }
        // A new run must not overtake waiting ones.
        let slot = if service.has_waiting.load(Ordering::Acquire) {
            None
        } else {
            Arc::clone(&service.slots).try_acquire_owned().ok()
        };
        let lease = slot.is_some().then_some(&service.lease);
        if let Some(earlier) = service.journal.create(&run, lease, key).await? {
            return Ok(earlier);
        }
        match slot {
            Some(slot) => spawn_executor(&service, run.clone(), spec, Some(slot), None),
            None => {
                service.has_waiting.store(true, Ordering::Release);
                service.slot_freed.notify_one();
            }
        }
        Ok(run)
    });
    starting.await.map_err(AgentError::internal)?
}

/// Enqueues a run. If that fails, the journal is swept for it.
async fn enqueue(service: Arc<WorkflowService>, queue: Arc<dyn Queue>, run: Uuid) {
    if let Err(error) = queue.enqueue(run).await {
        tracing::warn!(run_id = %run, %error, "a run can't be enqueued; it is claimed from the journal");
        service.slot_freed.notify_one();
    }
}

/// Waits until a run finishes; returns its report.
pub(crate) async fn wait_for_report(
    service: &WorkflowService,
    run: Uuid,
    subject: &str,
) -> Result<RunReport, AgentError> {
    let gone = || AgentError::internal("a run is gone from the journal");
    loop {
        // Before the journal is read, so that no change after that is missed.
        let changes = service.subscribe(run);
        let report = service.report(run, subject).await?.ok_or_else(gone)?;
        if report.status.is_over() {
            return Ok(report);
        }
        tokio::select! {
            () = changes.wait() => {}
            () = service.resources.shutdown.terminated() => {
                return Err(AgentError::unavailable("the service is shutting down"));
            }
        }
    }
}

/// Starts the tasks that renew leases, claim runs and consume the queue. Does nothing when called again.
pub(crate) fn spawn_supervisor(service: &Arc<WorkflowService>) {
    if !service.supervisor_spawned.swap(true, Ordering::AcqRel) {
        tokio::spawn(supervise(Arc::downgrade(service)));
        if let Some(queue) = &service.queue {
            tokio::spawn(consume(Arc::downgrade(service), Arc::clone(queue)));
            tokio::spawn(relay_changes(Arc::downgrade(service), Arc::clone(queue)));
        }
    }
}

/// Renews all leases three times per TTL, and without a queue claims runs that nobody owns, until the service is
/// dropped.
async fn supervise(service: Weak<WorkflowService>) {
    let mut next_heartbeat = Instant::now();
    loop {
        let Some(service) = service.upgrade() else {
            return;
        };
        if next_heartbeat <= Instant::now() {
            next_heartbeat = Instant::now() + service.lease.ttl / 3;
            if let Err(error) = heartbeat_all(&service).await {
                tracing::warn!(%error, "the leases of active runs can't be renewed");
            }
        }
        if service.queue.is_none()
            && !service.resources.shutdown.is_draining()
            && let Err(error) = claim_abandoned(&service).await
        {
            tracing::warn!(%error, "abandoned runs can't be claimed");
        }
        // With a queue, its consumer waits for this.
        let slot_freed = service
            .queue
            .is_none()
            .then(|| Arc::clone(&service.slot_freed));
        // Not held while waiting, so that the service can be dropped.
        drop(service);
        tokio::select! {
            () = tokio::time::sleep_until(next_heartbeat) => {}
            () = notified(slot_freed) => {}
        }
    }
}

async fn notified(notify: Option<Arc<Notify>>) {
    match notify {
        Some(notify) => notify.notified().await,
        None => std::future::pending().await,
    }
}
