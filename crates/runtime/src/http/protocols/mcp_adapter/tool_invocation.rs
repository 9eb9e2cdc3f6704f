//! Calls of tools: the request of an endpoint, or the start of a workflow, and what became of it.
//!
//! Invariant: what goes wrong with a call that may be made is a result which the client's model reads (`isError`); an error of the protocol
//! is for a call that can't be made.

use std::sync::Arc;

use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use rmcp::model::{
    CallToolRequestParams, CallToolResult, ContentBlock, ErrorData, ProgressToken, RequestId,
};
use serde_json::{Value, json};

use crate::auth::claims::Caller;
use crate::error::AgentError;
use crate::error::problem::Problem;
use crate::event::pending_action::PendingAction;
use crate::future::off_worker;
use crate::http::api_error::{ApiError, Denied};
use crate::http::calls::MountedEndpoint;
use crate::http::calls::agent_call::{AgentCall, Answer, Waits};
use crate::http::calls::workflow_call;
use crate::http::layers::rate_limiter::RateStatus;
use crate::http::layers::rate_limits::with_rate_headers;
use crate::http::protocols::mcp_adapter::mcp_envelope::{self, Era, McpRequest};
use crate::http::protocols::mcp_adapter::mcp_methods::of_era;
use crate::http::protocols::mcp_adapter::run_guard::RunGuard;
use crate::http::protocols::mcp_adapter::tool_catalog::{ToolEntry, ToolTarget};
use crate::http::protocols::mcp_adapter::{McpService, mcp_progress};
use crate::run::run_input::Input;
use crate::run::supervision::Running;
use crate::schema::Uuid;
use crate::spec::workflow_spec::WorkflowSpec;
use crate::workflow::agent_run::wait_for_actions;
use crate::workflow::run_report::{RunReport, RunStatus};
use crate::workflow::workflow_service::WorkflowService;

/// A call of a tool by a caller that may call it.
pub(super) struct ToolCall<'a> {
    pub(super) service: &'a Arc<McpService>,
    pub(super) entry: &'a ToolEntry,
    pub(super) caller: Caller,
    pub(super) parts: &'a Parts,
    pub(super) era: Era,
    pub(super) id: RequestId,
    /// Where the caller wants to hear of progress, and can.
    pub(super) progress: Option<ProgressToken>,
    pub(super) arguments: Value,
}

/// Answers `tools/call`.
pub(super) async fn answer(
    service: &Arc<McpService>,
    caller: Caller,
    parts: Parts,
    mut request: McpRequest,
) -> Response {
    let state = &service.served.state;
    let metrics = &state.resources.metrics;
    let (era, id) = (request.era, request.id.clone());
    let found = request
        .params::<CallToolRequestParams>()
        .and_then(|params| {
            let entry = service.tools.find(&params.name).ok_or_else(|| {
                let detail = format!("there is no tool `{}`", params.name);
                ErrorData::invalid_params(detail, None)
            })?;
            Ok((entry, params))
        });
    let (entry, params) = match found {
        Ok(found) => found,
        Err(error) => {
            let status = state.limits.check(&caller, &parts);
            let response = async { mcp_envelope::response(era, id, Err(error)) };
            return with_rate_headers(status, metrics, response).await;
        }
    };
    let admitted = match &entry.target {
        ToolTarget::Endpoint(endpoint) => endpoint.admit_caller(state, &parts, &caller),
        ToolTarget::Workflow(spec) => admit_to_workflow(service, spec, &caller, &parts),
    };
    let status = match admitted {
        Ok(status) => status,
        Err(denied) => return denied.into_response(),
    };
    let call = ToolCall {
        service,
        entry,
        caller,
        parts: &parts,
        era,
        id,
        progress: mcp_progress::token(&request.meta, &parts.headers),
        arguments: Value::Object(params.arguments.unwrap_or_default()),
    };
    let mut response = with_rate_headers(status, metrics, async {
        match &entry.target {
            ToolTarget::Endpoint(endpoint) => call_endpoint(endpoint, call).await,
            ToolTarget::Workflow(spec) => call_workflow(spec, call).await,
        }
    })
    .await;
    if let ToolTarget::Endpoint(endpoint) = &entry.target {
        let metrics = Arc::clone(&endpoint.metrics);
        response.extensions_mut().insert(metrics);
    }
    response
}

fn admit_to_workflow(
    service: &McpService,
    spec: &'static WorkflowSpec,
    caller: &Caller,
    parts: &Parts,
) -> Result<Option<RateStatus>, Denied> {
    workflow_call::require_roles(&service.served.runs, spec, caller)?;
    let limits = &service.served.state.limits;
    Ok(limits.check_endpoint(caller, parts, None, spec.agent))
}

async fn call_endpoint(endpoint: &Arc<MountedEndpoint>, call: ToolCall<'_>) -> Response {
    let ToolCall {
        service,
        entry,
        caller,
        parts,
        era,
        id,
        progress,
        arguments,
    } = call;
    let agent_call = AgentCall {
        state: &service.served.state,
        endpoint,
        caller: caller.clone(),
        parts,
        input: Input::text(arguments.to_string()),
        conversation: None,
        waits: Waits::Following,
    };
    let is_structured = entry.is_structured(era);
    let answered = async {
        let has_run = endpoint.may_wait && endpoint.runs.is_some();
        if !has_run {
            return match progress {
                None => Ok(Outcome::Answer(agent_call.answer().await?, None)),
                Some(token) => Ok(Outcome::Events(agent_call.events().await?, token, None)),
            };
        }
        let run = agent_call.begin().await?;
        let guard = RunGuard::new(&service.served.runs, run.id, era, parts);
        Ok::<_, ApiError>(match progress {
            None => Outcome::Answer(run.answer().await?, Some(guard)),
            Some(token) => Outcome::Events(run.follow(Waits::Following), token, Some(guard)),
        })
    };
    match answered.await {
        Ok(Outcome::Events(events, token, guard)) => {
            let reader = mcp_progress::AgentReader {
                runs: Arc::clone(&service.served.runs),
                caller,
                era,
                id,
                token,
                is_structured,
                events,
                guard,
            };
            mcp_progress::agent_stream(reader)
        }
        Ok(Outcome::Answer(answer, guard)) => {
            let result = match answer {
                Answer::Output(reply) => output_result(reply.value, is_structured).await,
                Answer::Waiting(_, report) => waiting_result(&report, false),
            };
            if let Some(guard) = guard {
                guard.keep();
            }
            mcp_envelope::response(era, id, Ok(of_era(era, &result)))
        }
        Err(error) => failed_response(era, id, error),
    }
}

/// How a call goes on.
enum Outcome {
    Answer(Answer, Option<RunGuard>),
    Events(Running, ProgressToken, Option<RunGuard>),
}

async fn call_workflow(spec: &'static WorkflowSpec, call: ToolCall<'_>) -> Response {
    let ToolCall {
        service,
        caller,
        parts,
        era,
        id,
        progress,
        arguments,
        ..
    } = call;
    let runs = &service.served.runs;
    let headers = &parts.headers;
    let started = workflow_call::start(runs, spec, arguments, caller.clone(), headers).await;
    let run = match started {
        Ok(run) => run.id,
        Err(error) => return failed_response(era, id, error),
    };
    let guard = RunGuard::new(runs, run, era, parts);
    if let Some(token) = progress {
        let reader = mcp_progress::RunReader::new(runs, run, caller, era, id, token, guard);
        return mcp_progress::run_stream(reader);
    }
    let waited = settled(runs, run, &caller.subject).await;
    guard.keep();
    match waited {
        Ok(report) => {
            let result = report_result(&report);
            mcp_envelope::response(era, id, Ok(of_era(era, &result)))
        }
        Err(error) => failed_response(era, id, error.into()),
    }
}

/// The result of an answer: as structured content, and as text for clients that know no other.
pub(super) async fn output_result(output: String, is_structured: bool) -> CallToolResult {
    if output.is_empty() {
        return CallToolResult::success(Vec::new());
    }
    if !is_structured {
        return CallToolResult::success(vec![ContentBlock::text(output)]);
    }
    let parsed = off_worker(output.len(), move || {
        let value = serde_json::from_str::<Value>(&output);
        (value, output)
    });
    let (value, text) = parsed.await;
    let mut result = CallToolResult::success(vec![ContentBlock::text(text)]);
    // The service has written it.
    result.structured_content = value.ok();
    result
}

/// The result of a run of a workflow, as far as it has come.
pub(super) fn report_result(report: &RunReport) -> CallToolResult {
    let mut result = CallToolResult::structured(json!(report));
    result.is_error = Some(matches!(
        report.status,
        RunStatus::Failed | RunStatus::Escalated | RunStatus::Cancelled
    ));
    if !report.status.is_over() {
        let said = ContentBlock::text(waiting_text(report));
        result.content.insert(0, said);
    }
    result
}

/// What a call comes to whose run waits for a person: no result yet. `is_workflow` says whether the report is its output.
pub(super) fn waiting_result(report: &RunReport, is_workflow: bool) -> CallToolResult {
    match is_workflow {
        true => report_result(report),
        false => CallToolResult::error(vec![ContentBlock::text(waiting_text(report))]),
    }
}

/// What a run waits for, and where that is answered.
fn waiting_text(report: &RunReport) -> String {
    let run = report.run_id;
    let mut text = format!("The run {run} waits and has no result yet.");
    for action in report
        .actions
        .iter()
        .filter(|action| action.kind.needs_somebody())
    {
        let what = action.prompt.as_deref().or(action.event.as_deref());
        let what = what.unwrap_or(&action.step);
        text += &match &action.event {
            Some(event) => {
                format!(
                    "\nIt waits for the event `{event}`, sent by POST /v1/runs/{run}/events/{event}."
                )
            }
            None => format!(
                "\n{what}\nA person answers by POST /v1/runs/{run}/actions/{}.",
                action.id
            ),
        };
    }
    text + &format!("\nThe result will be at /v1/runs/{run}.")
}

/// What a model reads of a call that failed.
pub(super) fn problem_result(problem: &Problem) -> CallToolResult {
    let mut text = problem.detail.clone();
    for violation in &problem.errors {
        let place = match violation.pointer.as_str() {
            "" => "the arguments",
            pointer => pointer,
        };
        text += &format!("\n{place}: {}", violation.detail);
    }
    CallToolResult::error(vec![ContentBlock::text(text)])
}

/// The response to a call that failed, as a result; 401 and 403 are for the client and not for its model.
pub(super) fn failed_response(era: Era, id: RequestId, error: ApiError) -> Response {
    let problem = match error {
        ApiError::Denied(denied) => return denied.into_response(),
        ApiError::Rejected(status, detail) => Problem::new(status.as_u16(), detail),
        ApiError::Run(problem) => *problem,
        ApiError::Agent(error) => {
            let problem = error.to_problem();
            if let AgentError::Internal(cause) = &error {
                tracing::error!(%cause, "a tool call failed");
            }
            problem
        }
    };
    let result = problem_result(&problem);
    mcp_envelope::response(era, id, Ok(of_era(era, &result)))
}

/// The report of a run once it has ended or needs somebody.
pub(super) async fn settled(
    runs: &WorkflowService,
    run: Uuid,
    subject: &str,
) -> Result<RunReport, AgentError> {
    let needs_somebody = |action: &PendingAction| action.kind.needs_somebody();
    wait_for_actions(runs, run, subject, |actions| {
        actions.iter().any(needs_somebody)
    })
    .await
}
