//! Workflow runs: start one, list those of the caller, read a report and its events, list and answer questions, send an event, cancel,
//! pause, resume, retry or restart a run, delete those that have ended.
//!
//! Invariant: whoever may not see a run gets the answer that there is none. A run belongs to the caller who started it; one that a schedule
//! started belongs to all who may start its workflow.

pub(crate) mod run_actions;
pub(crate) mod run_list;
mod run_operation_api;
pub(crate) mod workflow_event_stream;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use crate::auth::claims::Caller;
use crate::error::AgentError;
use crate::http::admission::admit;
use crate::http::api::workflow_api::run_list::{delete_runs, list_runs};
use crate::http::api_error::ApiError;
use crate::http::calls::api_state::ApiState;
use crate::http::calls::workflow_call::{self, require_roles};
use crate::http::content_negotiation::accept_json;
use crate::http::layers::rate_limits::with_rate_headers;
use crate::http::raw_request::{self, RawRequest};
use crate::http::request_reader::{read_body, read_query};
use crate::http::responses::{json_response, other_method};
use crate::schema::Uuid;
use crate::spec::workflow_spec::WorkflowSpec;
use crate::workflow::journal::schedule_store::subject_of;
use crate::workflow::leases;
use crate::workflow::run_report::{RunReport, RunStatus};
use crate::workflow::workflow_service::WorkflowService;

const RUNS: &str = "/v1/workflows/{name}/runs";
const LIST: &str = "/v1/runs";
const ACTIONS: &str = "/v1/actions";
const RUN: &str = "/v1/runs/{run_id}";
const EVENTS: &str = "/v1/runs/{run_id}/events";
const CANCEL: &str = "/v1/runs/{run_id}/cancel";
const ACTION: &str = "/v1/runs/{run_id}/actions/{action_id}";
const EVENT: &str = "/v1/runs/{run_id}/events/{event}";
const PAUSE: &str = "/v1/runs/{run_id}/pause";
const RESUME: &str = "/v1/runs/{run_id}/resume";
const RETRY: &str = "/v1/runs/{run_id}/retry";
const RESTART: &str = "/v1/runs/{run_id}/restart";
/// The paths that no endpoint may have.
pub(crate) const PATHS: [&str; 12] = [
    RUNS, LIST, ACTIONS, RUN, EVENTS, CANCEL, ACTION, EVENT, PAUSE, RESUME, RETRY, RESTART,
];

/// The routes of runs; none if there is no workflow and no agent that asks.
pub(crate) fn routes(runs: &Arc<WorkflowService>, state: &Arc<ApiState>) -> Router {
    if runs.is_empty() {
        return Router::new();
    }
    let (runs, state) = (Arc::clone(runs), Arc::clone(state));
    raw_request::routes(PATHS, move |request, body| {
        let (runs, state) = (Arc::clone(&runs), Arc::clone(&state));
        async move { handle(&runs, &state, request, body).await.into_response() }
    })
}

async fn handle(
    runs: &Arc<WorkflowService>,
    state: &ApiState,
    request: RawRequest,
    body: Body,
) -> Result<Response, ApiError> {
    let method = &request.parts.method;
    let (is_offered, allow) = match request.path {
        RUNS | CANCEL | EVENT | PAUSE | RESUME | RETRY | RESTART => {
            (*method == Method::POST, "POST, OPTIONS")
        }
        LIST => (
            [Method::GET, Method::HEAD, Method::DELETE].contains(method),
            "GET, HEAD, DELETE, OPTIONS",
        ),
        ACTION => (
            [Method::GET, Method::HEAD, Method::POST].contains(method),
            "GET, HEAD, POST, OPTIONS",
        ),
        _ => (
            *method == Method::GET || *method == Method::HEAD,
            "GET, HEAD, OPTIONS",
        ),
    };
    if !is_offered {
        return Ok(other_method(method, allow));
    }
    let caller = admit(state.auth.as_ref(), &request.parts.headers, &[]).await?;
    let metrics = &state.resources.metrics;
    if request.path != RUNS {
        let status = state.limits.check(&caller, &request.parts);
        let response = with_rate_headers(status, metrics, async {
            let starter = caller;
            let caller = match owner(runs, &starter, &request).await {
                Ok(owner) => owner.unwrap_or_else(|| starter.clone()),
                Err(error) => return error.into_response(),
            };
            let handled = match request.path {
                LIST if *method == Method::DELETE => delete_runs(runs, &caller, &request).await,
                LIST => list_runs(runs, &caller, &request).await,
                ACTIONS => run_actions::list(runs, &caller, &request).await,
                ACTION => run_actions::handle(runs, state, &caller, &request, body).await,
                EVENT => run_actions::send(runs, state, &caller, &request, body).await,
                PAUSE | RESUME | RETRY | RESTART => {
                    run_operation_api::handle(runs, &caller, starter, &request).await
                }
                _ => handle_run(runs, &caller, &request).await,
            };
            handled.into_response()
        });
        return Ok(response.await);
    }
    let name = request.parameter("name");
    let Some(spec) = runs.declared_as(name) else {
        return Err(ApiError::not_found(format!(
            "there is no workflow `{name}`"
        )));
    };
    require_roles(runs, spec, &caller)?;
    let limits = &state.limits;
    let status = limits.check_endpoint(&caller, &request.parts, None, spec.agent);
    let response = with_rate_headers(status, metrics, async {
        let started = start_run(runs, state, spec, caller, &request, body).await;
        started.into_response()
    });
    Ok(response.await)
}

/// The schedule that started the run in the path, if the caller may start its workflow; with the caller's roles.
async fn owner(
    runs: &WorkflowService,
    caller: &Caller,
    request: &RawRequest,
) -> Result<Option<Caller>, ApiError> {
    let Ok(id) = run_id(request) else {
        return Ok(None);
    };
    for name in runs.timetables.keys() {
        let subject = subject_of(name);
        if require_roles(runs, runs.specs[name], caller).is_ok()
            && runs.journal.run(id, &subject).await?.is_some()
        {
            let roles = caller.roles.clone();
            return Ok(Some(Caller { subject, roles }));
        }
    }
    Ok(None)
}

async fn start_run(
    runs: &Arc<WorkflowService>,
    state: &ApiState,
    spec: &'static WorkflowSpec,
    caller: Caller,
    request: &RawRequest,
    body: Body,
) -> Result<Response, ApiError> {
    let headers = &request.parts.headers;
    accept_json(headers)?;
    read_query(&[], &request.parts.uri)?;
    let mut input = read_body(headers, body, state.body_limit).await?;
    let input = std::mem::take(input.json().await?);
    let run = workflow_call::start(runs, spec, input, caller, headers).await?;
    // A repeated request gets the same response, however far the run is by then.
    Ok(accepted(&WorkflowRun {
        run_id: run.id,
        workflow: run.workflow,
        status: RunStatus::Queued,
    }))
}

/// A run of a workflow.
#[derive(Serialize, JsonSchema)]
#[schemars(example = json!({
    "run_id": "01936f2e-7b1c-7000-8000-000000000004", "workflow": "release", "status": "queued",
}))]
pub(super) struct WorkflowRun {
    /// Identifies the run.
    pub(super) run_id: Uuid,
    /// The workflow's name.
    pub(super) workflow: String,
    /// How the run stands.
    pub(super) status: RunStatus,
}

fn accepted(run: &WorkflowRun) -> Response {
    accepted_run(run.run_id, run)
}

/// 202 with `body`, and the path of the run's report.
pub(super) fn accepted_run(run: Uuid, body: &impl Serialize) -> Response {
    let mut response = json_response(body);
    *response.status_mut() = StatusCode::ACCEPTED;
    if let Ok(location) = HeaderValue::from_str(&format!("/v1/runs/{run}")) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

/// A request about one run. The run of another caller does not exist.
async fn handle_run(
    runs: &Arc<WorkflowService>,
    caller: &Caller,
    request: &RawRequest,
) -> Result<Response, ApiError> {
    if request.path != EVENTS {
        accept_json(&request.parts.headers)?;
    }
    let report = own_run(runs, caller, request).await?;
    match request.path {
        EVENTS => workflow_event_stream::respond(runs, &report, &request.parts).await,
        CANCEL => cancel(runs, report).await,
        _ => Ok(json_response(&report)),
    }
}

/// The report of the run that the path names, which is the caller's.
async fn own_run(
    runs: &WorkflowService,
    caller: &Caller,
    request: &RawRequest,
) -> Result<RunReport, ApiError> {
    let report = runs.report(run_id(request)?, &caller.subject).await?;
    report.ok_or_else(no_such_run)
}

/// The id of a run in the path.
fn run_id(request: &RawRequest) -> Result<Uuid, ApiError> {
    let id = request.parameter("run_id").parse();
    id.map_err(|_| no_such_run())
}

fn no_such_run() -> ApiError {
    ApiError::not_found("there is no such run")
}

async fn cancel(runs: &Arc<WorkflowService>, report: RunReport) -> Result<Response, ApiError> {
    let is_open = leases::cancel(runs, report.run_id).await?;
    if !is_open && report.status != RunStatus::Cancelled {
        return Err(AgentError::conflict("the run is over").into());
    }
    Ok(accepted(&WorkflowRun {
        run_id: report.run_id,
        workflow: report.workflow,
        status: report.status,
    }))
}
