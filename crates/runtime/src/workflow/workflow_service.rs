//! The workflow runs of one process: what executors share, and how others learn of changes.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, Semaphore, watch};

use crate::error::start_error::StartError;
use crate::error::store_error::StoreError;
use crate::run::bound_service::{BoundHandler, Service};
use crate::run::resources::Resources;
use crate::schema::{Schema, Uuid};
use crate::spec::agent_spec::AgentSpec;
use crate::spec::workflow_spec::WorkflowSpec;
use crate::telemetry::endpoint_metrics::EndpointMetrics;
use crate::workflow::agent_run::{LiveReaders, is_agent_run};
use crate::workflow::execution::run_handle::{Stop, request_stop};
use crate::workflow::journal::{Journal, JournaledRun, RunLease};
use crate::workflow::queue::{Delivery, Queue};
use crate::workflow::run_report::{RunReport, StepReport};
use crate::workflow::run_schedules::Timetable;

/// How long a reader waits before it reads the journal again: a change in another process may not be notified.
const POLL_INTERVAL: Duration = Duration::from_millis(500);

/// The limits of workflow runs in one process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WorkflowLimits {
    /// How many runs one process executes at a time; further runs wait. At least 1, at most 100,000.
    pub runs: u32,
    /// How many runs of one caller may wait, in all processes together. The request to start a further one is refused.
    pub queued: u32,
    /// How long after the end of a process other processes resume its runs.
    pub lease: Duration,
    /// How long a finished run stays readable.
    pub keep: Duration,
    /// How often a run is resumed after its process died, without a step that finishes, before it fails.
    pub resumptions: u32,
    /// The largest output of a step, in bytes of JSON.
    pub output_bytes: usize,
}

impl Default for WorkflowLimits {
    fn default() -> Self {
        Self {
            runs: 64,
            queued: 1000,
            lease: Duration::from_secs(10),
            keep: Duration::from_secs(7 * 24 * 60 * 60),
            resumptions: 3,
            output_bytes: 1024 * 1024,
        }
    }
}

/// The workflow runs of one process.
pub(crate) struct WorkflowService {
    /// The workflows, by name.
    pub(crate) specs: BTreeMap<&'static str, &'static WorkflowSpec>,
    /// Whether a run of one of them may wait for a moment.
    pub(crate) waits: bool,
    /// When runs of those with a schedule are due, by the workflow's name.
    pub(crate) timetables: BTreeMap<&'static str, Timetable>,
    /// The digests of their definitions, by the workflow's name.
    pub(crate) definitions: BTreeMap<&'static str, String>,
    /// The schemas of their inputs, by the workflow's name.
    pub(crate) input_schemas: BTreeMap<&'static str, Schema>,
    /// What steps can call, by agent and endpoint name.
    pub(crate) targets: BTreeMap<(&'static str, &'static str), StepTarget>,
    /// What steps run with.
    pub(crate) resources: Arc<Resources>,
    /// The store of all runs.
    pub(crate) journal: Arc<dyn Journal>,
    /// Delivers runs to several processes. `None` for a process that claims them from the journal alone.
    pub(crate) queue: Option<Arc<dyn Queue>>,
    /// Those who wait for changes of runs.
    pub(crate) followers: Followers,
    /// Those who read what agents write while they do.
    pub(crate) live_readers: LiveReaders,
    /// The lease that this process takes of every run. Its owner is unique for each start of the process.
    pub(crate) lease: RunLease,
    /// How long a finished run stays readable.
    pub(crate) retention: Duration,
    /// One permit for each run that may start now.
    pub(crate) slots: Arc<Semaphore>,
    /// One permit, for the run that is on probation.
    pub(crate) probation: Arc<Semaphore>,
    /// How often a run is resumed, without a step that finishes, before it fails.
    pub(crate) max_resumptions: u32,
    /// The largest output of a step, in bytes of JSON.
    pub(crate) max_output_bytes: usize,
    /// How many runs of one subject may wait.
    pub(crate) max_queued_runs: u32,
    /// How many permits `slots` has in all.
    pub(crate) max_concurrent_runs: u32,
    /// The runs that this process executes.
    pub(crate) active: Mutex<BTreeMap<Uuid, ActiveRun>>,
    /// Whether runs may be waiting for a slot. A new run must not overtake them.
    pub(crate) has_waiting: AtomicBool,
    /// The workflow whose runs are claimed first the next time: a round-robin cursor.
    pub(crate) next_workflow: AtomicUsize,
    /// Wakes the supervisor or the queue's consumer to look for runs in the journal.
    pub(crate) slot_freed: Arc<Notify>,
    /// Set once, by [`spawn_supervisor`](crate::workflow::run_start::spawn_supervisor).
    pub(crate) supervisor_spawned: AtomicBool,
}

/// An endpoint that a step can call.
pub(crate) struct StepTarget {
    /// The agent.
    pub(crate) agent: &'static AgentSpec,
    /// The endpoint and its handler.
    pub(crate) mounted: BoundHandler,
    /// The schema of its requests.
    pub(crate) input_schema: Schema,
    /// The endpoint's metrics.
    pub(crate) metrics: Arc<EndpointMetrics>,
}

/// A run that this process executes, as others than its executor see it.
pub(crate) struct ActiveRun {
    /// Stops the run's executor.
    pub(crate) stop: watch::Sender<Stop>,
    /// The queue's message about the run, if it came from there.
    pub(crate) delivery: Option<Arc<dyn Delivery>>,
}

/// Those who wait for changes of runs, by run. Each run is there for as long as somebody waits. They are sent whether the
/// run may have finished.
#[derive(Default)]
pub(crate) struct Followers(Mutex<BTreeMap<Uuid, watch::Sender<bool>>>);

/// Waits for changes of one run, in this process or another one.
pub(crate) struct RunChanges<'a> {
    followers: &'a Followers,
    run: Uuid,
    changed: watch::Receiver<bool>,
}

/// The endpoints that steps can call.
///
/// # Errors
/// A schema that does not compile.
pub(crate) fn step_targets(
    services: &[Service],
    resources: &Resources,
) -> Result<BTreeMap<(&'static str, &'static str), StepTarget>, StartError> {
    let endpoints = services.iter().flat_map(|service| {
        let endpoints = service.endpoints.iter();
        endpoints.map(|mounted| (service.agent, mounted.clone()))
    });
    let targets = endpoints.map(|(agent, mounted)| {
        let name = mounted.spec.name;
        let metrics = EndpointMetrics::new(&resources.metrics, agent.slug, name);
        let target = StepTarget {
            agent,
            input_schema: resources.schemas.input(mounted.spec)?,
            mounted,
            metrics: Arc::new(metrics),
        };
        Ok(((agent.slug, name), target))
    });
    targets.collect()
}

impl WorkflowService {
    /// Whether there are no runs but those of agents that ask nobody.
    pub(crate) fn is_empty(&self) -> bool {
        !self.waits && self.declared().next().is_none()
    }

    /// The workflows that somebody declares.
    pub(crate) fn declared(&self) -> impl Iterator<Item = &'static WorkflowSpec> {
        let specs = self.specs.values().copied();
        specs.filter(|spec| !is_agent_run(spec))
    }

    /// The one of these with this name.
    pub(crate) fn declared_as(&self, name: &str) -> Option<&'static WorkflowSpec> {
        let spec = self.specs.get(name).copied();
        spec.filter(|spec| !is_agent_run(spec))
    }

    /// The workflow of a run, if this process has it with the definition that the run began with.
    pub(crate) fn spec(&self, run: &JournaledRun) -> Option<&'static WorkflowSpec> {
        let spec = self.specs.get(&*run.workflow)?;
        let own = self.definitions.get(spec.name)?;
        (run.definition == *own || run.definition.is_empty()).then_some(*spec)
    }

    /// The report of a run, if it belongs to `subject`.
    pub(crate) async fn report(
        &self,
        run: Uuid,
        subject: &str,
    ) -> Result<Option<RunReport>, StoreError> {
        let found = self.journal.run(run, subject).await?;
        Ok(found.map(|run| match self.spec(&run) {
            Some(spec) => run.report(spec.steps.iter().map(StepReport::pending)),
            // This program does not have the workflow; the journal has the steps that began.
            None => {
                let steps = run.steps.clone();
                run.report(steps)
            }
        }))
    }

    /// Requests the cancellation of a run, whichever process executes it. Returns whether the run is unfinished.
    pub(crate) async fn request_cancel(&self, run: Uuid) -> Result<bool, StoreError> {
        let is_unfinished = self.journal.request_cancel(run).await?;
        self.stop(run, Stop::Cancel).await;
        Ok(is_unfinished)
    }

    /// Tells the process that executes a run that this is requested.
    pub(crate) async fn stop(&self, run: Uuid, reason: Stop) {
        let local = self.active().get(&run).map(|active| {
            request_stop(&active.stop, reason);
        });
        if local.is_none() {
            self.publish_change(run).await;
        }
    }

    /// Subscribes to changes of a run. A change after this call is not missed.
    pub(crate) fn subscribe(&self, run: Uuid) -> RunChanges<'_> {
        let mut waiting = self.followers.waiting();
        let sender = waiting.entry(run).or_default();
        RunChanges {
            followers: &self.followers,
            run,
            changed: sender.subscribe(),
        }
    }

    /// Tells followers in all processes that a run changed, or has finished.
    pub(crate) async fn notify_all(&self, run: Uuid, is_over: bool) {
        self.followers.notify(run, is_over);
        self.publish_change(run).await;
    }

    /// Lets a process claim a run that is no longer suspended, and tells the one that executes it, if one does.
    pub(crate) async fn wake(&self, run: Uuid) {
        self.notify_all(run, false).await;
        if let Some(queue) = &self.queue
            && let Err(error) = queue.enqueue_again(run).await
        {
            tracing::warn!(run_id = %run, %error, "a run can't be enqueued; it is claimed from the journal");
        }
        // Without a queue, or while it can't be reached.
        if !self.has_queue() {
            self.has_waiting.store(true, Ordering::Release);
            self.slot_freed.notify_one();
        }
    }

    /// Tells other processes that a run changed.
    async fn publish_change(&self, run: Uuid) {
        if let Some(queue) = &self.queue
            && let Err(error) = queue.publish_change(run).await
        {
            tracing::debug!(%error, "other processes can't be notified of a change of a run");
        }
    }

    /// Whether there is a queue and it can be reached.
    pub(crate) fn has_queue(&self) -> bool {
        self.queue
            .as_ref()
            .is_some_and(|queue| queue.is_reachable())
    }

    /// Waits until this process executes no run, and keeps new ones from starting.
    pub(crate) async fn idle(&self) {
        let _ = self.slots.acquire_many(self.max_concurrent_runs).await;
    }

    /// Waits until everything has been sent to the queue.
    pub(crate) async fn flush_queue(&self) {
        if let Some(queue) = &self.queue
            && let Err(error) = queue.flush().await
        {
            tracing::debug!(%error, "the queue can't be flushed");
        }
    }

    /// The runs that this process executes.
    pub(crate) fn active(&self) -> MutexGuard<'_, BTreeMap<Uuid, ActiveRun>> {
        self.active.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Followers {
    /// Tells those of this process that a run changed, and whether it may have finished.
    pub(crate) fn notify(&self, run: Uuid, may_be_over: bool) {
        if let Some(sender) = self.waiting().get(&run) {
            sender.send_replace(may_be_over);
        }
    }

    fn waiting(&self) -> MutexGuard<'_, BTreeMap<Uuid, watch::Sender<bool>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RunChanges<'_> {
    /// Waits until the run may have changed. Returns after [`POLL_INTERVAL`] at the latest.
    pub(crate) async fn wait(mut self) {
        tokio::select! {
            _ = self.changed.changed() => {}
            () = tokio::time::sleep(POLL_INTERVAL) => {}
        }
    }

    /// Waits until the run may have finished. Returns after [`POLL_INTERVAL`] at the latest.
    pub(crate) async fn wait_for_end(mut self) {
        let may_be_over = async {
            while self.changed.changed().await.is_ok() && !*self.changed.borrow_and_update() {}
        };
        tokio::select! {
            () = may_be_over => {}
            () = tokio::time::sleep(POLL_INTERVAL) => {}
        }
    }
}

impl Drop for RunChanges<'_> {
    fn drop(&mut self) {
        let mut waiting = self.followers.waiting();
        let sender = waiting.get(&self.run);
        if sender.is_some_and(|sender| sender.receiver_count() == 1) {
            waiting.remove(&self.run);
        }
    }
}
