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
use crate::future::off_worker;
use crate::http::api_error::{ApiError, Denied};
use crate::http::calls::MountedEndpoint;
use crate::http::calls::agent_call::{AgentCall, Answer, Waits};
use crate::http::calls::durable_call::AgentRun;
use crate::http::calls::workflow_call;
use crate::http::layers::rate_limiter::RateStatus;
use crate::http::layers::rate_limits::with_rate_headers;
use crate::http::protocols::mcp_adapter::mcp_envelope::{self, Era, McpRequest};
use crate::http::protocols::mcp_adapter::mcp_methods::of_era;
use crate::http::protocols::mcp_adapter::mcp_tasks::{created, knows_tasks};
use crate::http::protocols::mcp_adapter::pending_input::{
    can_ask, give, input_required, run_of_state, settled,
};
use crate::http::protocols::mcp_adapter::run_guard::RunGuard;
use crate::http::protocols::mcp_adapter::tool_catalog::{ToolEntry, ToolTarget};
use crate::http::protocols::mcp_adapter::{McpService, mcp_progress};
use crate::run::run_input::Input;
use crate::run::supervision::Running;
use crate::schema::{DateTime, Uuid};
use crate::spec::workflow_spec::WorkflowSpec;
use crate::workflow::run_report::{RunReport, RunStatus};
use crate::workflow::workflow_service::WorkflowService;

/// A call, as what answers it knows it.
#[derive(Clone)]
pub(super) struct CallContext {
    pub(super) runs: Arc<WorkflowService>,
    pub(super) caller: Caller,
    pub(super) era: Era,
    pub(super) id: RequestId,
    /// Whether the client asks its user what a run wants to know.
    pub(super) can_ask: bool,
    /// The questions that the call has answered.
    pub(super) answered: Vec<Uuid>,
}

/// A call of a tool by a caller that may call it.
struct ToolCall<'a> {
    service: &'a McpService,
    entry: &'a ToolEntry,
    context: CallContext,
    parts: &'a Parts,
    /// Where the caller wants to hear of progress, and can.
    progress: Option<ProgressToken>,
    arguments: Value,
    /// The run that it continues.
    continued: Option<Uuid>,
    /// Whether the client knows tasks.
    knows_tasks: bool,
}

impl CallContext {
    /// The response with this result.
    fn response(self, result: Value) -> Response {
        mcp_envelope::response(self.era, self.id, Ok(result))
    }

    /// The result of a call whose run waits: a request of input, or else what it waits for. `is_workflow` says whether the report is the
    /// output of the tool.
    pub(super) async fn waiting(&self, report: &RunReport, is_workflow: bool) -> Value {
        if self.can_ask {
            match input_required(&self.runs, report, &self.caller).await {
                Ok(Some(result)) => return result,
                Ok(None) => {}
                Err(error) => return self.result(&problem_result(&error.to_problem())),
            }
        }
        self.result(&match is_workflow {
            true => report_result(report),
            false => CallToolResult::error(vec![ContentBlock::text(waiting_text(report))]),
        })
    }

    /// The result of a run of a workflow that has ended, or waits.
    pub(super) async fn report(&self, report: &RunReport) -> Value {
        match report.status.is_over() {
            true => self.result(&report_result(report)),
            false => self.waiting(report, true).await,
        }
    }

    /// The report of a run once it has ended, or needs somebody.
    pub(super) async fn settled(&self, run: Uuid) -> Result<RunReport, AgentError> {
        settled(&self.runs, run, &self.caller.subject, &self.answered).await
    }

    /// `result` with the members that its era has.
    pub(super) fn result(&self, result: &CallToolResult) -> Value {
        of_era(self.era, result)
    }
}

/// Answers `tools/call`.
pub(super) async fn answer(
    service: &McpService,
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
    let mut response = with_rate_headers(status, metrics, async {
        match call(service, entry, caller, &parts, &request, params).await {
            Ok(call) => match &entry.target {
                ToolTarget::Endpoint(endpoint) => call_endpoint(endpoint, call).await,
                ToolTarget::Workflow(spec) => call_workflow(spec, call).await,
            },
            Err(error) => mcp_envelope::response(era, id, Err(error)),
        }
    })
    .await;
    if let ToolTarget::Endpoint(endpoint) = &entry.target {
        let metrics = Arc::clone(&endpoint.metrics);
        response.extensions_mut().insert(metrics);
    }
    response
}

/// What is called, and with what. A call with the state of an earlier one continues its run, and answers its questions.
async fn call<'a>(
    service: &'a McpService,
    entry: &'a ToolEntry,
    caller: Caller,
    parts: &'a Parts,
    request: &McpRequest,
    params: CallToolRequestParams,
) -> Result<ToolCall<'a>, ErrorData> {
    let runs = &service.served.runs;
    let is_stateless = request.era == Era::Stateless;
    let capabilities = request.meta.client_capabilities();
    let capabilities = capabilities.as_ref().filter(|_| is_stateless);
    let arguments = Value::Object(params.arguments.unwrap_or_default());
    let (mut continued, mut answered) = (None, Vec::new());
    if let Some(state) = params.request_state.filter(|_| is_stateless) {
        let run = run_of_state(runs, &state, &entry.target, &arguments, &caller).await?;
        let responses = params.input_responses.unwrap_or_default();
        answered = give(runs, run, responses, &caller).await?;
        continued = Some(run);
    }
    Ok(ToolCall {
        service,
        entry,
        context: CallContext {
            runs: Arc::clone(runs),
            caller,
            era: request.era,
            id: request.id.clone(),
            can_ask: can_ask(capabilities),
            answered,
        },
        parts,
        progress: mcp_progress::token(&request.meta, &parts.headers),
        arguments,
        continued,
        knows_tasks: knows_tasks(capabilities),
    })
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
        context,
        parts,
        progress,
        arguments,
        continued,
        ..
    } = call;
    let agent_call = AgentCall {
        state: &service.served.state,
        endpoint,
        caller: context.caller.clone(),
        parts,
        input: Input::text(arguments.to_string()),
        conversation: None,
        waits: Waits::Following,
    };
    let is_structured = entry.is_structured(context.era);
    let begun = async {
        let has_run = endpoint.may_wait && endpoint.runs.is_some();
        if !has_run {
            return match progress {
                None => Ok(Begun::Answered(agent_call.answer().await?, None)),
                Some(token) => Ok(Begun::Followed(agent_call.events().await?, token, None)),
            };
        }
        let run = match continued {
            None => agent_call.begin().await?,
            Some(run) => {
                let subject = context.caller.subject.clone();
                let run = (run, context.answered.clone());
                AgentRun::of(&context.runs, endpoint, subject, parts, run, true)
            }
        };
        let guard = RunGuard::new(&context.runs, run.id, context.era, parts);
        Ok::<_, ApiError>(match progress {
            None => Begun::Answered(run.answer().await?, Some(guard)),
            Some(token) => Begun::Followed(run.follow(Waits::Following), token, Some(guard)),
        })
    };
    match begun.await {
        Ok(Begun::Followed(events, token, guard)) => {
            mcp_progress::agent_stream(context, events, token, guard, is_structured)
        }
        Ok(Begun::Answered(answer, guard)) => {
            if let Some(guard) = guard {
                guard.keep();
            }
            let result = match answer {
                Answer::Output(reply) => {
                    context.result(&output_result(reply.value, is_structured).await)
                }
                Answer::Waiting(_, report) => context.waiting(&report, false).await,
            };
            context.response(result)
        }
        Err(error) => failed_response(context, error),
    }
}

/// How a call goes on.
enum Begun {
    Answered(Answer, Option<RunGuard>),
    Followed(Running, ProgressToken, Option<RunGuard>),
}

async fn call_workflow(spec: &'static WorkflowSpec, call: ToolCall<'_>) -> Response {
    let ToolCall {
        context,
        parts,
        progress,
        arguments,
        continued,
        knows_tasks,
        ..
    } = call;
    let runs = &context.runs;
    let run = match continued {
        Some(run) => run,
        None => {
            let (caller, headers) = (context.caller.clone(), &parts.headers);
            let started = workflow_call::start(runs, spec, arguments, caller, headers).await;
            match started {
                Ok(run) if knows_tasks => {
                    let created = created(runs, run.id, DateTime::from(run.created_at));
                    return context.response(created);
                }
                Ok(run) => run.id,
                Err(error) => return failed_response(context, error),
            }
        }
    };
    let guard = RunGuard::new(runs, run, context.era, parts);
    if let Some(token) = progress {
        return mcp_progress::run_stream(context, run, token, guard);
    }
    let settled = context.settled(run).await;
    guard.keep();
    match settled {
        Ok(report) => {
            let result = context.report(&report).await;
            context.response(result)
        }
        Err(error) => failed_response(context, error.into()),
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

/// What a run waits for, and where that is answered.
pub(super) fn waiting_text(report: &RunReport) -> String {
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
fn failed_response(context: CallContext, error: ApiError) -> Response {
    let problem = match error {
        ApiError::Denied(denied) => return denied.into_response(),
        ApiError::Rejected(status, detail) => Problem::new(status.as_u16(), detail),
        ApiError::Run(problem) => *problem,
        ApiError::Agent(error) => {
            if let AgentError::Internal(cause) = &error {
                tracing::error!(%cause, "a tool call failed");
            }
            error.to_problem()
        }
    };
    let result = context.result(&problem_result(&problem));
    context.response(result)
}
