//! Starts runs, waits for their reports, and supervises those of this process and the abandoned ones.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::auth::claims::Caller;
use crate::error::AgentError;
use crate::future::{BoxFuture, json_bytes, off_worker};
use crate::schema::{Uuid, new_uuid_v7};
use crate::spec::workflow_spec::WorkflowSpec;
use crate::workflow::journal::{CreateOutcome, JournaledRun, NewRun, Start};
use crate::workflow::leases::{
    check_waiting_runs, claim_abandoned, heartbeat_all, spawn_executor, wake_due,
};
use crate::workflow::queue::Queue;
use crate::workflow::queue::queue_consumer::{consume, relay_changes};
use crate::workflow::run_report::RunReport;
use crate::workflow::run_schedules;
use crate::workflow::workflow_service::WorkflowService;

/// The pause between two checks for runs that this process can't execute.
const CHECK_INTERVAL: Duration = Duration::from_secs(60);

/// How soon a process with a free slot finds a run that waits for one in another process. With a queue, it is told.
const CLAIM_INTERVAL: Duration = Duration::from_secs(1);
/// When a caller whose queue is full should try again.
const QUEUE_FULL_RETRY: Duration = Duration::from_secs(5);

/// Starts a run, which may repeat the input of `restarted_from`. If the caller already started one with `idempotency_key`, that one is
/// returned, whatever its input.
pub(crate) async fn start_run(
    service: &Arc<WorkflowService>,
    spec: &'static WorkflowSpec,
    input: Value,
    caller: Caller,
    idempotency_key: Option<String>,
    restarted_from: Option<Uuid>,
) -> Result<JournaledRun, AgentError> {
    let origin = Origin {
        restarted_from,
        ..Origin::new(new_uuid_v7(), idempotency_key)
    };
    start(service, spec, input, caller, origin).await
}

/// As [`start_run`], under the id `id` if it is a new one.
pub(crate) async fn start_run_as(
    id: Uuid,
    service: &Arc<WorkflowService>,
    spec: &'static WorkflowSpec,
    input: Value,
    caller: Caller,
    idempotency_key: Option<String>,
) -> Result<JournaledRun, AgentError> {
    start(
        service,
        spec,
        input,
        caller,
        Origin::new(id, idempotency_key),
    )
    .await
}

/// Starts the run that a step of the run `parent` waits for, once. It may wait however many runs of the caller do: the one that waits for
/// it has begun.
pub(crate) fn start_child(
    service: &Arc<WorkflowService>,
    spec: &'static WorkflowSpec,
    input: Value,
    caller: Caller,
    (id, parent): (Uuid, Uuid),
) -> BoxFuture<'static, Result<JournaledRun, AgentError>> {
    let service = Arc::clone(service);
    Box::pin(async move {
        let origin = Origin {
            parent: Some(parent),
            ..Origin::new(id, Some(format!("run/{id}")))
        };
        start(&service, spec, input, caller, origin).await
    })
}

/// What a run has of the request or of the step that starts it.
struct Origin {
    id: Uuid,
    parent: Option<Uuid>,
    restarted_from: Option<Uuid>,
    idempotency_key: Option<String>,
}

impl Origin {
    fn new(id: Uuid, idempotency_key: Option<String>) -> Self {
        Self {
            id,
            parent: None,
            restarted_from: None,
            idempotency_key,
        }
    }
}

async fn start(
    service: &Arc<WorkflowService>,
    spec: &'static WorkflowSpec,
    input: Value,
    caller: Caller,
    origin: Origin,
) -> Result<JournaledRun, AgentError> {
    let schema = service.input_schemas.get(spec.name);
    let schema =
        schema.ok_or_else(|| AgentError::internal(format!("no workflow `{}`", spec.name)))?;
    let schema = schema.clone();
    let (input, violations) = off_worker(json_bytes(&input), move || {
        let violations = schema.violations(&input);
        (input, violations)
    })
    .await;
    if !violations.is_empty() {
        return Err(AgentError::Invalid(violations));
    }
    spawn_supervisor(service);
    let service = Arc::clone(service);
    // In a task of its own: once the journal has the run, it must start even if the caller goes away.
    let starting = tokio::spawn(async move {
        let run = NewRun {
            id: origin.id,
            parent: origin.parent,
            workflow: spec.name.to_owned(),
            definition: service.definitions[spec.name].clone(),
            subject: caller.subject,
            roles: caller.roles,
            input,
            idempotency_key: origin.idempotency_key,
            restarted_from: origin.restarted_from,
        };
        let waiting = Start::Waiting {
            limit: match run.parent {
                Some(_) => u32::MAX,
                None => service.max_queued_runs,
            },
        };
        if let Some(queue) = service.queue.clone() {
            let (run, is_new) = create(&service, &run, waiting).await?;
            if is_new {
                // The caller need not wait for the queue.
                tokio::spawn(enqueue(service, queue, run.id));
            }
            return Ok(run);
        }
        // A new run must not overtake waiting ones.
        let slot = if service.has_waiting.load(Ordering::Acquire) {
            None
        } else {
            Arc::clone(&service.slots).try_acquire_owned().ok()
        };
        let start = match slot {
            Some(_) => Start::Leased(&service.lease),
            None => waiting,
        };
        let (run, is_new) = create(&service, &run, start).await?;
        if !is_new {
            return Ok(run);
        }
        match slot {
            Some(slot) => spawn_executor(&service, run.clone(), spec, Some(slot.into()), None),
            None => {
                service.has_waiting.store(true, Ordering::Release);
                service.slot_freed.notify_one();
            }
        }
        Ok(run)
    });
    starting.await.map_err(AgentError::internal)?
}

/// Stores a run, or finds the earlier one with its idempotency key; returns whether it is new.
async fn create(
    service: &WorkflowService,
    run: &NewRun,
    start: Start<'_>,
) -> Result<(JournaledRun, bool), AgentError> {
    match service.journal.create(run, start).await? {
        CreateOutcome::Created(run) => Ok((*run, true)),
        CreateOutcome::Existing(earlier) => Ok((*earlier, false)),
        CreateOutcome::TooManyWaiting => {
            service.resources.metrics.rate_limited("queued_runs");
            Err(AgentError::RateLimited {
                retry_after: QUEUE_FULL_RETRY,
            })
        }
    }
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
        // One that is executed here is not over, and its followers are told when it no longer is.
        if !service.active().contains_key(&run) {
            let report = service.report(run, subject).await?.ok_or_else(gone)?;
            if report.status.is_over() {
                return Ok(report);
            }
        }
        tokio::select! {
            () = changes.wait_for_end() => {}
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

/// Renews all leases three times per TTL, and once per [`CLAIM_INTERVAL`] wakes the runs whose time has come, starts those that are due,
/// and without a queue claims runs that nobody owns, until the service is dropped.
async fn supervise(service: Weak<WorkflowService>) {
    let mut next_heartbeat = Instant::now();
    let mut next_check = Instant::now();
    let mut next_declaration = Instant::now();
    let mut is_declared = false;
    let mut reported = BTreeSet::new();
    loop {
        let Some(service) = service.upgrade() else {
            return;
        };
        if next_heartbeat <= Instant::now() {
            next_heartbeat = Instant::now() + service.lease.ttl / 3;
            heartbeat_all(&service).await;
        }
        if next_check <= Instant::now() {
            next_check = Instant::now() + CHECK_INTERVAL;
            if let Err(error) = check_waiting_runs(&service, &mut reported).await {
                tracing::warn!(%error, "runs of other definitions can't be found");
            }
        }
        let is_draining = service.resources.shutdown.is_draining();
        if !is_draining
            && service.waits
            && let Err(error) = wake_due(&service).await
        {
            tracing::warn!(%error, "runs whose time has come can't be woken");
        }
        if !is_draining && next_declaration <= Instant::now() {
            // Again and again: during an update, an old process may declare what it knows.
            let declared = run_schedules::declare(&service, !is_declared).await;
            match declared {
                Ok(()) => {
                    is_declared = true;
                    next_declaration = Instant::now() + CHECK_INTERVAL;
                }
                Err(error) => tracing::warn!(%error, "schedules can't be declared"),
            }
        }
        if !is_draining
            && !service.timetables.is_empty()
            && let Err(error) = run_schedules::start_due(&service).await
        {
            tracing::warn!(%error, "scheduled runs can't be found");
        }
        if service.queue.is_none()
            && !is_draining
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
        let next_claim = Instant::now() + CLAIM_INTERVAL;
        tokio::select! {
            () = tokio::time::sleep_until(next_heartbeat.min(next_claim)) => {}
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
