//! What a service answers besides its agents: who they are, how it is, what it speaks.

use std::future::ready;
use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::http::Method;
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

const AGENTS: &str = "/v1/agents";
const HEALTH: &str = "/healthz";
const OPENAPI: &str = "/openapi.json";
const LIVE: &str = "/livez";
const READY: &str = "/readyz";
const METRICS: &str = "/metrics";
/// The paths that no endpoint may have.
pub(crate) const PATHS: [&str; 10] = [
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

/// The routes of a service itself.
pub(crate) fn routes(system: System) -> Router {
    let system = Arc::new(system);
    let route = |answer: fn(&System, &Request) -> Response| {
        let system = Arc::clone(&system);
        any(move |request: Request| {
            let answered = read_only(&request).unwrap_or_else(|| answer(&system, &request));
            ready(answered)
        })
    };
    let mut router = Router::new()
        .route(HEALTH, route(|_, _| alive()))
        .route(LIVE, route(|_, _| alive()))
        .route(
            OPENAPI,
            route(|system, _| respond::written_json(system.openapi)),
        )
        .route(AGENTS, route(agents));
    if system.docs {
        router = router
            .route(docs::PAGE, route(|_, _| docs::page()))
            .route(docs::ICON, route(|_, _| docs::icon()))
            .route(docs::SCRIPT, route(|_, _| docs::script()))
            .route(docs::STYLE, route(|_, _| docs::style()));
    }
    if system.metrics.is_some() {
        router = router.route(METRICS, route(metrics));
    }
    let is_ready = any(move |request: Request| async move {
        match read_only(&request) {
            Some(response) => response,
            None => system.readiness.respond().await,
        }
    });
    router.route(READY, is_ready)
}

/// The answer to a method that asks for something else than what there is to read.
fn read_only(request: &Request) -> Option<Response> {
    match *request.method() {
        Method::GET | Method::HEAD => None,
        Method::OPTIONS => Some(options(ALLOW)),
        _ => Some(not_allowed(ALLOW)),
    }
}

fn alive() -> Response {
    respond::json(&json!({ "status": "ok" }))
}

/// Who the agents are is for those to know who may call them.
fn agents(system: &System, request: &Request) -> Response {
    match admit(system.auth.as_ref(), request.headers(), &[]) {
        Ok(_) => respond::json(&system.agents),
        Err(response) => *response,
    }
}

/// How much a service does is for its own machine to know, and for those who may call it.
fn metrics(system: &System, request: &Request) -> Response {
    let is_local = peer::is_local(request.headers(), request.extensions());
    if !is_local && let Err(response) = admit(system.auth.as_ref(), request.headers(), &[]) {
        return *response;
    }
    match &system.metrics {
        Some(metrics) => metrics.respond(),
        None => respond::problem(Problem::new(404, "there is nothing here")),
    }
}
