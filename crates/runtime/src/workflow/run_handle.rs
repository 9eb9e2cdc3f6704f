//! A run that is under way in this process: what is known of it, and how what happens in it is written down and told.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use serde_json::Value;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::auth::claims::Caller;
use crate::error::store_error::StoreError;
use crate::event::agent_event::AgentEvent;
use crate::schema::formats::Uuid;
use crate::spec::workflow_spec::{StepSpec, WorkflowSpec};
use crate::workflow::journal::Change;
use crate::workflow::run_report::{RunStatus, StepReport};
use crate::workflow::workflow_event::WorkflowEvent;
use crate::workflow::workflow_service::Runs;

/// The pauses between attempts to write down what has happened.
const SHORTEST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// A run that is under way in this process.
pub(crate) struct Going {
    /// What it runs on.
    pub(crate) runs: Arc<Runs>,
    /// Its id.
    pub(crate) id: Uuid,
    /// Its workflow.
    pub(crate) spec: &'static WorkflowSpec,
    /// Whose it is.
    pub(crate) caller: Caller,
    /// What it was given.
    pub(crate) input: Value,
    /// When it ends in any case.
    pub(crate) deadline: Option<Instant>,
    /// Says that there are new events.
    pub(crate) told: watch::Sender<()>,
    /// What was decided while the journal could not be reached.
    pub(crate) untold: Mutex<Vec<WorkflowEvent>>,
    /// How far steps have come that were asked for more than once and are not over.
    pub(crate) tried: Mutex<BTreeMap<&'static str, StepReport>>,
}

impl Going {
    /// Tells what was decided about a step that has come as far as `report` says.
    pub(crate) async fn tell_tried(
        &self,
        step: &StepSpec,
        report: &StepReport,
        event: WorkflowEvent,
    ) {
        self.tried().insert(step.id, report.clone());
        let mut change = self.change();
        change.steps.push(report.clone());
        change.events.push(event);
        self.tell(change).await;
    }

    /// Tells what was decided. What can't be written down now is told with the next change that can.
    async fn tell(&self, mut change: Change) {
        if let Err(error) = self.write(&mut change).await {
            tracing::warn!(run_id = %self.id, %error, "an event of a run can't be written down now");
            self.untold().append(&mut change.events);
        }
    }

    /// Writes `change` down, behind what could not be told before, and tells and counts what happened. Says whether this
    /// process still holds the run.
    async fn write(&self, change: &mut Change) -> Result<bool, StoreError> {
        let earlier = std::mem::take(&mut *self.untold());
        change.events.splice(..0, earlier);
        let is_held = self.runs.journal.write(change).await?;
        if is_held {
            self.wake().await;
            self.count(&change.events);
        }
        Ok(is_held)
    }

    /// See [`Going::tried`].
    pub(crate) fn tried(&self) -> MutexGuard<'_, BTreeMap<&'static str, StepReport>> {
        self.tried.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes `change` down as soon as that can be done: what was finished meanwhile need not be done again then. Says whether
    /// this process still holds the run.
    pub(crate) async fn write_at_last(&self, change: &mut Change) -> bool {
        let mut pauses = ExponentialBuilder::default()
            .with_min_delay(SHORTEST_PAUSE)
            .with_max_delay(LONGEST_PAUSE)
            .without_max_times()
            .with_jitter()
            .build();
        let mut has_failed = false;
        loop {
            match self.write(change).await {
                Ok(is_held) => return is_held,
                Err(error) if !has_failed => {
                    has_failed = true;
                    tracing::warn!(run_id = %self.id, %error, "a run can't be written down now; it waits for that");
                }
                Err(error) => {
                    tracing::debug!(run_id = %self.id, %error, "a run can't be written down")
                }
            }
            tokio::time::sleep(pauses.next().unwrap_or(LONGEST_PAUSE)).await;
        }
    }

    fn untold(&self) -> MutexGuard<'_, Vec<WorkflowEvent>> {
        self.untold.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells what happened while an agent was at work on a step, if it is told at all.
    pub(crate) async fn tell_of(&self, step: &StepSpec, event: AgentEvent) {
        if let Some(event) = WorkflowEvent::of_step(step.id, event) {
            let mut change = self.change();
            change.events.push(event);
            self.tell(change).await;
        }
    }

    /// Counts what was decided.
    fn count(&self, events: &[WorkflowEvent]) {
        let metrics = &self.runs.resources.metrics;
        for (step, decision) in events.iter().filter_map(WorkflowEvent::decision) {
            metrics.step_decided(self.spec.name, step, decision);
        }
    }

    /// Says, here and elsewhere, that there are new events.
    async fn wake(&self) {
        self.told.send_replace(());
        self.runs.tell(self.id).await;
    }

    /// A change in which nothing has changed.
    pub(crate) fn change(&self) -> Change {
        Change {
            run: self.id,
            owner: self.runs.lease.owner.clone(),
            steps: Vec::new(),
            events: Vec::new(),
            status: RunStatus::Running,
            error: None,
            ended: None,
        }
    }
}
