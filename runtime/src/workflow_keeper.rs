//! Begins runs, holds those that are under way, and takes those that a process left behind.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};

use serde_json::Value;
use tokio::sync::{OwnedSemaphorePermit, watch};

use crate::claims::Caller;
use crate::error::AgentError;
use crate::formats::Uuid;
use crate::journal::JournaledRun;
use crate::run_report::{RunReport, RunStatus};
use crate::schema::misshapen;
use crate::schema_bounds::out_of_bounds;
use crate::workflow::WorkflowSpec;
use crate::workflow_run::{deadline, drive};
use crate::workflow_runs::{Active, Runs, now};
use crate::workflow_step::Going;

/// Begins a run.
pub(crate) async fn begin(
    runs: &Arc<Runs>,
    spec: &'static WorkflowSpec,
    input: Value,
    caller: Caller,
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
            id: Uuid::new_v7(),
            workflow: spec.name.to_owned(),
            subject: caller.subject,
            roles: caller.roles,
            input,
            status: RunStatus::Queued,
            error: None,
            created_at: now(),
            ended_at: None,
            cancelled: false,
            steps: Vec::new(),
        };
        let slot = Arc::clone(&runs.slots).try_acquire_owned().ok();
        let hold = slot.is_some().then_some(&runs.hold);
        runs.journal.begin(&run, hold).await?;
        match slot {
            Some(slot) => go_on(&runs, run.clone(), spec, slot),
            None => runs.queued.store(true, Ordering::Release),
        }
        Ok(run)
    });
    beginning.await.map_err(AgentError::internal)?
}

/// The report of a run when it is over.
pub(crate) async fn ended(runs: &Runs, run: Uuid, subject: &str) -> Result<RunReport, AgentError> {
    let gone = || AgentError::internal("a run is gone from the journal");
    loop {
        let told = runs.told(run);
        let report = runs.report(run, subject).await?.ok_or_else(gone)?;
        if report.status.is_over() {
            return Ok(report);
        }
        tokio::select! {
            () = Runs::news(told) => {}
            () = runs.shared.drain.ended() => {
                return Err(AgentError::unavailable("the service is shutting down"));
            }
        }
    }
}

/// Goes on with what other processes left behind, from now on.
pub(crate) fn start(runs: &Arc<Runs>) {
    if !runs.is_kept.swap(true, Ordering::AcqRel) {
        tokio::spawn(keep(Arc::downgrade(runs)));
    }
}

/// Holds the runs that are under way, and takes those that nobody holds, for as long as the service is there.
async fn keep(runs: Weak<Runs>) {
    loop {
        let Some(runs) = runs.upgrade() else { return };
        if let Err(error) = renew(&runs).await {
            tracing::warn!(%error, "the runs under way can't be held");
        }
        if !runs.shared.drain.begun()
            && let Err(error) = claim(&runs).await
        {
            tracing::warn!(%error, "runs that were left behind can't be taken");
        }
        let pause = tokio::time::sleep(runs.hold.lasts / 3);
        let freed = Arc::clone(&runs.freed);
        drop(runs);
        tokio::select! {
            () = pause => {}
            () = freed.notified() => {}
        }
    }
}

async fn renew(runs: &Runs) -> Result<(), AgentError> {
    let ids = runs.active().keys().copied().collect::<Vec<_>>();
    for id in ids {
        // Where it is not held any more, its driver finds out with its next change.
        if runs.journal.renew(id, &runs.hold).await? == Some(true)
            && let Some(active) = runs.active().get(&id)
        {
            active.cancel.send_replace(true);
        }
    }
    Ok(())
}

async fn claim(runs: &Arc<Runs>) -> Result<(), AgentError> {
    for spec in runs.specs.values() {
        loop {
            let Ok(slot) = Arc::clone(&runs.slots).try_acquire_owned() else {
                runs.queued.store(true, Ordering::Release);
                return Ok(());
            };
            let claimed = runs.journal.claim(spec.name, &runs.hold, 1).await?;
            let Some(run) = claimed.into_iter().next() else {
                break;
            };
            // A driver that was too slow to hold its run still has it.
            if !runs.active().contains_key(&run.id) {
                go_on(runs, run, spec, slot);
            }
        }
    }
    runs.queued.store(false, Ordering::Release);
    Ok(())
}

/// Has `run`, which this process holds, be driven in a task of its own.
fn go_on(
    runs: &Arc<Runs>,
    run: JournaledRun,
    spec: &'static WorkflowSpec,
    slot: OwnedSemaphorePermit,
) {
    let (cancel, cancelled) = watch::channel(false);
    let (tell, told) = watch::channel(());
    let id = run.id;
    runs.active().insert(id, Active { cancel, told });
    let going = Going {
        runs: Arc::clone(runs),
        id,
        spec,
        caller: Caller {
            subject: run.subject.clone(),
            roles: run.roles.clone(),
        },
        input: run.input.clone(),
        deadline: deadline(run.created_at, spec.timeout_ms),
        told: tell,
    };
    let runs = Arc::clone(runs);
    tokio::spawn(async move {
        drive(Arc::new(going), run, cancelled).await;
        runs.active().remove(&id);
        drop(slot);
        if runs.queued.load(Ordering::Acquire) {
            runs.freed.notify_one();
        }
    });
}
