//! Where a run's events go: to whoever answers the request.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::mpsc;

use crate::event::Event;
use crate::formats::Uuid;

/// The writing end of a run's events.
#[derive(Debug)]
pub(crate) struct Sink {
    run_id: Uuid,
    agent: &'static str,
    started: AtomicBool,
    events: Option<mpsc::Sender<Event>>,
    /// Whether only hand-overs are told.
    quiet: bool,
}

impl Sink {
    /// A sink for a run of `agent`; without `events`, nobody wants to know how it goes.
    pub(crate) fn new(
        run_id: Uuid,
        agent: &'static str,
        events: Option<mpsc::Sender<Event>>,
    ) -> Self {
        Self {
            run_id,
            agent,
            started: AtomicBool::new(false),
            events,
            quiet: false,
        }
    }

    /// The same way, for what an agent does that was handed a task: what it says is for the model that asked it, and
    /// only further hand-overs are told.
    pub(crate) fn quiet(&self) -> Self {
        Self {
            run_id: self.run_id,
            agent: self.agent,
            started: AtomicBool::new(true),
            events: self.events.clone(),
            quiet: true,
        }
    }

    /// Says once, and before anything else, that the run has begun.
    pub(crate) async fn started(&self, model: &str) {
        if self.events.is_some() && !self.started.swap(true, Ordering::Relaxed) {
            self.send(Event::Started {
                run_id: self.run_id,
                agent: self.agent.to_owned(),
                model: model.to_owned(),
            })
            .await;
        }
    }

    /// Sends an event; waits while the reader is behind. With the reader gone, the run is about to be dropped.
    pub(crate) async fn send(&self, event: Event) {
        if let Some(events) = &self.events
            && (!self.quiet || event.is_handoff())
        {
            let _ = events.send(event).await;
        }
    }
}
