//! Begins runs, and keeps those that are under way and those that were left behind going on.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};

use crate::auth::claims::Caller;
use crate::error::AgentError;
use crate::schema::bounds::out_of_bounds;
use crate::schema::formats::Uuid;
use crate::schema::new_uuid_v7;
use crate::schema::shape::misshapen;
use crate::spec::workflow_spec::WorkflowSpec;
use crate::workflow::journal::JournaledRun;
use crate::workflow::leases::{claim, go_on, renew};
use crate::workflow::queue::Queue;
use crate::workflow::queue::queue_consumer::{listen, work};
use crate::workflow::run_report::{RunReport, RunStatus};
use crate::workflow::workflow_service::{Runs, now};
use serde_json::Value;
use tokio::sync::Notify;
use tokio::time::Instant;

/// Begins a run, or gives the one that was begun before with the same `key`, whatever that was given.
pub(crate) async fn begin(
    runs: &Arc<Runs>,
    spec: &'static WorkflowSpec,
    input: Value,
    caller: Caller,
    key: Option<String>,
) -> Result<JournaledRun, AgentError> {
    if !runs.specs.contains_key(spec.name) {
        return Err(AgentError::internal(format!("no workflow `{}`", spec.name)));
    }
    let schema = serde_json::from_str(spec.input_schema).map_err(AgentError::internal)?;
    let mut violations = misshapen(&schema, &input);
    if violations.is_empty() {
        violations = out_of_bounds(&schema, &input);
    }
    if !violations.is_empty() {
        return Err(AgentError::Invalid(violations));
    }
    start(runs);
    let runs = Arc::clone(runs);
    // What is written down goes on, whether its caller waits or not.
    let beginning = tokio::spawn(async move {
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
        let key = key.as_deref();
        if let Some(queue) = runs.queue.clone() {
            if let Some(earlier) = runs.journal.create(&run, None, key).await? {
                return Ok(earlier);
            }
            // Whoever asked for the run need not wait until somebody is given it.
            tokio::spawn(hand_out(runs, queue, run.id));
            return Ok(run);
        }
        // Nothing goes past what already waits.
        let slot = match runs.queued.load(Ordering::Acquire) {
            true => None,
            false => Arc::clone(&runs.slots).try_acquire_owned().ok(),
        };
        let hold = slot.is_some().then_some(&runs.lease);
        if let Some(earlier) = runs.journal.create(&run, hold, key).await? {
            return Ok(earlier);
        }
        match slot {
            Some(slot) => go_on(&runs, run.clone(), spec, Some(slot), None),
            None => {
                runs.queued.store(true, Ordering::Release);
                runs.freed.notify_one();
            }
        }
        Ok(run)
    });
    beginning.await.map_err(AgentError::internal)?
}

/// Has the queue give a run to somebody. A run that it doesn't get is looked for in the journal.
async fn hand_out(runs: Arc<Runs>, queue: Arc<dyn Queue>, run: Uuid) {
    if let Err(detail) = queue.hand_out(run).await {
        tracing::warn!(run_id = %run, detail, "the queue does not get a run; it goes on without it");
        runs.freed.notify_one();
    }
}

/// The report of a run when it is over.
pub(crate) async fn ended(runs: &Runs, run: Uuid, subject: &str) -> Result<RunReport, AgentError> {
    let gone = || AgentError::internal("a run is gone from the journal");
    loop {
        let news = runs.news(run);
        let report = runs.report(run, subject).await?.ok_or_else(gone)?;
        if report.status.is_over() {
            return Ok(report);
        }
        tokio::select! {
            () = news.come() => {}
            () = runs.resources.shutdown.terminated() => {
                return Err(AgentError::unavailable("the service is shutting down"));
            }
        }
    }
}

/// Goes on with what other processes left behind, from now on.
pub(crate) fn start(runs: &Arc<Runs>) {
    if !runs.is_kept.swap(true, Ordering::AcqRel) {
        tokio::spawn(keep(Arc::downgrade(runs)));
        if let Some(queue) = &runs.queue {
            tokio::spawn(work(Arc::downgrade(runs), Arc::clone(queue)));
            tokio::spawn(listen(Arc::downgrade(runs), Arc::clone(queue)));
        }
    }
}

/// Holds the runs that are under way, and takes those that nobody holds unless there is a queue, for as long as the
/// service is there.
async fn keep(runs: Weak<Runs>) {
    let mut due = Instant::now();
    loop {
        let Some(runs) = runs.upgrade() else { return };
        if due <= Instant::now() {
            due = Instant::now() + runs.lease.ttl / 3;
            if let Err(error) = renew(&runs).await {
                tracing::warn!(%error, "the runs under way can't be held");
            }
        }
        if runs.queue.is_none()
            && !runs.resources.shutdown.is_draining()
            && let Err(error) = claim(&runs).await
        {
            tracing::warn!(%error, "runs that were left behind can't be taken");
        }
        // With a queue it is others who wait for that.
        let freed = runs.queue.is_none().then(|| Arc::clone(&runs.freed));
        drop(runs);
        tokio::select! {
            () = tokio::time::sleep_until(due) => {}
            () = notified(freed) => {}
        }
    }
}

async fn notified(freed: Option<Arc<Notify>>) {
    match freed {
        Some(freed) => freed.notified().await,
        None => std::future::pending().await,
    }
}
