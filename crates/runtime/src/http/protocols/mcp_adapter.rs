//! The Model Context Protocol, in the revisions 2026-07-28 and 2025-11-25: agents, their endpoints and workflows as tools, and the agents'
//! prompts as prompts. One path, `/mcp`, answers both; a request says which it speaks.
//!
//! Types and constants are those of the official SDK (`rmcp::model`). Its HTTP server is not used: it reads bodies by a limit of its own,
//! spawns a service with its channels for each request, and refuses a tool call only once the response has begun, where here the layers
//! answer 401, 403, 413 and 429 as on every path. Its check of the headers of 2026-07-28 is private to it.
//!
//! Invariant: nothing is kept from one request to the next but runs in the journal, so that any process answers any request.

mod mcp_envelope;
mod mcp_methods;
mod mcp_progress;
mod mcp_tasks;
mod pending_input;
mod protected_resource;
pub(crate) mod run_guard;
mod tool_catalog;
mod tool_invocation;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use rmcp::model::{ErrorCode, ErrorData, Implementation, JsonRpcError};
use serde_json::{Value, json};

use crate::error::problem::Problem;
use crate::error::start_error::StartError;
use crate::http::admission::admit;
use crate::http::api_error::{ApiError, Denied};
use crate::http::layers::ErrorForm;
use crate::http::protocols::mcp_adapter::mcp_envelope::Incoming;
use crate::http::protocols::mcp_adapter::tool_catalog::ToolCatalog;
use crate::http::protocols::{Adapter, Protocol, Served};
use crate::http::raw_request::{self, RawRequest};
use crate::http::request_reader::read_body;
use crate::http::responses::other_method;

/// How the protocol is spoken.
pub(super) const ADAPTER: Adapter = Adapter {
    protocol: Protocol::Mcp,
    paths: &PATHS,
    routes,
    error_form: |path| (path == MCP).then_some(error_form as ErrorForm),
};

const MCP: &str = "/mcp";
/// The paths of the adapter.
const PATHS: [&str; 3] = [
    MCP,
    protected_resource::OF_SERVICE,
    protected_resource::OF_MCP,
];
const ALLOW: &str = "POST, OPTIONS";

/// What the adapter serves.
struct McpService {
    served: Served,
    tools: ToolCatalog,
    /// The name and the version of the service.
    info: Implementation,
}

/// The routes of the adapter.
///
/// # Errors
/// A schema that no tool can have.
fn routes(served: &Served) -> Result<Router, StartError> {
    let info = Implementation::new(served.title(), served.version());
    let service = Arc::new(McpService {
        tools: ToolCatalog::new(served)?,
        served: served.clone(),
        info,
    });
    let metadata = protected_resource::routes(served);
    let routes = raw_request::routes([MCP], move |request, body| {
        let service = Arc::clone(&service);
        async move { handle(&service, request, body).await }
    });
    Ok(routes.merge(metadata))
}

/// A problem as an error of JSON-RPC. Who reads it does not know the request's id; the protocol leaves it out then.
fn error_form(problem: &Problem) -> Value {
    let code = match problem.status {
        400..=499 => ErrorCode::INVALID_REQUEST,
        _ => ErrorCode::INTERNAL_ERROR,
    };
    let error = ErrorData::new(code, problem.detail.clone(), Some(json!(problem)));
    json!(JsonRpcError::new(None, error))
}

async fn handle(service: &Arc<McpService>, request: RawRequest, body: Body) -> Response {
    let RawRequest { parts, .. } = request;
    // 2025-11-25: a server that sends nothing of its own and has no sessions answers 405 to GET and DELETE.
    if parts.method != Method::POST {
        return other_method(&parts.method, ALLOW);
    }
    let state = &service.served.state;
    let caller = match admit(state.auth.as_ref(), &parts.headers, &[]).await {
        Ok(caller) => caller,
        Err(denied) => return refused(service, denied, &parts),
    };
    let message = match read_body(&parts.headers, body, state.body_limit).await {
        Ok(mut input) => match input.json().await {
            Ok(message) => std::mem::take(message),
            Err(error) => {
                let error = ErrorData::parse_error(error.to_string(), None);
                return mcp_envelope::error_response(StatusCode::BAD_REQUEST, None, error);
            }
        },
        Err(error) => return error.into_response(),
    };
    match Incoming::read(&parts.headers, message) {
        Ok(Incoming::Request(request)) => {
            mcp_methods::answer(service, caller, parts, *request).await
        }
        // No notification asks for anything here: a request of 2026-07-28 is cancelled by the end of its stream, and one of 2025-11-25
        // can't be told from another client's by its id alone.
        Ok(Incoming::Notification) => StatusCode::ACCEPTED.into_response(),
        Err(refusal) => refusal.into_response(),
    }
}

/// 401 with the place of the metadata that says where tokens come from, and 403.
fn refused(service: &McpService, denied: Denied, parts: &axum::http::request::Parts) -> Response {
    let is_challenge = matches!(denied, Denied::Unauthenticated(_));
    let mut response = ApiError::from(denied).into_response();
    if is_challenge {
        protected_resource::name_metadata(&service.served.state, parts, &mut response);
    }
    response
}
