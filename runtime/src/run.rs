//! Watches over a run: time, panics and the end of the service; its events are all that comes out.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use serde_json::Value;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use crate::context::RunContext;
use crate::error::AgentError;
use crate::event::Event;
use crate::reply::Reply;

/// How many events may wait for a slow reader before the run waits too.
pub(crate) const EVENTS_AHEAD: usize = 64;

/// A run under way. Dropping it ends the run.
pub(crate) struct Running {
    events: mpsc::Receiver<Event>,
    task: JoinHandle<()>,
}

/// The moment at which what is still running has to end.
#[derive(Debug, Clone)]
pub(crate) struct Drain(Arc<watch::Sender<bool>>);

impl Drain {
    /// A moment that has not come.
    pub(crate) fn new() -> Self {
        Self(Arc::new(watch::Sender::new(false)))
    }

    /// It has come.
    pub(crate) fn end(&self) {
        self.0.send_replace(true);
    }

    async fn ended(&self) {
        let _ = self.0.subscribe().wait_for(|ended| *ended).await;
    }
}

/// A run that is told event by event; its last one is `Completed` or `Failed`.
pub(crate) fn start(
    cx: RunContext,
    handler: impl Future<Output = Result<Reply<Value>, AgentError>> + Send + 'static,
    timeout: Duration,
    drain: Drain,
    events: mpsc::Receiver<Event>,
) -> Running {
    let task = tokio::spawn(async move {
        let last = run(&cx, handler, timeout, &drain).await;
        cx.0.sink.send(last).await;
    });
    Running { events, task }
}

/// Runs `handler` to its end, to `timeout` or to the service's end, whichever is first; gives the last event.
/// Dropping the future ends the run.
pub(crate) async fn run(
    cx: &RunContext,
    handler: impl Future<Output = Result<Reply<Value>, AgentError>> + Send,
    timeout: Duration,
    drain: &Drain,
) -> Event {
    let outcome = tokio::select! {
        biased;
        outcome = AssertUnwindSafe(handler).catch_unwind() => outcome.unwrap_or_else(panicked),
        () = tokio::time::sleep(timeout) => {
            Err(AgentError::TimedOut(format!("the run took longer than {} ms", timeout.as_millis())))
        }
        () = drain.ended() => Err(AgentError::unavailable("the service is shutting down")),
    };
    match outcome {
        Ok(reply) => {
            let run = &cx.0;
            run.sink
                .started(reply.model.as_deref().unwrap_or("code"))
                .await;
            Event::Completed {
                run_id: run.id,
                stop_reason: reply.stop_reason,
                usage: reply.usage,
                output: reply.value,
            }
        }
        Err(error) => failed(cx, &error),
    }
}

impl Running {
    /// The next event; `None` after the last one.
    pub(crate) async fn next(&mut self) -> Option<Event> {
        self.events.recv().await
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn failed(cx: &RunContext, error: &AgentError) -> Event {
    let run = &cx.0;
    if matches!(error, AgentError::Internal(_)) {
        tracing::error!(request_id = run.request_id, endpoint = run.endpoint.operation_id, %error, "run failed");
    }
    let mut problem = error.to_problem();
    problem.instance.clone_from(&run.instance);
    problem.request_id.clone_from(&run.request_id);
    Event::Failed {
        run_id: run.id,
        problem,
    }
}

fn panicked<T>(panic: Box<dyn Any + Send>) -> Result<T, AgentError> {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no message");
    Err(AgentError::Internal(format!(
        "the handler panicked: {text}"
    )))
}
