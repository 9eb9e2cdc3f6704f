//! All agents of a service, and the router that serves them.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::future::ready;
use std::sync::Arc;

use axum::Router;
use axum::http::Uri;
use axum::middleware::from_fn_with_state;
use axum::response::IntoResponse;

use crate::auth::issuer::Issuer;
use crate::embedding::Embedder;
use crate::engine::tools::Tool;
use crate::error::start_error::StartError;
use crate::http::api::agent_selection::{self, AgentIndex};
use crate::http::api::console_api::{self, Console};
use crate::http::api::console_data::AgentDiagnostics;
use crate::http::api::documents_api;
use crate::http::api::health_api::{CachedResults, Readiness};
use crate::http::api::sessions_api;
use crate::http::api::system_api::{self, Pages, System};
use crate::http::api::token_api;
use crate::http::api::workflow_api;
use crate::http::calls::api_state::ApiState;
use crate::http::layers::{HostPolicy, layer_stack};
use crate::http::protocols::{self, Protocol, Served};
use crate::model::Provider;
use crate::run::bound_service::Service;
use crate::run::resources::Resources;
use crate::server::assembly::{self, Assembled, Overrides, api_state, assemble};
use crate::server::metrics_listener::METRICS_ADDRESS;
use crate::server::mount::{self, mount, not_found};
use crate::session::session_store::SessionStore;
use crate::settings::Settings;
use crate::spec::agent_spec::AgentSpec;
use crate::spec::endpoint_spec::EndpointSpec;
use crate::spec::workflow_spec::WorkflowSpec;
use crate::store::Store;
use crate::store::store_url::{SETTING, StoreUrl};
use crate::workflow::queue::Queue;
use crate::workflow::queue::queue_url;
use crate::workflow::workflow_service::{WorkflowService, step_targets};
use crate::workflow::workflows::{Workflows, build_service};

/// All agents of a service.
pub struct Registry {
    openapi: Cow<'static, str>,
    arazzo: Option<Cow<'static, str>>,
    services: Vec<Service>,
    workflows: Vec<&'static WorkflowSpec>,
    overrides: Overrides,
    store: Option<Store>,
    handles: Vec<Workflows>,
    diagnostics: Option<AgentDiagnostics>,
}

/// To whom a service shows itself, and how.
#[derive(Clone, Copy)]
pub(crate) struct Exposure {
    /// The `Host` headers that are served.
    pub(crate) hosts: HostPolicy,
    /// Whether there is a console.
    pub(crate) console: bool,
}

/// A service that is ready to be served.
pub(crate) struct BuiltService {
    /// All routes, behind the layers.
    pub(crate) router: Router,
    /// The resources of its runs.
    pub(crate) resources: Arc<Resources>,
    /// Its workflow runs.
    pub(crate) runs: Arc<WorkflowService>,
}

impl Registry {
    /// A registry without agents; `openapi` is the JSON document that describes them.
    #[must_use]
    pub fn new(openapi: impl Into<Cow<'static, str>>) -> Self {
        Self {
            openapi: openapi.into(),
            arazzo: None,
            services: Vec::new(),
            workflows: Vec::new(),
            overrides: Overrides::default(),
            store: None,
            handles: Vec::new(),
            diagnostics: None,
        }
    }

    /// With `document`, the Arazzo document of its workflows as JSON, at `/arazzo.json`.
    #[must_use]
    pub fn arazzo(mut self, document: impl Into<Cow<'static, str>>) -> Self {
        self.arazzo = Some(document.into());
        self
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

    /// Lets `handle` run the workflows from the program's own code.
    #[must_use]
    pub fn workflows(mut self, handle: &Workflows) -> Self {
        self.handles.push(handle.clone());
        self
    }

    /// Shows what is wrong with the files of its agents in the console, for a program that reads them while it runs.
    #[must_use]
    pub fn diagnostics(mut self, diagnostics: &AgentDiagnostics) -> Self {
        self.diagnostics = Some(diagnostics.clone());
        self
    }

    /// With this provider for all agents, whatever the settings say of models.
    #[must_use]
    pub fn provider(mut self, provider: impl Provider) -> Self {
        self.overrides.provider = Some(Arc::new(provider));
        self
    }

    /// With one more tool. Agents that list no tools may all use it.
    #[must_use]
    pub fn tool(mut self, tool: impl Tool) -> Self {
        self.overrides.tools.push(Box::new(tool));
        self
    }

    /// With sessions stored in `store`, whatever the settings say. Everything else is where it was.
    #[must_use]
    pub fn sessions(mut self, store: impl SessionStore) -> Self {
        self.overrides.sessions = Some(Arc::new(store));
        self
    }

    /// With everything stored in `store`, whatever the settings say.
    #[must_use]
    pub fn store(mut self, store: Store) -> Self {
        self.store = Some(store);
        self
    }

    /// With documents embedded by `embedder`, whatever the settings say.
    #[must_use]
    pub fn embedder(mut self, embedder: impl Embedder) -> Self {
        self.overrides.embedder = Some(Arc::new(embedder));
        self
    }

    /// Every endpoint with its agent, in the order in which they were added.
    pub fn endpoints(
        &self,
    ) -> impl Iterator<Item = (&'static AgentSpec, &'static EndpointSpec)> + use<'_> {
        let services = self.services.iter();
        services.flat_map(|service| {
            let endpoints = service.endpoints.iter();
            endpoints.map(|endpoint| (service.agent, endpoint.spec))
        })
    }

    /// Every agent, in the order in which they were added.
    pub(crate) fn agents(&self) -> impl Iterator<Item = &'static AgentSpec> + use<'_> {
        self.services.iter().map(|service| service.agent)
    }

    /// Its OpenAPI document, as JSON.
    pub(crate) fn openapi(&self) -> &str {
        &self.openapi
    }

    /// The service as a router, to be merged into another one or called without a socket. It opens no store: everything is
    /// in memory unless [`Registry::store`] was given one. Expired sessions are not shown, and nothing removes them but
    /// [`SessionStore::purge`].
    ///
    /// # Errors
    /// An OpenAPI or Arazzo document or a schema that is not valid, two agents of one name, an endpoint whose path is invalid or
    /// taken, a workflow whose steps can't run, an invalid tool, an agent whose model the settings do not name, and settings
    /// with a queue, an address for metrics, or with a store that [`Registry::store`] was not given.
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
        if settings.metrics_address.is_some() {
            let detail = "a router does not listen: serve the registry, or leave it out";
            return Err(StartError::setting(METRICS_ADDRESS, detail));
        }
        let exposure = Exposure {
            hosts: HostPolicy::Any,
            console: settings.console == Some(true),
        };
        self.build(&settings, exposure, &store, None, None)
            .map(|service| service.router)
    }

    /// The store that `settings` name, unless the program brings one.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub(crate) fn open_store(
        &self,
        settings: &Settings,
    ) -> impl Future<Output = Result<Store, StartError>> + Send + use<> {
        let sessions = self.overrides.sessions.clone();
        let chosen = self.store.clone();
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

    /// As [`Registry::into_router`], with `store` from [`Registry::open_store`], and `queue` to distribute runs. It goes on with what
    /// must outlive a change of the agents, if there is a service before it, whose resources are `previous`.
    pub(crate) fn build(
        self,
        settings: &Settings,
        exposure: Exposure,
        store: &Store,
        queue: Option<Arc<dyn Queue>>,
        previous: Option<&Resources>,
    ) -> Result<BuiltService, StartError> {
        let assembled = assemble(settings, store, &self.services, self.overrides, previous)?;
        let resources = &assembled.resources;
        let layers = assembly::layers(settings, exposure.hosts, &self.services, resources)?;
        let state = api_state(settings, store, resources)?;
        let readiness = readiness(settings, &assembled, store, queue.clone());
        let document = serde_json::from_str(&self.openapi).map_err(StartError::OpenApi)?;
        let system = System::new(
            self.openapi,
            self.arazzo,
            &self.services,
            settings.auth.clone(),
            readiness,
            (settings.metrics && settings.metrics_address.is_none())
                .then(|| Arc::clone(&resources.metrics)),
            Pages {
                docs: settings.docs,
                console: exposure.console,
            },
        )?;
        let runs = build_service(
            &self.workflows,
            step_targets(&self.services, resources)?,
            Arc::clone(resources),
            store.journal(),
            queue,
            settings.workflows,
            protocols::run_agents(&settings.expose),
        )?;
        let is_native = settings.expose.contains(&Protocol::Native);
        let mut routes =
            system_api::routes(system).merge(token_routes(settings, store, resources)?);
        if is_native {
            let agents = agent_routes(&self.services, &state, assembled.has_default_model)?;
            routes = routes
                .merge(workflow_api::routes(&runs, &state))
                .merge(agents);
        }
        if exposure.console {
            let console = Console::new(&self.services, self.diagnostics, &runs, &state);
            routes = routes.merge(console_api::routes(console));
        }
        for handle in &self.handles {
            handle.bind(&runs);
        }
        let slugs = slugs(&self.services);
        let agents = mount(self.services, Some(&runs), &state)?;
        if is_native {
            routes = mount::routes(routes, &agents, &state)?;
        }
        let served = Served {
            agents: agents.into(),
            runs: Arc::clone(&runs),
            state,
            document: Arc::new(document),
        };
        let router = routes
            .merge(protocols::routes(&settings.expose, &served)?)
            .fallback(move |uri: Uri| ready(not_found(&slugs, uri.path()).into_response()))
            .layer(from_fn_with_state(Arc::new(layers), layer_stack));
        Ok(BuiltService {
            router,
            resources: assembled.resources,
            runs,
        })
    }
}

fn slugs(services: &[Service]) -> Arc<BTreeSet<&'static str>> {
    let slugs = services.iter().map(|service| service.agent.slug);
    Arc::new(slugs.collect())
}

fn readiness(
    settings: &Settings,
    assembled: &Assembled,
    store: &Store,
    queue: Option<Arc<dyn Queue>>,
) -> Readiness {
    let resources = &assembled.resources;
    let documents = &resources.documents.store;
    Readiness {
        resources: Arc::clone(resources),
        sessions: Arc::clone(&assembled.sessions),
        journal: store.journal(),
        documents: settings.documents.is_some().then(|| Arc::clone(documents)),
        auth: settings.auth.clone(),
        queue,
        results: CachedResults::default(),
    }
}

/// The routes that issue tokens.
fn token_routes(
    settings: &Settings,
    store: &Store,
    resources: &Resources,
) -> Result<Router, StartError> {
    let issuer = settings
        .tokens
        .clone()
        .map(|tokens| Issuer::new(tokens, settings.auth.as_ref(), store.refresh_tokens()))
        .transpose()?;
    let metrics = Arc::clone(&resources.metrics);
    Ok(token_api::routes(issuer, settings.trusted_proxies, metrics))
}

/// The routes about agents that every service has: their sessions, their documents, and their selection.
fn agent_routes(
    services: &[Service],
    state: &Arc<ApiState>,
    has_default_model: bool,
) -> Result<Router, StartError> {
    let documents = services.iter().map(|service| service.agent);
    let documents = documents.map(|agent| (agent.slug, agent.documents));
    let agents = AgentIndex::new(services)?;
    Ok(sessions_api::routes(slugs(services), Arc::clone(state))
        .merge(documents_api::routes(
            documents.collect(),
            Arc::clone(state),
        ))
        .merge(agent_selection::routes(
            agents,
            Arc::clone(state),
            has_default_model,
        )))
}
