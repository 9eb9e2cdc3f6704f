//! The Agent2Agent protocol (<https://a2a-protocol.org>): 1.0 over JSON-RPC and HTTP+JSON, 0.3 over JSON-RPC. Its types are those of the
//! official crate `a2a-lf`.
//!
//! A task is a run in the journal ([`AgentCall::begin_with`](crate::http::calls::agent_call::AgentCall::begin_with)): its id is the
//! run's, and it goes on whatever becomes of the request or of this process. A context is a conversation.
//!
//! Invariant: a caller sees the tasks that it began, and gets the answer that there is none of any other.

mod a2a_error;
mod agent_card;
mod json_rpc_binding;
mod legacy_form;
mod message_input;
mod rest_binding;
mod task_operations;
mod task_stream;
mod task_view;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::Method;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};

use crate::auth::claims::Caller;
use crate::http::admission::admit;
use crate::http::api_error::ApiError;
use crate::http::calls::MountedEndpoint;
use crate::http::layers::ErrorForm;
use crate::http::protocols::{Adapter, Protocol, Served};
use crate::http::raw_request::{self, RawRequest};
use crate::http::request_reader::read_body;
use crate::http::responses::other_method;

const SERVICE_CARD: &str = "/.well-known/agent-card.json";
const SERVICE: &str = "/a2a";
const AGENT: &str = "/a2a/{agent}";
const AGENT_CARD: &str = "/a2a/{agent}/.well-known/agent-card.json";
const EXTENDED_CARD: &str = "/a2a/{agent}/extendedAgentCard";
const SEND: &str = "/a2a/{agent}/message:send";
const STREAM: &str = "/a2a/{agent}/message:stream";
const TASKS: &str = "/a2a/{agent}/tasks";
/// A task, or what is done with it: `{id}`, `{id}:cancel`, `{id}:subscribe`.
const TASK: &str = "/a2a/{agent}/tasks/{task}";
const PUSH_CONFIGS: &str = "/a2a/{agent}/tasks/{task}/pushNotificationConfigs";
const PUSH_CONFIG: &str = "/a2a/{agent}/tasks/{task}/pushNotificationConfigs/{config}";

/// How the protocol is spoken.
pub(super) const ADAPTER: Adapter = Adapter {
    protocol: Protocol::A2a,
    paths: &PATHS,
    routes: |served| Ok(routes(served)),
    error_form,
};

/// The paths of the adapter.
const PATHS: [&str; 11] = [
    SERVICE_CARD,
    SERVICE,
    AGENT,
    AGENT_CARD,
    EXTENDED_CARD,
    SEND,
    STREAM,
    TASKS,
    TASK,
    PUSH_CONFIGS,
    PUSH_CONFIG,
];

/// A request that was authenticated.
struct Exchange {
    served: Served,
    /// The agent that the path names; without one, all are meant.
    agent: Option<&'static str>,
    caller: Caller,
    parts: Parts,
}

impl Exchange {
    /// The endpoints that the path is about, those of each agent together.
    fn endpoints(&self) -> impl Iterator<Item = &Arc<MountedEndpoint>> {
        let agents = self.served.agents.iter();
        let meant =
            agents.filter(|mounted| self.agent.is_none_or(|slug| slug == mounted.agent.slug));
        meant.flat_map(|mounted| &mounted.endpoints)
    }
}

/// The routes of the protocol.
fn routes(served: &Served) -> Router {
    let served = served.clone();
    raw_request::routes(PATHS, move |request, body| {
        let served = served.clone();
        async move { handle(served, request, body).await.into_response() }
    })
}

/// The form of errors at `path`: that of JSON-RPC or that of HTTP+JSON.
fn error_form(path: &str) -> Option<ErrorForm> {
    let rest = path.strip_prefix(SERVICE)?;
    match rest.strip_prefix('/') {
        None if rest.is_empty() => Some(a2a_error::json_rpc_form),
        Some(agent) if !agent.contains('/') => Some(a2a_error::json_rpc_form),
        Some(_) => Some(a2a_error::rest_form),
        None => None,
    }
}

async fn handle(served: Served, request: RawRequest, body: Body) -> Result<Response, ApiError> {
    let method = &request.parts.method;
    let allow = match request.path {
        SERVICE | AGENT | SEND | STREAM => "POST, OPTIONS",
        TASK | PUSH_CONFIGS => "GET, HEAD, POST, OPTIONS",
        PUSH_CONFIG => "DELETE, GET, HEAD, OPTIONS",
        _ => "GET, HEAD, OPTIONS",
    };
    let is_offered = allow.split(", ").any(|offered| offered == method.as_str());
    if !is_offered || *method == Method::OPTIONS {
        return Ok(other_method(method, allow));
    }
    let slug = request.parameters.get("agent");
    let find = || {
        let agents = &mut served.agents.iter();
        let agent = slug.map(|slug| agents.find(|mounted| mounted.agent.slug == *slug));
        match agent {
            Some(None) => Err(ApiError::not_found("there is no such agent")),
            Some(Some(mounted)) => Ok(Some(mounted.agent.slug)),
            None => Ok(None),
        }
    };
    if matches!(request.path, SERVICE_CARD | AGENT_CARD) {
        return Ok(agent_card::respond(&served, find()?, &request.parts));
    }
    let (auth, headers) = (served.state.auth.as_ref(), &request.parts.headers);
    let caller = admit(auth, headers, &[]).await?;
    let agent = find()?;
    let body = read_body(headers, body, served.state.body_limit).await?;
    let RawRequest {
        path,
        parameters,
        parts,
    } = request;
    let exchange = Exchange {
        served,
        agent,
        caller,
        parts,
    };
    Ok(match path {
        SERVICE | AGENT => json_rpc_binding::respond(exchange, body).await,
        _ => rest_binding::respond(exchange, path, &parameters, body).await,
    })
}
