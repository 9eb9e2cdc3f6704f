//! Runs one step of a run: asks its agent as a request would, as often as the step says, and then its fallback.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use backon::{BackoffBuilder, ExponentialBuilder};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::claims::Caller;
use crate::context::{Run, RunContext};
use crate::expression::{Known, filled, spoken};
use crate::formats::{DateTime, Uuid};
use crate::input::Input;
use crate::journal::Change;
use crate::memory::MemorySessions;
use crate::problem::Problem;
use crate::reply::Reply;
use crate::respond::RequestFacts;
use crate::run::{self, Drain};
use crate::run_report::{RunEvent, RunStatus, StepReport, StepStatus};
use crate::session::Sessions;
use crate::sink::Sink;
use crate::workflow::{OnFailure, StepSpec, WorkflowSpec};
use crate::workflow_runs::{Runs, now};

/// The endpoint that takes and gives free text.
pub(crate) const INVOKE: &str = "invoke";
/// The longest pause between two attempts, unless who failed wants a longer one.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// A run that is under way in this process.
pub(crate) struct Going {
    /// What it runs on.
    pub(crate) runs: Arc<Runs>,
    /// Its id.
    pub(crate) id: Uuid,
    /// Its workflow.
    pub(crate) spec: &'static WorkflowSpec,
    /// Whose it is.
    pub(crate) caller: Caller,
    /// What it was given.
    pub(crate) input: Value,
    /// When it ends in any case.
    pub(crate) deadline: Option<Instant>,
    /// Says that there are new events.
    pub(crate) told: watch::Sender<()>,
}

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
    /// The task of `step`, given what is known when it begins.
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
                let is_object = request.get("input").is_some();
                match step.endpoint == INVOKE && !is_object {
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

/// Runs the task to its end; `report` is the step's so far.
pub(crate) async fn perform(going: &Going, task: Task, mut report: StepReport) -> StepReport {
    let step = task.step;
    let mut answered = attempts(going, &task, &mut report).await;
    if let (Err(problem), OnFailure::Fallback(agent)) = (&answered, step.on_failure) {
        report.error = Some(problem.clone().into());
        report.fallback = Some(agent.to_owned());
        let error = problem.clone().into();
        going
            .decided(step, "fallback", |step| RunEvent::StepFallback {
                step,
                agent: agent.to_owned(),
                error,
            })
            .await;
        let request = json!({"input": task.text});
        answered = attempt(going, agent, INVOKE, &request, step.timeout_ms).await;
    }
    match answered {
        Ok((output, reply)) => {
            report.status = StepStatus::Succeeded;
            report.output = output;
            report.model = reply.model;
            report.usage = reply.usage;
        }
        Err(problem) => {
            report.status = StepStatus::Failed;
            report.error = Some(problem.into());
        }
    }
    report.ended_at = Some(DateTime::from(now()));
    report
}

/// What an endpoint answered, and what is known of how.
type Answered = Result<(Value, Reply<()>), Problem>;

async fn attempts(going: &Going, task: &Task, report: &mut StepReport) -> Answered {
    let step = task.step;
    let mut pauses = ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(step.backoff_ms))
        .with_max_delay(LONGEST_PAUSE)
        .with_max_times(step.attempts.saturating_sub(1) as usize)
        .with_jitter()
        .build();
    loop {
        report.attempts += 1;
        let answered = attempt(
            going,
            step.agent,
            step.endpoint,
            &task.request,
            step.timeout_ms,
        );
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
        let (attempt, pause_ms) = (report.attempts, crate::log::millis(pause));
        going
            .decided(step, "retry", |step| RunEvent::StepRetried {
                step,
                attempt,
                pause_ms,
                error: problem.into(),
            })
            .await;
        tokio::time::sleep(pause).await;
    }
}

/// Whether the same request may have another answer.
fn may_pass(problem: &Problem) -> bool {
    matches!(problem.status, 408 | 429 | 500 | 502..)
}

/// Asks an endpoint, with what a request of the run's owner would have: time, and a conversation that nobody keeps.
async fn attempt(
    going: &Going,
    agent: &'static str,
    endpoint: &'static str,
    request: &Value,
    timeout_ms: Option<u64>,
) -> Answered {
    let shared = &going.runs.shared;
    let Some(place) = going.runs.places.get(&(agent, endpoint)) else {
        return Err(Problem::new(500, "the service failed; its log says why"));
    };
    let spec = place.mounted.spec;
    let timeout = timeout_ms
        .or(spec.timeout_ms)
        .or(place.agent.policy.timeout_ms);
    let timeout = timeout.map_or(shared.timeout, Duration::from_millis);
    let end = Instant::now() + timeout;
    let id = Uuid::new_v7();
    let cx = RunContext(Arc::new(Run {
        id,
        facts: Arc::new(RequestFacts {
            id: going.id.to_string(),
            path: format!("/v1/runs/{}", going.id),
        }),
        agent: place.agent,
        endpoint: spec,
        caller: going.caller.clone(),
        provider: Arc::clone(&shared.provider),
        tools: shared.tools.clone(),
        deadline: going.deadline.map_or(end, |deadline| deadline.min(end)),
        outage: Arc::clone(&shared.outage),
        breakers: Arc::clone(&shared.breakers),
        agents: Arc::clone(&shared.agents),
        metrics: Arc::clone(&shared.metrics),
        counted: Arc::clone(&place.metrics),
        sessions: Arc::new(Sessions::new(Arc::new(MemorySessions::default()))),
        sink: Sink::new(id, place.agent.slug, None),
    }));
    let input = Input::text(Bytes::from(request.to_string()));
    let handler = (place.mounted.call)(cx.clone(), input).map_err(|problem| *problem)?;
    // The end of the service is no failure of the step: whoever drives the run drops it then.
    let reply = run::run(&cx, handler, timeout, &Drain::new()).await;
    let reply = reply.map_err(|problem| *problem)?;
    let mut output = serde_json::from_str::<Value>(&reply.value).unwrap_or_default();
    if endpoint == INVOKE {
        output = output["output"].take();
    }
    Ok((output, reply.map(|_| ())))
}

impl Going {
    /// Tells and counts what was decided about a step. If that can't be written down, whoever drives the run finds out.
    async fn decided(
        &self,
        step: &StepSpec,
        decision: &str,
        event: impl FnOnce(String) -> RunEvent,
    ) {
        let change = Change {
            events: vec![event(step.id.to_owned())],
            ..self.change()
        };
        if let Err(error) = self.runs.journal.write(&change).await {
            tracing::warn!(run_id = %self.id, %error, "an event of a run can't be written down");
        }
        self.told.send_replace(());
        let metrics = &self.runs.shared.metrics;
        metrics.step_decided(self.spec.name, step.id, decision);
    }

    /// A change in which nothing has changed.
    pub(crate) fn change(&self) -> Change {
        Change {
            run: self.id,
            holder: self.runs.hold.holder.clone(),
            steps: Vec::new(),
            events: Vec::new(),
            status: RunStatus::Running,
            error: None,
            ended: None,
        }
    }
}
