//! Workflows: their runs are started, looked at, followed to their end and called off.

use std::fmt;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::stream::{Stream, StreamExt, try_unfold};
use reqwest::header::{ACCEPT, AUTHORIZATION};
use reqwest::{Method, StatusCode};
use serde::{Deserialize, Serialize};

use super::call::{Call, Operation, in_time, succeeded, url};
use super::connection::Client;
use super::event_stream::EventReader;
use super::problem::ClientError;
use super::reports::{
    PendingAction, RunReport, RunStatus, StepReports, TypedReport, TypedSteps, WorkflowEvent,
    WorkflowRun,
};
use super::service::Page;
use super::values::{DateTime, Uuid};

/// How often in a row a stream of events is opened in vain before that is an error.
const ATTEMPTS: u32 = 10;
/// The pause before a stream is opened again; it doubles from attempt to attempt.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// The longest such pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

impl Client {
    /// The report of a run: of a workflow, or of an agent that had to wait.
    pub fn run(&self, run_id: &Uuid) -> Call<RunReport> {
        Call::new(self, &GET, &Run { run_id })
    }

    /// Answers a question of a run, one of its `actions`. One that was answered before is a problem of status 409.
    pub fn answer(
        &self,
        run_id: &Uuid,
        action_id: &Uuid,
        answer: &impl Serialize,
    ) -> Call<WorkflowRun> {
        let answer = Answer {
            run_id,
            action_id,
            answer,
        };
        Call::new(self, &ANSWER, &answer)
    }

    /// The open questions of all runs that the caller may answer, the newest first. A service without workflows answers 404.
    pub fn actions(&self, page: &Page) -> Call<ActionList> {
        let operation = Operation {
            method: Method::GET,
            path: "/v1/actions",
            headers: &[],
            stream_path: "",
        };
        Call::new(self, &operation, page)
    }

    /// The caller's runs of all workflows, the newest first. A service without workflows answers 404.
    pub fn runs(&self, filter: &RunFilter, page: &Page) -> Call<RunList> {
        let operation = Operation {
            method: Method::GET,
            path: "/v1/runs",
            headers: &[],
            stream_path: "",
        };
        Call::new(self, &operation, &ListedRuns { filter, page })
    }

    /// Deletes those of the caller's runs that have ended, that `filter` matches and that were started before the moment it has in
    /// `before`. One call deletes at most 1000.
    pub fn delete_runs(&self, filter: &RunFilter) -> Call<RunsDeleted> {
        let operation = Operation {
            method: Method::DELETE,
            path: "/v1/runs",
            headers: &[],
            stream_path: "",
        };
        Call::new(self, &operation, filter)
    }
}

/// A page of questions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ActionList {
    /// The questions, the newest first.
    pub actions: Vec<ListedAction>,
    /// Where the next page begins; none if this is the last one.
    pub next_cursor: Option<String>,
}

/// A question that is open, and the run that asks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ListedAction {
    /// The run that asks.
    pub run_id: Uuid,
    /// The workflow's name.
    pub workflow: String,
    /// What it asks.
    pub action: PendingAction,
}

/// Which runs are listed. The default is all.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct RunFilter {
    /// Those of the workflow with this name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workflow: Option<String>,
    /// Those with one of these statuses.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub status: Vec<RunStatus>,
    /// Those that were started then or later.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<DateTime>,
    /// Those that were started earlier than this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<DateTime>,
    /// Those that the schedule of this workflow started, in the place of the caller's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schedule: Option<String>,
}

#[derive(Serialize)]
struct ListedRuns<'a> {
    #[serde(flatten)]
    filter: &'a RunFilter,
    #[serde(flatten)]
    page: &'a Page,
}

/// A page of runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunList {
    /// The runs, the newest first.
    pub runs: Vec<RunSummary>,
    /// Where the next page begins; none if this is the last one.
    pub next_cursor: Option<String>,
}

/// How many runs were deleted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunsDeleted {
    /// How many runs were deleted.
    pub deleted: u64,
    /// Whether there may be more.
    pub has_more: bool,
}

/// A run without its steps.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunSummary {
    /// Identifies the run.
    pub run_id: Uuid,
    /// The run that it is a step of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<Uuid>,
    /// The workflow's name.
    pub workflow: String,
    /// How the run stands.
    pub status: RunStatus,
    /// The workflow whose schedule started it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<String>,
    /// Why it did not complete, or what it continued without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// When it was started, in UTC to the millisecond.
    pub created_at: DateTime,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<DateTime>,
}

/// A workflow, which is given an `I`; `S` has a field for each step.
#[derive(Debug, Clone)]
pub struct Workflow<I, S> {
    client: Client,
    /// The path of its runs.
    path: &'static str,
    types: PhantomData<fn(&I) -> S>,
}

impl<I: Serialize, S: TypedSteps> Workflow<I, S> {
    pub(crate) fn new(client: &Client, path: &'static str) -> Self {
        Self {
            client: client.clone(),
            path,
            types: PhantomData,
        }
    }

    /// Starts a run. With an idempotency key, the same run is answered to the same request.
    pub fn start(&self, input: &I) -> Call<WorkflowRun> {
        let operation = Operation {
            method: Method::POST,
            path: self.path,
            headers: &[],
            stream_path: "",
        };
        Call::new(&self.client, &operation, input)
    }

    /// How far a run has come.
    ///
    /// # Errors
    /// The service's problem, or what happened on the way.
    pub async fn get(&self, run_id: &Uuid) -> Result<TypedReport<S>, ClientError> {
        let report: RunReport = Call::<_>::new(&self.client, &GET, &Run { run_id }).await?;
        let mut reports = StepReports(report.steps);
        let unlike = |detail| ClientError::Answer {
            status: 200,
            detail,
        };
        Ok(TypedReport {
            run_id: report.run_id,
            workflow: report.workflow,
            status: report.status,
            error: report.error,
            created_at: report.created_at,
            ended_at: report.ended_at,
            attempts: report.attempts,
            restarted_from: report.restarted_from,
            schedule: report.schedule,
            usage: report.usage,
            steps: S::read(&mut reports).map_err(unlike)?,
            actions: report.actions,
        })
    }

    /// The events of a run from its beginning to its end.
    pub fn events(&self, run_id: &Uuid) -> RunEvents {
        RunEvents::new(&self.client, run_id, None)
    }

    /// The events of a run behind the one with the number `last`.
    pub fn events_after(&self, run_id: &Uuid, last: u64) -> RunEvents {
        RunEvents::new(&self.client, run_id, Some(last))
    }

    /// Waits for the end of a run and reports it.
    ///
    /// # Errors
    /// The service's problem, or what happened on the way. A run that failed is no error: the report says it.
    pub async fn wait(&self, run_id: &Uuid) -> Result<TypedReport<S>, ClientError> {
        let mut events = self.events(run_id);
        while let Some(event) = events.next().await {
            event?;
        }
        self.get(run_id).await
    }

    /// Answers a question of a run, one of its `actions`. One that was answered before is a problem of status 409.
    pub fn answer(
        &self,
        run_id: &Uuid,
        action_id: &Uuid,
        answer: &impl Serialize,
    ) -> Call<WorkflowRun> {
        self.client.answer(run_id, action_id, answer)
    }

    /// Sends an event to a run. A step that waits for it later receives it, too.
    pub fn send_event(
        &self,
        run_id: &Uuid,
        event: &str,
        payload: &impl Serialize,
    ) -> Call<WorkflowRun> {
        let event = Event {
            run_id,
            event,
            payload,
        };
        Call::new(&self.client, &SEND_EVENT, &event)
    }

    /// Calls a run off. One that is over is a problem of status 409.
    pub fn cancel(&self, run_id: &Uuid) -> Call<WorkflowRun> {
        Call::new(&self.client, &CANCEL, &Run { run_id })
    }

    /// Pauses a run: the steps that run are finished, and no further one begins. One that is over is a problem of status 409.
    pub fn pause(&self, run_id: &Uuid) -> Call<WorkflowRun> {
        Call::new(&self.client, &PAUSE, &Run { run_id })
    }

    /// Lets a run continue that is paused. Any other one is a problem of status 409.
    pub fn resume(&self, run_id: &Uuid) -> Call<WorkflowRun> {
        Call::new(&self.client, &RESUME, &Run { run_id })
    }

    /// Lets a run continue that failed or was cancelled: the steps that did not succeed begin again. Any other one is a problem of status
    /// 409, and so is one of an earlier version of the workflow.
    pub fn retry(&self, run_id: &Uuid) -> Call<WorkflowRun> {
        Call::new(&self.client, &RETRY, &Run { run_id })
    }

    /// Starts a run with the input of another one. With an idempotency key, the same run is answered to the same request.
    pub fn restart(&self, run_id: &Uuid) -> Call<WorkflowRun> {
        Call::new(&self.client, &RESTART, &Run { run_id })
    }
}

/// The id of a run, which is in the path.
#[derive(Serialize)]
struct Run<'a> {
    run_id: &'a Uuid,
}

/// An answer, an object. No member of one is called like those in the path.
#[derive(Serialize)]
struct Answer<'a, A> {
    #[serde(rename = ":run_id")]
    run_id: &'a Uuid,
    #[serde(rename = ":action_id")]
    action_id: &'a Uuid,
    #[serde(flatten)]
    answer: &'a A,
}

/// An event with what is sent with it, an object.
#[derive(Serialize)]
struct Event<'a, P> {
    #[serde(rename = ":run_id")]
    run_id: &'a Uuid,
    #[serde(rename = ":event")]
    event: &'a str,
    #[serde(flatten)]
    payload: &'a P,
}

const GET: Operation = Operation {
    method: Method::GET,
    path: "/v1/runs/{run_id}",
    headers: &[],
    stream_path: "",
};

const CANCEL: Operation = of_run("/v1/runs/{run_id}/cancel");
const PAUSE: Operation = of_run("/v1/runs/{run_id}/pause");
const RESUME: Operation = of_run("/v1/runs/{run_id}/resume");
const RETRY: Operation = of_run("/v1/runs/{run_id}/retry");
const RESTART: Operation = of_run("/v1/runs/{run_id}/restart");

const fn of_run(path: &'static str) -> Operation {
    Operation {
        method: Method::POST,
        path,
        headers: &[],
        stream_path: "",
    }
}

const ANSWER: Operation = Operation {
    method: Method::POST,
    path: "/v1/runs/{:run_id}/actions/{:action_id}",
    headers: &[],
    stream_path: "",
};

const SEND_EVENT: Operation = Operation {
    method: Method::POST,
    path: "/v1/runs/{:run_id}/events/{:event}",
    headers: &[],
    stream_path: "",
};

/// An event of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct RunEvent {
    /// Its number in the run, from 1.
    pub id: u64,
    /// What happened.
    pub event: WorkflowEvent,
}

/// The events of a run, each once. A connection that breaks is made again, and continues behind the last event.
pub struct RunEvents {
    events: Pin<Box<dyn Stream<Item = Result<RunEvent, ClientError>> + Send>>,
}

/// Where a stream of events stands.
struct Position {
    client: Client,
    run_id: Uuid,
    /// The number of the last event.
    last: Option<u64>,
    reader: Option<EventReader>,
    /// How often in a row there was no event.
    failures: u32,
    is_over: bool,
}

impl RunEvents {
    fn new(client: &Client, run_id: &Uuid, last: Option<u64>) -> Self {
        let position = Position {
            client: client.clone(),
            run_id: run_id.clone(),
            last,
            reader: None,
            failures: 0,
            is_over: false,
        };
        let events = try_unfold(position, async |mut position| {
            let event = position.next().await?;
            Ok(event.map(|event| (event, position)))
        });
        Self {
            events: Box::pin(events),
        }
    }
}

impl Stream for RunEvents {
    type Item = Result<RunEvent, ClientError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.events.as_mut().poll_next(cx)
    }
}

impl fmt::Debug for RunEvents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunEvents").finish_non_exhaustive()
    }
}

impl Position {
    /// The next event; `None` behind the last one.
    async fn next(&mut self) -> Result<Option<RunEvent>, ClientError> {
        while !self.is_over {
            match self.try_next().await {
                Ok(Some(event)) => {
                    self.failures = 0;
                    return Ok(Some(event));
                }
                Ok(None) => {}
                Err(error) if is_passing(&error) => {
                    self.failures += 1;
                    if self.failures >= ATTEMPTS {
                        return Err(error);
                    }
                    self.reader = None;
                    tokio::time::sleep(pause(&error, self.failures)).await;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    /// The next event of the stream that is open, or that is opened for it; `None` where there is nothing more to come.
    async fn try_next(&mut self) -> Result<Option<RunEvent>, ClientError> {
        if self.reader.is_none() {
            self.reader = self.open().await?;
        }
        let Some(reader) = &mut self.reader else {
            self.is_over = true;
            return Ok(None);
        };
        let Some(message) = reader.next().await? else {
            return Err(ClientError::Interrupted);
        };
        let event: WorkflowEvent = message.read(reader.status)?;
        let id = message.id.and_then(|id| id.parse().ok());
        let id = id.ok_or_else(|| ClientError::Answer {
            status: reader.status,
            detail: "an event has no number".to_owned(),
        })?;
        self.last = Some(id);
        self.is_over = matches!(event, WorkflowEvent::Finished { .. });
        Ok(Some(RunEvent { id, event }))
    }

    /// The stream behind the last event; `None` where the run is over and has no more.
    async fn open(&self) -> Result<Option<EventReader>, ClientError> {
        let run = Run {
            run_id: &self.run_id,
        };
        let run = serde_json::to_value(run).unwrap_or_default();
        let url = url(
            &self.client.base,
            "/v1/runs/{run_id}/events",
            run.as_object(),
        );
        let url = url.map_err(ClientError::Request)?;
        let mut request = self
            .client
            .http
            .get(url)
            .header(ACCEPT, "text/event-stream");
        if let Some(authorization) = &self.client.authorization {
            request = request.header(AUTHORIZATION, authorization.clone());
        }
        if let Some(last) = self.last {
            request = request.header("last-event-id", last);
        }
        let response = in_time(self.client.timeout, request.send()).await??;
        let response = succeeded(response).await?;
        let has_more = response.status() != StatusCode::NO_CONTENT;
        Ok(has_more.then(|| EventReader::new(response, self.client.timeout)))
    }
}

/// Whether a stream that ended so may be opened again.
fn is_passing(error: &ClientError) -> bool {
    match error {
        ClientError::Transport(_) | ClientError::TimedOut | ClientError::Interrupted => true,
        _ => matches!(error.status(), Some(429 | 502..=504)),
    }
}

/// The pause before the stream is opened again.
fn pause(error: &ClientError, failures: u32) -> Duration {
    let asked = error.problem().and_then(|problem| problem.retry_after);
    match asked {
        Some(seconds) => Duration::from_secs(seconds),
        None => LONGEST_PAUSE.min(FIRST_PAUSE * 2_u32.saturating_pow(failures.saturating_sub(1))),
    }
}
