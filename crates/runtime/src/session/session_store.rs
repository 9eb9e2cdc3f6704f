//! What a store of conversations must do.

use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use crate::error::store_error::StoreError;
use crate::future::{BoxFuture, boxed_ready};
use crate::model::{Message, Role, estimated_tokens};

/// Stores conversations. An expired conversation does not exist, whether it was purged or not.
///
/// A turn whose lease expires was interrupted: its process died. From then on its question is a message of the conversation,
/// with [`MessageStatus::Interrupted`], for the next turn and for every reader.
pub trait SessionStore: Send + Sync + 'static {
    /// Begins a turn of the conversation under `key`: takes its lease, keeps its question, and returns the latest whole turns
    /// that fit into its `history_tokens`, oldest message first; none if there is no such conversation yet. A lease of the
    /// same owner is replaced, and the question that came with it is forgotten.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] while another owner has a lease of it.
    fn begin<'a>(
        &'a self,
        key: &'a SessionKey,
        turn: &'a Turn,
    ) -> BoxFuture<'a, Result<Vec<Message>, StoreError>>;

    /// Extends `lease` by its `ttl` from now, if it is still the one of `key`.
    fn renew<'a>(
        &'a self,
        key: &'a SessionKey,
        lease: &'a SessionLease,
    ) -> BoxFuture<'a, Result<(), StoreError>>;

    /// Ends `lease`, if it is still the one of `key`, and forgets the question that came with it.
    fn release<'a>(
        &'a self,
        key: &'a SessionKey,
        lease: &'a SessionLease,
    ) -> BoxFuture<'a, Result<(), StoreError>>;

    /// Ends all leases of an owner in the same way.
    fn release_all<'a>(&'a self, owner: &'a str) -> BoxFuture<'a, Result<(), StoreError>>;

    /// Adds the question of `turn` and its answer to the conversation under `key` and ends its lease, all of it or nothing.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if the lease is no longer the one of `key`. As whoever changes or deletes a conversation takes
    /// its lease first, it is then not what the turn began with.
    fn commit<'a>(
        &'a self,
        key: &'a SessionKey,
        turn: &'a Turn,
        answer: &'a str,
    ) -> BoxFuture<'a, Result<(), StoreError>>;

    /// Adds a conversation with its first turn, all of it or nothing. The turn has not begun here: its caller has just made the id, and
    /// nobody else knows it.
    fn create<'a>(
        &'a self,
        key: &'a SessionKey,
        turn: &'a Turn,
        answer: &'a str,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            self.begin(key, turn).await?;
            self.commit(key, turn, answer).await
        })
    }

    /// The facts about the conversation under `key`.
    fn facts<'a>(
        &'a self,
        key: &'a SessionKey,
    ) -> BoxFuture<'a, Result<Option<SessionFacts>, StoreError>>;

    /// Up to `limit` conversations of a subject with an agent, newest first, after the one with this creation time and
    /// id.
    fn list<'a>(
        &'a self,
        subject: &'a str,
        agent: &'a str,
        after: Option<(SystemTime, &'a str)>,
        limit: u32,
    ) -> BoxFuture<'a, Result<Vec<SessionFacts>, StoreError>>;

    /// Up to `limit` messages of the conversation under `key` with a number greater than `after`, in order. Messages
    /// are numbered from 1. `None` if there is no such conversation.
    fn messages<'a>(
        &'a self,
        key: &'a SessionKey,
        after: u64,
        limit: u32,
    ) -> BoxFuture<'a, Result<Option<Vec<PastMessage>>, StoreError>>;

    /// Deletes the conversation under `key`, holding `lease` meanwhile. Returns whether there was one.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] while another owner has a lease of it.
    fn delete<'a>(
        &'a self,
        key: &'a SessionKey,
        lease: &'a SessionLease,
    ) -> BoxFuture<'a, Result<bool, StoreError>>;

    /// Deletes up to `limit` expired conversations. Returns how many it deleted.
    fn purge(&self, limit: u32) -> BoxFuture<'_, Result<u64, StoreError>>;

    /// Checks with a cheap query that the store can be used.
    fn check(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        boxed_ready(Ok(()))
    }
}

/// What identifies a session. The subject is part of it, so that no caller can reach another one's session.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionKey {
    /// The caller.
    pub subject: String,
    /// The slug of the agent.
    pub agent: String,
    /// The session's id, unique for a subject and an agent.
    pub id: String,
}

/// The right to add the next turn. It expires by itself, so that a killed process blocks nobody for long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionLease {
    /// The process; unique among all processes that share the store.
    pub owner: String,
    /// The turn; unique for each [`SessionStore::begin`].
    pub turn: String,
    /// How long the lease lasts unless it is renewed.
    pub ttl: Duration,
}

/// A turn that begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turn {
    /// Its lease.
    pub lease: SessionLease,
    /// The user's message.
    pub question: String,
    /// How many tokens of the conversation the model gets. A store may drop what is older.
    pub history_tokens: u64,
    /// How long after this turn the conversation expires.
    pub ttl: Duration,
}

/// The facts about a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionFacts {
    /// The session's id.
    pub id: String,
    /// The slug of the agent.
    pub agent: String,
    /// How many messages are stored.
    pub messages: u64,
    /// When the first turn was stored, to the millisecond.
    pub created_at: SystemTime,
    /// When the last turn was stored, to the millisecond.
    pub updated_at: SystemTime,
    /// When the conversation expires unless another turn is added.
    pub expires_at: SystemTime,
}

/// A stored message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastMessage {
    /// Its position in the conversation, from 1.
    pub number: u64,
    /// The message.
    pub message: Message,
    /// What became of its turn.
    pub status: MessageStatus,
    /// When its turn ended, or when it began if it was interrupted; to the millisecond.
    pub created_at: SystemTime,
}

/// What became of the turn that a message belongs to.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum MessageStatus {
    /// The message was answered, or is the answer.
    #[default]
    Completed,
    /// The process died before it had an answer.
    Interrupted,
}

/// The error of a turn that begins while another one runs.
pub(crate) fn lease_conflict() -> StoreError {
    StoreError::conflict("another request of this session is under way")
}

/// The error of a turn that has lost its lease.
pub(crate) fn lost_lease() -> StoreError {
    StoreError::conflict("the session has changed since this request began")
}

/// Collects the messages that the model gets, the newest first. A turn begins with a message of the user; only whole turns count.
#[derive(Debug)]
pub(crate) struct History {
    messages: Vec<Message>,
    tokens_left: u64,
    /// How many of `messages` make whole turns.
    whole: usize,
}

impl History {
    /// An empty history with room for so many tokens.
    pub(crate) fn new(tokens: u64) -> Self {
        Self {
            messages: Vec::new(),
            tokens_left: tokens,
            whole: 0,
        }
    }

    /// Adds the message before those that it has. Returns whether it fits; if not, the history is complete. An empty message counts as
    /// a token, so that the number of messages is limited too.
    pub(crate) fn push(&mut self, message: Message) -> bool {
        let tokens = estimated_tokens(message.text.len()).max(1);
        let Some(left) = self.tokens_left.checked_sub(tokens) else {
            return false;
        };
        self.tokens_left = left;
        let begins_turn = message.role == Role::User;
        self.messages.push(message);
        if begins_turn {
            self.whole = self.messages.len();
        }
        true
    }

    /// How many messages make whole turns.
    pub(crate) fn len(&self) -> usize {
        self.whole
    }

    /// The whole turns, the oldest message first.
    pub(crate) fn into_messages(mut self) -> Vec<Message> {
        self.messages.truncate(self.whole);
        self.messages.reverse();
        self.messages
    }
}
