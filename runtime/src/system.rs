//! What a service answers besides its agents: who they are, how it is, what it speaks.

use std::sync::Arc;

use axum::Router;
use axum::http::{HeaderMap, Method};
use axum::response::Response;
use axum::routing::any;
use serde::Serialize;
use serde::de::IgnoredAny;
use serde_json::{Value, json};

use crate::auth::Auth;
use crate::respond;
use crate::router::{admit, not_allowed, options};
use crate::service::Service;
use crate::start::StartError;
use crate::token_routes::{REFRESH, TOKEN};

const AGENTS: &str = "/v1/agents";
const HEALTH: &str = "/healthz";
const OPENAPI: &str = "/openapi.json";
/// The paths that no endpoint may have.
pub(crate) const PATHS: [&str; 5] = [AGENTS, HEALTH, OPENAPI, REFRESH, TOKEN];
const ALLOW: &str = "GET, HEAD, OPTIONS";

/// What there is to say about a service.
pub(crate) struct System {
    auth: Option<Auth>,
    agents: Value,
    openapi: &'static str,
}

#[derive(Serialize)]
struct Listed {
    name: &'static str,
    description: &'static str,
    model: Option<&'static str>,
}

impl System {
    /// What there is to say about `services`.
    pub(crate) fn new(
        openapi: &'static str,
        services: &[Service],
        auth: Option<Auth>,
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
        })
    }
}

/// The routes of a service itself.
pub(crate) fn routes(system: System) -> Router {
    let system = Arc::new(system);
    let route = |who: Who, answer: fn(&System) -> Response| {
        let system = Arc::clone(&system);
        any(move |method: Method, headers: HeaderMap| async move {
            match method {
                Method::GET | Method::HEAD => match system.lets_in(who, &headers).await {
                    Ok(()) => answer(&system),
                    Err(response) => *response,
                },
                Method::OPTIONS => options(ALLOW),
                _ => not_allowed(ALLOW),
            }
        })
    };
    let healthy = |_: &System| respond::json(&json!({ "status": "ok" }));
    let document = |system: &System| respond::written_json(system.openapi);
    // Who the agents are is for those to know who may call them.
    let agents = |system: &System| respond::json(&system.agents);
    Router::new()
        .route(HEALTH, route(Who::Anybody, healthy))
        .route(OPENAPI, route(Who::Anybody, document))
        .route(AGENTS, route(Who::Callers, agents))
}

/// Who is told.
#[derive(Clone, Copy)]
enum Who {
    Anybody,
    Callers,
}

impl System {
    async fn lets_in(&self, who: Who, headers: &HeaderMap) -> Result<(), Box<Response>> {
        match who {
            Who::Anybody => Ok(()),
            Who::Callers => admit(self.auth.as_ref(), headers, &[]).await.map(|_| ()),
        }
    }
}
