//! Conversations: their messages, who owns them, how long they live.
//!
//! Invariant: one turn at a time writes to a session, in all processes together; a turn that ends without success leaves the session
//! as it was.

pub(crate) mod conversations;
pub(crate) mod memory_sessions;
pub(crate) mod session_store;

pub use self::conversations::{DEFAULT_HISTORY_TOKENS, DEFAULT_SESSION_TTL};
pub use self::memory_sessions::MemorySessions;
pub use self::session_store::{
    Conversation, PastMessage, SessionFacts, SessionKey, SessionLease, SessionStore, Turn,
};
