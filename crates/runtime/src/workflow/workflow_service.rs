//! What runs of workflows have in common in one process, and what can be asked about them.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::{Notify, Semaphore, broadcast, watch};

use crate::error::store_error::StoreError;
use crate::run::bound_service::{Mounted, Service};
use crate::run::resources::Resources;
use crate::schema::formats::Uuid;
use crate::spec::agent_spec::AgentSpec;
use crate::spec::workflow_spec::WorkflowSpec;
use crate::telemetry::endpoint_metrics::EndpointMetrics;
use crate::telemetry::metrics::Metrics;
use crate::workflow::journal::{Journal, RunLease};
use crate::workflow::queue::{Delivery, Queue};
use crate::workflow::run_report::{RunReport, StepReport};

/// How long a run that another process may be going on with is left alone before it is looked at again.
const LOOKS_EVERY: Duration = Duration::from_millis(500);

/// The limits of workflow runs in one process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WorkflowLimits {
    /// How many runs one process executes at a time; further runs wait. At least 1, at most 100,000.
    pub runs: u32,
    /// How long after the end of a process other processes resume its runs.
    pub lease: Duration,
    /// How long a finished run stays readable.
    pub keep: Duration,
}

impl Default for WorkflowLimits {
    fn default() -> Self {
        Self {
            runs: 64,
            lease: Duration::from_secs(10),
            keep: Duration::from_secs(7 * 24 * 60 * 60),
        }
    }
}

/// What runs of workflows run on.
pub(crate) struct Runs {
    /// The workflows, by name.
    pub(crate) specs: BTreeMap<&'static str, &'static WorkflowSpec>,
    /// The endpoints of all agents, by agent and name.
    pub(crate) places: BTreeMap<(&'static str, &'static str), Place>,
    /// What the service's runs share.
    pub(crate) resources: Arc<Resources>,
    /// Where runs are kept.
    pub(crate) journal: Arc<dyn Journal>,
    /// What hands runs out to several processes, if anything does.
    pub(crate) queue: Option<Arc<dyn Queue>>,
    /// The runs about which other processes have something new to say.
    pub(crate) elsewhere: broadcast::Sender<Uuid>,
    /// This process, to the journal.
    pub(crate) lease: RunLease,
    /// For how long a run is kept that is over.
    pub(crate) keep: Duration,
    /// How many runs may begin here at this moment.
    pub(crate) slots: Arc<Semaphore>,
    /// How many may be under way here.
    pub(crate) most: u32,
    /// Those that are.
    pub(crate) active: Mutex<BTreeMap<Uuid, Active>>,
    /// Whether runs may be waiting for one that is under way to end.
    pub(crate) queued: AtomicBool,
    /// Which workflow's turn it is to have a run begin.
    pub(crate) turn: AtomicUsize,
    /// Says that a run that waits may begin.
    pub(crate) freed: Arc<Notify>,
    /// Whether what other processes left behind is looked for.
    pub(crate) is_kept: AtomicBool,
}

/// An endpoint that a step can ask.
pub(crate) struct Place {
    /// Whose it is.
    pub(crate) agent: &'static AgentSpec,
    /// What it is, and what answers it.
    pub(crate) mounted: Mounted,
    /// What is counted of it.
    pub(crate) metrics: Arc<EndpointMetrics>,
}

/// The ends of a run under way that are not the driver's.
pub(crate) struct Active {
    /// Calls it off.
    pub(crate) cancel: watch::Sender<bool>,
    /// Says that there are new events.
    pub(crate) told: watch::Receiver<()>,
    /// How the run came here from the queue, if it did.
    pub(crate) delivery: Option<Arc<dyn Delivery>>,
}

/// What says that there may be new events of a run.
pub(crate) struct News {
    run: Uuid,
    here: Option<watch::Receiver<()>>,
    elsewhere: broadcast::Receiver<Uuid>,
}

/// This moment, to the millisecond: what the journal keeps of it.
pub(crate) fn now() -> SystemTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let millis = since.unwrap_or_default().as_millis();
    UNIX_EPOCH + Duration::from_millis(u64::try_from(millis).unwrap_or(u64::MAX))
}

/// The endpoints that steps can ask.
pub(crate) fn places(
    services: &[Service],
    metrics: &Arc<Metrics>,
) -> BTreeMap<(&'static str, &'static str), Place> {
    let endpoints = services.iter().flat_map(|service| {
        let endpoints = service.endpoints.iter();
        endpoints.map(|mounted| (service.agent, mounted.clone()))
    });
    let places = endpoints.map(|(agent, mounted)| {
        let name = mounted.spec.name;
        let metrics = EndpointMetrics::new(metrics, agent.slug, name);
        let place = Place {
            agent,
            mounted,
            metrics: Arc::new(metrics),
        };
        ((agent.slug, name), place)
    });
    places.collect()
}

impl Runs {
    /// Whether there is no workflow.
    pub(crate) fn is_empty(&self) -> bool {
        self.specs.is_empty()
    }

    /// The workflow with this name.
    pub(crate) fn spec(&self, name: &str) -> Option<&'static WorkflowSpec> {
        self.specs.get(name).copied()
    }

    /// The report of a run, if it is this subject's.
    pub(crate) async fn report(
        &self,
        run: Uuid,
        subject: &str,
    ) -> Result<Option<RunReport>, StoreError> {
        let found = self.journal.run(run, subject).await?;
        Ok(found.map(|run| {
            match self.spec(&run.workflow).map(|spec| spec.steps) {
                Some(steps) => run.report(steps.iter().map(StepReport::pending)),
                None => {
                    // Its workflow is gone; what was kept is all there is.
                    let steps = run.steps.clone();
                    run.report(steps)
                }
            }
        }))
    }

    /// Has a run be cancelled that is the caller's.
    pub(crate) async fn cancel(&self, run: Uuid) -> Result<bool, StoreError> {
        let found = self.journal.request_cancel(run).await?;
        let here = self.active().get(&run).map(|active| {
            active.cancel.send_replace(true);
        });
        if here.is_none() {
            self.tell(run).await;
        }
        Ok(found)
    }

    /// What says that there are new events of a run from now on.
    pub(crate) fn news(&self, run: Uuid) -> News {
        let here = self.active().get(&run).map(|active| {
            let mut told = active.told.clone();
            told.mark_unchanged();
            told
        });
        News {
            run,
            here,
            elsewhere: self.elsewhere.subscribe(),
        }
    }

    /// Another process has something new to say about a run.
    pub(crate) fn heard(&self, run: Uuid) {
        // Nobody may be waiting for it.
        let _ = self.elsewhere.send(run);
    }

    /// Says to other processes that there is something new about a run.
    pub(crate) async fn tell(&self, run: Uuid) {
        if let Some(queue) = &self.queue
            && let Err(detail) = queue.tell(run).await
        {
            tracing::debug!(detail, "the other processes were not told of a run");
        }
    }

    /// Whether there is a queue that hands runs out at the moment.
    pub(crate) fn has_queue(&self) -> bool {
        self.queue
            .as_ref()
            .is_some_and(|queue| queue.is_reachable())
    }

    /// Waits until nothing is under way in this process.
    pub(crate) async fn idle(&self) {
        let _ = self.slots.acquire_many(self.most).await;
    }

    /// Waits until the queue has heard what was said to it.
    pub(crate) async fn last_words(&self) {
        if let Some(queue) = &self.queue
            && let Err(detail) = queue.flush().await
        {
            tracing::debug!(detail, "the queue did not hear everything");
        }
    }

    /// The runs that are under way here.
    pub(crate) fn active(&self) -> MutexGuard<'_, BTreeMap<Uuid, Active>> {
        self.active.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl News {
    /// Waits until there may be new events.
    pub(crate) async fn come(self) {
        let Self {
            run,
            here,
            mut elsewhere,
        } = self;
        let from_here = async {
            let told = match here {
                Some(mut told) => told.changed().await.is_ok(),
                None => false,
            };
            if !told {
                std::future::pending::<()>().await;
            }
        };
        let from_elsewhere = async {
            // What was missed may be about this run.
            while matches!(elsewhere.recv().await, Ok(other) if other != run) {}
        };
        tokio::select! {
            () = from_here => {}
            () = from_elsewhere => {}
            () = tokio::time::sleep(LOOKS_EVERY) => {}
        }
    }
}
