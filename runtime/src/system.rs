//! What a service answers besides its agents: who they are, how it is, what it speaks.

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::http::Method;
use axum::http::request::Parts;
use axum::response::Response;
use axum::routing::any;
use serde::Serialize;
use serde::de::IgnoredAny;
use serde_json::{Value, json};

use crate::auth::Auth;
use crate::docs;
use crate::health::Readiness;
use crate::metrics::Metrics;
use crate::peer;
use crate::problem::Problem;
use crate::respond;
use crate::router::{admit, not_allowed, options};
use crate::service::Service;
use crate::start::StartError;
use crate::token_routes::{REFRESH, TOKEN};

const AGENTS: &str = "/v1/agents";
const HEALTH: &str = "/healthz";
const OPENAPI: &str = "/openapi.json";
const LIVE: &str = "/livez";
const READY: &str = "/readyz";
const METRICS: &str = "/metrics";
/// The paths that no endpoint may have.
pub(crate) const PATHS: [&str; 12] = [
    AGENTS,
    docs::ICON,
    docs::PAGE,
    docs::SCRIPT,
    docs::STYLE,
    HEALTH,
    LIVE,
    METRICS,
    OPENAPI,
    READY,
    REFRESH,
    TOKEN,
];
const ALLOW: &str = "GET, HEAD, OPTIONS";

/// What there is to say about a service.
pub(crate) struct System {
    auth: Option<Auth>,
    agents: Value,
    openapi: &'static str,
    readiness: Readiness,
    metrics: Option<Arc<Metrics>>,
    docs: bool,
}

#[derive(Serialize)]
struct Listed {
    name: &'static str,
    description: &'static str,
    model: Option<&'static str>,
}

impl System {
    /// What there is to say about `services`; without `metrics` or `docs` those paths are not there.
    pub(crate) fn new(
        openapi: &'static str,
        services: &[Service],
        auth: Option<Auth>,
        readiness: Readiness,
        metrics: Option<Arc<Metrics>>,
        docs: bool,
    ) -> Result<Self, StartError> {
        serde_json::from_str::<IgnoredAny>(openapi).map_err(StartError::OpenApi)?;
        let agents = services.iter().map(|service| Listed {
            name: service.agent.slug,
            description: service.agent.summary,
            model: service.agent.model,
        });
        let agents = json!({ "agents": agents.collect::<Vec<_>>() });
        Ok(Self {
            auth,
            agents,
            openapi,
            readiness,
            metrics,
            docs,
        })
    }
}

/// Who is told.
#[derive(Clone, Copy)]
enum Who {
    Anybody,
    /// Those who may call the agents.
    Callers,
    /// They, and this machine.
    CallersAndNeighbours,
}

/// The routes of a service itself.
pub(crate) fn routes(system: System) -> Router {
    let system = Arc::new(system);
    let route = |who: Who, answer: fn(&System) -> Response| {
        let system = Arc::clone(&system);
        any(move |request: Request| async move {
            let (parts, _) = request.into_parts();
            if let Some(response) = read_only(&parts) {
                return response;
            }
            match system.lets_in(who, &parts).await {
                Ok(()) => answer(&system),
                Err(response) => *response,
            }
        })
    };
    let document = |system: &System| respond::written_json(system.openapi);
    // Who the agents are is for those to know who may call them.
    let agents = |system: &System| respond::json(&system.agents);
    let mut router = Router::new()
        .route(HEALTH, route(Who::Anybody, alive))
        .route(LIVE, route(Who::Anybody, alive))
        .route(OPENAPI, route(Who::Anybody, document))
        .route(AGENTS, route(Who::Callers, agents));
    if system.docs {
        router = router
            .route(docs::PAGE, route(Who::Anybody, |_| docs::page()))
            .route(docs::ICON, route(Who::Anybody, |_| docs::icon()))
            .route(docs::SCRIPT, route(Who::Anybody, |_| docs::script()))
            .route(docs::STYLE, route(Who::Anybody, |_| docs::style()));
    }
    if system.metrics.is_some() {
        // How much a service does is for its own machine to know, and for those who may call it.
        router = router.route(METRICS, route(Who::CallersAndNeighbours, metrics));
    }
    let is_ready = any(move |request: Request| async move {
        match read_only(&request.into_parts().0) {
            Some(response) => response,
            None => system.readiness.respond().await,
        }
    });
    router.route(READY, is_ready)
}

impl System {
    async fn lets_in(&self, who: Who, parts: &Parts) -> Result<(), Box<Response>> {
        let (headers, extensions) = (&parts.headers, &parts.extensions);
        match who {
            Who::Anybody => Ok(()),
            Who::CallersAndNeighbours if peer::is_local(headers, extensions) => Ok(()),
            Who::Callers | Who::CallersAndNeighbours => {
                admit(self.auth.as_ref(), headers, &[]).await.map(|_| ())
            }
        }
    }
}

/// The answer to a method that asks for something else than what there is to read.
fn read_only(parts: &Parts) -> Option<Response> {
    match parts.method {
        Method::GET | Method::HEAD => None,
        Method::OPTIONS => Some(options(ALLOW)),
        _ => Some(not_allowed(ALLOW)),
    }
}

fn alive(_: &System) -> Response {
    respond::json(&json!({ "status": "ok" }))
}

fn metrics(system: &System) -> Response {
    match &system.metrics {
        Some(metrics) => metrics.respond(),
        None => respond::problem(Problem::new(404, "there is nothing here")),
    }
}
