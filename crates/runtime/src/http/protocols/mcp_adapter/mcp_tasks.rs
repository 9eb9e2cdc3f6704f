//! Runs as tasks (the extension `io.modelcontextprotocol/tasks`): a workflow that a client with this extension calls is a task at once, and
//! the client asks how it stands.
//!
//! Invariant: a task is a run of its caller, by its id.

use std::sync::Arc;

use rmcp::model::{
    CancelTaskParams, ClientCapabilities, CreateTaskResult, DetailedTask, ErrorData, GetTaskParams,
    GetTaskResult, TASKS_EXTENSION_ID, Task, TaskAckResult, TaskPayload, TaskStatus,
    UpdateTaskParams,
};
use serde_json::{Value, json};

use crate::auth::claims::Caller;
use crate::http::protocols::mcp_adapter::mcp_envelope::{Era, McpRequest};
use crate::http::protocols::mcp_adapter::mcp_methods::of_era;
use crate::http::protocols::mcp_adapter::pending_input::{give, input_requests, internal, own_run};
use crate::http::protocols::mcp_adapter::tool_invocation::{report_result, waiting_text};
use crate::schema::{DateTime, Uuid};
use crate::workflow::leases;
use crate::workflow::run_report::{RunReport, RunStatus};
use crate::workflow::workflow_service::WorkflowService;

/// How often a client asks how a task stands.
const POLL_MS: u64 = 1000;

/// Whether a client knows tasks.
pub(super) fn knows_tasks(capabilities: Option<&ClientCapabilities>) -> bool {
    let extensions = capabilities.and_then(|capabilities| capabilities.extensions.as_ref());
    extensions.is_some_and(|extensions| extensions.contains_key(TASKS_EXTENSION_ID))
}

/// The result of a call that is a task from now on.
pub(super) fn created(runs: &WorkflowService, run: Uuid, created_at: DateTime) -> Value {
    let task = task(runs, run, created_at, created_at);
    json!(CreateTaskResult::new(task))
}

/// Answers a method of tasks; `None` for a method that is none.
pub(super) async fn answer(
    runs: &Arc<WorkflowService>,
    caller: &Caller,
    request: &mut McpRequest,
) -> Option<Result<Value, ErrorData>> {
    if request.era != Era::Stateless {
        return None;
    }
    let capabilities = request.meta.client_capabilities();
    match request.method.as_str() {
        "tasks/get" | "tasks/update" | "tasks/cancel" if !knows_tasks(capabilities.as_ref()) => {
            let mut required = ClientCapabilities::default();
            let extension = (TASKS_EXTENSION_ID.to_owned(), Default::default());
            required.extensions = Some([extension].into());
            Some(Err(ErrorData::missing_required_client_capability(required)))
        }
        "tasks/get" => Some(get(runs, caller, request).await),
        "tasks/update" => Some(update(runs, caller, request).await),
        "tasks/cancel" => Some(cancel(runs, caller, request).await),
        _ => None,
    }
}

async fn get(
    runs: &WorkflowService,
    caller: &Caller,
    request: &mut McpRequest,
) -> Result<Value, ErrorData> {
    let GetTaskParams { task_id, .. } = request.params()?;
    let run = find(runs, &task_id, caller).await?;
    let report = runs.report(run, &caller.subject).await;
    let report = report.map_err(|error| internal(&error.into()))?;
    let report = report.ok_or_else(|| unknown(&task_id))?;
    let payload = payload(runs, &report, caller).await?;
    let touched = report
        .steps
        .iter()
        .flat_map(|step| [step.began_at, step.ended_at]);
    let touched = touched.flatten().chain(report.ended_at).max();
    let touched = touched.unwrap_or(report.created_at);
    let mut task = task(runs, run, report.created_at, touched);
    task.status_message = Some(match report.status {
        RunStatus::Waiting => waiting_text(&report),
        status => match &report.error {
            Some(error) => error.clone(),
            None => status.as_str().to_owned(),
        },
    });
    let mut result = json!(GetTaskResult::new(DetailedTask::new(
        task,
        TaskPayload::Working
    )));
    if let (Value::Object(result), Value::Object(payload)) = (&mut result, payload) {
        result.extend(payload);
    }
    Ok(result)
}

/// What a task has besides its metadata: its status, and what that brings. A run that failed has a result, which says so.
async fn payload(
    runs: &WorkflowService,
    report: &RunReport,
    caller: &Caller,
) -> Result<Value, ErrorData> {
    Ok(match report.status {
        RunStatus::Queued | RunStatus::Running | RunStatus::Paused => {
            json!({ "status": TaskStatus::Working })
        }
        RunStatus::Waiting => {
            let requests = input_requests(runs, report, caller).await;
            let requests = requests.map_err(|error| internal(&error))?;
            match requests.is_empty() {
                true => json!({ "status": TaskStatus::Working }),
                false => json!({ "status": TaskStatus::InputRequired, "inputRequests": requests }),
            }
        }
        RunStatus::Cancelled => json!({ "status": TaskStatus::Cancelled }),
        RunStatus::Completed
        | RunStatus::CompletedWithFailures
        | RunStatus::Failed
        | RunStatus::Escalated => {
            let result = of_era(Era::Stateless, &report_result(report));
            json!({ "status": TaskStatus::Completed, "result": result })
        }
    })
}

async fn update(
    runs: &Arc<WorkflowService>,
    caller: &Caller,
    request: &mut McpRequest,
) -> Result<Value, ErrorData> {
    let UpdateTaskParams {
        task_id,
        input_responses,
        ..
    } = request.params()?;
    let run = find(runs, &task_id, caller).await?;
    give(runs, run, input_responses, caller).await?;
    Ok(json!(TaskAckResult::new()))
}

async fn cancel(
    runs: &Arc<WorkflowService>,
    caller: &Caller,
    request: &mut McpRequest,
) -> Result<Value, ErrorData> {
    let CancelTaskParams { task_id, .. } = request.params()?;
    let run = find(runs, &task_id, caller).await?;
    // One that has ended stays as it is, and the answer is the same.
    let cancelled = leases::cancel(runs, run).await;
    cancelled.map_err(|error| internal(&error.into()))?;
    Ok(json!(TaskAckResult::new()))
}

async fn find(runs: &WorkflowService, id: &str, caller: &Caller) -> Result<Uuid, ErrorData> {
    let run = own_run(runs, id, caller).await?;
    run.map(|run| run.id).ok_or_else(|| unknown(id))
}

fn unknown(id: &str) -> ErrorData {
    ErrorData::invalid_params(format!("there is no task `{id}`"), None)
}

fn task(runs: &WorkflowService, run: Uuid, created_at: DateTime, touched_at: DateTime) -> Task {
    let status = TaskStatus::Working;
    let task = Task::new(
        run.to_string(),
        status,
        created_at.to_string(),
        touched_at.to_string(),
    );
    // A run stays readable for that long after its end.
    let ttl = u64::try_from(runs.retention.as_millis()).unwrap_or(u64::MAX);
    task.with_ttl_ms(ttl).with_poll_interval_ms(POLL_MS)
}
