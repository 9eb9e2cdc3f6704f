//! A run that this process executes, and how its changes reach the journal and their readers.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use backon::{BackoffBuilder, ExponentialBuilder};
use serde_json::Value;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::auth::claims::Caller;
use crate::error::store_error::StoreError;
use crate::event::agent_event::AgentEvent;
use crate::future::BoxFuture;
use crate::schema::{Uuid, new_uuid_v4};
use crate::spec::workflow_spec::WorkflowSpec;
use crate::unix_time::{from_millis, to_millis};
use crate::workflow::journal::{Change, RunState};
use crate::workflow::run_report::{StepReport, step_of};
use crate::workflow::workflow_event::WorkflowEvent;
use crate::workflow::workflow_service::WorkflowService;

/// The pauses between attempts to reach the journal.
const MIN_PAUSE: Duration = Duration::from_millis(50);
const MAX_PAUSE: Duration = Duration::from_secs(2);

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
    /// The clock of the journal.
    pub(crate) clock: JournalClock,
    /// Stops the executor.
    pub(crate) stop: watch::Sender<Stop>,
    /// Writes the run's changes one by one.
    pub(crate) writer: tokio::sync::Mutex<Writer>,
    /// The reports of running steps that were tried more than once, by step id.
    pub(crate) step_progress: Mutex<BTreeMap<String, StepReport>>,
}

/// The clock of a journal, as far as a process knows it: it asks once, and counts on with a clock that nobody sets.
#[derive(Debug, Clone, Copy)]
pub(crate) struct JournalClock {
    read: SystemTime,
    at: Instant,
}

impl JournalClock {
    /// The clock that shows `read` now.
    pub(crate) fn new(read: SystemTime) -> Self {
        let at = Instant::now();
        Self { read, at }
    }

    /// The time on it.
    pub(crate) fn now(&self) -> SystemTime {
        from_millis(to_millis(self.read + self.at.elapsed()))
    }
}

/// Whether the executor of a run has to stop, and why. A later reason outweighs an earlier one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stop {
    /// It has not.
    No,
    /// The run is to be paused.
    Pause,
    /// The run is to be cancelled.
    Cancel,
    /// Another process may execute the run.
    LeaseLost,
}

/// The changes of a run on their way to the journal.
pub(crate) struct Writer {
    /// The number of events in the journal.
    event_count: u64,
    /// The changes that the journal has not confirmed, oldest first. The first one may have been written: it is repeated
    /// as it is, so that the journal recognises it.
    unconfirmed: VecDeque<Change>,
}

impl Writer {
    /// The writer of a run that has `event_count` events.
    pub(crate) fn new(event_count: u64) -> Self {
        Self {
            event_count,
            unconfirmed: VecDeque::new(),
        }
    }

    fn add(&mut self, run: &RunHandle, events: Vec<WorkflowEvent>, state: Option<RunState>) {
        let waiting = self.unconfirmed.iter().map(|change| change.events.len());
        let first_event = self.event_count + waiting.sum::<usize>() as u64 + 1;
        self.unconfirmed.push_back(Change {
            id: new_uuid_v4(),
            run: run.id,
            owner: run.service.lease.owner.clone(),
            first_event,
            events,
            state,
        });
    }
}

/// What `work` on the run `run` gives once the journal can be reached.
pub(super) async fn until_it_succeeds<'a, T: Send + 'a>(
    run: Uuid,
    work: impl Fn() -> BoxFuture<'a, Result<T, StoreError>>,
) -> T {
    let mut pauses = ExponentialBuilder::default()
        .with_min_delay(MIN_PAUSE)
        .with_max_delay(MAX_PAUSE)
        .without_max_times()
        .with_jitter()
        .build();
    let mut has_failed = false;
    loop {
        match work().await {
            Ok(done) => return done,
            Err(error) if !has_failed => {
                has_failed = true;
                tracing::warn!(run_id = %run, %error, "the journal of a run can't be reached now; the run waits until it can");
            }
            Err(error) => {
                tracing::debug!(run_id = %run, %error, "the journal of a run still can't be reached");
            }
        }
        tokio::time::sleep(pauses.next().unwrap_or(MAX_PAUSE)).await;
    }
}

/// Asks an executor to stop.
pub(crate) fn request_stop(stop: &watch::Sender<Stop>, reason: Stop) {
    stop.send_if_modified(|current| {
        let is_new = *current < reason;
        *current = reason.max(*current);
        is_new
    });
}

impl RunHandle {
    /// How long it is until `moment` on the journal's clock.
    pub(crate) fn time_until(&self, moment: SystemTime) -> Duration {
        let left = moment.duration_since(self.clock.now());
        left.unwrap_or_default()
    }

    /// Emits an event about a running step, whose report is now `report`.
    pub(crate) async fn emit_step_progress(&self, report: &StepReport, event: WorkflowEvent) {
        self.step_progress()
            .insert(report.step.clone(), report.clone());
        self.emit(event).await;
    }

    /// Emits what an agent's event means for its step, if readers of the run are to see it.
    pub(crate) async fn emit_agent_event(&self, step: &str, event: AgentEvent) {
        if let Some(event) = WorkflowEvent::of_step(step, event) {
            self.emit(event).await;
        }
    }

    /// Writes an event. If the journal can't be reached, the event waits for the next change.
    async fn emit(&self, event: WorkflowEvent) {
        self.writer.lock().await.add(self, vec![event], None);
        if let Err(error) = self.flush().await {
            tracing::warn!(run_id = %self.id, %error, "an event of a run can't be written now");
        }
    }

    /// Writes all changes that the journal has not confirmed, then notifies readers and counts what is in them. Returns
    /// whether this process still has the lease.
    async fn flush(&self) -> Result<bool, StoreError> {
        let mut writer = self.writer.lock().await;
        while let Some(change) = writer.unconfirmed.front() {
            if !self.service.journal.write(change).await? {
                request_stop(&self.stop, Stop::LeaseLost);
                return Ok(false);
            }
            if let Some(change) = writer.unconfirmed.pop_front() {
                writer.event_count += change.events.len() as u64;
                let state = change.state.as_ref();
                let is_over = state.is_some_and(|state| state.keep.is_some());
                self.service.notify_all(self.id, is_over).await;
                self.record(&change);
            }
        }
        Ok(true)
    }

    /// See the field.
    pub(crate) fn step_progress(&self) -> MutexGuard<'_, BTreeMap<String, StepReport>> {
        self.step_progress
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes a change, and retries until the journal answers: a finished step must not run again because the journal
    /// was away. Returns whether this process still has the lease.
    pub(crate) async fn write_with_retry(
        &self,
        events: Vec<WorkflowEvent>,
        state: Option<RunState>,
    ) -> bool {
        self.writer.lock().await.add(self, events, state);
        until_it_succeeds(self.id, || Box::pin(self.flush())).await
    }

    /// Counts and logs what `change` says.
    fn record(&self, change: &Change) {
        let metrics = &self.service.resources.metrics;
        let (workflow, run_id) = (self.spec.name, self.id);
        for event in &change.events {
            if let Some((step, decision)) = event.decision() {
                metrics.step_decided(workflow, step_of(step), decision);
            }
            match event {
                WorkflowEvent::StepFinished { report } => {
                    let (step, status) = (&report.step, report.status.as_str());
                    metrics.step_ended(workflow, step_of(step), status);
                    tracing::info!(%run_id, workflow, step, status, "step ended");
                }
                WorkflowEvent::Finished { status, .. } => {
                    let status = status.as_str();
                    metrics.workflow_ended(workflow, status);
                    tracing::info!(%run_id, workflow, status, "workflow run ended");
                }
                _ => {}
            }
        }
    }
}
