//! Workflow runs: start one, list those of the caller, read a report and its events, cancel a run.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::auth::claims::Caller;
use crate::error::AgentError;
use crate::http::admission::{admit, require_role};
use crate::http::api::api_state::ApiState;
use crate::http::api::workflow_event_stream;
use crate::http::api_error::ApiError;
use crate::http::content_negotiation::accept_json;
use crate::http::idempotency;
use crate::http::layers::rate_limits::with_rate_headers;
use crate::http::pagination::{Page, decode_number, invalid_cursor};
use crate::http::raw_request::{self, RawRequest};
use crate::http::request_reader::{read_body, read_query};
use crate::http::responses::{json_response, other_method};
use crate::schema::{DateTime, Uuid};
use crate::spec::endpoint_spec::{Parameter, ParameterKind, ParameterLocation};
use crate::spec::workflow_spec::{OnFailure, WorkflowSpec};
use crate::workflow::journal::{RunFacts, RunQuery};
use crate::workflow::leases;
use crate::workflow::run_report::{RunReport, RunStatus};
use crate::workflow::run_start;
use crate::workflow::step_task::INVOKE;
use crate::workflow::workflow_service::WorkflowService;

const RUNS: &str = "/v1/workflows/{name}/runs";
const LIST: &str = "/v1/runs";
const RUN: &str = "/v1/runs/{run_id}";
const EVENTS: &str = "/v1/runs/{run_id}/events";
const CANCEL: &str = "/v1/runs/{run_id}/cancel";
/// The paths that no endpoint may have.
pub(crate) const PATHS: [&str; 5] = [RUNS, LIST, RUN, EVENTS, CANCEL];

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
            let handled = match request.path {
                LIST => list_runs(runs, &caller, &request).await,
                _ => handle_run(runs, &caller, &request).await,
            };
            handled.into_response()
        });
        return Ok(response.await);
    }
    let name = request.parameter("name");
    let Some(spec) = runs.specs.get(name).copied() else {
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
    let input = std::mem::take(input.json().await?);
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
        EVENTS => workflow_event_stream::respond(runs, &report, &request.parts).await,
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

/// The longest name of a workflow that is looked for, in characters.
const LONGEST_NAME: usize = 64;
/// What narrows the list down, besides the parameters of a page.
const LIST_FILTERS: [Parameter; 3] = [
    query_text("since"),
    query_text("status"),
    query_text("workflow"),
];

const fn query_text(name: &'static str) -> Parameter {
    Parameter {
        name,
        location: ParameterLocation::Query,
        kind: ParameterKind::String,
    }
}

/// A run of a workflow, without its steps.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "WorkflowRunSummary", example = json!({
    "run_id": "01936f2e-7b1c-7000-8000-000000000004",
    "workflow": "release",
    "status": "running",
    "created_at": "2026-01-01T12:00:00Z",
}))]
pub(super) struct RunSummary {
    /// Identifies the run.
    run_id: Uuid,
    /// The workflow's name.
    workflow: String,
    /// How the run stands.
    status: RunStatus,
    /// Why it did not complete, or what it continued without.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    /// When it was started, in UTC to the millisecond.
    created_at: DateTime,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_at: Option<DateTime>,
}

/// A page of workflow runs.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "WorkflowRunList", example = json!({ "runs": [], "next_cursor": null }))]
pub(super) struct RunList {
    /// The runs, the newest first.
    pub(super) runs: Vec<RunSummary>,
    /// Where the next page begins; null if this is the last one.
    pub(super) next_cursor: Option<String>,
}

/// The page of the caller's runs that `request` asks for.
async fn list_runs(
    service: &WorkflowService,
    caller: &Caller,
    request: &RawRequest,
) -> Result<Response, ApiError> {
    accept_json(&request.parts.headers)?;
    let (page, filters) = Page::read_with(&LIST_FILTERS, &request.parts.uri)?;
    let workflow = filters.get("workflow").and_then(Value::as_str);
    if workflow.is_some_and(|name| name.chars().count() > LONGEST_NAME) {
        let detail = format!("`workflow` has more than {LONGEST_NAME} characters");
        return Err(AgentError::bad_request(detail).into());
    }
    let query = RunQuery {
        subject: &caller.subject,
        workflow,
        status: filters.get("status").map(read_status).transpose()?,
        since: read_since(&filters)?,
        after: page.cursor.as_deref().map(read_run_cursor).transpose()?,
    };
    let runs = service.journal.list(&query, page.limit + 1).await?;
    let (runs, next_cursor) = page.cut(runs, run_cursor);
    Ok(json_response(&RunList {
        runs: runs.into_iter().map(RunSummary::from).collect(),
        next_cursor,
    }))
}

fn read_status(status: &Value) -> Result<RunStatus, AgentError> {
    RunStatus::deserialize(status)
        .map_err(|_| AgentError::invalid("/status", "must be the status of a run"))
}

fn read_since(filters: &Map<String, Value>) -> Result<Option<SystemTime>, AgentError> {
    let since = filters.get("since").and_then(Value::as_str);
    let since = since.map(|since| {
        let moment = since.parse::<DateTime>();
        moment.map_err(|error| AgentError::invalid("/since", error.to_string()))
    });
    Ok(since.transpose()?.map(SystemTime::from))
}

/// The digits of a cursor that are a time: milliseconds, up to the year 10889.
const TIME_DIGITS: usize = 12;

/// The creation time and the id of a run, in hexadecimal digits.
fn run_cursor(run: &RunFacts) -> String {
    let since = run.created_at.duration_since(UNIX_EPOCH);
    let millis = since.unwrap_or_default().as_millis();
    let id = run.id.to_string().replace('-', "");
    format!("{millis:0TIME_DIGITS$x}{id}")
}

fn read_run_cursor(cursor: &str) -> Result<(SystemTime, Uuid), ApiError> {
    let parts = cursor.split_at_checked(TIME_DIGITS);
    let (time, id) = parts
        .filter(|(_, id)| id.len() == 32)
        .ok_or_else(invalid_cursor)?;
    let time = UNIX_EPOCH + Duration::from_millis(decode_number(time)?);
    let mut bytes = [0; 16];
    for (byte, at) in bytes.iter_mut().zip((0..32).step_by(2)) {
        let digits = id.get(at..at + 2).ok_or_else(invalid_cursor)?;
        *byte = decode_number(digits)? as u8;
    }
    Ok((time, Uuid::from_bytes(bytes)))
}

impl From<RunFacts> for RunSummary {
    fn from(facts: RunFacts) -> Self {
        Self {
            run_id: facts.id,
            workflow: facts.workflow,
            status: facts.status,
            error: facts.error,
            created_at: DateTime::from(facts.created_at),
            ended_at: facts.ended_at.map(DateTime::from),
        }
    }
}
