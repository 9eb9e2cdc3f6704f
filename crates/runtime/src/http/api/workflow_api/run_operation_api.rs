//! A run is paused, resumed, retried or restarted by whom it belongs to.

use std::sync::Arc;

use axum::response::Response;

use crate::auth::claims::Caller;
use crate::error::AgentError;
use crate::http::admission::require_role;
use crate::http::api::workflow_api::{
    PAUSE, RESUME, RETRY, WorkflowRun, accepted, no_such_run, run_id,
};
use crate::http::api_error::ApiError;
use crate::http::calls::workflow_call::require_roles;
use crate::http::content_negotiation::accept_json;
use crate::http::idempotency;
use crate::http::raw_request::RawRequest;
use crate::http::request_reader::read_query;
use crate::spec::workflow_spec::WorkflowSpec;
use crate::workflow::agent_run;
use crate::workflow::journal::JournaledRun;
use crate::workflow::run_operations;
use crate::workflow::run_report::RunStatus;
use crate::workflow::run_start::start_run;
use crate::workflow::workflow_service::WorkflowService;

/// Does with a run of `caller` what the path says, and answers how it stands then. A run that this starts belongs to `starter`.
pub(super) async fn handle(
    runs: &Arc<WorkflowService>,
    caller: &Caller,
    starter: Caller,
    request: &RawRequest,
) -> Result<Response, ApiError> {
    accept_json(&request.parts.headers)?;
    read_query(&[], &request.parts.uri)?;
    let run = runs.journal.run(run_id(request)?, &caller.subject).await?;
    let run = run.ok_or_else(no_such_run)?;
    let status = match request.path {
        PAUSE => match run_operations::pause(runs, &run).await? {
            true => RunStatus::Paused,
            false => run.status,
        },
        RESUME => {
            run_operations::resume(runs, &run).await?;
            RunStatus::Running
        }
        RETRY => {
            if let Some(spec) = runs.spec(&run) {
                require_roles_again(runs, spec, &run, caller)?;
            }
            run_operations::retry(runs, &run).await?;
            RunStatus::Queued
        }
        _ => return restart(runs, starter, request, run).await,
    };
    Ok(accepted(&WorkflowRun {
        run_id: run.id,
        workflow: run.workflow,
        status,
    }))
}

/// Checks the roles that starting `run` needs now: what it calls runs again. A run of an agent names its endpoint in its input.
fn require_roles_again(
    runs: &WorkflowService,
    spec: &'static WorkflowSpec,
    run: &JournaledRun,
    caller: &Caller,
) -> Result<(), ApiError> {
    require_roles(runs, spec, caller)?;
    let called = agent_run::call(runs, &run.input).filter(|_| agent_run::is_agent_run(spec));
    let target = called.and_then(|called| runs.targets.get(&called));
    target.map_or(Ok(()), |target| {
        Ok(require_role(caller, target.mounted.spec.roles)?)
    })
}

/// Starts a run with the input of `run`, by the workflow's definition of now.
async fn restart(
    runs: &Arc<WorkflowService>,
    caller: Caller,
    request: &RawRequest,
    run: JournaledRun,
) -> Result<Response, ApiError> {
    let spec: &'static WorkflowSpec = match runs.specs.get(&*run.workflow) {
        Some(spec) => spec,
        None => {
            let detail = format!("the service no longer has a workflow `{}`", run.workflow);
            return Err(AgentError::conflict(detail).into());
        }
    };
    require_roles_again(runs, spec, &run, &caller)?;
    let key = idempotency::read_key(&request.parts.headers)?;
    let from = Some(run.id);
    let restarted = start_run(runs, spec, run.input, caller, key, from).await?;
    if restarted.restarted_from != from {
        return Err(idempotency::key_reused());
    }
    Ok(accepted(&WorkflowRun {
        run_id: restarted.id,
        workflow: restarted.workflow,
        status: RunStatus::Queued,
    }))
}
