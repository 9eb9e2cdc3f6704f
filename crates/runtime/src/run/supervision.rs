//! Watches over a run: time, panics and the end of the service; its events are all that comes out.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tracing::Instrument;

use crate::error::AgentError;
use crate::error::problem::Problem;
use crate::event::agent_event::{AgentEvent, PolicyKind, Usage};
use crate::run::reply::Reply;
use crate::run::run_context::RunContext;
use crate::run::shutdown::Shutdown;
use crate::telemetry::metrics::COMPLETED;

/// What stands for the model where none was asked.
const NO_MODEL: &str = "code";
/// How many events may wait for a slow reader before the run waits too.
pub(crate) const EVENTS_AHEAD: usize = 64;

/// A run under way. Dropping it ends the run.
pub(crate) struct Running {
    events: mpsc::Receiver<AgentEvent>,
    task: JoinHandle<()>,
}

/// A run that is told event by event; its last one is `Completed` or `Failed`.
pub(crate) fn start(
    cx: RunContext,
    handler: impl Future<Output = Result<Reply<String>, AgentError>> + Send + 'static,
    timeout: Duration,
    shutdown: Shutdown,
    events: mpsc::Receiver<AgentEvent>,
) -> Running {
    let task = tokio::spawn(async move {
        let ended = run(&cx, handler, timeout, &shutdown).await;
        let run = &*cx.0;
        let last = match ended {
            Ok(reply) => {
                run.sink
                    .started(reply.model.as_deref().unwrap_or(NO_MODEL))
                    .await;
                AgentEvent::Completed {
                    run_id: run.id,
                    stop_reason: reply.stop_reason,
                    usage: reply.usage,
                    output: serde_json::from_str(&reply.value).unwrap_or_default(),
                }
            }
            Err(problem) => AgentEvent::Failed {
                run_id: run.id,
                usage: run.meter.usage(),
                problem: *problem,
            },
        };
        run.sink.send(last).await;
    });
    Running { events, task }
}

/// Runs `handler` to its end, to `timeout` or to the service's end, whichever is first; gives its answer as JSON, or
/// what its caller is told instead. Dropping the future ends the run.
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
    watched(cx, handler, timeout, shutdown)
        .instrument(span)
        .await
}

async fn watched(
    cx: &RunContext,
    handler: impl Future<Output = Result<Reply<String>, AgentError>> + Send,
    timeout: Duration,
    shutdown: &Shutdown,
) -> Result<Reply<String>, Box<Problem>> {
    let mut account = Account::open(cx);
    let mut is_late = false;
    let outcome = tokio::select! {
        biased;
        outcome = AssertUnwindSafe(handler).catch_unwind() => outcome.unwrap_or_else(panicked),
        () = tokio::time::sleep_until(cx.0.deadline) => Err(AgentError::TimedOut(String::new())),
        () = shutdown.terminated() => Err(AgentError::unavailable("the service is shutting down")),
    };
    // The handler may have noticed it first.
    let outcome = outcome.map_err(|error| match error {
        AgentError::TimedOut(_) if tokio::time::Instant::now() >= cx.0.deadline => {
            is_late = true;
            let most = timeout.as_millis();
            AgentError::TimedOut(format!("the answer took longer than {most} ms"))
        }
        error => error,
    });
    match outcome {
        Ok(reply) => {
            account.outcome = COMPLETED;
            account.usage = Some(reply.usage);
            account.model.clone_from(&reply.model);
            Ok(reply)
        }
        Err(error) => {
            account.outcome = "failed";
            let problem = failed(cx, &error);
            // A reader who is behind keeps nothing from being counted.
            drop(account);
            if is_late {
                late(cx, error.to_string()).await;
            }
            Err(Box::new(problem))
        }
    }
}

impl Running {
    /// The next event; `None` after the last one.
    pub(crate) async fn next(&mut self) -> Option<AgentEvent> {
        self.events.recv().await
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What is counted and logged of a run when it is over, also when it ends because its caller went away.
struct Account<'a> {
    cx: &'a RunContext,
    began: Instant,
    outcome: &'static str,
    model: Option<String>,
    /// What the answer took, once there is one.
    usage: Option<Usage>,
}

impl<'a> Account<'a> {
    fn open(cx: &'a RunContext) -> Self {
        cx.0.counted.run_started();
        Self {
            cx,
            began: Instant::now(),
            outcome: "cancelled",
            model: None,
            usage: None,
        }
    }
}

impl Drop for Account<'_> {
    fn drop(&mut self) {
        let run = &self.cx.0;
        run.counted.run_ended(self.outcome);
        let Usage {
            input_tokens,
            output_tokens,
        } = self.usage.unwrap_or_else(|| run.meter.usage());
        let ms = crate::telemetry::log::millis(self.began.elapsed());
        tracing::info!(
            outcome = self.outcome,
            model = self.model.as_deref().unwrap_or(NO_MODEL),
            ms,
            input_tokens,
            output_tokens,
            "run ended"
        );
    }
}

/// Tells and counts that the time of a run is up.
async fn late(cx: &RunContext, detail: String) {
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

fn failed(cx: &RunContext, error: &AgentError) -> Problem {
    let run = &cx.0;
    let mut problem = error.to_problem();
    if problem.status >= 500 {
        // The span says this too, where the level lets it.
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
