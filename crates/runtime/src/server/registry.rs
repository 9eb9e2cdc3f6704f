//! All agents of a service, and the routes they make.

use std::collections::BTreeSet;
use std::future::ready;
use std::sync::Arc;

use axum::Router;
use axum::http::Uri;
use axum::middleware::from_fn_with_state;

use crate::auth::issuer::Issuer;
use crate::documents::document_index::DocumentIndex;
use crate::embedding::Embedder;
use crate::engine::circuit_breaker::Outage;
use crate::engine::handoff::HandoffTargets;
use crate::engine::tools::{Tool, Tools};
use crate::error::start_error::StartError;
use crate::http::api::agent_selection::{self, Agents};
use crate::http::api::api_state::ApiState;
use crate::http::api::documents_api;
use crate::http::api::health_api::Readiness;
use crate::http::api::sessions_api::{self, Served};
use crate::http::api::system_api::{self, System};
use crate::http::api::token_api;
use crate::http::api::workflow_api;
use crate::http::idempotency::Answers;
use crate::http::layers::cors::Origins;
use crate::http::layers::load_shed::Gate;
use crate::http::layers::rate_limits::{Limits, limiter};
use crate::http::layers::{Front, enter};
use crate::http::responses::{Hosts, problem};
use crate::model::Provider;
use crate::run::bound_service::Service;
use crate::run::resources::Resources;
use crate::run::shutdown::Shutdown;
use crate::server::embedder_choice::embedder;
use crate::server::mount::{missing, mount};
use crate::server::store_backends::{documents, provider};
use crate::session::conversations::Sessions;
use crate::session::session_store::SessionStore;
use crate::settings::Settings;
use crate::spec::agent_spec::AgentSpec;
use crate::spec::endpoint_spec::EndpointSpec;
use crate::spec::workflow_spec::WorkflowSpec;
use crate::store::Store;
use crate::store::store_url::{SETTING, StoreUrl};
use crate::telemetry::metrics::Metrics;
use crate::workflow::queue::Queue;
use crate::workflow::queue::queue_url;
use crate::workflow::workflow_service::{WorkflowService, step_targets};
use crate::workflow::workflows::{Workflows, build_service};

/// All agents of a service.
pub struct Registry {
    openapi: &'static str,
    services: Vec<Service>,
    workflows: Vec<&'static WorkflowSpec>,
    provider: Option<Arc<dyn Provider>>,
    tools: Vec<Box<dyn Tool>>,
    sessions: Option<Arc<dyn SessionStore>>,
    store: Option<Store>,
    embedder: Option<Arc<dyn Embedder>>,
    handles: Vec<Workflows>,
}

/// What a registry becomes.
pub(crate) struct Built {
    /// Everything the service answers.
    pub(crate) router: Router,
    /// Stops what is running.
    pub(crate) shutdown: Shutdown,
    /// The conversations, to be ended when nothing runs any more.
    pub(crate) sessions: Arc<Sessions>,
    /// The runs of workflows.
    pub(crate) runs: Arc<WorkflowService>,
}

impl Registry {
    /// A registry without agents; `openapi` is the JSON document that describes them.
    #[must_use]
    pub fn new(openapi: &'static str) -> Self {
        Self {
            openapi,
            services: Vec::new(),
            workflows: Vec::new(),
            provider: None,
            tools: Vec::new(),
            sessions: None,
            store: None,
            embedder: None,
            handles: Vec::new(),
        }
    }

    /// With one more agent.
    #[must_use]
    pub fn service(mut self, service: Service) -> Self {
        self.services.push(service);
        self
    }

    /// With one more workflow over its agents.
    #[must_use]
    pub fn workflow(mut self, workflow: &'static WorkflowSpec) -> Self {
        self.workflows.push(workflow);
        self
    }

    /// With its workflows to be run through `handle` too.
    #[must_use]
    pub fn workflows(mut self, handle: &Workflows) -> Self {
        self.handles.push(handle.clone());
        self
    }

    /// With this provider for all agents, whatever the settings say of models.
    #[must_use]
    pub fn provider(mut self, provider: impl Provider) -> Self {
        self.provider = Some(Arc::new(provider));
        self
    }

    /// With one more tool, for the models of all agents that do not list others.
    #[must_use]
    pub fn tool(mut self, tool: impl Tool) -> Self {
        self.tools.push(Box::new(tool));
        self
    }

    /// With the sessions kept in `store`, whatever the settings say.
    #[must_use]
    pub fn sessions(mut self, store: impl SessionStore) -> Self {
        self.sessions = Some(Arc::new(store));
        self
    }

    /// With everything kept in `store`, whatever the settings say.
    #[must_use]
    pub fn store(mut self, store: Store) -> Self {
        self.store = Some(store);
        self
    }

    /// With the texts of documents embedded by `embedder`, whatever the settings say.
    #[must_use]
    pub fn embedder(mut self, embedder: impl Embedder) -> Self {
        self.embedder = Some(Arc::new(embedder));
        self
    }

    /// Every endpoint with its agent, in the order in which they were added.
    pub fn endpoints(
        &self,
    ) -> impl Iterator<Item = (&'static AgentSpec, &'static EndpointSpec)> + use<'_> {
        let services = self.services.iter();
        services.flat_map(|service| {
            let endpoints = service.endpoints.iter();
            endpoints.map(|mounted| (service.agent, mounted.spec))
        })
    }

    /// What it says of itself: its document.
    pub(crate) fn openapi(&self) -> &'static str {
        self.openapi
    }

    /// Everything the service answers, without a socket. It opens no store, and keeps everything in memory unless
    /// [`Registry::store`] was given one. What has expired is not shown; removing it is up to [`SessionStore::purge`].
    ///
    /// # Errors
    /// A broken OpenAPI document, an agent registered twice, an endpoint whose path can't be or is taken, a workflow
    /// whose steps can't be run, a tool that can't be offered, an agent whose model the settings do not explain, and settings that name a store while none
    /// was given, or a queue.
    pub fn into_router(self, settings: Settings) -> Result<Router, StartError> {
        let store = match &self.store {
            Some(store) => store.clone(),
            None if matches!(
                StoreUrl::parse(settings.store.expose()),
                Ok(StoreUrl::Memory)
            ) =>
            {
                Store::memory()
            }
            None => {
                let detail = "a router opens no store: give it one by Registry::store";
                return Err(StartError::setting(SETTING, detail));
            }
        };
        if settings.queue.is_some() {
            let detail = "a router has no queue: serve the registry, or leave it out";
            return Err(StartError::setting(queue_url::SETTING, detail));
        }
        self.build(settings, Hosts::Any, &store, None)
            .map(|built| built.router)
    }

    /// The store that `settings` name, unless the program has chosen another one.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub(crate) fn open_store(
        &self,
        settings: &Settings,
    ) -> impl Future<Output = Result<Store, StartError>> + Send + use<> {
        let sessions = self.sessions.clone();
        let chosen = match &self.store {
            Some(store) => Some(store.clone()),
            // Nothing else would be kept there.
            None if sessions.is_some() && settings.tokens.is_none() => Some(Store::memory()),
            None => None,
        };
        let opening = Store::open(&settings.store);
        async move {
            let store = match chosen {
                Some(store) => store,
                None => opening.await?,
            };
            Ok(match sessions {
                Some(sessions) => store.with_sessions(sessions),
                None => store,
            })
        }
    }

    /// As [`Registry::into_router`], with `store` as [`Registry::open_store`] gave it, and `queue` to hand runs out.
    pub(crate) fn build(
        self,
        settings: Settings,
        hosts: Hosts,
        store: &Store,
        queue: Option<Arc<dyn Queue>>,
    ) -> Result<Built, StartError> {
        let origins = Origins::new(&settings.cors_origins)
            .map_err(|detail| StartError::setting("cors.origins", detail))?;
        let slugs = self
            .services
            .iter()
            .map(|service| service.agent.slug)
            .collect::<BTreeSet<_>>();
        let slugs = Arc::new(slugs);
        let shutdown = Shutdown::new();
        let kept = self.sessions.unwrap_or_else(|| store.sessions());
        let outage = Arc::new(Outage::default());
        let metrics = Arc::new(Metrics::new());
        let documents = documents(&settings, store)?;
        let embedder = match self.embedder {
            Some(chosen) => chosen,
            None => embedder(&settings)?,
        };
        let library = DocumentIndex::new(
            Arc::clone(&documents),
            embedder,
            settings.embeddings.min_score,
            Arc::clone(&metrics),
        );
        let system = System::new(
            self.openapi,
            &self.services,
            settings.auth.clone(),
            Readiness::new(
                Arc::clone(&kept),
                Arc::clone(&outage),
                settings.auth.clone(),
                shutdown.clone(),
                queue.clone(),
            )
            .with_documents(settings.documents.is_some().then(|| Arc::clone(&documents))),
            settings.metrics.then(|| Arc::clone(&metrics)),
            settings.docs,
        )?;
        let front = Front {
            hosts,
            origins,
            gate: Gate::new(
                settings.concurrency,
                limiter("address", settings.rates.address)?,
                settings.trusted_proxies,
                Arc::clone(&metrics),
                shutdown.clone(),
            ),
        };
        let limits = Arc::new(Limits::new(
            settings.rates,
            settings.auth.is_some(),
            settings.trusted_proxies,
        )?);
        let sessions = Arc::new(Sessions::new(kept));
        let sessions_api = sessions_api::routes(Served {
            agents: Arc::clone(&slugs),
            auth: settings.auth.clone(),
            limits: Arc::clone(&limits),
            metrics: Arc::clone(&metrics),
            sessions: Arc::clone(&sessions),
        });
        let issuer = settings
            .tokens
            .clone()
            .map(|tokens| Issuer::new(tokens, settings.auth.as_ref(), store.refresh_tokens()))
            .transpose()?;
        let team = HandoffTargets::new(self.services.iter().map(|service| service.agent));
        let (provider, by_model) = provider(self.provider, &settings, &self.services)?;
        let resources = Arc::new(Resources {
            provider,
            tools: Tools::new(self.tools)?.with_handoff_targets(team),
            outage,
            breakers: Arc::default(),
            metrics: Arc::clone(&metrics),
            sessions: Arc::clone(&sessions),
            documents: Arc::new(library),
            timeout: settings.timeout,
            shutdown: shutdown.clone(),
        });
        let runs = build_service(
            &self.workflows,
            step_targets(&self.services, &metrics),
            Arc::clone(&resources),
            store.journal(),
            queue,
            settings.workflows,
        )?;
        let state = Arc::new(ApiState {
            resources,
            limits,
            answers: Answers::default(),
            auth: settings.auth,
            body_limit: settings.body_limit,
        });
        let agents = Agents::new(&self.services);
        let readers = self.services.iter().map(|service| service.agent);
        let readers = readers.map(|agent| (agent.slug, agent.documents)).collect();
        let own = system_api::routes(system)
            .merge(sessions_api)
            .merge(token_api::routes(issuer, settings.trusted_proxies, metrics))
            .merge(workflow_api::routes(&runs, &state))
            .merge(documents_api::routes(readers, Arc::clone(&state)))
            .merge(agent_selection::routes(
                agents,
                Arc::clone(&state),
                by_model,
            ));
        for handle in &self.handles {
            handle.bind(&runs);
        }
        let router = mount(own, self.services, state)?
            .fallback(move |uri: Uri| ready(problem(missing(&slugs, uri.path()))))
            .layer(from_fn_with_state(Arc::new(front), enter));
        Ok(Built {
            router,
            shutdown,
            sessions,
            runs,
        })
    }
}
