//! The web console at `/`: a page of files in the binary, and what only it needs of the service: prompts, contracts,
//! workflows, and what the steps of a run were called with.
//!
//! Invariant: the files are the same for everybody; what is secret comes from paths that authenticate.

use std::sync::Arc;

use axum::Router;
use axum::http::Method;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::auth::claims::Caller;
use crate::http::admission::{admit, require_role};
use crate::http::api::console_data::{self, AgentDiagnostics, ShownAgent};
use crate::http::api::docs_api::{file, html};
use crate::http::api::system_api::System;
use crate::http::api_error::ApiError;
use crate::http::calls::api_state::ApiState;
use crate::http::content_negotiation::accept_json;
use crate::http::layers::rate_limits::with_rate_headers;
use crate::http::raw_request::{self, RawRequest};
use crate::http::responses::{json_response, other_method};
use crate::run::bound_service::Service;
use crate::schema::Uuid;
use crate::workflow::execution::step_task::step_requests;
use crate::workflow::workflow_service::WorkflowService;

const PAGE: &str = "/";
const SERVICE: &str = "/console/service";
const AGENT: &str = "/console/agents/{agent}";
const RUN: &str = "/console/runs/{run_id}";
const ALLOW: &str = "GET, HEAD, OPTIONS";

/// A path, and the file there.
type File = (&'static str, fn(&System) -> Response);

/// The files of the page. `console/` has their sources.
pub(crate) const FILES: [File; 4] = [
    (PAGE, |_| html(include_str!("../../../console/index.html"))),
    ("/console/app.js", |_| {
        let text = include_str!("../../../console/app.js");
        file("text/javascript; charset=utf-8", text)
    }),
    ("/console/style.css", |_| {
        let text = include_str!("../../../console/style.css");
        file("text/css; charset=utf-8", text)
    }),
    ("/console/icon.svg", |_| {
        file("image/svg+xml", include_str!("../../../docs/icon.svg"))
    }),
];

/// The paths that no endpoint may have.
pub(crate) fn paths() -> impl Iterator<Item = &'static str> {
    let files = FILES.into_iter().map(|(path, _)| path);
    files.chain([SERVICE, AGENT, RUN])
}

/// What the console tells.
pub(crate) struct Console {
    /// The agents, in the order in which they were added.
    agents: Vec<ShownAgent>,
    workflows: Vec<Value>,
    diagnostics: Option<AgentDiagnostics>,
    runs: Arc<WorkflowService>,
    state: Arc<ApiState>,
}

impl Console {
    /// Of `services` and the workflows in `runs`.
    pub(crate) fn new(
        services: &[Service],
        diagnostics: Option<AgentDiagnostics>,
        runs: &Arc<WorkflowService>,
        state: &Arc<ApiState>,
    ) -> Self {
        let workflows = runs.declared();
        Self {
            agents: services.iter().map(ShownAgent::new).collect(),
            workflows: workflows.map(console_data::workflow).collect(),
            diagnostics,
            runs: Arc::clone(runs),
            state: Arc::clone(state),
        }
    }
}

/// The routes of what the page reads.
pub(crate) fn routes(console: Console) -> Router {
    let console = Arc::new(console);
    raw_request::routes([SERVICE, AGENT, RUN], move |request, _| {
        let console = Arc::clone(&console);
        async move { handle(&console, request).await.into_response() }
    })
}

async fn handle(console: &Console, request: RawRequest) -> Result<Response, ApiError> {
    let Console { state, .. } = console;
    let (method, headers) = (&request.parts.method, &request.parts.headers);
    if *method != Method::GET && *method != Method::HEAD {
        return Ok(other_method(method, ALLOW));
    }
    let caller = admit(state.auth.as_ref(), headers, &[]).await?;
    let status = state.limits.check(&caller, &request.parts);
    let response = with_rate_headers(status, &state.resources.metrics, async {
        let found = read(console, &caller, &request).await;
        found.map(|value| json_response(&value)).into_response()
    });
    Ok(response.await)
}

async fn read(console: &Console, caller: &Caller, request: &RawRequest) -> Result<Value, ApiError> {
    accept_json(&request.parts.headers)?;
    match request.path {
        SERVICE => Ok(service(console)),
        AGENT => {
            let name = request.parameter("agent");
            let mut agents = console.agents.iter();
            let Some(shown) = agents.find(|shown| shown.agent.slug == name) else {
                return Err(ApiError::not_found(format!("there is no agent `{name}`")));
            };
            // Its prompt is in it.
            require_role(caller, shown.agent.roles)?;
            let provider = &*console.state.resources.provider;
            Ok(console_data::agent_detail(shown, provider))
        }
        _ => run_inputs(&console.runs, &caller.subject, request.parameter("run_id")).await,
    }
}

fn service(console: &Console) -> Value {
    let diagnostics = console.diagnostics.as_ref();
    let provider = &*console.state.resources.provider;
    let agents = console.agents.iter();
    let agents = agents.map(|shown| console_data::agent_summary(shown, provider));
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "live": diagnostics.is_some(),
        "agents": agents.collect::<Vec<_>>(),
        "workflows": console.workflows,
        "diagnostics": diagnostics.map(AgentDiagnostics::get).unwrap_or_default(),
    })
}

/// The input of a run and the requests of its steps. The run of another caller does not exist. A run with another
/// definition of its workflow has no requests.
async fn run_inputs(runs: &WorkflowService, subject: &str, id: &str) -> Result<Value, ApiError> {
    let no_such_run = || ApiError::not_found("there is no such run");
    let id = id.parse::<Uuid>().map_err(|_| no_such_run())?;
    let run = runs.journal.run(id, subject).await?;
    let run = run.ok_or_else(no_such_run)?;
    let steps = runs.spec(&run).map(|spec| step_requests(runs, spec, &run));
    Ok(json!({ "input": run.input, "steps": steps.unwrap_or_default() }))
}
