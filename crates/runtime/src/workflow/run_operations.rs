//! What those to whom runs belong do with them: pause, resume, retry and delete them, from any process.
//!
//! Invariant: the journal decides. Of several callers who ask for the same at once, it lets one through.

use std::sync::Arc;

use crate::error::AgentError;
use crate::future::BoxFuture;
use crate::schema::Uuid;
use crate::workflow::execution::run_handle::Stop;
use crate::workflow::journal::run_requests::{PauseOutcome, ResumeOutcome};
use crate::workflow::journal::{JournaledRun, RunQuery};
use crate::workflow::run_report::RunStatus;
use crate::workflow::run_start::spawn_supervisor;
use crate::workflow::workflow_service::WorkflowService;

/// How many runs one request deletes.
const DELETED_AT_ONCE: u32 = 1_000;

/// The statuses of runs that can be deleted.
pub(crate) const FINISHED: [RunStatus; 5] = [
    RunStatus::Completed,
    RunStatus::CompletedWithFailures,
    RunStatus::Failed,
    RunStatus::Escalated,
    RunStatus::Cancelled,
];

/// Pauses a run once the steps that run have ended, and the runs that it waits for; says whether it is paused now.
///
/// # Errors
/// 409 if the run has ended.
pub(crate) async fn pause(
    service: &Arc<WorkflowService>,
    run: &JournaledRun,
) -> Result<bool, AgentError> {
    let is_paused = pause_one(service, run.id).await?;
    for child in children(service, run).await? {
        pause_child(service, child, &run.subject).await?;
    }
    Ok(is_paused)
}

async fn pause_one(service: &WorkflowService, run: Uuid) -> Result<bool, AgentError> {
    match service.journal.request_pause(run).await? {
        PauseOutcome::Paused => {
            service.notify_all(run, false).await;
            Ok(true)
        }
        PauseOutcome::Requested => {
            service.stop(run, Stop::Pause).await;
            Ok(false)
        }
        PauseOutcome::Finished => Err(AgentError::conflict("the run is over")),
    }
}

/// Pauses the run `child` of `subject`, which a run waits for that is paused. One that has ended, or does not exist yet, stays as it is.
pub(crate) fn pause_child<'a>(
    service: &'a Arc<WorkflowService>,
    child: Uuid,
    subject: &'a str,
) -> BoxFuture<'a, Result<(), AgentError>> {
    Box::pin(async move {
        let found = service.journal.run(child, subject).await?;
        let Some(run) = found.filter(|run| !run.status.is_over()) else {
            return Ok(());
        };
        unless_over(pause(service, &run).await.map(|_| ()))
    })
}

/// Lets a run continue that is paused, or is to be, and the runs that it waits for.
///
/// # Errors
/// 409 if it is neither, or has ended.
pub(crate) async fn resume(
    service: &Arc<WorkflowService>,
    run: &JournaledRun,
) -> Result<(), AgentError> {
    match service.journal.resume(run.id).await? {
        ResumeOutcome::Resumed => {}
        ResumeOutcome::NotPaused => return Err(AgentError::conflict("the run is not paused")),
        ResumeOutcome::Finished => return Err(AgentError::conflict("the run is over")),
    }
    for child in children(service, run).await? {
        resume_child(service, child, &run.subject).await?;
    }
    spawn_supervisor(service);
    service.wake(run.id).await;
    Ok(())
}

fn resume_child<'a>(
    service: &'a Arc<WorkflowService>,
    child: Uuid,
    subject: &'a str,
) -> BoxFuture<'a, Result<(), AgentError>> {
    Box::pin(async move {
        match service.journal.run(child, subject).await? {
            Some(run) => unless_over(resume(service, &run).await),
            None => Ok(()),
        }
    })
}

/// The runs that `run` waits for now.
async fn children(service: &WorkflowService, run: &JournaledRun) -> Result<Vec<Uuid>, AgentError> {
    let now = service.journal.run(run.id, &run.subject).await?;
    let actions = now.map_or(Vec::new(), |run| run.actions);
    Ok(actions.iter().filter_map(|action| action.run).collect())
}

/// What was done with a run that another one waits for: one that stands otherwise by now is left alone.
fn unless_over(done: Result<(), AgentError>) -> Result<(), AgentError> {
    match done {
        Err(AgentError::Conflict(_)) => Ok(()),
        done => done,
    }
}

/// Lets a run that failed or was cancelled continue: every step that did not succeed is pending again.
///
/// # Errors
/// 409 for a run that can't be retried, and if somebody else does so at the same moment.
pub(crate) async fn retry(
    service: &Arc<WorkflowService>,
    run: &JournaledRun,
) -> Result<(), AgentError> {
    let refused = match run.status {
        RunStatus::Failed | RunStatus::Escalated | RunStatus::Cancelled => None,
        RunStatus::Completed | RunStatus::CompletedWithFailures => {
            Some("the run completed; it can be restarted")
        }
        RunStatus::Queued | RunStatus::Running | RunStatus::Waiting | RunStatus::Paused => {
            Some("the run is not over")
        }
    };
    let refused = refused.or_else(|| {
        let is_known = service.spec(run).is_some();
        (!is_known).then_some("the workflow has another definition now; the run can be restarted")
    });
    if let Some(refused) = refused {
        return Err(AgentError::conflict(refused));
    }
    if !service.journal.retry(run).await? {
        return Err(AgentError::conflict(
            "somebody else has just retried the run",
        ));
    }
    spawn_supervisor(service);
    service.wake(run.id).await;
    Ok(())
}

/// Deletes finished runs that `query` matches, the oldest first. Returns how many it deleted, and whether there may be more.
///
/// # Errors
/// 503 if the journal can't be reached.
pub(crate) async fn delete(
    service: &WorkflowService,
    query: &RunQuery<'_>,
) -> Result<(u64, bool), AgentError> {
    let deleted = service
        .journal
        .delete_finished(query, DELETED_AT_ONCE)
        .await?;
    Ok((deleted, deleted >= u64::from(DELETED_AT_ONCE)))
}
