//! What runs wait for: a person's answer, an event, a moment.
//!
//! Invariant: a pending action is in the journal before anyone is told of it, and is resolved once. A run that only waits has no owner:
//! it takes no slot and no connection until what it waits for is there.

pub(crate) mod answers;
pub(crate) mod inbox;

pub(crate) mod open_actions;

pub use self::inbox::{
    Answer, AnswerOutcome, Inbox, NewEvent, OpenQuestion, QuestionQuery, SendOutcome, SentEvent,
    StoredAction, SuspendOutcome, Suspension,
};
