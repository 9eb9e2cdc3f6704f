//! What a store of conversations must do.

use std::time::{Duration, SystemTime};

use crate::error::store_error::StoreError;
use crate::future::{BoxFuture, boxed_ready};
use crate::model::{Message, estimated_tokens};

/// Stores conversations. An expired conversation does not exist, whether it was purged or not.
pub trait SessionStore: Send + Sync + 'static {
    /// Begins a turn of the conversation under `key`: takes `lease`, and returns the latest whole turns that fit into
    /// `history_tokens`. `None` if there is no such conversation (yet). A lease of the same owner is replaced.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] while another owner has a lease of it.
    fn begin<'a>(
        &'a self,
        key: &'a SessionKey,
        lease: &'a SessionLease,
        history_tokens: u64,
    ) -> BoxFuture<'a, Result<Option<Conversation>, StoreError>>;

    /// Extends `lease` by its `ttl` from now, if it is still the one of `key`.
    fn renew<'a>(
        &'a self,
        key: &'a SessionKey,
        lease: &'a SessionLease,
    ) -> BoxFuture<'a, Result<(), StoreError>>;

    /// Ends `lease`, if it is still the one of `key`.
    fn release<'a>(
        &'a self,
        key: &'a SessionKey,
        lease: &'a SessionLease,
    ) -> BoxFuture<'a, Result<(), StoreError>>;

    /// Ends all leases of an owner.
    fn release_all<'a>(&'a self, owner: &'a str) -> BoxFuture<'a, Result<(), StoreError>>;

    /// Adds a turn to the conversation under `key` and ends its lease, all of it or nothing.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if the conversation's version is no longer `turn.version`.
    fn commit<'a>(
        &'a self,
        key: &'a SessionKey,
        turn: Turn,
    ) -> BoxFuture<'a, Result<(), StoreError>>;

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

/// The conversation that a turn continues.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conversation {
    /// How many turns were committed; 0 stands for a conversation that does not exist.
    pub version: u64,
    /// The latest messages, oldest first.
    pub messages: Vec<Message>,
}

/// A turn to be added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turn {
    /// The version of the conversation that it continues.
    pub version: u64,
    /// Its messages.
    pub messages: Vec<Message>,
    /// How many tokens of the conversation the next turn needs. A store may drop what is older.
    pub history_tokens: u64,
    /// How long after this turn the conversation expires.
    pub ttl: Duration,
    /// The lease of the turn; `None` for a conversation whose id nobody else can know yet.
    pub lease: Option<SessionLease>,
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
    /// When the first turn was committed, to the millisecond.
    pub created_at: SystemTime,
    /// When the last turn was committed, to the millisecond.
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
    /// When its turn was committed, to the millisecond.
    pub created_at: SystemTime,
}

/// The error of a turn that begins while another one runs.
pub(crate) fn lease_conflict() -> StoreError {
    StoreError::conflict("another request of this session is under way")
}

/// The error of a turn whose conversation was continued by another turn.
pub(crate) fn version_conflict() -> StoreError {
    StoreError::conflict("the session has changed since this request began")
}

/// How many of the latest of `messages` make whole turns of two messages that fit into `limit` tokens.
pub(crate) fn fitting<'a>(
    messages: impl DoubleEndedIterator<Item = &'a Message>,
    limit: u64,
) -> usize {
    let (mut count, mut fits, mut tokens) = (0, 0, 0_u64);
    for message in messages.rev() {
        tokens = tokens.saturating_add(estimated_tokens(message.text.len()));
        if tokens > limit {
            break;
        }
        count += 1;
        if count % 2 == 0 {
            fits = count;
        }
    }
    fits
}
