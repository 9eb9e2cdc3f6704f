//! What was sent to a run, in memory.

use std::collections::BTreeMap;
use std::time::SystemTime;

use crate::event::pending_action::PendingAction;
use crate::schema::Uuid;
use crate::unix_time::now;
use crate::workflow::journal::JournaledRun;
use crate::workflow::waiting::inbox::{
    Answer, AnswerOutcome, Inbox, NewEvent, SendOutcome, SentEvent, StoredAction,
};
use crate::workflow::workflow_event::WorkflowEvent;

/// The questions of a run with their answers, and the events that were sent to it.
#[derive(Debug, Default)]
pub(crate) struct MemoryInbox {
    questions: BTreeMap<Uuid, Question>,
    sent: Vec<SentEvent>,
}

#[derive(Debug)]
struct Question {
    action: PendingAction,
    is_closed: bool,
    answer: Option<Answer>,
}

impl Question {
    /// What an answer would meet now.
    fn state(&self) -> AnswerOutcome {
        let end = self.action.expires_at.map(SystemTime::from);
        let is_late = end.is_some_and(|end| end <= SystemTime::now());
        match (self.is_closed, &self.answer) {
            (_, None) if is_late => AnswerOutcome::Expired,
            (false, _) => AnswerOutcome::Stored,
            (true, _) => AnswerOutcome::Closed,
        }
    }
}

impl MemoryInbox {
    /// Opens and closes the questions that `event` is about.
    pub(crate) fn apply(&mut self, event: &WorkflowEvent) {
        match event {
            WorkflowEvent::ActionRequired { action, .. } if action.kind.is_answered() => {
                let question = Question {
                    action: action.clone(),
                    is_closed: false,
                    answer: None,
                };
                self.questions.insert(action.id, question);
            }
            WorkflowEvent::ActionResolved { action, .. } => {
                if let Some(question) = self.questions.get_mut(action) {
                    question.is_closed = true;
                }
            }
            _ => {}
        }
    }

    /// See [`Inbox::count`].
    pub(crate) fn count(&self) -> u64 {
        let questions = self.questions.values();
        let answered = questions.filter(|question| question.answer.is_some());
        (answered.count() + self.sent.len()) as u64
    }

    pub(crate) fn read(&self) -> Inbox {
        let questions = self.questions.values();
        Inbox {
            count: self.count(),
            now: now(),
            answers: questions.filter_map(|one| one.answer.clone()).collect(),
            events: self.sent.clone(),
        }
    }

    /// The question `action` of `run`, whose inbox this is.
    pub(crate) fn question(&self, action: Uuid, run: &JournaledRun) -> Option<StoredAction> {
        let question = self.questions.get(&action)?;
        Some(StoredAction {
            action: question.action.clone(),
            workflow: run.workflow.clone(),
            subject: run.subject.clone(),
            state: question.state(),
        })
    }

    /// The questions that can be answered now.
    pub(crate) fn open_questions(&self) -> impl Iterator<Item = &PendingAction> {
        let questions = self.questions.values();
        let open = questions.filter(|question| question.state() == AnswerOutcome::Stored);
        open.map(|question| &question.action)
    }

    /// See [`Journal::answer`](crate::workflow::Journal::answer).
    pub(crate) fn answer(&mut self, answer: &Answer) -> AnswerOutcome {
        let Some(question) = self.questions.get_mut(&answer.action) else {
            return AnswerOutcome::NotFound;
        };
        let outcome = question.state();
        if outcome == AnswerOutcome::Stored {
            question.is_closed = true;
            question.answer = Some(answer.clone());
        }
        outcome
    }

    /// Closes a question that has expired; says whether it has, and nobody answered.
    pub(crate) fn expire(&mut self, action: Uuid) -> bool {
        let question = self.questions.get_mut(&action);
        let expired = question.filter(|question| question.state() == AnswerOutcome::Expired);
        expired.map(|question| question.is_closed = true).is_some()
    }

    /// See [`Journal::send_event`](crate::workflow::Journal::send_event).
    pub(crate) fn send(&mut self, event: &NewEvent, limit: u32) -> SendOutcome {
        if self.sent.len() >= limit as usize {
            return SendOutcome::TooMany;
        }
        self.sent.push(SentEvent {
            number: self.sent.len() as u64 + 1,
            event: event.clone(),
        });
        SendOutcome::Stored
    }
}
