//! The list of the caller's runs.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::response::Response;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::auth::claims::Caller;
use crate::error::AgentError;
use crate::http::api_error::ApiError;
use crate::http::calls::workflow_call::require_roles;
use crate::http::content_negotiation::accept_json;
use crate::http::pagination::{Page, decode_number, invalid_cursor};
use crate::http::raw_request::RawRequest;
use crate::http::request_reader::read_query;
use crate::http::responses::json_response;
use crate::schema::{DateTime, Uuid};
use crate::spec::endpoint_spec::{Parameter, ParameterKind, ParameterLocation};
use crate::workflow::journal::schedule_store::{schedule_of, subject_of};
use crate::workflow::journal::{RunFacts, RunQuery};
use crate::workflow::run_operations::{self, FINISHED};
use crate::workflow::run_report::RunStatus;
use crate::workflow::workflow_service::WorkflowService;

/// The longest name of a workflow that is looked for, in characters.
const LONGEST_NAME: usize = 64;
/// How often a request can name a status.
const MOST_STATUSES: usize = 16;
/// What narrows the list down, besides the parameters of a page.
const LIST_FILTERS: [Parameter; 5] = [
    query_text("before", ParameterKind::String),
    query_text("schedule", ParameterKind::String),
    query_text("since", ParameterKind::String),
    query_text("status", ParameterKind::Strings),
    query_text("workflow", ParameterKind::String),
];

const fn query_text(name: &'static str, kind: ParameterKind) -> Parameter {
    Parameter {
        name,
        location: ParameterLocation::Query,
        kind,
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
pub(in crate::http::api) struct RunSummary {
    /// Identifies the run.
    run_id: Uuid,
    /// The run that it is a step of.
    #[serde(skip_serializing_if = "Option::is_none")]
    parent: Option<Uuid>,
    /// The workflow's name.
    workflow: String,
    /// How the run stands.
    status: RunStatus,
    /// The workflow whose schedule started it.
    #[serde(skip_serializing_if = "Option::is_none")]
    schedule: Option<String>,
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
pub(in crate::http::api) struct RunList {
    /// The runs, the newest first.
    pub(in crate::http::api) runs: Vec<RunSummary>,
    /// Where the next page begins; null if this is the last one.
    pub(in crate::http::api) next_cursor: Option<String>,
}

/// The page of the caller's runs that `request` asks for.
pub(super) async fn list_runs(
    service: &WorkflowService,
    caller: &Caller,
    request: &RawRequest,
) -> Result<Response, ApiError> {
    accept_json(&request.parts.headers)?;
    let (page, filters) = Page::read_with(&LIST_FILTERS, &request.parts.uri)?;
    let statuses = read_statuses(&filters)?;
    let subject = read_subject(service, caller, &filters)?;
    let query = RunQuery {
        subject: &subject,
        workflow: read_workflow(&filters, "workflow")?,
        statuses: &statuses,
        since: read_moment(&filters, "since")?,
        before: read_moment(&filters, "before")?,
        after: page.cursor.as_deref().map(read_run_cursor).transpose()?,
    };
    let runs = service.journal.list(&query, page.limit + 1).await?;
    let (runs, next_cursor) = page.cut(runs, run_cursor);
    Ok(json_response(&RunList {
        runs: runs
            .into_iter()
            .map(|run| RunSummary::of(run, &subject))
            .collect(),
        next_cursor,
    }))
}

/// How many runs were deleted.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "WorkflowRunsDeleted", example = json!({ "deleted": 12, "has_more": false }))]
pub(in crate::http::api) struct RunsDeleted {
    /// How many runs were deleted.
    pub(in crate::http::api) deleted: u64,
    /// Whether there may be more: a request deletes at most 1000.
    pub(in crate::http::api) has_more: bool,
}

/// Deletes those of the caller's runs that have ended, were started before the moment in the query and match the rest of it.
pub(super) async fn delete_runs(
    service: &WorkflowService,
    caller: &Caller,
    request: &RawRequest,
) -> Result<Response, ApiError> {
    accept_json(&request.parts.headers)?;
    let filters = read_query(&LIST_FILTERS, &request.parts.uri)?;
    let mut statuses = read_statuses(&filters)?;
    match statuses.is_empty() {
        true => statuses.extend(FINISHED),
        false => statuses.retain(|status| status.is_over()),
    }
    // A request without a filter would delete everything.
    let before = read_moment(&filters, "before")?;
    let before = before.ok_or_else(|| {
        AgentError::invalid(
            "/before",
            "is missing: runs that were started earlier are deleted",
        )
    })?;
    let query = RunQuery {
        subject: &read_subject(service, caller, &filters)?,
        workflow: read_workflow(&filters, "workflow")?,
        statuses: &statuses,
        since: read_moment(&filters, "since")?,
        before: Some(before),
        after: None,
    };
    let (deleted, has_more) = run_operations::delete(service, &query).await?;
    Ok(json_response(&RunsDeleted { deleted, has_more }))
}

/// Whose runs are meant: those of the caller, or of a schedule whose workflow the caller may start.
fn read_subject(
    service: &WorkflowService,
    caller: &Caller,
    filters: &Map<String, Value>,
) -> Result<String, ApiError> {
    let Some(name) = read_workflow(filters, "schedule")? else {
        return Ok(caller.subject.clone());
    };
    let Some(spec) = service.specs.get(name) else {
        // Who may see the runs of a workflow that is gone, nobody knows. This subject has none.
        return Ok(subject_of(""));
    };
    require_roles(service, spec, caller)?;
    Ok(subject_of(name))
}

/// The name of a workflow under `filter`, if there is one.
fn read_workflow<'a>(
    filters: &'a Map<String, Value>,
    filter: &str,
) -> Result<Option<&'a str>, AgentError> {
    let workflow = filters.get(filter).and_then(Value::as_str);
    if workflow.is_some_and(|name| name.chars().count() > LONGEST_NAME) {
        let detail = format!("`{filter}` has more than {LONGEST_NAME} characters");
        return Err(AgentError::bad_request(detail));
    }
    Ok(workflow)
}

/// The statuses that are asked for, each once.
fn read_statuses(filters: &Map<String, Value>) -> Result<Vec<RunStatus>, AgentError> {
    let given = filters.get("status").and_then(Value::as_array);
    if given.is_some_and(|given| given.len() > MOST_STATUSES) {
        let detail = format!("must be at most {MOST_STATUSES} statuses");
        return Err(AgentError::invalid("/status", detail));
    }
    let mut statuses = Vec::new();
    for (index, status) in given.into_iter().flatten().enumerate() {
        let status = RunStatus::deserialize(status).map_err(|_| {
            AgentError::invalid(format!("/status/{index}"), "must be the status of a run")
        })?;
        if !statuses.contains(&status) {
            statuses.push(status);
        }
    }
    Ok(statuses)
}

fn read_moment(filters: &Map<String, Value>, name: &str) -> Result<Option<SystemTime>, AgentError> {
    let given = filters.get(name).and_then(Value::as_str);
    let moment = given.map(|given| {
        let moment = given.parse::<DateTime>();
        moment.map_err(|error| AgentError::invalid(format!("/{name}"), error.to_string()))
    });
    Ok(moment.transpose()?.map(SystemTime::from))
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
    let (time, id) = cursor
        .split_at_checked(TIME_DIGITS)
        .ok_or_else(invalid_cursor)?;
    let time = UNIX_EPOCH + Duration::from_millis(decode_number(time)?);
    Ok((time, read_id(id)?))
}

/// The id of a run or of a question in a cursor: its 32 digits.
pub(super) fn read_id(digits: &str) -> Result<Uuid, ApiError> {
    if digits.len() != 32 {
        return Err(invalid_cursor());
    }
    let mut bytes = [0; 16];
    for (byte, at) in bytes.iter_mut().zip((0..32).step_by(2)) {
        let digits = digits.get(at..at + 2).ok_or_else(invalid_cursor)?;
        *byte = decode_number(digits)? as u8;
    }
    Ok(Uuid::from_bytes(bytes))
}

impl RunSummary {
    /// What is told of a run of `subject`.
    fn of(facts: RunFacts, subject: &str) -> Self {
        Self {
            schedule: schedule_of(subject).map(str::to_owned),
            run_id: facts.id,
            parent: facts.parent,
            workflow: facts.workflow,
            status: facts.status,
            error: facts.error,
            created_at: DateTime::from(facts.created_at),
            ended_at: facts.ended_at.map(DateTime::from),
        }
    }
}
