//! Runs of agents: a request to an agent whose models may have to wait for a person is a run of one step, so that it survives a crash and
//! can be answered from any process.
//!
//! Invariant: a run of an agent is started after the request was admitted to the endpoint, and belongs to its caller.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::auth::claims::Caller;
use crate::error::AgentError;
use crate::event::agent_event::AgentEvent;
use crate::event::pending_action::PendingAction;
use crate::schema::Uuid;
use crate::session::caller_conversation::CallerConversation;
use crate::spec::agent_spec::AgentSpec;
use crate::spec::endpoint_spec::EndpointSpec;
use crate::spec::workflow_spec::{
    Expression, Join, OnFailure, StepKind, StepSpec, Template, WorkflowSpec,
};
use crate::workflow::run_report::{RunReport, RunStatus};
use crate::workflow::run_start::start_run_as;
use crate::workflow::workflow_service::WorkflowService;

/// The workflow of all runs of agents. No workflow that somebody declares can have its name.
pub(crate) static AGENT_RUN: WorkflowSpec = WorkflowSpec {
    name: "agent.run",
    operation_id: "agent_run",
    agent: "",
    input_schema: "true",
    roles: &[],
    concurrency: None,
    timeout_ms: None,
    schedule: None,
    steps: &[StepSpec {
        id: "answer",
        kind: StepKind::AgentRun,
        needs: &[],
        join: Join::All,
        when: None,
        with: Some(Template::Value(Expression::Path(&["input", "request"]))),
        timeout_ms: None,
        attempts: 1,
        backoff_ms: 0,
        on_failure: OnFailure::Stop,
    }],
};

/// The member of the input that says what the request said in its protocol.
pub(crate) const MESSAGE: &str = "message";

/// Whether `spec` is the workflow of the runs of agents.
pub(crate) fn is_agent_run(spec: &WorkflowSpec) -> bool {
    spec.name == AGENT_RUN.name
}

/// The agent and the endpoint that the input of a run of an agent names; `None` if this program has none such.
pub(crate) fn call(
    service: &WorkflowService,
    input: &Value,
) -> Option<(&'static str, &'static str)> {
    let (agent, endpoint) = (input["agent"].as_str()?, input["endpoint"].as_str()?);
    let target = service.targets.get(&(agent, endpoint))?;
    Some((target.agent.slug, target.mounted.spec.name))
}

/// The conversation that the input of a run of an agent has, if its caller brought one.
pub(crate) fn conversation(input: &Value) -> Option<Result<CallerConversation, AgentError>> {
    let given = input.get("conversation")?;
    Some(CallerConversation::deserialize(given).map_err(AgentError::internal))
}

/// What a run of an agent is asked.
pub(crate) struct RunRequest<'a> {
    /// The request to its endpoint.
    pub(crate) input: Value,
    /// What the caller said in another protocol, for those who are shown the run in that protocol.
    pub(crate) message: Option<Value>,
    /// The conversation that the caller brought.
    pub(crate) conversation: Option<&'a CallerConversation>,
}

/// Starts a run of an agent under the id `id`, or finds the one that `caller` started with `idempotency_key`.
///
/// # Errors
/// As [`start_run_as`].
pub(crate) async fn start(
    service: &Arc<WorkflowService>,
    id: Uuid,
    (agent, endpoint): (&AgentSpec, &EndpointSpec),
    request: RunRequest<'_>,
    caller: Caller,
    idempotency_key: Option<String>,
) -> Result<Started, AgentError> {
    let mut input =
        json!({ "agent": agent.slug, "endpoint": endpoint.name, "request": request.input });
    if let Some(message) = request.message {
        input[MESSAGE] = message;
    }
    if let Some(conversation) = request.conversation {
        input["conversation"] = serde_json::to_value(conversation).map_err(AgentError::internal)?;
    }
    let repeated = idempotency_key.is_some().then(|| input.clone());
    let run = start_run_as(id, service, &AGENT_RUN, input, caller, idempotency_key).await?;
    Ok(match repeated {
        Some(input) if input != run.input => Started::OtherRequest,
        _ => Started::Run(run.id),
    })
}

/// What a request for a run of an agent came to.
pub(crate) enum Started {
    /// The run that answers it: a new one, or that of an earlier request with its key.
    Run(Uuid),
    /// Its key belongs to another request.
    OtherRequest,
}

fn is_any_open(actions: &[PendingAction], answered: &[Uuid]) -> bool {
    let mut open = actions.iter();
    open.any(|action| !answered.contains(&action.id))
}

/// Whether a run waits for something else than the answers to the questions `answered`.
pub(crate) fn is_pause(report: &RunReport, answered: &[Uuid]) -> bool {
    report.status == RunStatus::Waiting && is_any_open(&report.actions, answered)
}

/// Waits until a run has ended or only waits, for something else than the answers to the questions `answered`; returns its report.
///
/// # Errors
/// 503 when the process ends, and what the journal says.
pub(crate) async fn wait_for_pause(
    service: &WorkflowService,
    run: Uuid,
    subject: &str,
    answered: &[Uuid],
) -> Result<RunReport, AgentError> {
    wait_for_actions(service, run, subject, |actions| {
        is_any_open(actions, answered)
    })
    .await
}

/// Waits until a run has ended or waits for `actions` that count; returns its report.
///
/// # Errors
/// 503 when the process ends, and what the journal says.
pub(crate) async fn wait_for_actions(
    service: &WorkflowService,
    run: Uuid,
    subject: &str,
    count: impl Fn(&[PendingAction]) -> bool,
) -> Result<RunReport, AgentError> {
    loop {
        // Before the journal is read, so that no change after that is missed.
        let changes = service.subscribe(run);
        let report = service.report(run, subject).await?;
        let report =
            report.ok_or_else(|| AgentError::internal("a run is gone from the journal"))?;
        let waits = report.status == RunStatus::Waiting && count(&report.actions);
        if report.status.is_over() || waits {
            return Ok(report);
        }
        tokio::select! {
            () = changes.wait() => {}
            () = service.resources.shutdown.terminated() => {
                return Err(AgentError::unavailable("the service is shutting down"));
            }
        }
    }
}

/// Those who read what an agent writes while it does, each of one run that this process may execute.
#[derive(Default)]
pub(crate) struct LiveReaders(Mutex<BTreeMap<Uuid, mpsc::Sender<AgentEvent>>>);

/// Reads along until it is dropped.
pub(crate) struct LiveReader {
    service: Arc<WorkflowService>,
    run: Uuid,
    pub(crate) events: mpsc::Receiver<AgentEvent>,
}

impl LiveReaders {
    /// The reader of a run, if it has one.
    pub(crate) fn reader(&self, run: Uuid) -> Option<mpsc::Sender<AgentEvent>> {
        self.all().get(&run).cloned()
    }

    fn all(&self) -> MutexGuard<'_, BTreeMap<Uuid, mpsc::Sender<AgentEvent>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LiveReader {
    /// Reads along with `run`, up to `ahead` events behind it. A later reader of the same run takes its place.
    pub(crate) fn new(service: &Arc<WorkflowService>, run: Uuid, ahead: usize) -> Self {
        let (sender, events) = mpsc::channel(ahead);
        service.live_readers.all().insert(run, sender);
        Self {
            service: Arc::clone(service),
            run,
            events,
        }
    }

    /// Reads nothing of `run`, so that whoever reads along with it goes on.
    #[cfg_attr(
        not(feature = "a2a"),
        allow(dead_code, reason = "only A2A follows runs that it did not begin")
    )]
    pub(crate) fn none(service: &Arc<WorkflowService>, run: Uuid) -> Self {
        let (_, events) = mpsc::channel(1);
        Self {
            service: Arc::clone(service),
            run,
            events,
        }
    }
}

impl Drop for LiveReader {
    fn drop(&mut self) {
        let mut readers = self.service.live_readers.all();
        self.events.close();
        if readers.get(&self.run).is_some_and(mpsc::Sender::is_closed) {
            readers.remove(&self.run);
        }
    }
}
