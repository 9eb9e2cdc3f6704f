//! The endpoints of the service itself: its agents, its health, its metrics, its OpenAPI and Arazzo
//! documents and the page `/docs`.

use std::borrow::Cow;
use std::future::ready;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
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
use crate::error::start_error::StartError;
use crate::http::admission::admit;
use crate::http::api::console_api;
use crate::http::api::docs_api;
use crate::http::api::health_api::Readiness;
use crate::http::api::token_api::{REFRESH, TOKEN};
use crate::http::api_error::ApiError;
use crate::http::layers::client_address;
use crate::http::responses::{json_response, json_text_response, other_method};
use crate::run::bound_service::Service;
use crate::telemetry::metrics::{METRICS_TYPE, Metrics};

const AGENTS: &str = "/v1/agents";
const ARAZZO: &str = "/arazzo.json";
const HEALTH: &str = "/healthz";
const OPENAPI: &str = "/openapi.json";
const LIVE: &str = "/livez";
const READY: &str = "/readyz";
const METRICS: &str = "/metrics";
/// The paths that no endpoint may have.
pub(crate) const PATHS: [&str; 13] = [
    AGENTS,
    ARAZZO,
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

/// What the endpoints answer with.
pub(crate) struct System {
    auth: Option<Auth>,
    agents: AgentList,
    openapi: Bytes,
    arazzo: Option<Bytes>,
    readiness: Readiness,
    metrics: Option<Arc<Metrics>>,
    pages: Pages,
}

/// Which pages for people there are.
#[derive(Clone, Copy)]
pub(crate) struct Pages {
    /// `/docs`.
    pub(crate) docs: bool,
    /// The console.
    pub(crate) console: bool,
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
    /// For `services`. Without `arazzo`, `metrics` or `pages` those paths do not exist.
    pub(crate) fn new(
        openapi: Cow<'static, str>,
        arazzo: Option<Cow<'static, str>>,
        services: &[Service],
        auth: Option<Auth>,
        readiness: Readiness,
        metrics: Option<Arc<Metrics>>,
        pages: Pages,
    ) -> Result<Self, StartError> {
        if let Some(arazzo) = &arazzo {
            serde_json::from_str::<IgnoredAny>(arazzo).map_err(StartError::Arazzo)?;
        }
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
            openapi: bytes(openapi),
            arazzo: arazzo.map(bytes),
            readiness,
            metrics,
            pages,
        })
    }
}

/// Who may call an endpoint.
#[derive(Clone, Copy)]
enum Access {
    Public,
    /// Authenticated callers.
    Callers,
    /// Authenticated callers, and everyone on this machine.
    CallersAndLoopback,
}

/// The routes of a service itself.
pub(crate) fn routes(system: System) -> Router {
    let system = Arc::new(system);
    let route = |access: Access, respond: fn(&System) -> Response| {
        let system = Arc::clone(&system);
        any(move |request: Request| async move {
            let (parts, _) = request.into_parts();
            if let Some(response) = read_only(&parts) {
                return response;
            }
            match system.authorize(access, &parts).await {
                Ok(()) => respond(&system),
                Err(error) => error.into_response(),
            }
        })
    };
    // Only those who may call the agents see them.
    let agents = |system: &System| json_response(&system.agents);
    let mut router = Router::new()
        .route(HEALTH, route(Access::Public, live))
        .route(LIVE, route(Access::Public, live))
        .route(OPENAPI, route(Access::Public, openapi))
        .route(AGENTS, route(Access::Callers, agents));
    if system.arazzo.is_some() {
        router = router.route(ARAZZO, route(Access::Public, arazzo));
    }
    if system.pages.console {
        for (path, file) in console_api::FILES {
            router = router.route(path, route(Access::Public, file));
        }
    }
    if system.pages.docs {
        let page = |system: &System| docs_api::page(system.pages.console);
        router = router
            .route(docs_api::PAGE, route(Access::Public, page))
            .route(docs_api::ICON, route(Access::Public, |_| docs_api::icon()))
            .route(
                docs_api::SCRIPT,
                route(Access::Public, |_| docs_api::script()),
            )
            .route(
                docs_api::STYLE,
                route(Access::Public, |_| docs_api::style()),
            );
    }
    if system.metrics.is_some() {
        // Traffic figures are for the machine itself and for callers.
        router = router.route(METRICS, route(Access::CallersAndLoopback, metrics));
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
    async fn authorize(&self, access: Access, parts: &Parts) -> Result<(), ApiError> {
        let (headers, extensions) = (&parts.headers, &parts.extensions);
        match access {
            Access::Public => Ok(()),
            Access::CallersAndLoopback if client_address::is_local(headers, extensions) => Ok(()),
            Access::Callers | Access::CallersAndLoopback => {
                admit(self.auth.as_ref(), headers, &[]).await?;
                Ok(())
            }
        }
    }
}

/// The response to a method other than `GET` and `HEAD`.
fn read_only(parts: &Parts) -> Option<Response> {
    match parts.method {
        Method::GET | Method::HEAD => None,
        _ => Some(other_method(&parts.method, ALLOW)),
    }
}

fn live(_: &System) -> Response {
    json_response(&Health { status: "ok" })
}

fn openapi(system: &System) -> Response {
    json_text_response(system.openapi.clone())
}

/// A text that is sent without copying it.
fn bytes(text: Cow<'static, str>) -> Bytes {
    match text {
        Cow::Borrowed(text) => Bytes::from_static(text.as_bytes()),
        Cow::Owned(text) => Bytes::from(text),
    }
}

fn arazzo(system: &System) -> Response {
    match &system.arazzo {
        Some(document) => json_text_response(document.clone()),
        None => ApiError::not_found("there is nothing here").into_response(),
    }
}

fn metrics(system: &System) -> Response {
    match &system.metrics {
        Some(metrics) => metrics_response(metrics),
        None => ApiError::not_found("there is nothing here").into_response(),
    }
}

/// `/metrics` alone, for everyone who reaches it.
pub(crate) fn metrics_route(metrics: Arc<Metrics>) -> Router {
    let respond = any(move |request: Request| {
        let refused = read_only(&request.into_parts().0);
        ready(refused.unwrap_or_else(|| metrics_response(&metrics)))
    });
    Router::new().route(METRICS, respond)
}

fn metrics_response(metrics: &Metrics) -> Response {
    let content_type = HeaderValue::from_static(METRICS_TYPE);
    ([(header::CONTENT_TYPE, content_type)], metrics.render()).into_response()
}
