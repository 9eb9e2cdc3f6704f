//! What a handler is given besides its request: whom it works for, and the agent's model.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use crate::auth::claims::Caller;
use crate::documents::Passage;
use crate::documents::grounding::Grounding;
use crate::engine::tools::ToolContext;
use crate::engine::turn;
use crate::engine::turn_context::TurnContext;
use crate::error::AgentError;
use crate::event::agent_event::{AgentEvent, RetrievedPassage};
use crate::event::event_sink::Sink;
use crate::event::usage_meter::Meter;
use crate::model::user_message::{retrieval_query, user_message};
use crate::model::{Message, ModelRequest, Role};
use crate::run::reply::{InvokeRequest, InvokeResponse, Reply};
use crate::run::resources::Resources;
use crate::schema::{Uuid, Validate, new_uuid_v4};
use crate::session::conversations::{LONGEST_SESSION_ID, OpenMode, SessionTurn, Sessions};
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
    /// The usage so far.
    pub(crate) meter: Meter,
    /// Where events are sent.
    pub(crate) sink: Sink,
}

/// The request that a run belongs to. For a workflow step it names the workflow run.
#[derive(Debug, Default)]
pub(crate) struct RequestInfo {
    /// The id that the caller sent, or a new one.
    pub(crate) id: String,
    /// The path, without the query.
    pub(crate) path: String,
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

    /// The caller: the token's subject, or `anonymous`.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.0.caller.subject
    }

    /// The caller's roles.
    #[must_use]
    pub fn roles(&self) -> &[String] {
        &self.0.caller.roles
    }

    /// Sends a part of the answer to a caller that reads a stream. Does nothing for a JSON response.
    pub async fn delta(&self, text: impl Into<String>) {
        self.0.sink.started("code").await;
        self.0
            .sink
            .send(AgentEvent::Delta { text: text.into() })
            .await;
    }

    /// Has the agent answer `request` in free text, in a new session or in the one that the request names.
    ///
    /// # Errors
    /// 404 for an unknown session, 409 while another turn of it is under way, and what the provider says.
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
            let session = match request.session_id {
                Some(id) => self.open(agent, id, OpenMode::Existing).await?,
                None => {
                    self.open(agent, new_uuid_v4().to_string(), OpenMode::Create)
                        .await?
                }
            };
            let session_id = session.id().to_owned();
            let called = self.0.endpoint.name == "invoke" && self.0.agent.slug == agent.slug;
            let mut request_to_model = model_request(agent, &request.input, Some(&session));
            let turn_context = self.turn_context(agent, called);
            // Boxed, since a handler's future is moved several times, and this is most of its size.
            let turn = Box::pin(turn::turn(&turn_context, &mut request_to_model)).await?;
            session
                .commit(request.input, turn.text.clone(), &agent.policy)
                .await?;
            let value = InvokeResponse {
                output: turn.text,
                run_id: self.0.id,
                agent: agent.slug.to_owned(),
                model: turn.model.clone(),
                session_id: Some(session_id),
                stop_reason: turn.stop_reason,
                usage: turn.usage,
            };
            Ok(Reply {
                value,
                usage: turn.usage,
                model: Some(turn.model),
                stop_reason: turn.stop_reason,
            })
        }
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
        Res: DeserializeOwned + Validate + Send,
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
            let session = match session_id {
                Some(id) => Some(self.open(agent, id, OpenMode::GetOrCreate).await?),
                None if returns_session_id => {
                    let id = new_uuid_v4().to_string();
                    Some(self.open(agent, id, OpenMode::Create).await?)
                }
                None => None,
            };
            let called = self.0.endpoint.operation_id == endpoint.operation_id;
            let mut request = model_request(agent, &text, session.as_ref());
            let session_id = session.as_ref().map(|session| session.id().to_owned());
            request.session_id = session_id.filter(|_| returns_session_id);
            if let Some((query, limit)) = query {
                let passages = self.retrieve(agent, &query, limit, called).await?;
                let grounding = Grounding::new(text.clone(), passages, output_schema.clone());
                // The session goes on from the question alone: what is retrieved next time is something else.
                if let Some(last) = request.messages.last_mut() {
                    last.text = grounding.message();
                }
                request.grounding = Some(grounding);
            }
            let turn_context = self.turn_context(agent, called);
            // Boxed as above.
            let turn = turn::typed_turn(&turn_context, endpoint, &output_schema, request);
            let (value, turn) = Box::pin(turn).await?;
            if let Some(session) = session {
                session.commit(text, turn.text, &agent.policy).await?;
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
                roles: run.caller.roles.clone(),
            },
            deadline: run.deadline,
            outage: &run.resources.outage,
            breakers: &run.resources.breakers,
            metrics: &run.resources.metrics,
            meter: run.meter.part(agent.policy.budget_tokens),
            sink: called.then_some(&run.sink),
        }
    }

    async fn open(
        &self,
        agent: &AgentSpec,
        id: String,
        mode: OpenMode,
    ) -> Result<SessionTurn, AgentError> {
        if !(1..=LONGEST_SESSION_ID).contains(&id.chars().count()) {
            let detail = format!("must have between 1 and {LONGEST_SESSION_ID} characters");
            return Err(AgentError::invalid("/session_id", detail));
        }
        let subject = self.0.caller.subject.clone();
        let key = SessionKey {
            subject,
            agent: agent.slug.to_owned(),
            id,
        };
        self.0.sessions.open(key, mode, &agent.policy).await
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

/// The request for the model: the session's messages, then `text`.
fn model_request(
    agent: &'static AgentSpec,
    text: &str,
    session: Option<&SessionTurn>,
) -> ModelRequest {
    let mut messages = session
        .map(|session| session.history.clone())
        .unwrap_or_default();
    messages.push(Message {
        role: Role::User,
        text: text.to_owned(),
    });
    ModelRequest::new(agent, messages)
}
