//! What runs wait for, as requests of input (2026-07-28): each question that the caller may answer is an elicitation, and the state that the
//! client sends back is the id of the run.
//!
//! Invariant: the state is worth nothing to anybody else, and to no other call: the run is looked up for the caller, the tool and the
//! arguments. Answers are checked as those of the native API are.

use std::sync::Arc;

use rmcp::model::{
    ClientCapabilities, ElicitResult, ElicitationAction, ErrorData, InputResponses, JsonObject,
};
use serde_json::{Value, json};

use crate::auth::claims::Caller;
use crate::error::AgentError;
use crate::event::pending_action::{ActionKind, PendingAction};
use crate::http::protocols::mcp_adapter::tool_catalog::ToolTarget;
use crate::schema::{Uuid, remove_zero_fractions};
use crate::workflow::agent_run::{AGENT_RUN, wait_for_actions};
use crate::workflow::journal::JournaledRun;
use crate::workflow::leases;
use crate::workflow::run_report::RunReport;
use crate::workflow::waiting::answers;
use crate::workflow::waiting::inbox::AnswerOutcome;
use crate::workflow::workflow_service::WorkflowService;

/// What a form asks for whose answer is no object of simple values.
const JSON: &str = "json";
/// What the protocol lets the schema of a form say of one value.
const FORM_KEYS: [&str; 8] = [
    "title",
    "description",
    "default",
    "enum",
    "minLength",
    "maxLength",
    "minimum",
    "maximum",
];

/// Whether the client asks its user.
pub(super) fn can_ask(capabilities: Option<&ClientCapabilities>) -> bool {
    capabilities.is_some_and(|capabilities| capabilities.elicitation.is_some())
}

/// The result of a call that goes on once its client has asked its user; `None` if there is nothing that the caller may answer.
///
/// # Errors
/// What the journal says.
pub(super) async fn input_required(
    runs: &WorkflowService,
    report: &RunReport,
    caller: &Caller,
) -> Result<Option<Value>, AgentError> {
    let requests = input_requests(runs, report, caller).await?;
    Ok((!requests.is_empty()).then(|| {
        json!({
            "resultType": "input_required",
            "inputRequests": requests,
            "requestState": report.run_id,
        })
    }))
}

/// The questions of a run that are open and that `caller` may answer, by their ids.
///
/// # Errors
/// What the journal says.
pub(super) async fn input_requests(
    runs: &WorkflowService,
    report: &RunReport,
    caller: &Caller,
) -> Result<JsonObject, AgentError> {
    let mut requests = JsonObject::new();
    for action in &report.actions {
        let roles = action.roles.iter().map(String::as_str);
        let roles = roles.collect::<Vec<_>>();
        if !action.kind.is_answered() || !caller.has_one_of(&roles) {
            continue;
        }
        let stored = runs.journal.action(report.run_id, action.id).await?;
        if stored.is_some_and(|stored| stored.state == AnswerOutcome::Stored) {
            requests.insert(action.id.to_string(), elicitation(action));
        }
    }
    Ok(requests)
}

fn elicitation(action: &PendingAction) -> Value {
    let mut message = action.prompt.clone().unwrap_or_else(|| action.step.clone());
    if let (ActionKind::Approval, Some(call)) = (action.kind, &action.tool_call) {
        message += &format!("\n{}: {}", call.tool, call.arguments);
    }
    let schema = action.schema.as_ref().unwrap_or(&Value::Null);
    let form = form(schema).unwrap_or_else(|| {
        json!({
            "type": "object",
            "properties": { JSON: {
                "type": "string",
                "title": "JSON",
                "description": format!("The answer, as JSON that is valid under this schema: {schema}"),
            } },
            "required": [JSON],
        })
    });
    json!({
        "method": "elicitation/create",
        "params": { "mode": "form", "message": message, "requestedSchema": form },
    })
}

/// `schema` as a form: an object of simple values. `None` for any other schema.
fn form(schema: &Value) -> Option<Value> {
    let properties = schema["properties"].as_object()?;
    if schema["type"] != "object" {
        return None;
    }
    let fields = properties.iter().map(|(name, field)| {
        let options = field["enum"].as_array();
        let is_choice = options.is_some_and(|options| options.iter().all(Value::is_string));
        let kind = field["type"].as_str().or(is_choice.then_some("string"))?;
        let is_simple = ["string", "number", "integer", "boolean"].contains(&kind);
        let mut simple = JsonObject::from_iter([("type".to_owned(), json!(kind))]);
        let keys = FORM_KEYS.into_iter();
        simple.extend(keys.filter_map(|key| Some((key.to_owned(), field.get(key)?.clone()))));
        is_simple.then(|| (name.clone(), Value::Object(simple)))
    });
    let fields = fields.collect::<Option<JsonObject>>()?;
    let required = schema.get("required").cloned();
    let required = required.unwrap_or_else(|| json!([]));
    Some(json!({ "type": "object", "properties": fields, "required": required }))
}

/// The run that a client's state stands for: one of `caller`, of this tool and with these arguments.
///
/// # Errors
/// -32602 for any other state.
pub(super) async fn run_of_state(
    runs: &WorkflowService,
    state: &str,
    target: &ToolTarget,
    arguments: &Value,
    caller: &Caller,
) -> Result<Uuid, ErrorData> {
    let mut arguments = arguments.clone();
    remove_zero_fractions(&mut arguments);
    let is_same = |run: &JournaledRun| match target {
        ToolTarget::Endpoint(endpoint) => {
            run.workflow == AGENT_RUN.name
                && run.input["agent"] == endpoint.agent.slug
                && run.input["endpoint"] == endpoint.handler.spec.name
                && run.input["request"] == arguments
        }
        ToolTarget::Workflow(spec) => run.workflow == spec.name && run.input == arguments,
    };
    let found = own_run(runs, state, caller).await?;
    match found.filter(is_same) {
        Some(run) => Ok(run.id),
        None => {
            let detail = "`requestState` is none of this caller, this tool and these arguments";
            Err(ErrorData::invalid_params(detail, None))
        }
    }
}

/// The run of `caller` with this id, if there is one.
///
/// # Errors
/// What the journal says.
pub(super) async fn own_run(
    runs: &WorkflowService,
    id: &str,
    caller: &Caller,
) -> Result<Option<JournaledRun>, ErrorData> {
    let Ok(id) = id.parse::<Uuid>() else {
        return Ok(None);
    };
    let found = runs.journal.run(id, &caller.subject).await;
    found.map_err(|error| internal(&error.into()))
}

/// Gives a run the answers of its caller; returns those that no longer count as open. Whoever declines a tool call denies it; whoever
/// declines a question, or cancels, ends the run. Responses to what was not asked are left alone.
///
/// # Errors
/// -32602 for a response that is none. One that does not fit its question leaves it open.
pub(super) async fn give(
    runs: &Arc<WorkflowService>,
    run: Uuid,
    responses: InputResponses,
    caller: &Caller,
) -> Result<Vec<Uuid>, ErrorData> {
    let mut given = Vec::new();
    for (id, response) in responses {
        let Ok(id) = id.parse::<Uuid>() else {
            continue;
        };
        let response = serde_json::from_value::<ElicitResult>(response)
            .map_err(|error| ErrorData::invalid_params(error.to_string(), None))?;
        let Ok(stored) = answers::question(runs, run, id, caller).await else {
            continue;
        };
        let is_approval = stored.action.kind == ActionKind::Approval;
        let value = match response.action {
            ElicitationAction::Accept => accepted(&stored.action, response.content),
            ElicitationAction::Decline if is_approval => Some(json!({ "approved": false })),
            _ => {
                let cancelled = leases::cancel(runs, run).await;
                cancelled.map_err(|error| internal(&error.into()))?;
                given.push(id);
                continue;
            }
        };
        let Some(value) = value else {
            continue;
        };
        match answers::answer(runs, run, id, value, caller).await {
            Ok(_) | Err(AgentError::Conflict(_) | AgentError::Gone(_)) => given.push(id),
            // It is asked again.
            Err(AgentError::Invalid(_) | AgentError::TooLarge(_)) => {}
            Err(error) => return Err(internal(&error)),
        }
    }
    Ok(given)
}

/// The answer in the content of a form.
fn accepted(action: &PendingAction, content: Option<Value>) -> Option<Value> {
    let content = content.unwrap_or_else(|| json!({}));
    match form(action.schema.as_ref().unwrap_or(&Value::Null)) {
        Some(_) => Some(content),
        None => serde_json::from_str(content[JSON].as_str()?).ok(),
    }
}

/// An error that is not the client's.
pub(super) fn internal(error: &AgentError) -> ErrorData {
    if let AgentError::Internal(cause) = error {
        tracing::error!(%cause, "an MCP request failed");
    }
    ErrorData::internal_error(error.to_problem().detail, None)
}

/// The report of a run once it has ended, or needs somebody for more than the questions `answered`.
///
/// # Errors
/// As [`wait_for_actions`].
pub(super) async fn settled(
    runs: &WorkflowService,
    run: Uuid,
    subject: &str,
    answered: &[Uuid],
) -> Result<RunReport, AgentError> {
    let counts =
        |action: &PendingAction| action.kind.needs_somebody() && !answered.contains(&action.id);
    let count = |actions: &[PendingAction]| actions.iter().any(counts);
    wait_for_actions(runs, run, subject, count).await
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::form;

    #[test]
    fn a_form_is_an_object_of_simple_values() {
        let schema = json!({
            "type": "object",
            "required": ["approved"],
            "properties": { "approved": { "type": "boolean", "x": 1 }, "why": { "type": "string", "maxLength": 9 } },
            "additionalProperties": false,
        });
        let expected = json!({
            "type": "object",
            "properties": { "approved": { "type": "boolean" }, "why": { "type": "string", "maxLength": 9 } },
            "required": ["approved"],
        });
        assert_eq!(form(&schema), Some(expected));
        for other in [
            json!(null),
            json!({ "type": "string" }),
            json!({ "type": "object", "properties": { "list": { "type": "array" } } }),
            json!({ "type": "object", "properties": { "any": {} } }),
        ] {
            assert_eq!(form(&other), None);
        }
    }
}
