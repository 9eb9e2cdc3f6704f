//! What stands behind a service as its settings say: models, and a place for documents.

use std::sync::Arc;

use crate::documents::document_store::DocumentStore;
use crate::documents::qdrant::Qdrant;
use crate::error::start_error::StartError;
use crate::model::Provider;
use crate::model::catalog::{ECHO, Models};
use crate::run::bound_service::Service;
use crate::settings::Settings;
use crate::store::Store;

/// Where documents are kept: where the settings say, or else with everything else.
pub(crate) fn documents(
    settings: &Settings,
    store: &Store,
) -> Result<Arc<dyn DocumentStore>, StartError> {
    match &settings.documents {
        Some(server) => Ok(Arc::new(Qdrant::open(server)?)),
        None => Ok(store.documents()),
    }
}

/// Who answers for the agents: `chosen`, or else the models in the settings; and whether a model is asked where nobody
/// names one.
pub(crate) fn provider(
    chosen: Option<Arc<dyn Provider>>,
    settings: &Settings,
    services: &[Service],
) -> Result<(Arc<dyn Provider>, bool), StartError> {
    if let Some(provider) = chosen {
        let is_model = provider.model(None) != ECHO;
        return Ok((provider, is_model));
    }
    let models = models(settings, services)?;
    let has_default = models.has_default();
    Ok((Arc::new(models), has_default))
}

/// The models in the settings, which must explain those of all agents.
pub(crate) fn models(settings: &Settings, services: &[Service]) -> Result<Models, StartError> {
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
    if models.is_echo() {
        tracing::warn!(
            "no provider is set: every agent is answered for by `echo`, which is no model ([models] in service.toml sets one)"
        );
    }
    Ok(models)
}
