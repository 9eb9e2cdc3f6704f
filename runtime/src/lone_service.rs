//! One agent's endpoints alone, for a router that is somebody else's.

use std::sync::Arc;

use axum::Router;
use axum::middleware::{Next, from_fn};

use crate::backing::{documents, models};
use crate::embeddings::embedder;
use crate::handover::Team;
use crate::idempotency::Answers;
use crate::library::Library;
use crate::limits::Limits;
use crate::metrics::Metrics;
use crate::mount::mount;
use crate::respond::{Hosts, frame};
use crate::router::Shared;
use crate::run::Drain;
use crate::service::Service;
use crate::session::Sessions;
use crate::settings::Settings;
use crate::store::Store;
use crate::tool::Tools;

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
            let library = Library::new(documents, embedder, min_score, Arc::clone(&metrics));
            let shared = Shared {
                provider: Arc::new(models(&settings, std::slice::from_ref(&self))?),
                outage: Arc::default(),
                breakers: Arc::default(),
                metrics,
                limits: Arc::new(Limits::new(&settings)?),
                tools: Tools::default().with_team(Team::new([self.agent])),
                sessions: Arc::new(Sessions::new(store.sessions())),
                library: Arc::new(library),
                answers: Answers::default(),
                auth: settings.auth,
                body_limit: settings.body_limit,
                timeout: settings.timeout,
                drain: Drain::new(),
            };
            mount(Router::new(), vec![self], Arc::new(shared))
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
