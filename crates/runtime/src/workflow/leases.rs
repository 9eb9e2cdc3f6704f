//! Leases of runs in this process: claims runs, renews their leases, and spawns an executor for each.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::RangeInclusive;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::{StreamExt, stream};
use tokio::sync::{OwnedSemaphorePermit, watch};

use crate::auth::claims::Caller;
use crate::error::store_error::StoreError;
use crate::future::BoxFuture;
use crate::schema::{DateTime, Uuid, new_uuid_v4};
use crate::spec::workflow_spec::WorkflowSpec;
use crate::unix_time::now;
use crate::workflow::execution::executor::{ExecutionEnd, deadline, execute};
use crate::workflow::execution::executor_waits::cancelled as cancelled_action;
use crate::workflow::execution::run_handle::{JournalClock, RunHandle, Stop, Writer, request_stop};
use crate::workflow::journal::run_requests::RunRequests;
use crate::workflow::journal::{Change, ClaimOutcome, JournaledRun, RunFilter, RunState};
use crate::workflow::queue::{Ack, Delivery};
use crate::workflow::run_report::{RunStatus, StepReport, StepStatus};
use crate::workflow::waiting::inbox::{NewEvent, SendOutcome, SuspendOutcome, Suspension};
use crate::workflow::workflow_event::WorkflowEvent;
use crate::workflow::workflow_service::{ActiveRun, WorkflowService};

/// How many leases are renewed at the same time.
const RENEWALS: usize = 8;
/// How often it is tried to suspend a run.
const SUSPEND_ATTEMPTS: u32 = 10;
/// How many runs are woken at a time.
const WAKE_BATCH: u32 = 100;

/// Renews the leases of all active runs, each whatever becomes of the others.
pub(crate) async fn heartbeat_all(service: &WorkflowService) {
    let ids = service.active().keys().copied().collect::<Vec<_>>();
    let renewals = stream::iter(ids);
    let renewals = renewals.for_each_concurrent(RENEWALS, |id| heartbeat(service, id));
    renewals.await;
}

/// Renews the lease of a run. Stops its executor if the lease is lost, and cancels the run if that was requested.
pub(crate) async fn heartbeat(service: &WorkflowService, id: Uuid) {
    let stop = match service.journal.renew(id, &service.lease).await {
        Ok(Some(RunRequests { cancel: true, .. })) => Stop::Cancel,
        Ok(Some(RunRequests { pause: true, .. })) => Stop::Pause,
        Ok(Some(_)) => Stop::No,
        Ok(None) => Stop::LeaseLost,
        // Nobody can claim the run while the journal is away.
        Err(error) => {
            return tracing::warn!(run_id = %id, %error, "the lease of a run can't be renewed");
        }
    };
    let delivery = service.active().get(&id).and_then(|active| {
        request_stop(&active.stop, stop);
        active.delivery.clone()
    });
    if stop == Stop::LeaseLost {
        return;
    }
    // The queue's timeout is the lease's TTL, so that it redelivers a run no earlier than others can claim it.
    if let Some(delivery) = delivery {
        ack(&*delivery, Ack::InProgress).await;
    }
}

/// A run that was resumed so often without a step that finishes is on probation: its process executes no other such run
/// beside it. If the process dies again, it is known which run it was, and the others are spared.
pub(crate) const PROBATION: u32 = 2;

/// The permits of a run that is executed: its slot, and that of the run on probation.
pub(crate) struct RunPermits {
    _slot: OwnedSemaphorePermit,
    probation: Option<OwnedSemaphorePermit>,
}

impl From<OwnedSemaphorePermit> for RunPermits {
    fn from(slot: OwnedSemaphorePermit) -> Self {
        Self {
            _slot: slot,
            probation: None,
        }
    }
}

impl RunPermits {
    /// Ends the probation of a run; says whether it was on probation.
    pub(crate) fn end_probation(&mut self) -> bool {
        self.probation.take().is_some()
    }
}

/// Claims runs that nobody owns while there are free slots: of each workflow in turn its share of the slots, the oldest
/// runs first.
pub(crate) async fn claim_abandoned(service: &Arc<WorkflowService>) -> Result<(), StoreError> {
    // Cleared first: a run that is created meanwhile sets it again.
    service.has_waiting.store(false, Ordering::Release);
    let mut specs = workflows_in_turn(service);
    claim_suspect(service, &specs).await?;
    while let Some(spec) = specs.pop_front() {
        let free = service.slots.available_permits();
        let share = u32::try_from((free / (specs.len() + 1)).max(1)).unwrap_or(u32::MAX);
        let slots = Arc::clone(&service.slots).try_acquire_many_owned(share);
        let Ok(mut slots) = slots else {
            // A reachable queue delivers what waits.
            let has_waiting = !service.has_queue();
            service.has_waiting.store(has_waiting, Ordering::Release);
            return Ok(());
        };
        let filter = filter(service, spec, 0..=PROBATION - 1);
        let claimed = service
            .journal
            .claim_unowned(&filter, &service.lease, share)
            .await?;
        // There may be more.
        if claimed.len() == share as usize {
            specs.push_back(spec);
        }
        for run in claimed {
            let permits = slots.split(1).map(RunPermits::from);
            spawn_executor(service, run, spec, permits, None);
        }
    }
    Ok(())
}

/// Claims the run that is next for a slot that this process has, of the workflows in turn.
pub(crate) async fn claim_next(
    service: &WorkflowService,
) -> Result<Option<JournaledRun>, StoreError> {
    for spec in workflows_in_turn(service) {
        let filter = filter(service, spec, 0..=PROBATION - 1);
        let claimed = service.journal.claim_unowned(&filter, &service.lease, 1);
        if let Some(run) = claimed.await?.pop() {
            return Ok(Some(run));
        }
    }
    Ok(None)
}

/// All workflows, each time beginning with another one.
fn workflows_in_turn(service: &WorkflowService) -> VecDeque<&'static WorkflowSpec> {
    let mut specs = service.specs.values().copied().collect::<VecDeque<_>>();
    let next = service.next_workflow.fetch_add(1, Ordering::Relaxed);
    let first = next % specs.len().max(1);
    specs.rotate_left(first);
    specs
}

/// Claims the next run on probation, if none is executed.
async fn claim_suspect(
    service: &Arc<WorkflowService>,
    specs: &VecDeque<&'static WorkflowSpec>,
) -> Result<(), StoreError> {
    let Ok(probation) = Arc::clone(&service.probation).try_acquire_owned() else {
        return Ok(());
    };
    let Ok(slot) = Arc::clone(&service.slots).try_acquire_owned() else {
        return Ok(());
    };
    for spec in specs {
        let filter = filter(service, spec, PROBATION..=u32::MAX);
        let claimed = service.journal.claim_unowned(&filter, &service.lease, 1);
        if let Some(run) = claimed.await?.into_iter().next() {
            let permits = RunPermits {
                _slot: slot,
                probation: Some(probation),
            };
            spawn_executor(service, run, spec, Some(permits), None);
            return Ok(());
        }
    }
    Ok(())
}

fn filter<'a>(
    service: &'a WorkflowService,
    spec: &'static WorkflowSpec,
    resumptions: RangeInclusive<u32>,
) -> RunFilter<'a> {
    RunFilter {
        workflow: spec.name,
        definition: &service.definitions[spec.name],
        resumptions,
    }
}

/// The permits of a run that this process has claimed and can execute in `slot`; `None` if it is on probation, and so is
/// another one.
pub(crate) fn permits(
    service: &WorkflowService,
    run: &JournaledRun,
    slot: OwnedSemaphorePermit,
) -> Option<RunPermits> {
    if run.resumptions < PROBATION {
        return Some(slot.into());
    }
    let probation = Arc::clone(&service.probation).try_acquire_owned().ok()?;
    Some(RunPermits {
        _slot: slot,
        probation: Some(probation),
    })
}

/// Reports the runs that this process can't execute, because they began with another definition of their workflow or it is
/// gone, and lets them expire if no process takes them. `reported` are those that the log has already.
pub(crate) async fn check_waiting_runs(
    service: &WorkflowService,
    reported: &mut BTreeSet<(String, String)>,
) -> Result<(), StoreError> {
    let journal = &service.journal;
    let mut counts = BTreeMap::new();
    for waiting in journal.waiting_runs().await? {
        let (workflow, definition) = (&*waiting.workflow, &*waiting.definition);
        let own = service.definitions.get(workflow);
        if own.is_some_and(|own| own == definition) {
            continue;
        }
        if let (Some(own), "") = (own, definition) {
            journal.adopt_runs(workflow, own).await?;
            service.slot_freed.notify_one();
            continue;
        }
        let keep = service.retention;
        journal
            .expire_waiting_runs(workflow, definition, keep)
            .await?;
        *counts.entry(waiting.workflow.clone()).or_default() += waiting.count;
        if reported.insert((waiting.workflow.clone(), waiting.definition.clone())) {
            tracing::warn!(
                workflow = waiting.workflow,
                definition = waiting.definition,
                runs = waiting.count,
                "runs wait for a process with another definition of their workflow; they can be cancelled"
            );
        }
    }
    service.resources.metrics.set_other_definitions(&counts);
    Ok(())
}

/// Requests the cancellation of a run; returns whether the run was unfinished. A run that nobody executes is cancelled
/// at once, without waiting for a slot.
pub(crate) async fn cancel(service: &Arc<WorkflowService>, id: Uuid) -> Result<bool, StoreError> {
    let was_unfinished = service.request_cancel(id).await?;
    if was_unfinished
        && let ClaimOutcome::Claimed(run) = service.journal.claim(id, &service.lease).await?
    {
        match service.spec(&run) {
            Some(spec) => spawn_executor(service, *run, spec, None, None),
            None => end_cancelled(service, *run).await?,
        }
    }
    Ok(was_unfinished)
}

/// Ends a run whose workflow this process does not have. Its steps are those that the journal has.
async fn end_cancelled(
    service: &Arc<WorkflowService>,
    run: JournaledRun,
) -> Result<(), StoreError> {
    let status = RunStatus::Cancelled;
    for child in run.actions.iter().filter_map(|action| action.run) {
        cancel_child(service, child).await;
    }
    let parent = run.parent;
    let resolved = run.actions.into_iter().map(cancelled_action);
    let running = run.steps.into_iter().filter(|step| !step.status.is_over());
    let cancelled = running.map(|step| WorkflowEvent::StepFinished {
        report: StepReport {
            status: StepStatus::Cancelled,
            ended_at: Some(DateTime::from(now())),
            ..step
        },
    });
    let finished = WorkflowEvent::Finished {
        run_id: run.id,
        status,
        error: None,
    };
    let change = Change {
        id: new_uuid_v4(),
        run: run.id,
        owner: service.lease.owner.clone(),
        first_event: run.event_count + 1,
        events: resolved.chain(cancelled).chain([finished]).collect(),
        state: Some(RunState {
            status,
            error: None,
            resumptions: run.resumptions,
            keep: Some(service.retention),
        }),
    };
    if let Err(error) = service.journal.write(&change).await {
        service
            .journal
            .release(run.id, &service.lease.owner)
            .await?;
        return Err(error);
    }
    service.notify_all(run.id, true).await;
    tell_parent(service, parent, run.id, &run.subject).await;
    let metrics = &service.resources.metrics;
    metrics.workflow_ended(&run.workflow, status.as_str());
    tracing::info!(run_id = %run.id, workflow = run.workflow, status = status.as_str(), "workflow run ended");
    Ok(())
}

/// Cancels the run `child`, because the step that waits for it no longer does.
pub(crate) fn cancel_child(service: &Arc<WorkflowService>, child: Uuid) -> BoxFuture<'static, ()> {
    let service = Arc::clone(service);
    Box::pin(async move {
        if let Err(error) = cancel(&service, child).await {
            tracing::warn!(run_id = %child, %error, "the run that a step waits for can't be cancelled");
        }
    })
}

/// Wakes the run that waits for `run`, which has ended.
async fn tell_parent(service: &WorkflowService, parent: Option<Uuid>, run: Uuid, subject: &str) {
    let Some(parent) = parent else {
        return;
    };
    // No request can send an event of this name: a segment of a path has no slash.
    let event = NewEvent {
        name: format!("run/{run}"),
        payload: serde_json::Value::Null,
        by: subject.to_owned(),
    };
    match service.journal.send_event(parent, &event, u32::MAX).await {
        Ok(SendOutcome::Stored) => service.wake(parent).await,
        Ok(SendOutcome::Finished | SendOutcome::TooMany) => {}
        Err(error) => {
            tracing::warn!(run_id = %parent, %error, "a run that waits for another one is woken late");
        }
    }
}

/// Spawns a task that executes `run`, whose lease this process has. `delivery` is the queue's message about it, if it
/// came from there. A run that only has to be ended needs no `permits`.
pub(crate) fn spawn_executor(
    service: &Arc<WorkflowService>,
    run: JournaledRun,
    spec: &'static WorkflowSpec,
    permits: Option<RunPermits>,
    delivery: Option<Arc<dyn Delivery>>,
) {
    let (stop, stopped) = watch::channel(Stop::No);
    let id = run.id;
    {
        let mut active = service.active();
        // The lease expired and was claimed again by the same process: its executor still runs.
        if let Some(active) = active.get_mut(&id) {
            active.delivery = delivery.or(active.delivery.take());
            return;
        }
        let active_run = ActiveRun {
            stop: stop.clone(),
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
        deadline: deadline(run.attempt_age(), spec.timeout_ms),
        clock: JournalClock::new(run.read_at()),
        stop,
        writer: tokio::sync::Mutex::new(Writer::new(run.event_count)),
        step_progress: Mutex::default(),
    };
    let service = Arc::clone(service);
    let (parent, subject) = (run.parent, run.subject.clone());
    tokio::spawn(async move {
        let (end, permits) = execute(Arc::new(handle), run, permits, stopped).await;
        // Before the lease ends: a run that this process claims again gets an executor of its own.
        let active = service.active().remove(&id);
        service.followers.notify(id, true);
        let end = match end {
            ExecutionEnd::Waiting(suspension) => suspend(&service, id, suspension).await,
            ExecutionEnd::Paused => pause(&service, id).await,
            end => end,
        };
        if matches!(end, ExecutionEnd::Released | ExecutionEnd::LeaseLost) {
            // Another process resumes the run, or this one after its next start.
            let owner = &service.lease.owner;
            if let Err(error) = service.journal.release(id, owner).await {
                tracing::warn!(run_id = %id, %error, "the lease of a run can't be released");
            }
        }
        if end == ExecutionEnd::Finished {
            tell_parent(&service, parent, id, &subject).await;
        }
        if let Some(delivery) = active.and_then(|active| active.delivery) {
            match end {
                ExecutionEnd::Finished | ExecutionEnd::Waiting(_) | ExecutionEnd::Paused => {
                    ack(&*delivery, Ack::Done).await;
                }
                ExecutionEnd::Released => ack(&*delivery, Ack::RetryAfter(Duration::ZERO)).await,
                // The new owner has a delivery of its own, or the queue redelivers the run after its timeout.
                ExecutionEnd::LeaseLost => {}
            }
        }
        let was_on_probation = permits.is_some_and(|mut permits| permits.end_probation());
        if service.has_waiting.load(Ordering::Acquire) || was_on_probation {
            service.slot_freed.notify_one();
        }
    });
}

/// Suspends a run that waits. If something was sent to it meanwhile, or the journal can't be reached for as long as the lease lasts, a
/// process claims it again.
async fn suspend(service: &WorkflowService, id: Uuid, suspension: Suspension) -> ExecutionEnd {
    let owner = &service.lease.owner;
    let mut attempts = SUSPEND_ATTEMPTS;
    loop {
        match service.journal.suspend(id, owner, &suspension).await {
            Ok(SuspendOutcome::Suspended) => {
                service.notify_all(id, false).await;
                return ExecutionEnd::Waiting(suspension);
            }
            Ok(SuspendOutcome::InboxChanged) => {
                service.has_waiting.store(true, Ordering::Release);
                return ExecutionEnd::Released;
            }
            Ok(SuspendOutcome::LeaseLost) => return ExecutionEnd::LeaseLost,
            Err(error) => {
                tracing::warn!(run_id = %id, %error, "a run that waits can't be suspended");
                attempts -= 1;
                if attempts == 0 {
                    return ExecutionEnd::Released;
                }
                tokio::time::sleep(service.lease.ttl / SUSPEND_ATTEMPTS).await;
            }
        }
    }
}

/// Pauses a run in which no step runs. If it was resumed meanwhile, or the journal can't be reached, a process claims it again.
async fn pause(service: &WorkflowService, id: Uuid) -> ExecutionEnd {
    match service.journal.pause(id, &service.lease.owner).await {
        Ok(true) => {
            service.notify_all(id, false).await;
            ExecutionEnd::Paused
        }
        Ok(false) => {
            service.has_waiting.store(true, Ordering::Release);
            ExecutionEnd::Released
        }
        Err(error) => {
            tracing::warn!(run_id = %id, %error, "a run can't be paused now");
            ExecutionEnd::Released
        }
    }
}

/// Wakes the suspended runs whose time has come.
pub(crate) async fn wake_due(service: &WorkflowService) -> Result<(), StoreError> {
    loop {
        let woken = service.journal.wake_due(WAKE_BATCH).await?;
        for run in &woken {
            service.wake(*run).await;
        }
        if woken.len() < WAKE_BATCH as usize {
            return Ok(());
        }
    }
}

/// Acknowledges a delivery. If that fails, the queue redelivers the run, and the journal says who owns it.
pub(crate) async fn ack(delivery: &dyn Delivery, ack: Ack) {
    if let Err(error) = delivery.ack(ack).await {
        tracing::debug!(%error, "a delivery of the queue can't be acknowledged");
    }
}
