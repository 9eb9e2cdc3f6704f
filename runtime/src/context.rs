//! What a handler is given besides its request: whom it works for, and the agent's model.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::auth::Caller;
use crate::endpoint::EndpointSpec;
use crate::engine;
use crate::error::AgentError;
use crate::event::Event;
use crate::formats::Uuid;
use crate::metrics::Metrics;
use crate::outage::Outage;
use crate::provider::{Message, ModelRequest, Provider, Role};
use crate::reply::{InvokeRequest, InvokeResponse, Reply};
use crate::session::{Open, SessionKey, SessionTurn, Sessions};
use crate::sink::Sink;
use crate::spec::AgentSpec;
use crate::validate::Validate;

/// The longest id that a caller may choose for a session.
const LONGEST_SESSION_ID: usize = 128;

/// One request under way. A handler's future is dropped when the caller goes away or time is up.
#[derive(Clone)]
pub struct RunContext(pub(crate) Arc<Run>);

/// What a context holds.
pub(crate) struct Run {
    /// The run.
    pub(crate) id: Uuid,
    /// The request it answers.
    pub(crate) request_id: String,
    /// The request's path.
    pub(crate) instance: String,
    /// The agent that was called.
    pub(crate) agent: &'static AgentSpec,
    /// Its endpoint that was called.
    pub(crate) endpoint: &'static EndpointSpec,
    /// Who called.
    pub(crate) caller: Caller,
    /// Who answers for the agents.
    pub(crate) provider: Arc<dyn Provider>,
    /// Whether who answers is known to be down.
    pub(crate) outage: Arc<Outage>,
    /// What is counted.
    pub(crate) metrics: Arc<Metrics>,
    /// The conversations.
    pub(crate) sessions: Arc<Sessions>,
    /// Where the events go.
    pub(crate) sink: Sink,
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
        &self.0.request_id
    }

    /// Who called: the token's subject, or `anonymous`.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.0.caller.subject
    }

    /// The roles of who called.
    #[must_use]
    pub fn roles(&self) -> &[String] {
        &self.0.caller.roles
    }

    /// Sends some text of the answer ahead to a caller who asked for a stream.
    pub async fn delta(&self, text: impl Into<String>) {
        self.0.sink.started("code").await;
        self.0.sink.send(Event::Delta { text: text.into() }).await;
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
                Some(id) => self.open(agent, id, Open::Known).await?,
                None => {
                    self.open(agent, Uuid::new_v4().to_string(), Open::KnownOrNew)
                        .await?
                }
            };
            let session_id = session.id().to_owned();
            let called = self.0.endpoint.name == "invoke" && self.0.agent.slug == agent.slug;
            let turn = self
                .ask(agent, None, &request.input, Some(&session), called)
                .await?;
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
    /// in the request names the conversation, which begins if it is a new one.
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
        let request = serde_json::to_value(request).map_err(AgentError::internal);
        async move {
            let (text, session_id) = spoken(request?);
            let session = match session_id {
                Some(id) => Some(self.open(agent, id, Open::KnownOrNew).await?),
                None => None,
            };
            let called = self.0.endpoint.operation_id == endpoint.operation_id;
            let turn = self
                .ask(agent, Some(endpoint), &text, session.as_ref(), called)
                .await?;
            let value = engine::typed(endpoint, &turn.text)?;
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

    /// Only the text of the endpoint that was called goes to the caller: what a handler asks other agents stays inside.
    async fn ask(
        &self,
        agent: &'static AgentSpec,
        endpoint: Option<&'static EndpointSpec>,
        text: &str,
        session: Option<&SessionTurn>,
        called: bool,
    ) -> Result<engine::Turn, AgentError> {
        let mut messages = session
            .map(|session| session.history.clone())
            .unwrap_or_default();
        messages.push(Message {
            role: Role::User,
            text: text.to_owned(),
        });
        let request = ModelRequest {
            agent,
            endpoint,
            messages,
        };
        let run = &*self.0;
        let model = run.provider.model(agent.model);
        tracing::Span::current().record("model", &model);
        let outcome = engine::turn(&*run.provider, request, called.then_some(&run.sink)).await;
        run.outage.turn(&outcome);
        match &outcome {
            Ok(turn) => run.metrics.model_answered(agent.slug, &model, turn.usage),
            Err(error) => run.metrics.model_failed(agent.slug, &model, error.kind()),
        }
        outcome
    }

    async fn open(
        &self,
        agent: &AgentSpec,
        id: String,
        open: Open,
    ) -> Result<SessionTurn, AgentError> {
        if id.is_empty() || id.len() > LONGEST_SESSION_ID {
            let detail = format!("must have between 1 and {LONGEST_SESSION_ID} bytes");
            return Err(AgentError::invalid("/session_id", detail));
        }
        let subject = self.0.caller.subject.clone();
        let key = SessionKey {
            subject,
            agent: agent.slug.to_owned(),
            id,
        };
        self.0.sessions.open(key, open).await
    }
}

impl fmt::Debug for RunContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunContext")
            .field("run_id", &self.0.id)
            .field("request_id", &self.0.request_id)
            .field("subject", &self.0.caller.subject)
            .finish_non_exhaustive()
    }
}

/// What of a request is said to the model, and the session it names. A request with one text in it is that text;
/// any other is its JSON.
fn spoken(mut request: Value) -> (String, Option<String>) {
    let mut session_id = None;
    if let Value::Object(fields) = &mut request {
        if let Some(Value::String(id)) = fields.get("session_id") {
            session_id = Some(id.clone());
            fields.shift_remove("session_id");
        }
        if let (1, Some(Value::String(text))) = (fields.len(), fields.values().next()) {
            return (text.clone(), session_id);
        }
    }
    (request.to_string(), session_id)
}
