//! A run that this process executes, and how its changes reach the journal and their readers.

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
use crate::schema::Uuid;
use crate::spec::workflow_spec::{StepSpec, WorkflowSpec};
use crate::workflow::journal::Change;
use crate::workflow::run_report::{RunStatus, StepReport};
use crate::workflow::workflow_event::WorkflowEvent;
use crate::workflow::workflow_service::WorkflowService;

/// The pauses between attempts to write a change.
const MIN_WRITE_PAUSE: Duration = Duration::from_millis(50);
const MAX_WRITE_PAUSE: Duration = Duration::from_secs(2);

/// A run that this process executes. Shared by the executor and the tasks of its steps.
pub(crate) struct RunHandle {
    /// The service that executes it.
    pub(crate) service: Arc<WorkflowService>,
    /// The run's id.
    pub(crate) id: Uuid,
    /// The workflow.
    pub(crate) spec: &'static WorkflowSpec,
    /// The caller that started the run; its steps run with the caller's roles.
    pub(crate) caller: Caller,
    /// The input.
    pub(crate) input: Value,
    /// When the run has to end; `None` if the workflow has no time limit.
    pub(crate) deadline: Option<Instant>,
    /// Notifies readers in this process of new events.
    pub(crate) changed_tx: watch::Sender<()>,
    /// Events that could not be written, oldest first. The next change writes them before its own.
    pub(crate) unflushed_events: Mutex<Vec<WorkflowEvent>>,
    /// The reports of running steps that were tried more than once, by step id.
    pub(crate) step_progress: Mutex<BTreeMap<&'static str, StepReport>>,
}

impl RunHandle {
    /// Emits an event about a running step, whose report is now `report`.
    pub(crate) async fn emit_step_progress(
        &self,
        step: &StepSpec,
        report: &StepReport,
        event: WorkflowEvent,
    ) {
        self.step_progress().insert(step.id, report.clone());
        let mut change = self.change();
        change.steps.push(report.clone());
        change.events.push(event);
        self.emit(change).await;
    }

    /// Emits what an agent's event means for its step, if readers of the run are to see it.
    pub(crate) async fn emit_agent_event(&self, step: &StepSpec, event: AgentEvent) {
        if let Some(event) = WorkflowEvent::of_step(step.id, event) {
            let mut change = self.change();
            change.events.push(event);
            self.emit(change).await;
        }
    }

    /// Writes `change` once. Its events wait for the next change if that fails.
    async fn emit(&self, mut change: Change) {
        if let Err(error) = self.write(&mut change).await {
            tracing::warn!(run_id = %self.id, %error, "an event of a run can't be written now");
            self.unflushed_events().append(&mut change.events);
        }
    }

    /// Writes `change` after the unflushed events, then notifies readers and counts the decisions in it. Returns whether
    /// this process still has the lease.
    async fn write(&self, change: &mut Change) -> Result<bool, StoreError> {
        let unflushed = std::mem::take(&mut *self.unflushed_events());
        change.events.splice(..0, unflushed);
        let has_lease = self.service.journal.write(change).await?;
        if has_lease {
            self.changed_tx.send_replace(());
            self.service.notify(self.id).await;
            self.count_decisions(&change.events);
        }
        Ok(has_lease)
    }

    /// See the field.
    pub(crate) fn step_progress(&self) -> MutexGuard<'_, BTreeMap<&'static str, StepReport>> {
        self.step_progress
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes `change`, and retries until the journal answers: a finished step must not run again because the journal
    /// was away. Returns whether this process still has the lease.
    pub(crate) async fn write_with_retry(&self, change: &mut Change) -> bool {
        let mut pauses = ExponentialBuilder::default()
            .with_min_delay(MIN_WRITE_PAUSE)
            .with_max_delay(MAX_WRITE_PAUSE)
            .without_max_times()
            .with_jitter()
            .build();
        let mut has_failed = false;
        loop {
            match self.write(change).await {
                Ok(has_lease) => return has_lease,
                Err(error) if !has_failed => {
                    has_failed = true;
                    tracing::warn!(run_id = %self.id, %error, "a run can't be written now; it waits until it can");
                }
                Err(error) => {
                    tracing::debug!(run_id = %self.id, %error, "a run still can't be written");
                }
            }
            tokio::time::sleep(pauses.next().unwrap_or(MAX_WRITE_PAUSE)).await;
        }
    }

    fn unflushed_events(&self) -> MutexGuard<'_, Vec<WorkflowEvent>> {
        self.unflushed_events
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn count_decisions(&self, events: &[WorkflowEvent]) {
        let metrics = &self.service.resources.metrics;
        for (step, decision) in events.iter().filter_map(WorkflowEvent::decision) {
            metrics.step_decided(self.spec.name, step, decision);
        }
    }

    /// A change of a running run, without steps and events.
    pub(crate) fn change(&self) -> Change {
        Change {
            run: self.id,
            owner: self.service.lease.owner.clone(),
            steps: Vec::new(),
            events: Vec::new(),
            status: RunStatus::Running,
            error: None,
            ended: None,
        }
    }
}
