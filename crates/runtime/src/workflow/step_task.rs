//! Runs one step of a run: asks its agent as a request would, as often as the step says, and then its fallback.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::error::problem::Problem;
use crate::event::event_sink::Sink;
use crate::event::usage_meter::Meter;
use crate::run::reply::Reply;
use crate::run::request_info::RequestInfo;
use crate::run::run_context::{Run, RunContext};
use crate::run::run_input::Input;
use crate::run::shutdown::Shutdown;
use crate::run::supervision::{self, EVENTS_AHEAD};
use crate::schema::formats::DateTime;
use crate::schema::new_uuid_v7;
use crate::schema::shape::{misfits, resolved};
use crate::session::conversations::Sessions;
use crate::session::memory_sessions::MemorySessions;
use crate::spec::workflow_spec::{OnFailure, StepSpec};
use crate::workflow::expression::{Known, filled, spoken};
use crate::workflow::run_handle::Going;
use crate::workflow::run_report::{StepReport, StepStatus};
use crate::workflow::workflow_event::WorkflowEvent;
use crate::workflow::workflow_service::now;

/// The endpoint that takes and gives free text.
pub(crate) const INVOKE: &str = "invoke";
/// The longest pause between two attempts, unless who failed or the step wants a longer one.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// What a step is to do.
pub(crate) struct Task {
    /// The step.
    pub(crate) step: &'static StepSpec,
    /// Its request.
    request: Value,
    /// The same in words, for a fallback.
    text: String,
}

impl Task {
    /// The task of `step`, given what is known when it begins. The generator checks what becomes of it, and knows the same
    /// rules: an object is the request as it stands; without `with`, `invoke` is told everything in words, and another
    /// endpoint is given the run's input; a fallback is told the text under `input`, or else the whole request as text.
    pub(crate) fn new(step: &'static StepSpec, known: Known<'_>) -> Self {
        let usual = || usual(step, known);
        let (request, text) = match &step.with {
            None if step.endpoint == INVOKE => (json!({"input": usual()}), usual()),
            None => (known.input.clone(), usual()),
            Some(template) => {
                let request = filled(template, known);
                let text = match &request["input"] {
                    Value::String(text) => text.clone(),
                    _ => spoken(&request),
                };
                match step.endpoint == INVOKE && !request.is_object() {
                    true => (json!({"input": &text}), text),
                    false => (request, text),
                }
            }
        };
        Self {
            step,
            request,
            text,
        }
    }
}

/// What a step is told that has no request of its own: the run's input, and what came of the steps it needs.
fn usual(step: &StepSpec, known: Known<'_>) -> String {
    let lone = match known.input {
        Value::Object(fields) if fields.len() == 1 => fields.values().next(),
        _ => None,
    };
    let mut text = spoken(lone.filter(|lone| lone.is_string()).unwrap_or(known.input));
    for need in step.needs {
        let needed = known.steps.iter().find(|step| step.step == *need);
        if let Some(needed) = needed.filter(|needed| !needed.output.is_null()) {
            text.push_str(&format!("\n\n## {need}\n\n{}", spoken(&needed.output)));
        }
    }
    text
}

/// Runs the task to its end; `report` is the step's so far, and `meter` counts what it takes.
pub(crate) async fn perform(
    going: &Going,
    task: Task,
    mut report: StepReport,
    meter: &Meter,
) -> StepReport {
    let step = task.step;
    let mut answered = attempts(going, &task, &mut report, meter).await;
    if let (Err(problem), OnFailure::Fallback(agent)) = (&answered, step.on_failure) {
        report.error = Some(problem.clone().into());
        report.fallback = Some(agent.to_owned());
        let fallback = WorkflowEvent::StepFallback {
            step: step.id.to_owned(),
            agent: agent.to_owned(),
            error: problem.clone().into(),
        };
        going.tell_tried(step, &report, fallback).await;
        let request = json!({"input": task.text});
        answered = attempt(going, step, (agent, INVOKE), &request, meter).await;
    }
    match answered {
        Ok((output, reply)) => {
            report.status = StepStatus::Succeeded;
            report.output = output;
            report.model = reply.model;
            if report.fallback.is_none() {
                report.error = None;
            }
        }
        Err(problem) => {
            report.status = StepStatus::Failed;
            report.error = Some(problem.into());
        }
    }
    report.ended_at = Some(DateTime::from(now()));
    going.tried().remove(step.id);
    report
}

/// What an endpoint answered, and what is known of how.
type Answered = Result<(Value, Reply<()>), Problem>;

async fn attempts(going: &Going, task: &Task, report: &mut StepReport, meter: &Meter) -> Answered {
    let step = task.step;
    let first = Duration::from_millis(step.backoff_ms);
    let mut pauses = ExponentialBuilder::default()
        .with_min_delay(first)
        .with_max_delay(LONGEST_PAUSE.max(first))
        .with_max_times(step.attempts.saturating_sub(1) as usize)
        .with_jitter()
        .build();
    loop {
        let place = (step.agent, step.endpoint);
        let answered = attempt(going, step, place, &task.request, meter);
        let problem = match answered.await {
            Err(problem) if may_pass(&problem) => problem,
            answered => return answered,
        };
        let Some(pause) = pauses.next() else {
            return Err(problem);
        };
        // A limit says when it is over; what is not there now says no more than a usual time.
        let told = problem.retry_after.filter(|_| problem.status == 429);
        let pause = told.map_or(pause, Duration::from_secs);
        if going
            .deadline
            .is_some_and(|deadline| Instant::now() + pause >= deadline)
        {
            return Err(problem);
        }
        let retry = WorkflowEvent::StepRetried {
            step: step.id.to_owned(),
            attempt: report.attempts,
            pause_ms: crate::telemetry::log::millis(pause),
            error: problem.clone().into(),
        };
        report.error = Some(problem.into());
        going.tell_tried(step, report, retry).await;
        tokio::time::sleep(pause).await;
        report.attempts += 1;
        going.tried().insert(step.id, report.clone());
    }
}

/// `request` without the members that are null where the endpoint takes no null and needs no value: an optional value that
/// was not given, or came of no step, is handed on as none.
fn without_nulls(request: &Value, schema: &str) -> Value {
    let mut request = request.clone();
    let document: Value = serde_json::from_str(schema).unwrap_or_default();
    let schema = resolved(&document, &document);
    if let Value::Object(fields) = &mut request {
        fields.retain(|name, value| {
            let required = schema["required"].as_array();
            let is_required = required.is_some_and(|names| names.iter().any(|own| own == name));
            let property = schema["properties"].get(name);
            let takes_null = property.is_none_or(|own| !misfits(&document, own, &Value::Null));
            !value.is_null() || is_required || takes_null
        });
    }
    request
}

/// Whether the same request may have another answer.
fn may_pass(problem: &Problem) -> bool {
    matches!(problem.status, 408 | 429 | 500 | 502..)
}

/// Asks an agent's endpoint, with what a request of the run's owner would have: time, and a conversation that nobody
/// keeps. What is decided meanwhile is told before the step goes on.
async fn attempt(
    going: &Going,
    step: &StepSpec,
    (agent, endpoint): (&'static str, &'static str),
    request: &Value,
    meter: &Meter,
) -> Answered {
    let resources = &going.runs.resources;
    let Some(place) = going.runs.places.get(&(agent, endpoint)) else {
        return Err(Problem::new(500, "the service failed; its log says why"));
    };
    let spec = place.mounted.spec;
    let timeout = step
        .timeout_ms
        .or(spec.timeout_ms)
        .or(place.agent.policy.timeout_ms);
    let timeout = timeout.map_or(resources.timeout, Duration::from_millis);
    let id = new_uuid_v7();
    let (tell, mut told) = mpsc::channel(EVENTS_AHEAD);
    let metered = meter.part();
    let cx = RunContext(Arc::new(Run {
        id,
        request: Arc::new(RequestInfo {
            id: going.id.to_string(),
            path: format!("/v1/runs/{}", going.id),
        }),
        agent: place.agent,
        endpoint: spec,
        caller: going.caller.clone(),
        resources: Arc::clone(resources),
        // When the time of the whole run is up, whoever drives it drops the step.
        deadline: Instant::now() + timeout,
        counted: Arc::clone(&place.metrics),
        sessions: Arc::new(Sessions::new(Arc::new(MemorySessions::default()))),
        meter: metered.clone(),
        sink: Sink::new(id, place.agent.slug, Some(tell)).quiet(),
    }));
    let request = without_nulls(request, spec.input_schema);
    let input = Input::text(request.to_string());
    let handler = (place.mounted.call)(cx.clone(), input).map_err(|problem| *problem)?;
    // The end of the service is no failure of the step: whoever drives the run drops it then.
    let shutdown = Shutdown::new();
    let mut run = pin!(supervision::run(&cx, handler, timeout, &shutdown));
    let reply = loop {
        tokio::select! {
            biased;
            Some(event) = told.recv() => going.tell_of(step, event).await,
            reply = &mut run => break reply,
        }
    };
    while let Ok(event) = told.try_recv() {
        going.tell_of(step, event).await;
    }
    let reply = reply.map_err(|problem| *problem)?;
    // A handler may know of more than the models that were asked through the runtime.
    meter.add(reply.usage.beyond(metered.usage()));
    let mut output = serde_json::from_str::<Value>(&reply.value).unwrap_or_default();
    if endpoint == INVOKE {
        output = output["output"].take();
    }
    Ok((output, reply.map(|_| ())))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::without_nulls;

    #[test]
    fn what_is_null_is_left_out_only_where_that_helps() {
        let schema = json!({
            "$ref": "#/$defs/input",
            "$defs": { "input": {
                "required": ["needed"],
                "properties": {
                    "needed": { "type": ["string", "null"] },
                    "fresh": { "type": "string", "format": "date" },
                    "level": { "enum": ["low", "high"] },
                    "note": { "type": ["string", "null"] },
                    "any": {},
                },
            }},
        });
        let request = json!({
            "needed": null, "fresh": null, "level": null, "note": null, "any": null, "other": null,
        });
        let left = json!({ "needed": null, "note": null, "any": null, "other": null });
        assert_eq!(without_nulls(&request, &schema.to_string()), left);
        let given = json!({ "needed": "x", "fresh": "2026-01-01", "level": "low" });
        assert_eq!(without_nulls(&given, &schema.to_string()), given);
    }
}
