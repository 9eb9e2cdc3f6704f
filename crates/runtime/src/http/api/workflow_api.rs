//! Workflow runs: start one, read its report and its events, cancel it.

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
use crate::http::admission::{admit, require_role};
use crate::http::api::api_state::ApiState;
use crate::http::api::workflow_event_stream;
use crate::http::api_error::ApiError;
use crate::http::content_negotiation::accept_json;
use crate::http::idempotency;
use crate::http::layers::rate_limits::with_rate_headers;
use crate::http::raw_request::{self, RawRequest};
use crate::http::request_reader::{read_body, read_query};
use crate::http::responses::{json_response, other_method};
use crate::schema::Uuid;
use crate::spec::workflow_spec::{OnFailure, WorkflowSpec};
use crate::workflow::leases;
use crate::workflow::run_report::{RunReport, RunStatus};
use crate::workflow::run_start;
use crate::workflow::step_task::INVOKE;
use crate::workflow::workflow_service::WorkflowService;

const RUNS: &str = "/v1/workflows/{name}/runs";
const RUN: &str = "/v1/runs/{run_id}";
const EVENTS: &str = "/v1/runs/{run_id}/events";
const CANCEL: &str = "/v1/runs/{run_id}/cancel";
/// The paths that no endpoint may have.
pub(crate) const PATHS: [&str; 4] = [RUNS, RUN, EVENTS, CANCEL];

/// The routes of workflow runs; none if there is no workflow.
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
        RUNS | CANCEL => (*method == Method::POST, "POST, OPTIONS"),
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
            handle_run(runs, &caller, &request).await.into_response()
        });
        return Ok(response.await);
    }
    let name = request.parameter("name");
    let Some(spec) = runs.spec(name) else {
        return Err(ApiError::not_found(format!(
            "there is no workflow `{name}`"
        )));
    };
    if state.auth.is_some() {
        require_roles(runs, spec, &caller)?;
    }
    let limits = &state.limits;
    let status = limits.check_endpoint(&caller, &request.parts, None, spec.agent);
    let response = with_rate_headers(status, metrics, async {
        let started = start_run(runs, state, spec, caller, &request, body).await;
        started.into_response()
    });
    Ok(response.await)
}

/// Checks the roles of a workflow and of every endpoint that its steps call: starting a workflow must not get around
/// them.
fn require_roles(
    runs: &WorkflowService,
    spec: &'static WorkflowSpec,
    caller: &Caller,
) -> Result<(), ApiError> {
    let targets = spec.steps.iter().flat_map(|step| {
        let fallback = match step.on_failure {
            OnFailure::Fallback(agent) => Some((agent, INVOKE)),
            _ => None,
        };
        [Some((step.agent, step.endpoint)), fallback]
    });
    let targets = targets.flatten();
    let targets = targets.filter_map(|target| runs.targets.get(&target));
    let mut lists = vec![spec.roles];
    lists.extend(targets.map(|target| target.mounted.spec.roles));
    // Of several missing roles, the same one is reported every time.
    lists.sort_unstable();
    for roles in lists {
        require_role(caller, roles)?;
    }
    Ok(())
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
    let key = idempotency::read_key(headers)?;
    let input = std::mem::take(input.json()?);
    let repeated = key.is_some().then(|| input.clone());
    let run = run_start::start_run(runs, spec, input, caller, key).await?;
    if repeated.is_some_and(|input| input != run.input) {
        return Err(idempotency::key_reused());
    }
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

/// 202, with the path of the run's report.
fn accepted(run: &WorkflowRun) -> Response {
    let mut response = json_response(run);
    *response.status_mut() = StatusCode::ACCEPTED;
    if let Ok(location) = HeaderValue::from_str(&format!("/v1/runs/{}", run.run_id)) {
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
    let no_such_run = || ApiError::not_found("there is no such run");
    let run = request.parameter("run_id").parse::<Uuid>();
    let run = run.map_err(|_| no_such_run())?;
    if request.path != EVENTS {
        accept_json(&request.parts.headers)?;
    }
    let report = runs.report(run, &caller.subject).await?;
    let report = report.ok_or_else(no_such_run)?;
    match request.path {
        EVENTS => workflow_event_stream::respond(runs, &report, &request.parts.headers).await,
        CANCEL => cancel(runs, report).await,
        _ => Ok(json_response(&report)),
    }
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
