//! One agent's endpoints alone, for a router that is somebody else's.

use std::sync::Arc;

use axum::Router;
use axum::middleware::{Next, from_fn};

use crate::documents::document_index::DocumentIndex;
use crate::engine::handoff::HandoffTargets;
use crate::engine::tools::Tools;
use crate::http::api::api_state::ApiState;
use crate::http::idempotency::Answers;
use crate::http::layers::rate_limits::Limits;
use crate::http::responses::{Hosts, frame};
use crate::run::bound_service::Service;
use crate::run::resources::Resources;
use crate::run::shutdown::Shutdown;
use crate::server::embedder_choice::embedder;
use crate::server::mount::mount;
use crate::server::store_backends::{documents, models};
use crate::session::conversations::Sessions;
use crate::settings::Settings;
use crate::store::Store;
use crate::telemetry::metrics::Metrics;

impl Service {
    /// The agent's endpoints alone, to be merged into a router of your own: with the settings of the environment, with
    /// sessions in memory and without tools. Callers are asked for a token if the environment says so. What listens,
    /// and to whom, is yours to decide. If the service can't start, that is logged, and the router answers nothing.
    pub fn into_router(self) -> Router {
        let built = Settings::from_env().and_then(|settings| {
            let (metrics, store) = (Arc::new(Metrics::new()), Store::memory());
            let documents = documents(&settings, &store)?;
            let min_score = settings.embeddings.min_score;
            let embedder = embedder(&settings)?;
            let library = DocumentIndex::new(documents, embedder, min_score, Arc::clone(&metrics));
            let resources = Resources {
                provider: Arc::new(models(&settings, std::slice::from_ref(&self))?),
                tools: Tools::default().with_handoff_targets(HandoffTargets::new([self.agent])),
                outage: Arc::default(),
                breakers: Arc::default(),
                metrics,
                sessions: Arc::new(Sessions::new(store.sessions())),
                documents: Arc::new(library),
                timeout: settings.timeout,
                shutdown: Shutdown::new(),
            };
            let state = ApiState {
                resources: Arc::new(resources),
                limits: Arc::new(Limits::new(
                    settings.rates,
                    settings.auth.is_some(),
                    settings.trusted_proxies,
                )?),
                answers: Answers::default(),
                auth: settings.auth,
                body_limit: settings.body_limit,
            };
            mount(Router::new(), vec![self], Arc::new(state))
        });
        let router = built.unwrap_or_else(|error| {
            tracing::error!(%error, "the agent can't be served");
            Router::new()
        });
        router.layer(from_fn(|request, next: Next| {
            frame(Hosts::Any, request, async |request| next.run(request).await)
        }))
    }
}
