//! What a service answers besides its agents: who they are, how it is, what it speaks.

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, header};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::IgnoredAny;
use serde_json::json;

use crate::auth::Auth;
use crate::error::problem::Problem;
use crate::error::start_error::StartError;
use crate::http::api::agent_api::{admit, not_allowed, options};
use crate::http::api::docs_api;
use crate::http::api::health_api::Readiness;
use crate::http::api::token_api::{REFRESH, TOKEN};
use crate::http::layers::client_address;
use crate::http::responses;
use crate::run::bound_service::Service;
use crate::telemetry::metrics::{METRICS_TYPE, Metrics};

const AGENTS: &str = "/v1/agents";
const HEALTH: &str = "/healthz";
const OPENAPI: &str = "/openapi.json";
const LIVE: &str = "/livez";
const READY: &str = "/readyz";
const METRICS: &str = "/metrics";
/// The paths that no endpoint may have.
pub(crate) const PATHS: [&str; 12] = [
    AGENTS,
    docs_api::ICON,
    docs_api::PAGE,
    docs_api::SCRIPT,
    docs_api::STYLE,
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
    agents: AgentList,
    openapi: &'static str,
    readiness: Readiness,
    metrics: Option<Arc<Metrics>>,
    docs: bool,
}

/// The agents of a service.
#[derive(Serialize, JsonSchema)]
#[schemars(example = json!({ "agents": [] }))]
pub(super) struct AgentList {
    /// Every agent, by name.
    pub(super) agents: Vec<AgentSummary>,
}

/// One agent.
#[derive(Serialize, JsonSchema)]
#[schemars(example = json!({
    "name": "librarian", "description": "Finds books and says where they stand.", "model": "sonnet",
}))]
pub(super) struct AgentSummary {
    /// The name in the agent's paths.
    pub(super) name: &'static str,
    /// When to ask this agent.
    pub(super) description: &'static str,
    /// The model or model alias that the agent's file names, if any.
    pub(super) model: Option<&'static str>,
}

/// How the service is.
#[derive(Serialize, JsonSchema)]
#[schemars(example = json!({ "status": "ok" }))]
pub(super) struct Health {
    /// Says that the service answers.
    #[schemars(extend("const" = "ok"))]
    pub(super) status: &'static str,
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
        let agents = services.iter().map(|service| AgentSummary {
            name: service.agent.slug,
            description: service.agent.summary,
            model: service.agent.model,
        });
        let agents = AgentList {
            agents: agents.collect(),
        };
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
    let document = |system: &System| responses::written_json(system.openapi);
    // Who the agents are is for those to know who may call them.
    let agents = |system: &System| responses::json(&system.agents);
    let mut router = Router::new()
        .route(HEALTH, route(Who::Anybody, alive))
        .route(LIVE, route(Who::Anybody, alive))
        .route(OPENAPI, route(Who::Anybody, document))
        .route(AGENTS, route(Who::Callers, agents));
    if system.docs {
        router = router
            .route(docs_api::PAGE, route(Who::Anybody, |_| docs_api::page()))
            .route(docs_api::ICON, route(Who::Anybody, |_| docs_api::icon()))
            .route(
                docs_api::SCRIPT,
                route(Who::Anybody, |_| docs_api::script()),
            )
            .route(docs_api::STYLE, route(Who::Anybody, |_| docs_api::style()));
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
            Who::CallersAndNeighbours if client_address::is_local(headers, extensions) => Ok(()),
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
    responses::json(&Health { status: "ok" })
}

fn metrics(system: &System) -> Response {
    match &system.metrics {
        Some(metrics) => {
            let content_type = HeaderValue::from_static(METRICS_TYPE);
            ([(header::CONTENT_TYPE, content_type)], metrics.render()).into_response()
        }
        None => responses::problem(Problem::new(404, "there is nothing here")),
    }
}
