//! What runs wait for: questions, which are read and answered, and events, which are sent.

use std::sync::Arc;

use axum::body::Body;
use axum::http::Method;
use axum::response::Response;
use serde_json::Value;

use crate::auth::claims::Caller;
use crate::http::api::workflow_api::{WorkflowRun, accepted, own_run, run_id};
use crate::http::api_error::ApiError;
use crate::http::calls::api_state::ApiState;
use crate::http::content_negotiation::accept_json;
use crate::http::raw_request::RawRequest;
use crate::http::request_reader::{read_body, read_query};
use crate::http::responses::json_response;
use crate::schema::Uuid;
use crate::workflow::run_report::RunStatus;
use crate::workflow::waiting::answers;
use crate::workflow::waiting::inbox::NewEvent;
use crate::workflow::workflow_service::WorkflowService;

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
