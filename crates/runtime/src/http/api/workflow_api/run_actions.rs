//! What runs wait for: questions, which are read and answered, and events, which are sent.

use std::sync::Arc;

use axum::body::Body;
use axum::http::Method;
use axum::response::Response;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};

use crate::auth::claims::Caller;
use crate::event::pending_action::PendingAction;
use crate::http::api::workflow_api::run_list::read_id;
use crate::http::api::workflow_api::{WorkflowRun, accepted, own_run, require_roles, run_id};
use crate::http::api_error::ApiError;
use crate::http::calls::api_state::ApiState;
use crate::http::content_negotiation::accept_json;
use crate::http::pagination::Page;
use crate::http::raw_request::RawRequest;
use crate::http::request_reader::{read_body, read_query};
use crate::http::responses::json_response;
use crate::schema::Uuid;
use crate::workflow::journal::schedule_store::subject_of;
use crate::workflow::run_report::RunStatus;
use crate::workflow::waiting::answers;
use crate::workflow::waiting::inbox::{NewEvent, OpenQuestion, QuestionQuery};
use crate::workflow::workflow_service::WorkflowService;

/// A question that is open, and the run that asks.
#[derive(Serialize, JsonSchema)]
#[schemars(example = json!({
    "run_id": "01936f2e-7b1c-7000-8000-000000000004",
    "workflow": "release",
    "action": {
        "id": "01936f2e-7b1c-7000-8000-000000000005", "step": "confirm", "kind": "question", "prompt": "Release 2.1?",
        "roles": ["admin"],
    },
}))]
pub(in crate::http::api) struct ListedAction {
    /// The run that asks.
    run_id: Uuid,
    /// The workflow's name.
    workflow: String,
    /// What it asks.
    action: PendingAction,
}

/// A page of questions.
#[derive(Serialize, JsonSchema)]
#[schemars(example = json!({ "actions": [], "next_cursor": null }))]
pub(in crate::http::api) struct ActionList {
    /// The questions, the newest first.
    pub(in crate::http::api) actions: Vec<ListedAction>,
    /// Where the next page begins; null if this is the last one.
    pub(in crate::http::api) next_cursor: Option<String>,
}

/// The page of the open questions that `caller` may answer.
pub(super) async fn list(
    runs: &WorkflowService,
    caller: &Caller,
    request: &RawRequest,
) -> Result<Response, ApiError> {
    accept_json(&request.parts.headers)?;
    let page = Page::read(&request.parts.uri)?;
    // A question without roles is answered by those to whom the run belongs.
    let mut subjects = vec![caller.subject.clone()];
    let schedules = runs.timetables.keys();
    let own = schedules.filter(|name| require_roles(runs, runs.specs[*name], caller).is_ok());
    subjects.extend(own.map(|name| subject_of(name)));
    let query = QuestionQuery {
        subjects: &subjects,
        roles: caller.roles.as_deref(),
        before: page.cursor.as_deref().map(read_id).transpose()?,
    };
    let open = runs.journal.open_questions(&query, page.limit + 1).await?;
    let id = |open: &OpenQuestion| open.action.id.to_string().replace('-', "");
    let (open, next_cursor) = page.cut(open, id);
    let listed = open.into_iter().map(|open| ListedAction {
        run_id: open.run,
        workflow: open.workflow,
        action: open.action,
    });
    Ok(json_response(&ActionList {
        actions: listed.collect(),
        next_cursor,
    }))
}

/// A request about one question: read it, or answer it.
pub(super) async fn handle(
    runs: &Arc<WorkflowService>,
    state: &ApiState,
    caller: &Caller,
    request: &RawRequest,
    body: Body,
) -> Result<Response, ApiError> {
    accept_json(&request.parts.headers)?;
    let ids = || {
        let action = request.parameter("action_id").parse::<Uuid>();
        let action = action.map_err(|_| ApiError::not_found("there is no such action"))?;
        Ok::<_, ApiError>((run_id(request)?, action))
    };
    if request.parts.method != Method::POST {
        let (run, action) = ids()?;
        let stored = answers::question(runs, run, action, caller).await?;
        return Ok(json_response(&stored.action));
    }
    let value = read_json(state, request, body).await?;
    let (run, action) = ids()?;
    let stored = answers::answer(runs, run, action, value, caller).await?;
    Ok(accepted(&WorkflowRun {
        run_id: run,
        workflow: stored.workflow,
        status: RunStatus::Waiting,
    }))
}

/// Sends an event to a run of the caller.
pub(super) async fn send(
    runs: &Arc<WorkflowService>,
    state: &ApiState,
    caller: &Caller,
    request: &RawRequest,
    body: Body,
) -> Result<Response, ApiError> {
    accept_json(&request.parts.headers)?;
    let payload = read_json(state, request, body).await?;
    let report = own_run(runs, caller, request).await?;
    let event = NewEvent {
        name: request.parameter("event").to_owned(),
        payload,
        by: caller.subject.clone(),
    };
    answers::send_event(runs, &report, event).await?;
    Ok(accepted(&WorkflowRun {
        run_id: report.run_id,
        workflow: report.workflow,
        status: report.status,
    }))
}

async fn read_json(state: &ApiState, request: &RawRequest, body: Body) -> Result<Value, ApiError> {
    read_query(&[], &request.parts.uri)?;
    let mut input = read_body(&request.parts.headers, body, state.body_limit).await?;
    Ok(std::mem::take(input.json().await?))
}
