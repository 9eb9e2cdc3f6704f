//! Conversations that go on: one writer at a time, each belonging to one caller and one agent.

use std::collections::BTreeSet;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::error::AgentError;
use crate::provider::{Message, Role, estimated_tokens};
use crate::spec::Policy;

/// How much history is kept where the policy says nothing, in estimated tokens.
pub const DEFAULT_HISTORY_TOKENS: u64 = 32_000;
/// After how long an idle session is forgotten where the policy says nothing.
pub const DEFAULT_SESSION_TTL: Duration = Duration::from_secs(24 * 60 * 60);

/// Keeps conversations.
pub trait SessionStore: Send + Sync + 'static {
    /// The conversation under `key`, oldest message first; `None` if there is none, or none any more.
    fn load<'a>(&'a self, key: &'a SessionKey) -> Stored<'a, Option<Vec<Message>>>;

    /// Puts `messages` in the place of the conversation under `key`, to be forgotten after `ttl`.
    fn save<'a>(
        &'a self,
        key: &'a SessionKey,
        messages: Vec<Message>,
        ttl: Duration,
    ) -> Stored<'a, ()>;

    /// Whether the store can be reached; asked for `/readyz`.
    fn check(&self) -> Stored<'_, ()> {
        Box::pin(std::future::ready(Ok(())))
    }
}

/// What a store's method returns.
pub type Stored<'a, T> = Pin<Box<dyn Future<Output = Result<T, AgentError>> + Send + 'a>>;

/// What a session is found by. The subject is part of it, so that nobody can meet another caller's session.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionKey {
    /// Whose it is.
    pub subject: String,
    /// The slug of the agent it is held with.
    pub agent: String,
    /// Its id.
    pub id: String,
}

/// Whether a session must be there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Open {
    /// It must.
    Known,
    /// If it is not, it begins.
    KnownOrNew,
}

/// The sessions of a service.
pub(crate) struct Sessions {
    store: Arc<dyn SessionStore>,
    busy: Mutex<BTreeSet<SessionKey>>,
}

/// The right to add one turn to a session; held by one request at a time, and given back by dropping it.
pub(crate) struct SessionTurn {
    sessions: Arc<Sessions>,
    key: SessionKey,
    /// What was said so far.
    pub(crate) history: Vec<Message>,
}

impl Sessions {
    /// Sessions that are kept in `store`.
    pub(crate) fn new(store: Arc<dyn SessionStore>) -> Self {
        Self {
            store,
            busy: Mutex::default(),
        }
    }

    /// Opens a session for one turn; 404 if it must be there and is not, 409 while another turn is under way.
    pub(crate) async fn open(
        self: &Arc<Self>,
        key: SessionKey,
        open: Open,
    ) -> Result<SessionTurn, AgentError> {
        let mut turn = self.hold(key)?;
        match self.store.load(&turn.key).await? {
            Some(history) => turn.history = history,
            None if open == Open::KnownOrNew => {}
            None => return Err(AgentError::not_found("there is no such session")),
        }
        Ok(turn)
    }

    fn hold(self: &Arc<Self>, key: SessionKey) -> Result<SessionTurn, AgentError> {
        let mut busy = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
        if !busy.insert(key.clone()) {
            return Err(AgentError::conflict(
                "another request of this session is under way",
            ));
        }
        Ok(SessionTurn {
            sessions: Arc::clone(self),
            key,
            history: Vec::new(),
        })
    }
}

impl SessionTurn {
    /// The session's id.
    pub(crate) fn id(&self) -> &str {
        &self.key.id
    }

    /// Adds what was said, and forgets the oldest turns beyond the policy's limit.
    pub(crate) async fn commit(
        mut self,
        said: String,
        answer: String,
        policy: &Policy,
    ) -> Result<(), AgentError> {
        let mut messages = std::mem::take(&mut self.history);
        messages.push(Message {
            role: Role::User,
            text: said,
        });
        messages.push(Message {
            role: Role::Assistant,
            text: answer,
        });
        let limit = policy.history_tokens.unwrap_or(DEFAULT_HISTORY_TOKENS);
        let ttl = policy
            .session_ttl_seconds
            .map_or(DEFAULT_SESSION_TTL, Duration::from_secs);
        self.sessions
            .store
            .save(&self.key, recent(messages, limit), ttl)
            .await
    }
}

impl Drop for SessionTurn {
    fn drop(&mut self) {
        self.sessions
            .busy
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&self.key);
    }
}

/// The latest whole turns that fit into `limit` tokens.
fn recent(mut messages: Vec<Message>, limit: u64) -> Vec<Message> {
    let mut tokens = 0_u64;
    let fitting = messages
        .rchunks(2)
        .take_while(|turn| {
            tokens += turn
                .iter()
                .map(|message| estimated_tokens(message.text.len()))
                .sum::<u64>();
            tokens <= limit
        })
        .count();
    messages.drain(..messages.len().saturating_sub(fitting * 2));
    messages
}
