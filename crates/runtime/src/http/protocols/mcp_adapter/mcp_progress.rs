//! Calls of tools whose client wants to hear of progress: a stream of notifications, and the result at its end.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::http::{HeaderMap, header};
use axum::response::{Response, sse};
use futures_util::stream;
use rmcp::model::{
    CallToolResult, ProgressNotificationParam, ProgressToken, RequestId, RequestMetaObject,
};
use serde_json::{Value, json};

use crate::auth::claims::Caller;
use crate::event::agent_event::AgentEvent;
use crate::http::protocols::mcp_adapter::mcp_envelope::{Era, result_message};
use crate::http::protocols::mcp_adapter::mcp_methods::of_era;
use crate::http::protocols::mcp_adapter::run_guard::RunGuard;
use crate::http::protocols::mcp_adapter::tool_invocation::{
    output_result, problem_result, report_result, settled, waiting_result,
};
use crate::http::sse_response::stream_response;
use crate::run::supervision::Running;
use crate::schema::Uuid;
use crate::workflow::workflow_event::WorkflowEvent;
use crate::workflow::workflow_service::WorkflowService;

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

/// A call of an agent, and who reads of it.
pub(super) struct AgentReader {
    pub(super) runs: Arc<WorkflowService>,
    pub(super) caller: Caller,
    pub(super) era: Era,
    pub(super) id: RequestId,
    pub(super) token: ProgressToken,
    pub(super) is_structured: bool,
    pub(super) events: Running,
    pub(super) guard: Option<RunGuard>,
}

/// The progress and the result of a call of an agent.
pub(super) fn agent_stream(reader: AgentReader) -> Response {
    let progress = Progress {
        token: reader.token.clone(),
        count: 0,
    };
    // Nothing was written yet: the first piece is told at once.
    let written = (0_usize, None::<Instant>);
    let state = Some((reader, progress, written));
    stream_of(stream::unfold(state, |state| async move {
        let (mut reader, mut progress, mut written) = state?;
        loop {
            // Without a last event, the run was interrupted.
            let event = reader.events.next().await?;
            if let AgentEvent::Delta { text } = &event {
                let (characters, told) = &mut written;
                *characters += text.chars().count();
                if told.is_some_and(|told| told.elapsed() < BETWEEN_DELTAS) {
                    continue;
                }
                *told = Some(Instant::now());
                let message = progress.message(format!("{characters} characters written"));
                return Some((message, Some((reader, progress, written))));
            }
            let result = match &event {
                AgentEvent::Completed { output, .. } => {
                    output_result(output.to_string(), reader.is_structured).await
                }
                AgentEvent::Failed { problem, .. } => problem_result(problem),
                AgentEvent::ActionRequired { run_id, .. } => match paused(&reader, *run_id).await {
                    Some(result) => result,
                    None => continue,
                },
                event => match told(event) {
                    Some(text) => {
                        let message = progress.message(text);
                        return Some((message, Some((reader, progress, written))));
                    }
                    None => continue,
                },
            };
            if let Some(guard) = reader.guard.take() {
                guard.keep();
            }
            let message = result_message(&reader.id, of_era(reader.era, &result));
            return Some((message, None));
        }
    }))
}

/// The result of a call whose run waits for a person; `None` if it no longer does.
async fn paused(reader: &AgentReader, run: Uuid) -> Option<CallToolResult> {
    let report = settled(&reader.runs, run, &reader.caller.subject)
        .await
        .ok()?;
    (!report.status.is_over()).then(|| waiting_result(&report, false))
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

/// A run of a workflow, and who reads of it.
pub(super) struct RunReader {
    runs: Arc<WorkflowService>,
    run: Uuid,
    caller: Caller,
    era: Era,
    id: RequestId,
    progress: Progress,
    guard: Option<RunGuard>,
    seen: u64,
    read: VecDeque<WorkflowEvent>,
}

impl RunReader {
    pub(super) fn new(
        runs: &Arc<WorkflowService>,
        run: Uuid,
        caller: Caller,
        era: Era,
        id: RequestId,
        token: ProgressToken,
        guard: RunGuard,
    ) -> Self {
        Self {
            runs: Arc::clone(runs),
            run,
            caller,
            era,
            id,
            progress: Progress { token, count: 0 },
            guard: Some(guard),
            seen: 0,
            read: VecDeque::new(),
        }
    }

    /// The next message; `is_last` with the result.
    async fn next(&mut self) -> Option<(Value, bool)> {
        loop {
            while let Some(event) = self.read.pop_front() {
                let ends = match &event {
                    WorkflowEvent::Finished { .. } => true,
                    WorkflowEvent::ActionRequired { action, .. } => action.kind.needs_somebody(),
                    _ => false,
                };
                if ends {
                    let settled = settled(&self.runs, self.run, &self.caller.subject).await;
                    let result = match settled {
                        Ok(report) => report_result(&report),
                        Err(error) => problem_result(&error.to_problem()),
                    };
                    if let Some(guard) = self.guard.take() {
                        guard.keep();
                    }
                    let result = of_era(self.era, &result);
                    return Some((result_message(&self.id, result), true));
                }
                if let Some(text) = told_of_run(&event) {
                    return Some((self.progress.message(text), false));
                }
            }
            // Before the journal is read, so that no change after that is missed.
            let runs = Arc::clone(&self.runs);
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
}

/// The progress and the result of a run of a workflow.
pub(super) fn run_stream(reader: RunReader) -> Response {
    stream_of(stream::unfold(Some(reader), |reader| async move {
        let mut reader = reader?;
        let (message, is_last) = reader.next().await?;
        Some((message, (!is_last).then_some(reader)))
    }))
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
fn stream_of(messages: impl stream::Stream<Item = Value> + Send + 'static) -> Response {
    use futures_util::StreamExt;
    stream_response(messages.map(|message| Ok(sse::Event::default().data(message.to_string()))))
}
