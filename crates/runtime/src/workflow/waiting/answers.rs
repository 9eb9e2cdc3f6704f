//! Answers questions of runs and sends events to them, from any process.

use std::sync::Arc;

use serde_json::Value;

use crate::auth::claims::Caller;
use crate::error::AgentError;
use crate::future::{json_bytes, off_worker};
use crate::schema::{Schema, Uuid};
use crate::spec::workflow_spec::{StepKind, WorkflowSpec};
use crate::workflow::run_report::RunReport;
use crate::workflow::run_start::spawn_supervisor;
use crate::workflow::waiting::inbox::{Answer, AnswerOutcome, NewEvent, SendOutcome, StoredAction};
use crate::workflow::workflow_service::WorkflowService;

/// How many events may be sent to one run, and how many bytes of JSON one may carry: a run reads all of them at once.
const MAX_EVENTS: u32 = 256;
const MAX_EVENT_BYTES: usize = 64 * 1024;

/// The question `action` of a run, if `caller` may see it: as the subject that started the run, or with one of the roles of the question.
///
/// # Errors
/// 404 for a question that is not there or is not the caller's to see.
pub(crate) async fn question(
    service: &WorkflowService,
    run: Uuid,
    action: Uuid,
    caller: &Caller,
) -> Result<StoredAction, AgentError> {
    let not_found = || AgentError::not_found("there is no such action");
    let stored = service.journal.action(run, action).await?;
    let stored = stored.ok_or_else(not_found)?;
    let is_visible = stored.subject == caller.subject || has_role(caller, &stored);
    // Whoever may not see it does not learn that it is there.
    is_visible.then_some(stored).ok_or_else(not_found)
}

/// Whether `caller` has one of the roles of the question. One without roles is nobody's in this way.
fn has_role(caller: &Caller, question: &StoredAction) -> bool {
    let roles = &question.action.roles;
    let mut own = caller.roles.iter().flatten();
    !roles.is_empty() && (caller.roles.is_none() || own.any(|role| roles.contains(role)))
}

/// Stores the answer to a question that `caller` may answer: with one of its roles, or, where it names none, as the subject that started the
/// run. The run continues once this returns, whatever becomes of this process.
///
/// # Errors
/// Those of [`question`]; 403 for the subject of the run without the role; 422 for a value that is invalid under the schema, 413 for one that is too large, 409 if it was answered before, 410
/// if it has expired.
pub(crate) async fn answer(
    service: &Arc<WorkflowService>,
    run: Uuid,
    action: Uuid,
    value: Value,
    caller: &Caller,
) -> Result<StoredAction, AgentError> {
    let stored = question(service, run, action, caller).await?;
    let roles = &stored.action.roles;
    if !roles.is_empty() && !has_role(caller, &stored) {
        let detail = format!("needs one of the roles: {}", roles.join(", "));
        return Err(AgentError::forbidden(detail));
    }
    closed(stored.state)?;
    let any = Value::Bool(true);
    let schema = stored.action.schema.as_ref().unwrap_or(&any);
    let limit = service.max_output_bytes;
    let value = checked(value, schema, ("limits.output_bytes allows", limit)).await?;
    let answer = Answer {
        action,
        value,
        by: caller.subject.clone(),
    };
    closed(service.journal.answer(run, &answer).await?)?;
    spawn_supervisor(service);
    service.wake(run).await;
    Ok(stored)
}

fn closed(outcome: AnswerOutcome) -> Result<(), AgentError> {
    match outcome {
        AnswerOutcome::Stored => Ok(()),
        AnswerOutcome::Closed => Err(AgentError::conflict("the question is answered already")),
        AnswerOutcome::Expired => Err(AgentError::gone("the question has expired")),
        AnswerOutcome::NotFound => Err(AgentError::not_found("there is no such action")),
    }
}

/// Sends an event to a run of `spec`. A step that waits for it later receives it, too.
///
/// # Errors
/// 404 if no step of the workflow waits for such an event; 422 for a payload that no such step takes, 413 for one that is too large, 409 if the
/// run has ended, 429 if it has been sent too many.
pub(crate) async fn send_event(
    service: &Arc<WorkflowService>,
    report: &RunReport,
    event: NewEvent,
) -> Result<(), AgentError> {
    let spec = service.specs.get(&*report.workflow);
    let schemas = spec.map(|spec| payload_schemas(spec, &event.name));
    let schemas = schemas.filter(|schemas| !schemas.is_empty());
    let unknown = || {
        let (workflow, name) = (&report.workflow, &event.name);
        AgentError::not_found(format!(
            "no step of `{workflow}` waits for the event `{name}`"
        ))
    };
    let mut payload = event.payload.clone();
    let mut refused = None;
    for schema in schemas.ok_or_else(unknown)? {
        let schema = serde_json::from_str(schema).map_err(AgentError::internal)?;
        let limit = ("an event may have", MAX_EVENT_BYTES);
        match checked(payload.clone(), &schema, limit).await {
            Ok(checked) => {
                payload = checked;
                refused = None;
                break;
            }
            Err(error) => refused = Some(error),
        }
    }
    if let Some(error) = refused {
        return Err(error);
    }
    let event = NewEvent { payload, ..event };
    let sent = service
        .journal
        .send_event(report.run_id, &event, MAX_EVENTS);
    match sent.await? {
        SendOutcome::Stored => {
            spawn_supervisor(service);
            service.wake(report.run_id).await;
            Ok(())
        }
        SendOutcome::Finished => Err(AgentError::conflict("the run is over")),
        SendOutcome::TooMany => Err(AgentError::conflict(format!(
            "the run has been sent {MAX_EVENTS} events, and takes no more"
        ))),
    }
}

/// The schemas of what the steps that wait for `event` take.
fn payload_schemas(spec: &WorkflowSpec, event: &str) -> Vec<&'static str> {
    let steps = spec.steps.iter();
    let schemas = steps.filter_map(|step| match step.kind {
        StepKind::WaitFor {
            event: name,
            payload_schema,
        } if name == event => Some(payload_schema),
        _ => None,
    });
    schemas.collect()
}

/// `value`, if it is valid under `schema` and not too large. `limit` is how many bytes are allowed, and the words for that.
async fn checked(
    mut value: Value,
    schema: &Value,
    (words, limit): (&str, usize),
) -> Result<Value, AgentError> {
    let bytes = json_bytes(&value);
    if bytes > limit {
        let detail = format!("it has {bytes} bytes; {words} {limit}");
        return Err(AgentError::too_large(detail));
    }
    let schema = Schema::compile(schema).map_err(AgentError::internal)?;
    let (value, violations) = off_worker(bytes, move || {
        crate::schema::remove_zero_fractions(&mut value);
        let violations = schema.violations(&value);
        (value, violations)
    })
    .await;
    match violations.is_empty() {
        true => Ok(value),
        false => Err(AgentError::Invalid(violations)),
    }
}
