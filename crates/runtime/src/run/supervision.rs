//! Runs a handler to its end: time limit, panics, shutdown, and the metrics and log line of the run.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tracing::Instrument;

use crate::error::AgentError;
use crate::error::problem::Problem;
use crate::event::agent_event::{AgentEvent, PolicyKind, Usage};
use crate::future::off_worker;
use crate::run::reply::Reply;
use crate::run::run_context::RunContext;
use crate::run::shutdown::Shutdown;
use crate::telemetry::metrics::COMPLETED;

/// The model's name in events and logs of a run that called no model.
const NO_MODEL: &str = "code";
/// How many events a slow reader may be behind before the run waits.
pub(crate) const EVENTS_AHEAD: usize = 64;

/// A run in a task of its own. Dropping it aborts the run.
pub(crate) struct Running {
    events: mpsc::Receiver<AgentEvent>,
    /// Whether the head of the response was sent before the run's first event.
    response_began: Arc<AtomicBool>,
    task: JoinHandle<()>,
}

/// Spawns a run whose caller reads its events. The last one is `Completed` or `Failed`.
pub(crate) fn start(
    cx: RunContext,
    handler: impl Future<Output = Result<Reply<String>, AgentError>> + Send + 'static,
    timeout: Duration,
    shutdown: Shutdown,
    events: mpsc::Receiver<AgentEvent>,
) -> Running {
    let response_began = Arc::new(AtomicBool::new(false));
    let began = Arc::clone(&response_began);
    let task = tokio::spawn(async move {
        let ended = run(&cx, handler, timeout, &shutdown).await;
        let run = &*cx.0;
        let last = match ended {
            Ok(reply) => {
                run.sink
                    .started(reply.model.as_deref().unwrap_or(NO_MODEL))
                    .await;
                let text = reply.value;
                let output = off_worker(text.len(), move || serde_json::from_str(&text));
                match output.await {
                    Ok(output) => AgentEvent::Completed {
                        run_id: run.id,
                        stop_reason: reply.stop_reason,
                        usage: reply.usage,
                        output,
                    },
                    Err(error) => AgentEvent::Failed {
                        run_id: run.id,
                        usage: reply.usage,
                        problem: Box::new(log_failure(&cx, &AgentError::internal(error))),
                    },
                }
            }
            Err(problem) => {
                // What a caller reads as a stream has a beginning, and tells which policies were applied.
                if began.load(Ordering::Relaxed) {
                    let model = run.meter.model();
                    run.sink.started(model.as_deref().unwrap_or(NO_MODEL)).await;
                }
                AgentEvent::Failed {
                    run_id: run.id,
                    usage: run.meter.usage(),
                    problem,
                }
            }
        };
        run.sink.send(last).await;
    });
    Running {
        events,
        response_began,
        task,
    }
}

/// Runs `handler` until it returns, the deadline is reached or the service terminates. Returns the reply as JSON, or the
/// problem for the caller. `timeout` is what the deadline was computed from. Dropping the future cancels the run.
pub(crate) async fn run(
    cx: &RunContext,
    handler: impl Future<Output = Result<Reply<String>, AgentError>> + Send,
    timeout: Duration,
    shutdown: &Shutdown,
) -> Result<Reply<String>, Box<Problem>> {
    let run = &cx.0;
    let span = tracing::info_span!(
        "run",
        run_id = %run.id,
        request_id = run.request.id,
        agent = run.agent.slug,
        endpoint = run.endpoint.name,
    );
    run_to_end(cx, handler, timeout, shutdown)
        .instrument(span)
        .await
}

async fn run_to_end(
    cx: &RunContext,
    handler: impl Future<Output = Result<Reply<String>, AgentError>> + Send,
    timeout: Duration,
    shutdown: &Shutdown,
) -> Result<Reply<String>, Box<Problem>> {
    let mut record = RunRecord::start(cx);
    let mut timed_out = false;
    let outcome = tokio::select! {
        biased;
        outcome = AssertUnwindSafe(handler).catch_unwind() => outcome.unwrap_or_else(panicked),
        () = tokio::time::sleep_until(cx.0.deadline) => Err(AgentError::TimedOut(String::new())),
        () = shutdown.terminated() => Err(AgentError::unavailable("the service is shutting down")),
    };
    // The handler may have failed with the deadline before this function noticed it.
    let outcome = outcome.map_err(|error| match error {
        AgentError::TimedOut(_) if tokio::time::Instant::now() >= cx.0.deadline => {
            timed_out = true;
            let limit = timeout.as_millis();
            AgentError::TimedOut(format!("the answer took longer than {limit} ms"))
        }
        error => error,
    });
    let outcome = outcome.and_then(|mut reply| {
        if let Some(conversation) = &cx.0.conversation {
            reply.value = conversation.hand_over(reply.value)?;
        }
        Ok(reply)
    });
    match outcome {
        Ok(reply) => {
            record.outcome = COMPLETED;
            record.usage = Some(reply.usage);
            record.model.clone_from(&reply.model);
            Ok(reply)
        }
        Err(error) => {
            record.outcome = "failed";
            let problem = log_failure(cx, &error);
            // Recorded now: emitting the event may wait for a slow reader.
            drop(record);
            if timed_out {
                emit_deadline(cx, error.to_string()).await;
            }
            Err(Box::new(problem))
        }
    }
}

impl Running {
    /// A run elsewhere, whose events `task` sends.
    pub(crate) fn elsewhere(events: mpsc::Receiver<AgentEvent>, task: JoinHandle<()>) -> Self {
        Self {
            events,
            response_began: Arc::default(),
            task,
        }
    }

    /// The next event; `None` after the last one.
    pub(crate) async fn next(&mut self) -> Option<AgentEvent> {
        self.events.recv().await
    }

    /// From now on the run can't become an error response: if it fails, its events begin all the same.
    pub(crate) fn response_began(&self) {
        self.response_began.store(true, Ordering::Relaxed);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Counts and logs a run when it is dropped, so that a run whose caller goes away is recorded too.
struct RunRecord<'a> {
    cx: &'a RunContext,
    started: Instant,
    outcome: &'static str,
    model: Option<String>,
    /// The usage of the reply; `None` until there is one.
    usage: Option<Usage>,
}

impl<'a> RunRecord<'a> {
    fn start(cx: &'a RunContext) -> Self {
        cx.0.counted.run_started();
        Self {
            cx,
            started: Instant::now(),
            outcome: "cancelled",
            model: None,
            usage: None,
        }
    }
}

impl Drop for RunRecord<'_> {
    fn drop(&mut self) {
        let run = &self.cx.0;
        // One that waits for a person is dropped, and continues later.
        if run.turns.as_ref().is_some_and(|turns| turns.is_suspended()) {
            self.outcome = "waiting";
        }
        run.counted.run_ended(self.outcome);
        let Usage {
            input_tokens,
            output_tokens,
            estimated,
        } = self.usage.unwrap_or_else(|| run.meter.usage());
        let model = match self.outcome {
            COMPLETED => self.model.take(),
            _ => run.meter.model(),
        };
        let ms = crate::telemetry::log::millis(self.started.elapsed());
        tracing::info!(
            outcome = self.outcome,
            model = model.as_deref().unwrap_or(NO_MODEL),
            ms,
            input_tokens,
            output_tokens,
            estimated = estimated.then_some(true),
            "run ended"
        );
    }
}

/// Counts and emits that the deadline of a run was reached.
async fn emit_deadline(cx: &RunContext, detail: String) {
    let run = &cx.0;
    let policy = PolicyKind::Deadline;
    run.resources
        .metrics
        .policy_applied(run.agent.slug, policy.as_str());
    let model = None;
    run.sink
        .aside(AgentEvent::PolicyApplied {
            policy,
            model,
            detail,
        })
        .await;
}

/// Logs why a run failed; returns the problem for its caller.
fn log_failure(cx: &RunContext, error: &AgentError) -> Problem {
    let run = &cx.0;
    let mut problem = error.to_problem();
    if problem.status >= 500 {
        // The span has these fields too, but the log level may turn it off.
        let (run_id, request_id) = (run.id, &run.request.id);
        let (agent, endpoint) = (run.agent.slug, run.endpoint.name);
        if matches!(error, AgentError::Internal(_)) {
            tracing::error!(%run_id, request_id, agent, endpoint, %error, "run failed");
        } else {
            tracing::warn!(%run_id, request_id, agent, endpoint, %error, "run failed");
        }
    }
    problem.instance.clone_from(&run.request.path);
    problem.request_id.clone_from(&run.request.id);
    problem
}

fn panicked<T>(panic: Box<dyn Any + Send>) -> Result<T, AgentError> {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no message");
    Err(AgentError::internal(format!(
        "the handler panicked: {text}"
    )))
}
