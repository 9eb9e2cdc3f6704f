//! What others send to a run that waits, and how a journal stores it.

use std::time::SystemTime;

use serde_json::Value;

use crate::event::pending_action::PendingAction;
use crate::schema::Uuid;

/// Everything that was sent to a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Inbox {
    /// How many answers and events there are. It was read before them, so that none is missed.
    pub count: u64,
    /// The time on the journal's clock.
    pub now: SystemTime,
    /// The answers to its questions.
    pub answers: Vec<Answer>,
    /// The events, in the order in which they were sent.
    pub events: Vec<SentEvent>,
}

/// The answer to a question.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The action that it answers.
    pub action: Uuid,
    /// The answer, valid under the schema of the action.
    pub value: Value,
    /// The subject that answered.
    pub by: String,
}

/// An event that was sent to a run.
#[derive(Debug, Clone, PartialEq)]
pub struct SentEvent {
    /// Its number among the events that were sent to the run, from 1.
    pub number: u64,
    /// The event.
    pub event: NewEvent,
}

/// An event that is to be sent to a run.
#[derive(Debug, Clone, PartialEq)]
pub struct NewEvent {
    /// The event's name.
    pub name: String,
    /// What is sent with it.
    pub payload: Value,
    /// The subject that sends it.
    pub by: String,
}

/// A question as a journal stores it.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredAction {
    /// The question.
    pub action: PendingAction,
    /// The workflow's name.
    pub workflow: String,
    /// The subject that started the run.
    pub subject: String,
    /// What an answer would meet now: [`AnswerOutcome::Stored`] for an open question.
    pub state: AnswerOutcome,
}

/// Which questions to list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuestionQuery<'a> {
    /// Those without roles of the runs of these subjects.
    pub subjects: &'a [String],
    /// And those of all runs that have one of these roles. `None`: those that have any.
    pub roles: Option<&'a [String]>,
    /// Only those whose id is less than this one: the last one of a page.
    pub before: Option<Uuid>,
}

/// A question that is open.
#[derive(Debug, Clone, PartialEq)]
pub struct OpenQuestion {
    /// The run that asks.
    pub run: Uuid,
    /// The workflow's name.
    pub workflow: String,
    /// The question.
    pub action: PendingAction,
}

/// The result of [`Journal::answer`](crate::workflow::Journal::answer).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnswerOutcome {
    /// The answer is stored: it is the one.
    Stored,
    /// Somebody answered before, or the run no longer waits for it.
    Closed,
    /// It came too late.
    Expired,
    /// The run has no such question.
    NotFound,
}

/// The result of [`Journal::send_event`](crate::workflow::Journal::send_event).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SendOutcome {
    /// The event is stored.
    Stored,
    /// The run has as many events as may be sent to it.
    TooMany,
    /// The run has ended.
    Finished,
}

/// How long a run waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Suspension {
    /// When it can be claimed at the latest, on the journal's clock; `None` for once something is sent.
    pub until: Option<SystemTime>,
    /// The [`Inbox::count`] that its owner has seen.
    pub inbox_count: u64,
}

/// The result of [`Journal::suspend`](crate::workflow::Journal::suspend).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SuspendOutcome {
    /// Nobody has the run, until something is sent or its time comes.
    Suspended,
    /// Something was sent that the owner has not seen. It still has the lease.
    InboxChanged,
    /// The owner has lost the lease.
    LeaseLost,
}
