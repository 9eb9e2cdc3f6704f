//! What keeps conversations has to be able to do.

use std::future::ready;
use std::pin::Pin;
use std::time::{Duration, SystemTime};

use crate::error::AgentError;
use crate::model::{Message, estimated_tokens};

/// Keeps conversations. What has expired is not there, whether it was purged or not. All methods fail with 503 if the
/// store can't be reached, and with 500 for what should not happen; other errors are said.
pub trait SessionStore: Send + Sync + 'static {
    /// Begins a turn of the conversation under `key`: nobody else may until `lease` ends. The latest whole turns that
    /// fit into `history_tokens` are what it goes on from; `None` if there is no such conversation (yet).
    ///
    /// # Errors
    /// 409 while another holder's lease of it lasts. A lease of the same holder is replaced.
    fn begin<'a>(
        &'a self,
        key: &'a SessionKey,
        lease: &'a Lease,
        history_tokens: u64,
    ) -> Stored<'a, Option<Conversation>>;

    /// Has `lease` last for its time from now on, if it is still the one of `key`.
    fn renew<'a>(&'a self, key: &'a SessionKey, lease: &'a Lease) -> Stored<'a, ()>;

    /// Ends `lease`, if it is still the one of `key`.
    fn release<'a>(&'a self, key: &'a SessionKey, lease: &'a Lease) -> Stored<'a, ()>;

    /// Ends all leases of a holder that goes away.
    fn release_all<'a>(&'a self, holder: &'a str) -> Stored<'a, ()>;

    /// Adds a turn to the conversation under `key`, all of it or nothing, and ends its lease.
    ///
    /// # Errors
    /// 409 if the conversation's version is not `turn.version` any more.
    fn commit<'a>(&'a self, key: &'a SessionKey, turn: Turn) -> Stored<'a, ()>;

    /// What there is to know about the conversation under `key`.
    fn facts<'a>(&'a self, key: &'a SessionKey) -> Stored<'a, Option<SessionFacts>>;

    /// At most `limit` conversations of a subject with an agent, the newest first: those that come after the one that
    /// began at this moment and has this id.
    fn list<'a>(
        &'a self,
        subject: &'a str,
        agent: &'a str,
        after: Option<(SystemTime, &'a str)>,
        limit: u32,
    ) -> Stored<'a, Vec<SessionFacts>>;

    /// At most `limit` messages of the conversation under `key`, the oldest first, from behind the one numbered
    /// `after` on; the first one has the number 1. `None` if there is no such conversation.
    fn messages<'a>(
        &'a self,
        key: &'a SessionKey,
        after: u64,
        limit: u32,
    ) -> Stored<'a, Option<Vec<PastMessage>>>;

    /// Forgets the conversation under `key`, and says whether there was one. `lease` is held meanwhile.
    ///
    /// # Errors
    /// 409 while another holder's lease of it lasts.
    fn delete<'a>(&'a self, key: &'a SessionKey, lease: &'a Lease) -> Stored<'a, bool>;

    /// Removes at most `most` conversations that have expired, and says how many it were.
    fn purge(&self, most: u32) -> Stored<'_, u64>;

    /// Whether the store can be used: asks it something that costs little.
    fn check(&self) -> Stored<'_, ()> {
        Box::pin(ready(Ok(())))
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

/// The right to add the next turn. It ends by itself, so that a process that was killed keeps nobody out for long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// The process that holds it.
    pub holder: String,
    /// The turn it is for.
    pub turn: String,
    /// How long it lasts without being renewed.
    pub lasts: Duration,
}

/// What a turn goes on from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conversation {
    /// How many turns were committed. A conversation that isn't there has the version 0.
    pub version: u64,
    /// The latest messages, the oldest of them first.
    pub messages: Vec<Message>,
}

/// What a turn adds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turn {
    /// The version of the conversation it goes on from.
    pub version: u64,
    /// What was said.
    pub messages: Vec<Message>,
    /// How much of the conversation is needed for the next turn. A store may forget what is older.
    pub history_tokens: u64,
    /// After how long the conversation expires if it doesn't go on.
    pub ttl: Duration,
    /// The lease that the turn has; none if nobody else can know the conversation's id.
    pub lease: Option<Lease>,
}

/// What there is to know about a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionFacts {
    /// Its id.
    pub id: String,
    /// The slug of the agent it is held with.
    pub agent: String,
    /// How many messages are kept.
    pub messages: u64,
    /// When its first turn was committed, to the millisecond.
    pub created_at: SystemTime,
    /// When its last turn was committed.
    pub updated_at: SystemTime,
    /// When it expires if it doesn't go on.
    pub expires_at: SystemTime,
}

/// A message of the past.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastMessage {
    /// The how manieth it is of its conversation, from 1 on.
    pub number: u64,
    /// What was said.
    pub message: Message,
    /// When its turn was committed.
    pub created_at: SystemTime,
}

/// What is said to who comes second.
pub(crate) fn busy() -> AgentError {
    AgentError::conflict("another request of this session is under way")
}

/// What is said to who finds that the session went on without them.
pub(crate) fn overtaken() -> AgentError {
    AgentError::conflict("the session has changed since this request began")
}

/// How many of the latest of `messages` make whole turns that fit into `limit` tokens. A turn has two messages.
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
