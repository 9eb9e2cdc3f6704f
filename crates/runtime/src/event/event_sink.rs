//! Where a run's events go: to whoever answers the request.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::mpsc;

use crate::event::agent_event::{AgentEvent, Audience};
use crate::schema::Uuid;

/// The writing end of a run's events.
#[derive(Debug)]
pub(crate) struct Sink {
    run_id: Uuid,
    agent: &'static str,
    started: AtomicBool,
    waiting: Mutex<Vec<AgentEvent>>,
    events: Option<mpsc::Sender<AgentEvent>>,
    /// Whether only the events for [`Audience::Everyone`] are sent.
    quiet: bool,
}

impl Sink {
    /// A sink for a run of `agent`; without `events`, nobody reads them.
    pub(crate) fn new(
        run_id: Uuid,
        agent: &'static str,
        events: Option<mpsc::Sender<AgentEvent>>,
    ) -> Self {
        Self {
            run_id,
            agent,
            started: AtomicBool::new(false),
            waiting: Mutex::default(),
            events,
            quiet: false,
        }
    }

    /// A sink to the same reader that sends the events for [`Audience::Everyone`] alone. It is for the work of an agent
    /// that was handed a task, and for a second attempt at an answer: their text is for the model or for the check.
    pub(crate) fn quiet(&self) -> Self {
        Self {
            run_id: self.run_id,
            agent: self.agent,
            started: AtomicBool::new(true),
            waiting: Mutex::default(),
            events: self.events.clone(),
            quiet: true,
        }
    }

    /// Says once, and before anything else, that the run has begun.
    pub(crate) async fn started(&self, model: &str) {
        if self.events.is_some() && !self.started.swap(true, Ordering::Relaxed) {
            self.send(AgentEvent::Started {
                run_id: self.run_id,
                agent: self.agent.to_owned(),
                model: model.to_owned(),
            })
            .await;
            let waiting = std::mem::take(&mut *self.waiting());
            for event in waiting {
                self.send(event).await;
            }
        }
    }

    /// Whether somebody reads along.
    pub(crate) fn is_watched(&self) -> bool {
        self.events.is_some() && !self.quiet
    }

    /// Sends an event that does not begin the run: until it has begun, the event waits. Of a run that never begins
    /// there is an error to tell and nothing else.
    pub(crate) async fn aside(&self, event: AgentEvent) {
        if self.events.is_none() {
            return;
        }
        if self.started.load(Ordering::Relaxed) {
            self.send(event).await;
        } else {
            self.waiting().push(event);
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Vec<AgentEvent>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends an event; waits while the reader is behind. With the reader gone, the run is about to be dropped.
    pub(crate) async fn send(&self, event: AgentEvent) {
        if let Some(events) = &self.events
            && (!self.quiet || event.audience() == Audience::Everyone)
        {
            let _ = events.send(event).await;
        }
    }
}
