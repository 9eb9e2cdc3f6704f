//! What stands behind a service as its settings say: models, and a place for documents.

use std::sync::Arc;

use crate::document_store::DocumentStore;
use crate::models::Models;
use crate::qdrant::Qdrant;
use crate::service::Service;
use crate::settings::Settings;
use crate::start::StartError;
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

/// The models in the settings, which must explain those of all agents.
pub(crate) fn models(settings: &Settings, services: &[Service]) -> Result<Models, StartError> {
    let models = Models::new(settings)?;
    let is_agent = |name: &str| services.iter().any(|service| service.agent.slug == name);
    for service in services {
        models.check(service.agent, service.agent.model, settings)?;
        for fallback in service.agent.policy.fallbacks {
            if !is_agent(fallback) {
                models.check(service.agent, Some(fallback), settings)?;
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
