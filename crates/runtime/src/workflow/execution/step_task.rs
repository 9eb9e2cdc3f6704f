//! Runs one step: calls its endpoint as a request would, with retries, and then its fallback.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::engine::durable_turns::{DurableTurns, StoredTurns};
use crate::engine::todo_list::TodoList;
use crate::engine::tool_questions::ToolQuestion;
use crate::error::AgentError;
use crate::error::problem::Problem;
use crate::event::agent_event::AgentEvent;
use crate::event::event_sink::Sink;
use crate::event::usage_meter::Meter;
use crate::run::reply::Reply;
use crate::run::run_context::RequestInfo;
use crate::run::run_context::{Run, RunContext};
use crate::run::run_input::Input;
use crate::run::shutdown::Shutdown;
use crate::run::supervision::{self, EVENTS_AHEAD};
use crate::schema::{DateTime, Schema, new_uuid_v7};
use crate::session::caller_conversation::OpenConversation;
use crate::session::conversations::Sessions;
use crate::session::memory_sessions::MemorySessions;
use crate::spec::workflow_spec::{INVOKE, OnFailure, StepKind, StepSpec, WorkflowSpec};
use crate::unix_time::now;
use crate::workflow::agent_run;
use crate::workflow::execution::evaluation::{Scope, fill, to_text};
use crate::workflow::execution::run_handle::RunHandle;
use crate::workflow::execution::step_turns::{StepTurns, forget_turns, stored_turns};
use crate::workflow::journal::JournaledRun;
use crate::workflow::run_report::{StepReport, StepStatus};
use crate::workflow::workflow_event::WorkflowEvent;
use crate::workflow::workflow_service::WorkflowService;

/// The longest pause between two attempts, unless the step's own pause or a `retry_after` is longer.
const MAX_RETRY_PAUSE: Duration = Duration::from_secs(30);

/// A call of a step, or of a unit of it, and its request.
pub(crate) struct StepTask {
    /// The step.
    step: &'static StepSpec,
    /// The id of the step, or of its unit.
    id: String,
    /// The agent and the endpoint.
    pub(crate) call: (&'static str, &'static str),
    /// The request.
    request: Value,
    /// The request as text, for the fallback.
    text: String,
}

impl StepTask {
    /// The task of a step that starts now. The generator checks step inputs by the same rules: an object is the request;
    /// without `with`, `invoke` gets [`default_request`] and any other endpoint the run's input. A fallback gets the text
    /// under `input`, or else the whole request as text.
    ///
    /// `None` for a step that is no single call.
    pub(crate) fn new(
        service: &WorkflowService,
        spec: &'static WorkflowSpec,
        step: &'static StepSpec,
        scope: Scope<'_>,
    ) -> Option<Self> {
        let call = match step.kind {
            StepKind::Call { agent, endpoint } => (agent, endpoint),
            StepKind::AgentRun => agent_run::call(service, scope.input)?,
            _ => return None,
        };
        let corrected = correction_of(spec, step, scope);
        let plain = || Self::for_call(step, step.id.to_owned(), call, scope);
        Some(corrected.unwrap_or_else(plain))
    }

    /// The task of the step, or of its unit `id`, for an item that is in `scope`. Without `with`, the item is what the agent is given.
    pub(crate) fn for_call(
        step: &'static StepSpec,
        id: String,
        call: (&'static str, &'static str),
        scope: Scope<'_>,
    ) -> Self {
        let is_invoke = call.1 == INVOKE;
        let default_text = || match scope.item {
            Some(item) => to_text(&item.value),
            None => default_request(step, scope),
        };
        let (request, text) = match &step.with {
            None if is_invoke => (json!({"input": default_text()}), default_text()),
            None => {
                let given = scope.item.map_or(scope.input, |item| &item.value);
                (given.clone(), default_text())
            }
            Some(template) => {
                let request = fill(template, scope);
                let text = match &request["input"] {
                    Value::String(text) => text.clone(),
                    _ => to_text(&request),
                };
                if is_invoke && !request.is_object() {
                    (json!({"input": &text}), text)
                } else {
                    (request, text)
                }
            }
        };
        Self {
            step,
            id,
            call,
            request,
            text,
        }
    }

    /// The task of the unit `id` of a step, for `invoke` with this text.
    pub(crate) fn for_text(
        step: &'static StepSpec,
        id: String,
        call: (&'static str, &'static str),
        text: String,
    ) -> Self {
        Self {
            step,
            id,
            call,
            request: json!({"input": &text}),
            text,
        }
    }
}

/// The task of `maker`, whose plan was refused: its request with the reason at the end of its text. `None` if no plan of it was, and if
/// the request has no text, or several and none of them is `input`.
pub(crate) fn correction_of(
    spec: &WorkflowSpec,
    maker: &'static StepSpec,
    scope: Scope<'_>,
) -> Option<StepTask> {
    let StepKind::Call { agent, endpoint } = maker.kind else {
        return None;
    };
    let mut plans = spec.steps.iter().zip(scope.steps);
    let reason = plans.find_map(|(step, report)| match step.kind {
        StepKind::Plan { source, .. } if source == Some(maker.id) => {
            let error = report.error.as_ref();
            let error = error.filter(|_| report.status == StepStatus::Pending);
            error.map(|error| &error.detail)
        }
        _ => None,
    })?;
    let reason = format!(
        "\n\n## The plan was refused\n\nIt can't be carried out: {reason}.\n\nGive the whole plan again, with that corrected."
    );
    let mut task = StepTask::for_call(maker, maker.id.to_owned(), (agent, endpoint), scope);
    let fields = task.request.as_object_mut()?;
    let texts = fields.iter().filter(|(_, value)| value.is_string());
    let texts = texts.map(|(name, _)| name.clone()).collect::<Vec<_>>();
    let name = match texts.as_slice() {
        [only] => only,
        several => several.iter().find(|name| *name == "input")?,
    };
    if let Some(Value::String(text)) = fields.get_mut(name) {
        text.push_str(&reason);
    }
    task.text.push_str(&reason);
    Some(task)
}

/// The requests of the steps of `run` that began, by step: what their agents are called with.
pub(crate) fn step_requests(
    service: &WorkflowService,
    spec: &'static WorkflowSpec,
    run: &JournaledRun,
) -> BTreeMap<&'static str, Value> {
    let scope = Scope::of(&run.input, &run.steps);
    let began = spec.steps.iter().filter(|step| {
        let mut reports = run.steps.iter();
        reports.any(|report| report.step == step.id && report.began_at.is_some())
    });
    let requests = began.filter_map(|step| {
        let StepTask { call, request, .. } = StepTask::new(service, spec, step, scope)?;
        let request = match service.targets.get(&call) {
            Some(target) => without_nulls(&request, &target.input_schema),
            None => request,
        };
        Some((step.id, request))
    });
    requests.collect()
}

/// The text for a step without `with`: the run's input, and the outputs of the steps it needs.
fn default_request(step: &StepSpec, scope: Scope<'_>) -> String {
    let single = match scope.input {
        Value::Object(fields) if fields.len() == 1 => fields.values().next(),
        _ => None,
    };
    let mut text = to_text(
        single
            .filter(|single| single.is_string())
            .unwrap_or(scope.input),
    );
    for need in step.needs {
        let needed = scope.steps.iter().find(|step| step.step == *need);
        if let Some(needed) = needed.filter(|needed| !needed.output.is_null()) {
            text.push_str(&format!("\n\n## {need}\n\n{}", to_text(&needed.output)));
        }
    }
    text
}

/// How a step stands after its agent was called.
pub(crate) enum StepProgress {
    /// It has ended.
    Ended(StepReport),
    /// It continues when these questions are answered.
    Waiting(StepReport, Vec<ToolQuestion>),
}

/// Runs a step as far as it goes. `report` is its report so far; `meter` counts its usage. `has_turns`: it ran before, and something may
/// be stored of that.
pub(crate) async fn run_step(
    run: &Arc<RunHandle>,
    task: StepTask,
    mut report: StepReport,
    meter: &Meter,
    has_turns: bool,
) -> StepProgress {
    let step = task.step;
    let mut stored = match has_turns {
        true => stored_turns(run, &task.id).await,
        false => StoredTurns::default(),
    };
    let may_have_stored = !stored.records.is_empty();
    // What the turns used, they count themselves.
    meter.add(report.usage.beyond(stored.usage()));
    let mut answered = match &report.fallback {
        Some(_) => None,
        None => {
            let turns = std::mem::take(&mut stored);
            Some(call_with_retries(run, &task, &mut report, meter, turns).await)
        }
    };
    if let OnFailure::Fallback(agent) = step.on_failure {
        if let Some(Err(CallEnd::Failed(problem))) = &answered {
            report.error = Some(Problem::clone(problem).into());
            report.fallback = Some(agent.to_owned());
            let fallback = WorkflowEvent::StepFallback {
                step: task.id.clone(),
                agent: agent.to_owned(),
                error: Problem::clone(problem).into(),
            };
            run.emit_step_progress(&report, fallback).await;
            answered = None;
        }
        if answered.is_none() {
            let request = json!({"input": task.text});
            let call = (agent, INVOKE);
            answered = Some(call_once(run, &task, call, &request, meter, stored).await);
        }
    }
    let gone = || {
        let problem = Problem::new(500, "the step has no fallback");
        Err(CallEnd::Failed(Box::new(problem)))
    };
    let ended = match answered.unwrap_or_else(gone) {
        Ok(answer) => Ok(answer),
        Err(CallEnd::Failed(problem)) => Err(problem),
        Err(CallEnd::Waiting(questions)) => {
            report.usage = meter.usage();
            return StepProgress::Waiting(report, questions);
        }
    };
    if may_have_stored {
        forget_turns(run, &task.id).await;
    }
    match ended {
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
            report.error = Some((*problem).into());
        }
    }
    report.ended_at = Some(DateTime::from(now()));
    run.step_progress().remove(&task.id);
    StepProgress::Ended(report)
}

/// An endpoint's output, and the rest of its reply.
type CallResult = Result<(Value, Reply<()>), CallEnd>;

/// Why a call gave no output.
enum CallEnd {
    Failed(Box<Problem>),
    /// It continues when these questions are answered.
    Waiting(Vec<ToolQuestion>),
}

async fn call_with_retries(
    run: &Arc<RunHandle>,
    task: &StepTask,
    report: &mut StepReport,
    meter: &Meter,
    stored: StoredTurns,
) -> CallResult {
    let step = task.step;
    let first = Duration::from_millis(step.backoff_ms);
    let mut pauses = ExponentialBuilder::default()
        .with_min_delay(first)
        .with_max_delay(MAX_RETRY_PAUSE.max(first))
        .with_max_times(step.attempts.saturating_sub(1) as usize)
        .with_jitter()
        .build();
    let may_have_stored = !stored.records.is_empty();
    let mut stored = Some(stored);
    loop {
        let stored = stored.take().unwrap_or_default();
        let answered = call_once(run, task, task.call, &task.request, meter, stored);
        let problem = match answered.await {
            Err(CallEnd::Failed(problem)) if is_retryable(&problem) => problem,
            answered => return answered,
        };
        let Some(pause) = pauses.next() else {
            return Err(CallEnd::Failed(problem));
        };
        // Only a rate limit knows when to retry; other errors carry a default.
        let retry_after = problem.retry_after.filter(|_| problem.status == 429);
        let pause = retry_after.map_or(pause, Duration::from_secs);
        if run
            .deadline
            .is_some_and(|deadline| Instant::now() + pause >= deadline)
        {
            return Err(CallEnd::Failed(problem));
        }
        // The next attempt begins anew.
        if may_have_stored {
            forget_turns(run, &task.id).await;
        }
        let retry = WorkflowEvent::StepRetried {
            step: task.id.clone(),
            attempt: report.attempts,
            pause_ms: crate::telemetry::log::millis(pause),
            error: Problem::clone(&problem).into(),
        };
        report.error = Some((*problem).into());
        run.emit_step_progress(report, retry).await;
        tokio::time::sleep(pause).await;
        report.attempts += 1;
        run.step_progress().insert(task.id.clone(), report.clone());
    }
}

/// `request` without its optional null members that must not be null: a template writes null for a value that is not
/// there, and the endpoint expects such a member to be absent.
pub(crate) fn without_nulls(request: &Value, schema: &Schema) -> Value {
    let mut request = request.clone();
    if let Value::Object(fields) = &mut request {
        fields.retain(|name, value| {
            let takes_null = || {
                let property = schema.property(name);
                property.is_none_or(|property| property.is_valid(&Value::Null))
            };
            !value.is_null() || schema.requires(name) || takes_null()
        });
    }
    request
}

/// Whether the same request may succeed later.
fn is_retryable(problem: &Problem) -> bool {
    matches!(problem.status, 408 | 429 | 500 | 502..)
}

/// Calls an endpoint as a request of the run's caller would, with a session store of its own that ends with the call.
/// The events of the call are emitted before its result is returned.
async fn call_once(
    run: &Arc<RunHandle>,
    StepTask {
        step, id: step_id, ..
    }: &StepTask,
    (agent, endpoint): (&'static str, &'static str),
    request: &Value,
    meter: &Meter,
    stored: StoredTurns,
) -> CallResult {
    let resources = &run.service.resources;
    let failed = |problem| CallEnd::Failed(Box::new(problem));
    let Some(target) = run.service.targets.get(&(agent, endpoint)) else {
        let problem = Problem::new(500, "the service failed; its log says why");
        return Err(failed(problem));
    };
    let is_agent_run = agent_run::is_agent_run(run.spec);
    let spec = target.mounted.spec;
    let timeout = step
        .timeout_ms
        .or(spec.timeout_ms)
        .or(target.agent.policy.timeout_ms);
    let timeout = timeout.map_or(resources.timeout, Duration::from_millis);
    let conversation = match agent_run::conversation(&run.input).filter(|_| is_agent_run) {
        Some(given) => {
            let opened = given.and_then(OpenConversation::new);
            Some(Arc::new(
                opened.map_err(|error| failed(error.to_problem()))?,
            ))
        }
        None => None,
    };
    let id = match is_agent_run {
        true => run.id,
        false => new_uuid_v7(),
    };
    let reader = run.service.live_readers.reader(run.id);
    let (events_tx, mut events) = mpsc::channel(EVENTS_AHEAD);
    let metered = meter.part(None);
    let store = StepTurns {
        run: Arc::clone(run),
        step: step_id.clone(),
    };
    let turns = Arc::new(DurableTurns::new(Box::new(store), stored));
    let cx = RunContext(Arc::new(Run {
        id,
        request: Arc::new(RequestInfo {
            id: run.id.to_string(),
            path: format!("/v1/runs/{}", run.id),
            step_key: Some(format!("{}/{step_id}", run.id)),
        }),
        agent: target.agent,
        endpoint: spec,
        caller: run.caller.clone(),
        resources: Arc::clone(resources),
        // The deadline of the whole run is the executor's: it drops the step.
        deadline: Instant::now() + timeout,
        counted: Arc::clone(&target.metrics),
        sessions: Arc::new(match is_agent_run {
            // After a crash the run takes its own lease of the session again.
            true => resources.sessions.of_owner(run.id.to_string()),
            false => Sessions::new(Arc::new(MemorySessions::default())),
        }),
        todo_list: TodoList::default(),
        meter: metered.clone(),
        sink: match reader {
            Some(_) => Sink::new(id, target.agent.slug, Some(events_tx)),
            None => Sink::new(id, target.agent.slug, Some(events_tx)).quiet(),
        },
        turns: Some(Arc::clone(&turns)),
        conversation,
    }));
    let request = without_nulls(request, &target.input_schema);
    let input = Input::text(request.to_string());
    let handler = (target.mounted.call)(cx.clone(), input, &target.input_schema);
    let handler = handler.await.map_err(|error| failed(error.to_problem()))?;
    // A shutdown must not fail the step: the executor drops it instead.
    let shutdown = Shutdown::new();
    let mut call = pin!(supervision::run(&cx, handler, timeout, &shutdown));
    let reply = loop {
        tokio::select! {
            biased;
            Some(event) = events.recv() => tell(run, step_id, reader.as_ref(), event).await,
            reply = &mut call => break reply,
            questions = turns.suspended() => return Err(CallEnd::Waiting(questions)),
        }
    };
    while let Ok(event) = events.try_recv() {
        tell(run, step_id, reader.as_ref(), event).await;
    }
    let reply = reply.map_err(CallEnd::Failed)?;
    // A handler may report usage beyond that of the models called through the runtime.
    meter.add(reply.usage.beyond(metered.usage()));
    let limit = run.service.max_output_bytes;
    if reply.value.len() > limit {
        let bytes = reply.value.len();
        let detail = format!("the output has {bytes} bytes; limits.output_bytes allows {limit}");
        return Err(failed(Problem::new(413, detail)));
    }
    let output = serde_json::from_str::<Value>(&reply.value);
    let mut output = output.map_err(|error| {
        tracing::error!(%error, "the output of a step is not JSON");
        failed(AgentError::internal(error).to_problem())
    })?;
    if endpoint == INVOKE && !is_agent_run {
        output = output["output"].take();
    }
    Ok((output, reply.map(|_| ())))
}

/// Tells the readers of the run of an event of its agent, and the one who reads along as the agent answers.
async fn tell(
    run: &RunHandle,
    step_id: &str,
    reader: Option<&mpsc::Sender<AgentEvent>>,
    event: AgentEvent,
) {
    if let Some(reader) = reader {
        // One that has left reads nothing.
        let _ = reader.send(event.clone()).await;
    }
    run.emit_agent_event(step_id, event).await;
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::without_nulls;
    use crate::schema::Schema;

    #[test]
    fn what_is_null_is_left_out_only_where_that_helps() {
        let schema = Schema::compile(&json!({
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
        }));
        let schema = schema.expect("a schema");
        let request = json!({
            "needed": null, "fresh": null, "level": null, "note": null, "any": null, "other": null,
        });
        let left = json!({ "needed": null, "note": null, "any": null, "other": null });
        assert_eq!(without_nulls(&request, &schema), left);
        let given = json!({ "needed": "x", "fresh": "2026-01-01", "level": "low" });
        assert_eq!(without_nulls(&given, &schema), given);
    }
}
