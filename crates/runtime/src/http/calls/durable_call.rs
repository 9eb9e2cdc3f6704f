//! Calls that are runs in the journal: they go on whatever becomes of their request, and may wait for a person.

use std::sync::Arc;

use axum::http::request::Parts;
use serde_json::Value;
use tokio::sync::mpsc;

use crate::auth::claims::Caller;
use crate::error::AgentError;
use crate::error::problem::Problem;
use crate::event::agent_event::{AgentEvent, StopReason};
use crate::http::api_error::ApiError;
use crate::http::calls::MountedEndpoint;
use crate::http::calls::agent_call::{Answer, Waits, request_info};
use crate::http::idempotency::{key_reused, read_key};
use crate::run::reply::{InvokeRequest, Reply};
use crate::run::run_context::RequestInfo;
use crate::run::run_input::Input;
use crate::run::supervision::{EVENTS_AHEAD, Running};
use crate::schema::{Uuid, new_uuid_v7};
use crate::session::caller_conversation::CallerConversation;
use crate::spec::endpoint_spec::EndpointSpec;
use crate::spec::workflow_spec::INVOKE;
use crate::workflow::agent_run::{self, LiveReader, RunRequest, Started, is_pause, wait_for_pause};
use crate::workflow::run_report::{RunReport, RunStatus, StepError, StepReport};
use crate::workflow::workflow_event::WorkflowEvent;
use crate::workflow::workflow_service::WorkflowService;

/// How many events of a run are read at a time.
const PAGE: u32 = 100;

/// A run of an agent, and the request that asks for it.
pub(crate) struct AgentRun {
    pub(crate) id: Uuid,
    runs: Arc<WorkflowService>,
    endpoint: Arc<MountedEndpoint>,
    subject: String,
    info: Arc<RequestInfo>,
    reader: LiveReader,
    /// Questions that were answered a moment ago: the run may still seem to wait for them.
    answered: Vec<Uuid>,
}

/// Starts a run for a request that was admitted.
///
/// # Errors
/// An input that is invalid, an `Idempotency-Key` of another request, and what the journal says.
pub(super) async fn begin(
    runs: &Arc<WorkflowService>,
    endpoint: &Arc<MountedEndpoint>,
    caller: Caller,
    parts: &Parts,
    mut input: Input,
    (message, conversation): (Option<Value>, Option<&CallerConversation>),
) -> Result<AgentRun, ApiError> {
    let key = read_key(&parts.headers)?;
    endpoint.check_input(&mut input).await?;
    let request = std::mem::take(input.json().await?);
    if endpoint.handler.spec.name == INVOKE {
        // A program may serve it with a schema that demands less than the type does.
        let input = Input::text(request.to_string());
        input.typed::<InvokeRequest>(&endpoint.input_schema).await?;
    }
    let id = new_uuid_v7();
    let called = (endpoint.agent, endpoint.handler.spec);
    // Before it starts, so that nothing is missed.
    let reader = LiveReader::new(runs, id, EVENTS_AHEAD);
    let subject = caller.subject.clone();
    let request = RunRequest {
        input: request,
        message,
        conversation,
    };
    let run = match agent_run::start(runs, id, called, request, caller, key).await? {
        Started::Run(run) => run,
        Started::OtherRequest => return Err(key_reused()),
    };
    let reader = match run == id {
        true => reader,
        false => LiveReader::new(runs, run, EVENTS_AHEAD),
    };
    Ok(AgentRun {
        id: run,
        runs: Arc::clone(runs),
        endpoint: Arc::clone(endpoint),
        subject,
        info: request_info(parts),
        reader,
        answered: Vec::new(),
    })
}

impl AgentRun {
    /// The run `id` of `subject`, which was started before; `answered` are the questions of it that are being answered. With `reads_along`,
    /// what its agent writes from now on is among its events, and no longer among those of who read along before.
    #[cfg_attr(
        not(any(feature = "a2a", feature = "openai")),
        allow(
            dead_code,
            reason = "these protocols follow runs that they did not begin"
        )
    )]
    pub(crate) fn of(
        runs: &Arc<WorkflowService>,
        endpoint: &Arc<MountedEndpoint>,
        subject: String,
        parts: &Parts,
        (id, answered): (Uuid, Vec<Uuid>),
        reads_along: bool,
    ) -> Self {
        let reader = match reads_along {
            true => LiveReader::new(runs, id, EVENTS_AHEAD),
            false => LiveReader::none(runs, id),
        };
        Self {
            id,
            runs: Arc::clone(runs),
            endpoint: Arc::clone(endpoint),
            subject,
            info: request_info(parts),
            reader,
            answered,
        }
    }

    /// Its events, to the end, or until it waits if `waits` says so.
    pub(crate) fn follow(self, waits: Waits) -> Running {
        let (events, following) = mpsc::channel(EVENTS_AHEAD);
        let follower = Follower {
            runs: self.runs,
            endpoint: self.endpoint,
            info: self.info,
            run: self.id,
            subject: self.subject,
            events,
            has_started: false,
            ends_waiting: waits == Waits::Ending,
            answered: self.answered,
        };
        Running::elsewhere(following, tokio::spawn(follower.follow(self.reader)))
    }

    /// Waits until it has ended or only waits.
    ///
    /// # Errors
    /// What it fails with.
    pub(crate) async fn answer(self) -> Result<Answer, ApiError> {
        drop(self.reader);
        let answered = &self.answered;
        let mut report = wait_for_pause(&self.runs, self.id, &self.subject, answered).await?;
        if !report.status.is_over() {
            report
                .actions
                .retain(|action| !answered.contains(&action.id));
            return Ok(Answer::Waiting(self.id, Box::new(report)));
        }
        let usage = report.usage;
        match outcome(self.endpoint.handler.spec, report) {
            Ok(StepReport { output, model, .. }) => Ok(Answer::Output(Reply {
                stop_reason: stop_reason(&output),
                value: output.to_string(),
                usage,
                model,
            })),
            Err(problem) => Err(ApiError::Run(situated(problem, &self.info))),
        }
    }

    /// What is known of it.
    ///
    /// # Errors
    /// What the journal says.
    pub(crate) async fn report(&self) -> Result<RunReport, ApiError> {
        let report = self.runs.report(self.id, &self.subject).await?;
        let report =
            report.ok_or_else(|| AgentError::internal("a run is gone from the journal"))?;
        Ok(report)
    }
}

/// Why the model stopped, as the output of an agent says; other outputs are of models that came to an end.
fn stop_reason(output: &Value) -> StopReason {
    let stop_reason = serde_json::from_value(output["stop_reason"].clone());
    stop_reason.unwrap_or(StopReason::EndTurn)
}

/// The step of a run that has ended, or why it has no answer.
fn outcome(spec: &EndpointSpec, report: RunReport) -> Result<StepReport, Box<Problem>> {
    let RunReport {
        status,
        error,
        mut steps,
        ..
    } = report;
    let step = steps.pop();
    match (status, step) {
        (RunStatus::Completed, Some(step)) => Ok(step),
        (RunStatus::Cancelled, _) => Err(Box::new(Problem::new(409, "the run was cancelled"))),
        (
            _,
            Some(StepReport {
                error: Some(error), ..
            }),
        ) => Err(Box::new(problem(spec, error))),
        _ => Err(Box::new(Problem::new(500, error.unwrap_or_default()))),
    }
}

/// The problem that the endpoint would have answered with.
fn problem(spec: &EndpointSpec, error: StepError) -> Problem {
    let StepError {
        status,
        detail,
        kind,
        code,
        errors,
    } = error;
    let mut problem = Problem::new(status, detail);
    let mut declared = spec.errors.iter();
    if let Some(declared) = declared.find(|declared| Some(declared.code) == code.as_deref()) {
        problem.title = declared.title.to_owned();
    }
    if let Some(kind) = kind {
        problem.kind = kind;
    }
    problem.code = code;
    problem.errors = errors;
    problem
}

/// The problem of the request `info`.
fn situated(mut problem: Box<Problem>, info: &RequestInfo) -> Box<Problem> {
    problem.instance.clone_from(&info.path);
    problem.request_id.clone_from(&info.id);
    problem
}

/// Tells the reader of a stream what happens in a run.
struct Follower {
    runs: Arc<WorkflowService>,
    endpoint: Arc<MountedEndpoint>,
    info: Arc<RequestInfo>,
    run: Uuid,
    subject: String,
    events: mpsc::Sender<AgentEvent>,
    has_started: bool,
    /// Whether the events end where the run waits.
    ends_waiting: bool,
    /// As in [`AgentRun`].
    answered: Vec<Uuid>,
}

impl Follower {
    /// Follows the run to its end: what the agent writes as it comes, if this process executes the run, and from the journal what the run
    /// waits for and how it ends.
    async fn follow(mut self, mut reader: LiveReader) {
        if let Err(error) = self.follow_to_end(&mut reader).await {
            let problem = situated(Box::new(error.to_problem()), &self.info);
            self.send_last(AgentEvent::Failed {
                run_id: self.run,
                usage: Default::default(),
                problem,
            })
            .await;
        }
    }

    async fn follow_to_end(&mut self, reader: &mut LiveReader) -> Result<(), AgentError> {
        let runs = Arc::clone(&self.runs);
        let mut seen = 0;
        let mut asked = Vec::new();
        loop {
            // Before the journal is read, so that no change after that is missed.
            let mut changes = std::pin::pin!(runs.subscribe(self.run).wait());
            let events = runs.journal.events(self.run, seen, PAGE).await?;
            // What the agent wrote before.
            while let Ok(event) = reader.events.try_recv() {
                self.send(event).await;
            }
            let is_whole = events.len() < PAGE as usize;
            for (number, event) in events {
                seen = number;
                match event {
                    WorkflowEvent::ActionRequired { action, .. } => {
                        if self.answered.contains(&action.id) {
                            continue;
                        }
                        asked.push(action.id);
                        self.begin(None).await;
                        let run_id = self.run;
                        let action = Box::new(action);
                        self.send(AgentEvent::ActionRequired { run_id, action })
                            .await;
                    }
                    WorkflowEvent::ActionResolved {
                        action, outcome, ..
                    } => {
                        let run_id = self.run;
                        self.send(AgentEvent::ActionResolved {
                            run_id,
                            action,
                            outcome,
                        })
                        .await;
                    }
                    WorkflowEvent::Finished { .. } => return self.end().await,
                    _ => {}
                }
            }
            if !is_whole {
                continue;
            }
            if self.ends_waiting {
                let report = runs.report(self.run, &self.subject).await?;
                // The actions of a run may be there before the events that tell of them.
                let told = [&*self.answered, &asked].concat();
                let waits = |report: &RunReport| {
                    is_pause(report, &self.answered) && !is_pause(report, &told)
                };
                if report.as_ref().is_some_and(waits) {
                    return Ok(());
                }
            }
            loop {
                tokio::select! {
                    Some(event) = reader.events.recv() => self.send(event).await,
                    () = &mut changes => break,
                    () = runs.resources.shutdown.terminated() => {
                        return Err(AgentError::unavailable("the service is shutting down"));
                    }
                }
            }
        }
    }

    /// Tells how the run ended.
    async fn end(&mut self) -> Result<(), AgentError> {
        let report = self.runs.report(self.run, &self.subject).await?;
        let report =
            report.ok_or_else(|| AgentError::internal("a run is gone from the journal"))?;
        let (run_id, usage) = (self.run, report.usage);
        let last = match outcome(self.endpoint.handler.spec, report) {
            Ok(StepReport { output, model, .. }) => {
                self.begin(model).await;
                AgentEvent::Completed {
                    run_id,
                    stop_reason: stop_reason(&output),
                    usage,
                    output,
                }
            }
            Err(problem) => AgentEvent::Failed {
                run_id,
                usage,
                problem: situated(problem, &self.info),
            },
        };
        self.send_last(last).await;
        Ok(())
    }

    /// Says once that the run has begun. Another process may execute it, and then nobody knows the model before its end.
    async fn begin(&mut self, model: Option<String>) {
        let agent = self.endpoint.agent;
        let provider = &self.runs.resources.provider;
        let model = model.unwrap_or_else(|| provider.model(agent.model));
        self.send(AgentEvent::Started {
            run_id: self.run,
            agent: agent.slug.to_owned(),
            model,
        })
        .await;
    }

    /// Sends an event, if it is not a second beginning.
    async fn send(&mut self, event: AgentEvent) {
        let begins = matches!(event, AgentEvent::Started { .. });
        if !(begins && std::mem::replace(&mut self.has_started, true)) {
            self.send_last(event).await;
        }
    }

    async fn send_last(&self, event: AgentEvent) {
        // A reader that has left reads nothing; the run goes on.
        let _ = self.events.send(event).await;
    }
}
