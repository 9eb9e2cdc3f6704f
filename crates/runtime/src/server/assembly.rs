//! Assembles a service from its settings: the resources of runs, and the state and the layers of the HTTP API.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::documents::document_index::DocumentIndex;
use crate::documents::document_store::DocumentStore;
use crate::documents::documents_settings;
use crate::embedding::Embedder;
use crate::engine::handoff::HandoffTargets;
use crate::engine::tools::{RemoteTools, Tool, Tools};
use crate::error::start_error::{SettingError, StartError};
use crate::http::calls::api_state::ApiState;
use crate::http::layers::admission_slot::{Capacity, CapacityLimits};
use crate::http::layers::cors::Origins;
use crate::http::layers::load_shed::LoadShed;
use crate::http::layers::rate_limits::{Limits, limiter};
use crate::http::layers::{HostPolicy, Layers};
use crate::http::protocols;
use crate::mcp;
use crate::model::Provider;
use crate::model::catalog::{ECHO, Models};
use crate::run::bound_service::Service;
use crate::run::endpoint_schemas::EndpointSchemas;
use crate::run::resources::Resources;
use crate::run::shutdown::Shutdown;
use crate::server::embedder_choice;
use crate::session::conversations::Sessions;
use crate::session::session_store::SessionStore;
use crate::settings::Settings;
use crate::spec::endpoint_spec::ParameterLocation;
use crate::store::Store;
use crate::telemetry::metrics::Metrics;
use crate::workspace;

/// What a program brings itself, whatever the settings say.
#[derive(Default)]
pub(crate) struct Overrides {
    pub(crate) provider: Option<Arc<dyn Provider>>,
    pub(crate) tools: Vec<Box<dyn Tool>>,
    pub(crate) sessions: Option<Arc<dyn SessionStore>>,
    pub(crate) embedder: Option<Arc<dyn Embedder>>,
}

/// The resources of a service.
pub(crate) struct Assembled {
    pub(crate) resources: Arc<Resources>,
    /// Where the conversations are.
    pub(crate) sessions: Arc<dyn SessionStore>,
    /// Whether a model, and not [`Echo`](crate::model::Echo), answers for agents that name none.
    pub(crate) has_default_model: bool,
}

/// Makes the resources of `services`: from `overrides`, or else from `settings` and `store`. What must outlive a change of the
/// agents is that of `previous`: conversations that are open, counters, and the signal to stop.
pub(crate) fn assemble(
    settings: &Settings,
    store: &Store,
    services: &[Service],
    overrides: Overrides,
    previous: Option<&Resources>,
) -> Result<Assembled, StartError> {
    let (provider, has_default_model): (Arc<dyn Provider>, _) = match overrides.provider {
        Some(provider) => {
            let is_model = provider.model(None) != ECHO;
            (provider, is_model)
        }
        None => {
            let models = build_models(settings, services)?;
            // Said once, and not after each change of the agents.
            if previous.is_none() {
                warn_if_echo(&models);
            }
            let has_default = models.has_default();
            (Arc::new(models), has_default)
        }
    };
    let targets = HandoffTargets::new(services.iter().map(|service| service.agent));
    let sessions = overrides.sessions.unwrap_or_else(|| store.sessions());
    let metrics = previous.map_or_else(
        || Arc::new(Metrics::new()),
        |previous| Arc::clone(&previous.metrics),
    );
    let documents = match previous {
        Some(previous) => Arc::clone(&previous.documents),
        None => documents(settings, store, overrides.embedder, &metrics)?,
    };
    let remote = match previous {
        Some(previous) => previous.tools.remote().cloned(),
        None => mcp::open(&settings.mcp_servers, settings.mcp_inline),
    };
    if settings.mcp_inline {
        own_mcp_servers(services, remote.as_deref())?;
    }
    let resources = Resources {
        provider,
        prompts: services
            .iter()
            .filter_map(|service| service.prompt.clone())
            .collect(),
        schemas: EndpointSchemas::compile(
            services.iter().flat_map(Service::specs),
            previous.map(|previous| &previous.schemas),
        )?,
        tools: Tools::new(
            overrides.tools,
            workspace::open(settings.workspace.as_ref())?,
        )?
        .with_handoff_targets(targets)
        .with_remote(remote),
        outages: previous.map_or_else(Arc::default, |previous| Arc::clone(&previous.outages)),
        breakers: previous.map_or_else(Arc::default, |previous| Arc::clone(&previous.breakers)),
        metrics,
        sessions: previous.map_or_else(
            || Arc::new(Sessions::new(Arc::clone(&sessions))),
            |previous| Arc::clone(&previous.sessions),
        ),
        documents,
        timeout: settings.timeout,
        shutdown: previous.map_or_else(Shutdown::new, |previous| previous.shutdown.clone()),
    };
    Ok(Assembled {
        resources: Arc::new(resources),
        sessions,
        has_default_model,
    })
}

/// Gives the agents of `services` the MCP servers that their files define.
fn own_mcp_servers(
    services: &[Service],
    remote: Option<&dyn RemoteTools>,
) -> Result<(), StartError> {
    const SETTING: &str = "mcp.inline";
    let agents = services.iter().map(|service| service.agent);
    let defining = agents.filter(|agent| !agent.policy.mcp_servers.is_empty());
    let own: BTreeMap<_, _> = defining
        .map(|agent| (agent.slug, agent.policy.mcp_servers))
        .collect();
    match remote {
        Some(remote) => {
            let replaced = remote.replace_own(&own);
            replaced.map_err(|detail| StartError::setting(SETTING, detail))
        }
        None if own.is_empty() => Ok(()),
        None => Err(SettingError::missing_feature(SETTING, "mcp").into()),
    }
}

/// The documents of all agents: in the server that `settings` name, or else in `store`.
fn documents(
    settings: &Settings,
    store: &Store,
    embedder: Option<Arc<dyn Embedder>>,
    metrics: &Arc<Metrics>,
) -> Result<Arc<DocumentIndex>, StartError> {
    let documents: Arc<dyn DocumentStore> = match &settings.documents {
        Some(server) => documents_settings::open(server)?,
        None => store.documents(),
    };
    let embedder = match embedder {
        Some(embedder) => embedder,
        None => embedder_choice::embedder(settings)?,
    };
    let min_score = settings.embeddings.min_score;
    let index = DocumentIndex::new(documents, embedder, min_score, Arc::clone(metrics));
    Ok(Arc::new(index))
}

/// The models that `settings` name, which must include those of all agents and their fallbacks.
fn build_models(settings: &Settings, services: &[Service]) -> Result<Models, StartError> {
    let models = Models::new(&settings.models, &settings.providers)?;
    let is_agent = |name: &str| services.iter().any(|service| service.agent.slug == name);
    for service in services {
        models.check(service.agent, service.agent.model)?;
        for fallback in service.agent.policy.fallbacks {
            if !is_agent(fallback) {
                models.check(service.agent, Some(fallback))?;
            }
        }
    }
    Ok(models)
}

fn warn_if_echo(models: &Models) {
    if models.is_echo() {
        tracing::warn!(
            "no provider is set: every agent is answered for by `echo`, which is no model ([models] in service.toml sets one)"
        );
    }
}

/// The state of the HTTP API.
pub(crate) fn api_state(
    settings: &Settings,
    store: &Store,
    resources: &Arc<Resources>,
) -> Result<Arc<ApiState>, StartError> {
    let limits = Limits::new(
        settings.rates,
        settings.auth.is_some(),
        settings.trusted_proxies,
    )?;
    Ok(Arc::new(ApiState {
        resources: Arc::clone(resources),
        limits,
        idempotency_keys: store.idempotency_keys(),
        auth: settings.auth.clone(),
        body_limit: settings.body_limit,
    }))
}

/// The layers before the routes of `services`.
pub(crate) fn layers(
    settings: &Settings,
    hosts: HostPolicy,
    services: &[Service],
    resources: &Resources,
) -> Result<Layers, StartError> {
    let parameters = services
        .iter()
        .flat_map(Service::specs)
        .flat_map(|spec| spec.parameters);
    let headers = parameters.filter(|parameter| parameter.location == ParameterLocation::Header);
    let origins = Origins::new(&settings.cors_origins)
        .map_err(|error| StartError::setting("cors.origins", error.to_string()))?
        .with_request_headers(headers.map(|header| header.name));
    let capacity = CapacityLimits {
        concurrency: settings.concurrency,
        bodies: settings.bodies,
        followers: settings.followers,
        share: settings.share,
    };
    let load_shed = LoadShed::new(
        Capacity::new(capacity, Arc::clone(&resources.metrics)),
        limiter("address", settings.rates.address)?,
        settings.trusted_proxies,
        Arc::clone(&resources.metrics),
        resources.shutdown.clone(),
    );
    Ok(Layers {
        hosts,
        origins,
        load_shed,
        error_form: protocols::error_form,
    })
}
