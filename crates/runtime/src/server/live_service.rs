//! A service that runs, and whose agents can be replaced.
//!
//! Invariant: a request stays with the agents it began with. Conversations, counters and stores are those of all of them.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError, RwLock, Weak};

use tokio::runtime::Handle;

use crate::error::start_error::StartError;
use crate::run::resources::Resources;
use crate::server::listener::CurrentRouter;
use crate::server::registry::{BuiltService, Registry};
use crate::server::{exposure, is_loopback};
use crate::settings::Settings;
use crate::store::Store;
use crate::workflow::queue::Queue;
use crate::workflow::run_start::spawn_supervisor;
use crate::workflow::workflow_service::WorkflowService;

/// A service that listens. Its agents can be replaced while it runs.
#[derive(Clone)]
pub struct LiveService(Arc<Live>);

struct Live {
    address: SocketAddr,
    settings: Settings,
    store: Store,
    queue: Option<Arc<dyn Queue>>,
    router: CurrentRouter,
    /// Those of the current agents.
    resources: Mutex<Arc<Resources>>,
    /// The workflow runs of all agents so far. Those that were replaced are there for as long as they have runs.
    runs: Mutex<Vec<Weak<WorkflowService>>>,
    runtime: Handle,
}

impl LiveService {
    /// Starts `registry`; requests are answered once somebody accepts connections for it.
    pub(crate) fn start(
        registry: Registry,
        settings: Settings,
        store: Store,
        queue: Option<Arc<dyn Queue>>,
        address: SocketAddr,
    ) -> Result<Self, StartError> {
        let exposure = exposure(&settings, is_loopback(address));
        let built = registry.build(&settings, exposure, &store, queue.clone(), None)?;
        let BuiltService {
            router,
            resources,
            runs,
        } = built;
        spawn_supervisor(&runs);
        Ok(Self(Arc::new(Live {
            address,
            settings,
            store,
            queue,
            router: Arc::new(RwLock::new(router)),
            resources: Mutex::new(resources),
            runs: Mutex::new(vec![Arc::downgrade(&runs)]),
            runtime: Handle::current(),
        })))
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.0.address
    }

    /// Has the agents of `registry` answer from now on, with the same settings but for the models, which are those of `settings`.
    /// Runs that are under way end on the agents they began with.
    ///
    /// # Errors
    /// As [`Registry::into_router`]; then the agents stay.
    pub fn replace(&self, registry: Registry, settings: &Settings) -> Result<(), StartError> {
        let live = &*self.0;
        let _runtime = live.runtime.enter();
        let settings = Settings {
            models: settings.models.clone(),
            providers: settings.providers.clone(),
            ..live.settings.clone()
        };
        let mut resources = live
            .resources
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let built = registry.build(
            &settings,
            exposure(&settings, is_loopback(live.address)),
            &live.store,
            live.queue.clone(),
            Some(&resources),
        )?;
        *resources = built.resources;
        let (router, runs) = (built.router, built.runs);
        spawn_supervisor(&runs);
        let mut all = live.runs.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|runs| runs.strong_count() > 0);
        all.push(Arc::downgrade(&runs));
        *live.router.write().unwrap_or_else(PoisonError::into_inner) = router;
        Ok(())
    }

    pub(crate) fn router(&self) -> CurrentRouter {
        Arc::clone(&self.0.router)
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.0.settings
    }

    pub(crate) fn store(&self) -> Store {
        self.0.store.clone()
    }

    pub(crate) fn resources(&self) -> Arc<Resources> {
        let resources = self.0.resources.lock();
        Arc::clone(&resources.unwrap_or_else(PoisonError::into_inner))
    }

    /// Waits until this process executes no workflow run, and everything was sent to the queue.
    pub(crate) async fn runs_idle(&self) {
        let all = {
            let all = self.0.runs.lock().unwrap_or_else(PoisonError::into_inner);
            all.iter().filter_map(Weak::upgrade).collect::<Vec<_>>()
        };
        for runs in all {
            runs.idle().await;
            runs.flush_queue().await;
        }
    }
}
