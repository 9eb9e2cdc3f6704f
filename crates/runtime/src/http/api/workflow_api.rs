//! Runs of workflows over HTTP: to begin one, to see how far it has come, and to call it off.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use crate::auth::claims::Caller;
use crate::error::AgentError;
use crate::error::problem::Problem;
use crate::http::any_method::{self, Asked};
use crate::http::api::agent_api::{admit, not_allowed, options};
use crate::http::api::api_state::ApiState;
use crate::http::api::workflow_event_stream;
use crate::http::content_negotiation::wanted;
use crate::http::idempotency;
use crate::http::layers::rate_limits::within;
use crate::http::request_reader::read_body;
use crate::http::responses::{json as as_json, problem};
use crate::schema::formats::Uuid;
use crate::spec::workflow_spec::{OnFailure, WorkflowSpec};
use crate::workflow::leases;
use crate::workflow::run_report::{RunReport, RunStatus};
use crate::workflow::run_start;
use crate::workflow::step_task::INVOKE;
use crate::workflow::workflow_service::WorkflowService;

const RUNS: &str = "/v1/workflows/{name}/runs";
const ONE: &str = "/v1/runs/{run_id}";
const EVENTS: &str = "/v1/runs/{run_id}/events";
const CANCEL: &str = "/v1/runs/{run_id}/cancel";
/// The paths that no endpoint may have.
pub(crate) const PATHS: [&str; 4] = [RUNS, ONE, EVENTS, CANCEL];

/// The routes of the runs; none if there is no workflow.
pub(crate) fn routes(runs: &Arc<WorkflowService>, state: &Arc<ApiState>) -> Router {
    if runs.is_empty() {
        return Router::new();
    }
    let (runs, state) = (Arc::clone(runs), Arc::clone(state));
    any_method::routes(PATHS, move |asked, body| {
        let (runs, state) = (Arc::clone(&runs), Arc::clone(&state));
        async move { answer(&runs, &state, &asked, body).await }
    })
}

type Answered = Result<Response, Box<Problem>>;

async fn answer(
    runs: &Arc<WorkflowService>,
    state: &ApiState,
    asked: &Asked,
    body: Body,
) -> Response {
    let (method, headers) = (&asked.parts.method, &asked.parts.headers);
    let (is_right, allow) = match asked.path {
        RUNS | CANCEL => (*method == Method::POST, "POST, OPTIONS"),
        _ => (
            *method == Method::GET || *method == Method::HEAD,
            "GET, HEAD, OPTIONS",
        ),
    };
    if *method == Method::OPTIONS {
        return options(allow);
    }
    if !is_right {
        return not_allowed(allow);
    }
    let caller = match admit(state.auth.as_ref(), headers, &[]).await {
        Ok(caller) => caller,
        Err(response) => return *response,
    };
    if asked.path != RUNS {
        let standing = state.limits.check(&caller, &asked.parts);
        return within(standing, &state.resources.metrics, async {
            let told = of_run(runs, &caller, asked).await;
            told.unwrap_or_else(|document| problem(*document))
        })
        .await;
    }
    let name = asked.parameters.get("name").map_or("", String::as_str);
    let Some(spec) = runs.spec(name) else {
        return problem(Problem::new(404, format!("there is no workflow `{name}`")));
    };
    // A workflow is no way around the roles of the endpoints that it asks.
    for roles in roles(runs, spec) {
        if let Err(response) = admit(state.auth.as_ref(), headers, roles).await {
            return *response;
        }
    }
    let limits = &state.limits;
    let standing = limits.check_endpoint(&caller, &asked.parts, None, spec.agent);
    within(standing, &state.resources.metrics, async {
        let begun = begin(runs, state, spec, caller, &asked.parts, body).await;
        begun.unwrap_or_else(|document| problem(*document))
    })
    .await
}

/// The lists of roles of each of which a caller needs one: the workflow's, and those of the endpoints that it asks.
fn roles(runs: &Arc<WorkflowService>, spec: &WorkflowSpec) -> Vec<&'static [&'static str]> {
    let asked = spec.steps.iter().flat_map(|step| {
        let fallback = match step.on_failure {
            OnFailure::Fallback(agent) => Some((agent, INVOKE)),
            _ => None,
        };
        [Some((step.agent, step.endpoint)), fallback]
    });
    let places = asked.flatten().filter_map(|place| runs.targets.get(&place));
    let mut lists = vec![spec.roles];
    lists.extend(places.map(|place| place.mounted.spec.roles));
    lists.sort_unstable();
    lists.dedup();
    lists.retain(|roles| !roles.is_empty());
    lists
}

async fn begin(
    runs: &Arc<WorkflowService>,
    state: &ApiState,
    spec: &'static WorkflowSpec,
    caller: Caller,
    parts: &Parts,
    body: Body,
) -> Answered {
    takes_json(parts)?;
    let mut input = read_body(&parts.headers, body, state.body_limit).await?;
    let key = idempotency::key(&parts.headers)?;
    let input = std::mem::take(input.json()?);
    let asked = key.is_some().then(|| input.clone());
    let run = run_start::start_run(runs, spec, input, caller, key)
        .await
        .map_err(told)?;
    if asked.is_some_and(|asked| asked != run.input) {
        return Err(idempotency::used_otherwise());
    }
    // A repeated request gets the same answer, whatever the run's status is by now.
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
    let mut response = as_json(run);
    *response.status_mut() = StatusCode::ACCEPTED;
    if let Ok(location) = HeaderValue::from_str(&format!("/v1/runs/{}", run.run_id)) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

/// Answers for one run. Somebody else's is not there.
async fn of_run(runs: &Arc<WorkflowService>, caller: &Caller, asked: &Asked) -> Answered {
    let id = asked.parameters.get("run_id").map_or("", String::as_str);
    let missing = || Box::new(Problem::new(404, "there is no such run"));
    let run = id.parse::<Uuid>().map_err(|_| missing())?;
    let subject = &caller.subject;
    if asked.path != EVENTS {
        takes_json(&asked.parts)?;
    }
    let report = runs.report(run, subject).await.map_err(told)?;
    let report = report.ok_or_else(missing)?;
    match asked.path {
        EVENTS => workflow_event_stream::respond(runs, &report, &asked.parts.headers).await,
        CANCEL => cancel(runs, report).await,
        _ => Ok(as_json(&report)),
    }
}

async fn cancel(runs: &Arc<WorkflowService>, report: RunReport) -> Answered {
    let is_open = leases::cancel(runs, report.run_id).await.map_err(told)?;
    if !is_open && report.status != RunStatus::Cancelled {
        let problem = AgentError::conflict("the run is over").to_problem();
        return Err(Box::new(problem));
    }
    Ok(accepted(&WorkflowRun {
        run_id: report.run_id,
        workflow: report.workflow,
        status: report.status,
    }))
}

fn takes_json(parts: &Parts) -> Result<(), Box<Problem>> {
    match wanted(&parts.headers, false) {
        Some(_) => Ok(()),
        None => {
            let detail = "this can be answered as application/json only";
            Err(Box::new(Problem::new(406, detail)))
        }
    }
}

/// What the caller is told of an error; the log is told the rest.
fn told(error: impl Into<AgentError>) -> Box<Problem> {
    any_method::told("runs", error)
}
