//! Calls of tools whose client wants to hear of progress: a stream of notifications, and the result at its end.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::http::{HeaderMap, header};
use axum::response::{Response, sse};
use futures_util::{Stream, StreamExt, stream};
use rmcp::model::{ProgressNotificationParam, ProgressToken, RequestMetaObject};
use serde_json::{Value, json};

use crate::event::agent_event::AgentEvent;
use crate::http::protocols::mcp_adapter::mcp_envelope::result_message;
use crate::http::protocols::mcp_adapter::run_guard::RunGuard;
use crate::http::protocols::mcp_adapter::tool_invocation::{
    CallContext, output_result, problem_result,
};
use crate::http::sse_response::stream_response;
use crate::run::supervision::Running;
use crate::schema::Uuid;
use crate::workflow::workflow_event::WorkflowEvent;

/// How often a client hears at most that the answer gets longer.
const BETWEEN_DELTAS: Duration = Duration::from_secs(1);
/// How many events of a run are read from the journal at a time.
const BATCH: u32 = 100;

/// Where a client wants to hear of progress, if it takes a stream.
pub(super) fn token(meta: &RequestMetaObject, headers: &HeaderMap) -> Option<ProgressToken> {
    let accepted = headers.get_all(header::ACCEPT).iter();
    let mut accepted = accepted
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|range| range.split(';').next());
    let takes_stream = accepted.any(|range| range.trim() == "text/event-stream");
    meta.get_progress_token().filter(|_| takes_stream)
}

/// The notifications of one call, counted.
struct Progress {
    token: ProgressToken,
    count: u32,
}

impl Progress {
    /// The next notification.
    fn message(&mut self, text: String) -> Value {
        self.count += 1;
        let progress = ProgressNotificationParam::new(self.token.clone(), self.count.into());
        let params = progress.with_message(text);
        json!({ "jsonrpc": "2.0", "method": "notifications/progress", "params": params })
    }
}

/// A call of an agent, and what its client has heard.
struct AgentReader {
    context: CallContext,
    events: Running,
    guard: Option<RunGuard>,
    is_structured: bool,
    progress: Progress,
    /// How many characters the answer has.
    written: usize,
    /// When that was last told.
    told: Option<Instant>,
}

/// The progress and the result of a call of an agent.
pub(super) fn agent_stream(
    context: CallContext,
    events: Running,
    token: ProgressToken,
    guard: Option<RunGuard>,
    is_structured: bool,
) -> Response {
    let reader = AgentReader {
        context,
        events,
        guard,
        is_structured,
        progress: Progress { token, count: 0 },
        written: 0,
        told: None,
    };
    stream_of(stream::unfold(Some(reader), |reader| async move {
        let mut reader = reader?;
        let (message, is_last) = reader.next().await?;
        Some((message, (!is_last).then_some(reader)))
    }))
}

impl AgentReader {
    /// The next message, and whether it is the result; `None` if the run was interrupted.
    async fn next(&mut self) -> Option<(Value, bool)> {
        loop {
            let event = self.events.next().await?;
            let result = match &event {
                AgentEvent::Completed { output, .. } => {
                    let result = output_result(output.to_string(), self.is_structured).await;
                    self.context.result(&result)
                }
                AgentEvent::Failed { problem, .. } => self.context.result(&problem_result(problem)),
                AgentEvent::ActionRequired { run_id, action } => {
                    match self.paused(*run_id, action.id).await {
                        Some(result) => result,
                        None => continue,
                    }
                }
                AgentEvent::Delta { text } => {
                    self.written += text.chars().count();
                    if self
                        .told
                        .is_some_and(|told| told.elapsed() < BETWEEN_DELTAS)
                    {
                        continue;
                    }
                    self.told = Some(Instant::now());
                    let text = format!("{} characters written", self.written);
                    return Some((self.progress.message(text), false));
                }
                event => match told(event) {
                    Some(text) => return Some((self.progress.message(text), false)),
                    None => continue,
                },
            };
            if let Some(guard) = self.guard.take() {
                guard.keep();
            }
            return Some((result_message(&self.context.id, result), true));
        }
    }

    /// The result of a call whose run waits for an answer to the question `action`; `None` if it no longer does.
    async fn paused(&self, run: Uuid, action: Uuid) -> Option<Value> {
        if self.context.answered.contains(&action) {
            return None;
        }
        let report = self.context.settled(run).await.ok()?;
        let waits = report.actions.iter().any(|open| open.id == action);
        match waits {
            true => Some(self.context.waiting(&report, false).await),
            false => None,
        }
    }
}

/// What is told of an event of an agent.
fn told(event: &AgentEvent) -> Option<String> {
    match event {
        AgentEvent::Started { agent, .. } => Some(format!("{agent} has begun")),
        AgentEvent::PassagesRetrieved { passages, .. } => {
            Some(format!("{} passages found", passages.len()))
        }
        AgentEvent::ToolStarted { tool, .. } => Some(format!("calls {tool}")),
        AgentEvent::ToolCompleted { tool, is_error, .. } => Some(match is_error {
            true => format!("{tool} failed"),
            false => format!("{tool} has answered"),
        }),
        AgentEvent::PolicyApplied { detail, .. } => Some(detail.clone()),
        AgentEvent::HandoffStarted { to, .. } => Some(format!("hands over to {to}")),
        AgentEvent::HandoffCompleted { to, .. } => Some(format!("{to} has answered")),
        AgentEvent::Delta { .. }
        | AgentEvent::ActionRequired { .. }
        | AgentEvent::ActionResolved { .. }
        | AgentEvent::Completed { .. }
        | AgentEvent::Failed { .. } => None,
    }
}

/// A run of a workflow, and what its client has heard.
struct RunReader {
    context: CallContext,
    run: Uuid,
    guard: Option<RunGuard>,
    progress: Progress,
    /// The number of the last event that was read.
    seen: u64,
    read: VecDeque<WorkflowEvent>,
}

/// The progress and the result of a run of a workflow.
pub(super) fn run_stream(
    context: CallContext,
    run: Uuid,
    token: ProgressToken,
    guard: RunGuard,
) -> Response {
    let reader = RunReader {
        context,
        run,
        guard: Some(guard),
        progress: Progress { token, count: 0 },
        seen: 0,
        read: VecDeque::new(),
    };
    stream_of(stream::unfold(Some(reader), |reader| async move {
        let mut reader = reader?;
        let (message, is_last) = reader.next().await?;
        Some((message, (!is_last).then_some(reader)))
    }))
}

impl RunReader {
    /// The next message, and whether it is the result; `None` if the service stops.
    async fn next(&mut self) -> Option<(Value, bool)> {
        loop {
            while let Some(event) = self.read.pop_front() {
                if self.pauses(&event) {
                    let result = match self.context.settled(self.run).await {
                        Ok(report) => self.context.report(&report).await,
                        Err(error) => self.context.result(&problem_result(&error.to_problem())),
                    };
                    if let Some(guard) = self.guard.take() {
                        guard.keep();
                    }
                    return Some((result_message(&self.context.id, result), true));
                }
                if let Some(text) = told_of_run(&event) {
                    return Some((self.progress.message(text), false));
                }
            }
            // Before the journal is read, so that no change after that is missed.
            let runs = Arc::clone(&self.context.runs);
            let changes = runs.subscribe(self.run);
            let events = runs.journal.events(self.run, self.seen, BATCH).await;
            let events = events.inspect_err(|error| {
                tracing::warn!(%error, "the events of a run can't be read");
            });
            let events = events.ok()?;
            if let Some((number, _)) = events.last() {
                self.seen = *number;
                self.read = events.into_iter().map(|(_, event)| event).collect();
                continue;
            }
            tokio::select! {
                () = changes.wait() => {}
                () = runs.resources.shutdown.draining() => return None,
            }
        }
    }

    /// Whether the run has ended, or waits for somebody: for more than what was answered, and for nothing that has come since.
    fn pauses(&self, event: &WorkflowEvent) -> bool {
        match event {
            WorkflowEvent::Finished { .. } => true,
            WorkflowEvent::ActionRequired { action, .. } => {
                let is_resolved = |event: &WorkflowEvent| matches!(event, WorkflowEvent::ActionResolved { action: resolved, .. } if *resolved == action.id);
                action.kind.needs_somebody()
                    && !self.context.answered.contains(&action.id)
                    && !self.read.iter().any(is_resolved)
            }
            _ => false,
        }
    }
}

/// What is told of an event of a run.
fn told_of_run(event: &WorkflowEvent) -> Option<String> {
    match event {
        WorkflowEvent::Started { workflow, .. } => Some(format!("{workflow} has begun")),
        WorkflowEvent::StepStarted { step, agent, .. } => {
            Some(format!("{step}: {agent} has begun"))
        }
        WorkflowEvent::StepRetried { step, .. } => Some(format!("{step}: is tried again")),
        WorkflowEvent::StepFallback { step, agent, .. } => {
            Some(format!("{step}: {agent} is asked instead"))
        }
        WorkflowEvent::StepFinished { report } => {
            Some(format!("{}: {}", report.step, report.status.as_str()))
        }
        WorkflowEvent::PlanStarted { step, subtasks } => {
            Some(format!("{step}: {} subtasks", subtasks.len()))
        }
        _ => None,
    }
}

/// Each message as an event.
fn stream_of(messages: impl Stream<Item = Value> + Send + 'static) -> Response {
    stream_response(messages.map(|message| Ok(sse::Event::default().data(message.to_string()))))
}
