//! What a handler is given besides its request: whom it works for, and the agent's model.

use std::fmt;
use std::sync::Arc;

use agentgen_schema::{MAX_SESSION_ID_LENGTH, SESSION_ID_PATTERN};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::Instant;

use crate::auth::claims::Caller;
use crate::documents::Passage;
use crate::documents::grounding::Grounding;
use crate::engine::durable_turns::DurableTurns;
use crate::engine::todo_list::TodoList;
use crate::engine::tools::ToolContext;
use crate::engine::turn::{self, Turn};
use crate::engine::turn_context::TurnContext;
use crate::error::AgentError;
use crate::event::agent_event::{AgentEvent, RetrievedPassage};
use crate::event::event_sink::Sink;
use crate::event::usage_meter::Meter;
use crate::model::user_message::{retrieval_query, user_message};
use crate::model::{Message, ModelRequest, Role};
use crate::run::reply::{InvokeRequest, InvokeResponse, Reply};
use crate::run::resources::Resources;
use crate::schema::{Uuid, Validate, Validator, new_uuid_v7};
use crate::session::caller_conversation::OpenConversation;
use crate::session::conversations::{SessionTurn, Sessions};
use crate::session::session_store::SessionKey;
use crate::spec::agent_spec::AgentSpec;
use crate::spec::endpoint_spec::{EndpointSpec, SessionUse};
use crate::telemetry::endpoint_metrics::EndpointMetrics;

/// The context of one request, given to its handler. The handler's future is dropped when the caller disconnects or the
/// deadline is reached.
#[derive(Clone)]
pub struct RunContext(pub(crate) Arc<Run>);

/// The state of one run of an endpoint.
pub(crate) struct Run {
    /// The run's id.
    pub(crate) id: Uuid,
    /// The request it answers.
    pub(crate) request: Arc<RequestInfo>,
    /// The agent of the endpoint.
    pub(crate) agent: &'static AgentSpec,
    /// The endpoint.
    pub(crate) endpoint: &'static EndpointSpec,
    /// The caller.
    pub(crate) caller: Caller,
    /// What the service's runs share.
    pub(crate) resources: Arc<Resources>,
    /// When the run has to end.
    pub(crate) deadline: Instant,
    /// The endpoint's metrics.
    pub(crate) counted: Arc<EndpointMetrics>,
    /// The sessions of the service, or for a workflow step a store of its own that ends with the step.
    pub(crate) sessions: Arc<Sessions>,
    /// What its agent has to do.
    pub(crate) todo_list: TodoList,
    /// The usage so far.
    pub(crate) meter: Meter,
    /// Where events are sent.
    pub(crate) sink: Sink,
    /// Stores the turns of models, so that they can wait for a person; `None` where nobody can be asked.
    pub(crate) turns: Option<Arc<DurableTurns>>,
    /// The conversation that the caller brought; `None` where it brings only a request.
    pub(crate) conversation: Option<Arc<OpenConversation>>,
}

/// The request that a run belongs to. For a workflow step it names the workflow run.
#[derive(Debug, Default)]
pub(crate) struct RequestInfo {
    /// The id that the caller sent, or a new one.
    pub(crate) id: String,
    /// The path, without the query.
    pub(crate) path: String,
    /// For a workflow step: what its attempts have in common.
    pub(crate) step_key: Option<String>,
}

impl RunContext {
    /// The run's id, as in its events.
    #[must_use]
    pub fn run_id(&self) -> Uuid {
        self.0.id
    }

    /// The request's id, as in `X-Request-Id`.
    #[must_use]
    pub fn request_id(&self) -> &str {
        &self.0.request.id
    }

    /// In a workflow step, `RUN_ID/STEP`: the same for every attempt, also after a crash, and for no other step. Systems that
    /// take an idempotency key, such as payment services, then do the step's work once. `None` outside of workflows.
    #[must_use]
    pub fn step_key(&self) -> Option<&str> {
        self.0.request.step_key.as_deref()
    }

    /// The caller: the token's subject, or `anonymous`.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.0.caller.subject
    }

    /// The caller's roles.
    #[must_use]
    pub fn roles(&self) -> &[String] {
        self.0.caller.roles()
    }

    /// Sends a part of the answer to a caller that reads a stream. Does nothing for a JSON response.
    pub async fn delta(&self, text: impl Into<String>) {
        self.0.sink.started("code").await;
        self.0
            .sink
            .send(AgentEvent::Delta { text: text.into() })
            .await;
    }

    /// Has the agent answer `request` in free text, in the session that the request names, which is created on first use, or in a new
    /// one. Where the caller brings a conversation, as the clients of some protocols do, its own agent answers the request in that, with
    /// the caller's tools, in the form that the caller demands, and no session is kept.
    ///
    /// # Errors
    /// 409 while another turn of it is under way, and what the provider says.
    #[expect(
        clippy::manual_async_fn,
        reason = "the future is promised to be `Send`"
    )]
    pub fn invoke(
        &self,
        agent: &'static AgentSpec,
        request: InvokeRequest,
    ) -> impl Future<Output = Result<Reply<InvokeResponse>, AgentError>> + Send + use<'_> {
        async move {
            let called = self.0.endpoint.name == "invoke" && self.0.agent.slug == agent.slug;
            if let Some(conversation) = self.0.conversation.as_deref().filter(|_| called) {
                let turn = self.converse(agent, conversation, request.input).await?;
                return Ok(self.response(agent, turn, None));
            }
            let mut session = self
                .begin(agent, request.session_id, request.input.clone())
                .await?;
            let session_id = session.id().to_owned();
            let mut request_to_model = ModelRequest::new(agent, session.messages(request.input));
            let turn_context = self.turn_context(agent, called);
            // Boxed, since a handler's future is moved several times, and this is most of its size.
            let turn = Box::pin(turn::turn(&turn_context, &mut request_to_model));
            let turn = session.hold(turn).await?;
            session.commit(&turn.text).await?;
            Ok(self.response(agent, turn, Some(session_id)))
        }
    }

    fn response(
        &self,
        agent: &AgentSpec,
        turn: Turn,
        session_id: Option<String>,
    ) -> Reply<InvokeResponse> {
        let value = InvokeResponse {
            output: turn.text,
            run_id: self.0.id,
            agent: agent.slug.to_owned(),
            model: turn.model.clone(),
            session_id,
            stop_reason: turn.stop_reason,
            usage: turn.usage,
        };
        Reply {
            value,
            usage: turn.usage,
            model: Some(turn.model),
            stop_reason: turn.stop_reason,
        }
    }

    /// Has the agent answer `input`, the last message of `conversation`. The text of an answer with a schema is its JSON.
    async fn converse(
        &self,
        agent: &'static AgentSpec,
        conversation: &OpenConversation,
        input: String,
    ) -> Result<Turn, AgentError> {
        let mut messages = conversation.given.messages.clone();
        messages.push(Message {
            role: Role::User,
            text: input,
        });
        let mut request = ModelRequest::new(agent, messages);
        request.steps.clone_from(&conversation.given.steps);
        let cx = TurnContext {
            conversation: Some(conversation),
            ..self.turn_context(agent, true)
        };
        // Boxed as above.
        let mut turn = match &conversation.output_schema {
            None => Box::pin(turn::turn(&cx, &mut request)).await?,
            Some(schema) => {
                // What was streamed could not be corrected.
                let sink = cx.sink.map(Sink::quiet);
                let cx = TurnContext {
                    sink: sink.as_ref(),
                    ..cx
                };
                let turn = turn::typed_turn::<Value>(&cx, schema, request);
                let (value, mut turn) = Box::pin(turn).await?;
                if let Some(value) = value {
                    turn.text = value.to_string();
                }
                turn
            }
        };
        conversation.set_calls(std::mem::take(&mut turn.calls));
        Ok(turn)
    }

    /// Has the agent answer `request` with what the endpoint's output schema promises. A text under `session_id`
    /// in the request names the conversation, which begins if it is a new one; an endpoint that also answers with a
    /// `session_id` begins one where none is named, and tells its id. Where the endpoint says so, the model is
    /// given passages of the agent's documents to answer from, and can cite no others.
    ///
    /// # Errors
    /// 409 while another turn of the session is under way, 502 for an answer that doesn't fit the schema,
    /// and what the provider says.
    pub fn run<Req, Res>(
        &self,
        agent: &'static AgentSpec,
        endpoint: &'static EndpointSpec,
        request: Req,
    ) -> impl Future<Output = Result<Reply<Res>, AgentError>> + Send + use<'_, Req, Res>
    where
        Req: Serialize,
        Res: DeserializeOwned + Validate + Send + 'static,
    {
        let request = serde_json::to_string(&request).map_err(AgentError::internal);
        async move {
            let request = request?;
            let query = endpoint
                .retrieve
                .map(|retrieve| {
                    let query = retrieval_query(&request, retrieve.query)?;
                    Ok::<_, AgentError>((query, retrieve.limit))
                })
                .transpose()?;
            let output_schema = self.0.resources.schemas.output(endpoint);
            let output_schema = output_schema.map_err(AgentError::internal)?;
            let (text, session_id) = user_message(endpoint, request);
            let returns_session_id = endpoint.session == SessionUse::InputAndOutput;
            let mut session = if session_id.is_some() || returns_session_id {
                Some(self.begin(agent, session_id, text.clone()).await?)
            } else {
                None
            };
            let called = self.0.endpoint.operation_id == endpoint.operation_id;
            let grounding = match query {
                Some((query, limit)) => {
                    let passages = self.retrieve(agent, &query, limit, called).await?;
                    Some(Grounding::new(
                        text.clone(),
                        passages,
                        output_schema.clone(),
                    ))
                }
                None => None,
            };
            // The session goes on from the question alone: what is retrieved next time is something else.
            let message = grounding.as_ref().map_or(text, Grounding::message);
            let messages = match &session {
                Some(session) => session.messages(message),
                None => vec![Message {
                    role: Role::User,
                    text: message,
                }],
            };
            let mut request = ModelRequest::new(agent, messages);
            request.endpoint = Some(endpoint);
            let session_id = session.as_ref().map(|session| session.id().to_owned());
            request.session_id = session_id.filter(|_| returns_session_id);
            request.grounding = grounding;
            let turn_context = self.turn_context(agent, called);
            // Boxed as above.
            let turn = turn::typed_turn(&turn_context, &output_schema, request);
            let turn = Box::pin(turn);
            let (value, turn) = match &mut session {
                Some(session) => session.hold(turn).await?,
                None => turn.await?,
            };
            let value = value.ok_or_else(|| AgentError::internal("a turn has no answer"))?;
            if let Some(session) = session {
                session.commit(&turn.text).await?;
            }
            Ok(Reply {
                value,
                usage: turn.usage,
                model: Some(turn.model),
                stop_reason: turn.stop_reason,
            })
        }
    }

    /// Looks up what the agent's model is to answer from, and tells of it if the caller sees this run.
    async fn retrieve(
        &self,
        agent: &'static AgentSpec,
        query: &str,
        limit: u32,
        called: bool,
    ) -> Result<Vec<Passage>, AgentError> {
        let run = &*self.0;
        let passages = run
            .resources
            .documents
            .passages(agent, query, limit)
            .await?;
        run.resources.metrics.retrieved(agent.slug, passages.len());
        if called {
            let retrieved = passages.iter().map(|passage| RetrievedPassage {
                id: passage.id(),
                score: passage.score,
            });
            run.sink
                .aside(AgentEvent::PassagesRetrieved {
                    run_id: run.id,
                    passages: retrieved.collect(),
                })
                .await;
        }
        Ok(passages)
    }

    /// Only the text of the endpoint that was called goes to the caller: what a handler asks other agents stays inside.
    fn turn_context(&self, agent: &'static AgentSpec, called: bool) -> TurnContext<'_> {
        let run = &*self.0;
        TurnContext {
            provider: &*run.resources.provider,
            tools: &run.resources.tools,
            tool_context: ToolContext {
                run_id: run.id,
                request_id: run.request.id.clone(),
                agent: agent.slug,
                subject: run.caller.subject.clone(),
                roles: run.caller.roles().to_vec(),
            },
            todo_list: match agent.slug == run.agent.slug {
                true => run.todo_list.clone(),
                false => TodoList::default(),
            },
            caller: &run.caller,
            deadline: run.deadline,
            outages: &run.resources.outages,
            breakers: &run.resources.breakers,
            metrics: &run.resources.metrics,
            meter: run.meter.part(agent.policy.budget_tokens),
            sink: called.then_some(&run.sink),
            turns: run.turns.as_deref(),
            turn_key: run
                .turns
                .as_ref()
                .map_or_else(String::new, |turns| turns.next_key()),
            conversation: None,
        }
    }

    /// Begins a turn of the caller's session with this id, whether it exists or not; without an id, the first turn of a new one.
    async fn begin(
        &self,
        agent: &AgentSpec,
        id: Option<String>,
        question: String,
    ) -> Result<SessionTurn, AgentError> {
        let sessions = &self.0.sessions;
        let key = |id| SessionKey {
            subject: self.0.caller.subject.clone(),
            agent: agent.slug.to_owned(),
            id,
        };
        // The session of a run that begins again is the same one.
        let is_first = self.0.turns.as_ref().is_some_and(|turns| turns.is_new());
        let id = id.or_else(|| is_first.then(|| self.0.id.to_string()));
        let Some(id) = id else {
            // Of increasing ids, so that a new one is added at the end of the indexes of a store.
            let id = new_uuid_v7().to_string();
            return sessions.begin_first(key(id), question, &agent.policy);
        };
        let mut validator = Validator::default();
        validator.at("session_id", |v| {
            v.length(&id, Some(1), Some(MAX_SESSION_ID_LENGTH as u64));
            v.pattern(&id, SESSION_ID_PATTERN);
        });
        let violations = validator.into_violations();
        if !violations.is_empty() {
            return Err(AgentError::Invalid(violations));
        }
        sessions.begin(key(id), question, &agent.policy).await
    }
}

impl fmt::Debug for RunContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunContext")
            .field("run_id", &self.0.id)
            .field("request_id", &self.0.request.id)
            .field("subject", &self.0.caller.subject)
            .finish_non_exhaustive()
    }
}
