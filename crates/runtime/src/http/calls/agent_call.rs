//! One call of an endpoint: its answer, or its events as they come.

use std::sync::Arc;
use std::time::Duration;

use axum::http::request::Parts;
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::auth::claims::Caller;
use crate::engine::todo_list::TodoList;
use crate::error::AgentError;
use crate::event::agent_event::AgentEvent;
use crate::event::event_sink::Sink;
use crate::event::usage_meter::Meter;
use crate::http::api_error::ApiError;
use crate::http::calls::MountedEndpoint;
use crate::http::calls::api_state::ApiState;
use crate::http::calls::durable_call::{self, AgentRun};
use crate::http::idempotency::{Operation, read_key};
use crate::run::reply::Reply;
use crate::run::run_context::{RequestInfo, Run, RunContext};
use crate::run::run_input::Input;
use crate::run::supervision::{EVENTS_AHEAD, Running, run, start};
use crate::schema::{Uuid, new_uuid_v7};
use crate::session::caller_conversation::{CallerConversation, OpenConversation};
use crate::spec::endpoint_spec::Method;
use crate::workflow::run_report::RunReport;

/// A call of an endpoint by a caller that was admitted.
pub(crate) struct AgentCall<'a> {
    pub(crate) state: &'a ApiState,
    pub(crate) endpoint: &'a Arc<MountedEndpoint>,
    pub(crate) caller: Caller,
    /// The head of the request. An `Idempotency-Key` in it counts.
    pub(crate) parts: &'a Parts,
    pub(crate) input: Input,
    /// The conversation that the caller brings, of which the input is the last message. [`CallerConversation::check_names`] has let its
    /// tools in.
    pub(crate) conversation: Option<CallerConversation>,
    pub(crate) waits: Waits,
}

/// What becomes of the events of a run that waits for a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Waits {
    /// They go on when somebody has answered.
    Following,
    /// They end there.
    Ending,
    /// Nobody can be asked: the model is told so.
    Never,
}

/// What a call came to.
pub(crate) enum Answer {
    /// The output as JSON. Usage and model are not known of the answer to an earlier request with the same `Idempotency-Key`.
    Output(Reply<String>),
    /// The run waits for a person.
    Waiting(Uuid, Box<RunReport>),
}

impl AgentCall<'_> {
    /// Waits for the answer.
    ///
    /// # Errors
    /// An input that is invalid, what the run fails with, and what [`Operation::get_or_run`] says.
    pub(crate) async fn answer(self) -> Result<Answer, ApiError> {
        if self.is_run() {
            return self.begin().await?.answer().await;
        }
        let besides = match &self.conversation {
            Some(conversation) => {
                serde_json::to_value(conversation).map_err(AgentError::internal)?
            }
            None => Value::Null,
        };
        let AgentCall {
            state,
            endpoint,
            caller,
            parts,
            input,
            conversation,
            ..
        } = self;
        let spec = endpoint.handler.spec;
        let subject = caller.subject.clone();
        let (cx, timeout) = context(state, endpoint, caller, parts, None, conversation)?;
        let invoke = {
            let (endpoint, resources) = (Arc::clone(endpoint), Arc::clone(&state.resources));
            async move |input| {
                let handler = (endpoint.handler.call)(cx.clone(), input, &endpoint.input_schema);
                let handler = handler.await?;
                let reply = run(&cx, handler, timeout, &resources.shutdown).await;
                reply.map_err(ApiError::Run)
            }
        };
        if spec.method != Method::Post || read_key(&parts.headers)?.is_none() {
            return Ok(Answer::Output(invoke(input).await?));
        }
        let operation = Operation {
            keys: &state.idempotency_keys,
            shutdown: &state.resources.shutdown,
            name: spec.operation_id.to_owned(),
            timeout,
            besides,
        };
        let invoke = async move |input| Ok(invoke(input).await?.value);
        let output = operation.get_or_run(parts, &subject, input, invoke).await?;
        Ok(Answer::Output(Reply::from(output)))
    }

    /// Starts it; its events are those of [`AgentEvent`]. A run that must survive this process goes on when its reader leaves; any
    /// other ends then.
    ///
    /// # Errors
    /// An input that is invalid.
    pub(crate) async fn events(self) -> Result<Running, ApiError> {
        if self.is_run() {
            let waits = self.waits;
            return Ok(self.begin().await?.follow(waits));
        }
        let AgentCall {
            state,
            endpoint,
            caller,
            parts,
            input,
            conversation,
            ..
        } = self;
        let (events, reader) = mpsc::channel(EVENTS_AHEAD);
        let (cx, timeout) = context(state, endpoint, caller, parts, Some(events), conversation)?;
        let handler = (endpoint.handler.call)(cx.clone(), input, &endpoint.input_schema).await?;
        let shutdown = state.resources.shutdown.clone();
        Ok(start(cx, handler, timeout, shutdown, reader))
    }

    /// Starts it as a run in the journal, which goes on whatever becomes of its request.
    ///
    /// # Errors
    /// An input that is invalid, an `Idempotency-Key` of another request, and what the journal says.
    pub(crate) async fn begin(self) -> Result<AgentRun, ApiError> {
        self.begin_with(None).await
    }

    /// As [`begin`](Self::begin); the run keeps `message`, which is what the request said in its protocol.
    ///
    /// # Errors
    /// As there.
    pub(crate) async fn begin_with(self, message: Option<Value>) -> Result<AgentRun, ApiError> {
        let runs = self.endpoint.runs.as_ref();
        let runs = runs.ok_or_else(|| AgentError::internal("there is no place for runs"))?;
        let conversation = self.conversation.as_ref();
        durable_call::begin(
            runs,
            self.endpoint,
            self.caller,
            self.parts,
            self.input,
            (message, conversation),
        )
        .await
    }

    /// Whether it has to be a run in the journal.
    fn is_run(&self) -> bool {
        self.waits != Waits::Never && self.endpoint.may_wait && self.endpoint.runs.is_some()
    }
}

/// The context of a run that answers a request, and its time limit.
fn context(
    state: &ApiState,
    endpoint: &MountedEndpoint,
    caller: Caller,
    parts: &Parts,
    events: Option<mpsc::Sender<AgentEvent>>,
    conversation: Option<CallerConversation>,
) -> Result<(RunContext, Duration), AgentError> {
    let resources = &state.resources;
    let spec = endpoint.handler.spec;
    let timeout = spec.timeout_ms.or(endpoint.agent.policy.timeout_ms);
    let timeout = timeout.map_or(resources.timeout, Duration::from_millis);
    let id = new_uuid_v7();
    let cx = RunContext(Arc::new(Run {
        id,
        request: request_info(parts),
        agent: endpoint.agent,
        endpoint: spec,
        caller,
        resources: Arc::clone(resources),
        sessions: Arc::clone(&resources.sessions),
        deadline: Instant::now() + timeout,
        counted: Arc::clone(&endpoint.metrics),
        todo_list: TodoList::default(),
        meter: Meter::default(),
        sink: Sink::new(id, endpoint.agent.slug, events),
        turns: None,
        conversation: conversation
            .map(OpenConversation::new)
            .transpose()?
            .map(Arc::new),
    }));
    Ok((cx, timeout))
}

/// What the layers know of a request.
pub(super) fn request_info(parts: &Parts) -> Arc<RequestInfo> {
    let info = parts.extensions.get::<Arc<RequestInfo>>();
    info.cloned().unwrap_or_default()
}
