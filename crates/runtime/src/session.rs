//! Conversations: their messages, who owns them, how long they live.
//!
//! Invariant: one turn at a time writes to a session, in all processes together; a turn that fails leaves the session as it was, and one
//! whose process dies leaves the user's message.

pub(crate) mod caller_conversation;
pub(crate) mod conversations;
#[cfg(test)]
mod conversations_tests;
pub(crate) mod memory_sessions;
pub(crate) mod session_store;

pub use self::conversations::{DEFAULT_HISTORY_TOKENS, DEFAULT_SESSION_TTL};
pub use self::memory_sessions::MemorySessions;
pub use self::session_store::{
    MessageStatus, PastMessage, SessionFacts, SessionKey, SessionLease, SessionStore, Turn,
};
