//! The endpoints of agents: from an HTTP request to a run and back.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::rejection::RawPathParamsRejection;
use axum::extract::{RawPathParams, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream;

use crate::auth::claims::Caller;
use crate::http::api::workflow_api::accepted_run;
use crate::http::api_error::ApiError;
use crate::http::calls::MountedEndpoint;
use crate::http::calls::agent_call::{AgentCall, Answer, Waits};
use crate::http::calls::api_state::ApiState;
use crate::http::content_negotiation::{Offer, Representation, negotiate};
use crate::http::layers::rate_limits::with_rate_headers;
use crate::http::raw_request::read_path;
use crate::http::request_reader;
use crate::http::responses::{json_text_response, other_method};
use crate::http::sse_response;
use crate::run::run_input::Input;
use crate::spec::endpoint_spec::Method;

/// An endpoint at one of its paths, and what that path offers.
#[derive(Clone)]
pub(crate) struct Route {
    /// The endpoint; its events have a path of their own.
    pub(crate) endpoint: Arc<MountedEndpoint>,
    /// The representations at this path.
    pub(crate) offer: Offer,
}

/// The endpoints of one path.
pub(crate) type Methods = BTreeMap<Method, Route>;

/// Handles a request for the path of `methods`.
pub(crate) async fn handle(
    state: Arc<ApiState>,
    methods: Arc<Methods>,
    path: Result<RawPathParams, RawPathParamsRejection>,
    request: Request,
) -> Response {
    let Some(route) = find_route(&methods, request.method()) else {
        return other_method(request.method(), &allow(&methods));
    };
    let response = handle_route(&state, route, path, request).await;
    let mut response = response.into_response();
    let metrics = Arc::clone(&route.endpoint.metrics);
    response.extensions_mut().insert(metrics);
    response
}

fn find_route<'a>(methods: &'a Methods, method: &axum::http::Method) -> Option<&'a Route> {
    let name = if method == axum::http::Method::HEAD {
        "GET"
    } else {
        method.as_str()
    };
    let mut offered = methods.iter();
    let found = offered.find(|(offered, _)| offered.as_str() == name);
    found.map(|(_, route)| route)
}

/// The value of `Allow` for a path.
fn allow(methods: &Methods) -> String {
    let mut names = Vec::new();
    for method in methods.keys() {
        names.push(method.as_str());
        if *method == Method::Get {
            names.push("HEAD");
        }
    }
    names.push("OPTIONS");
    names.join(", ")
}

async fn handle_route(
    state: &ApiState,
    route: &Route,
    path: Result<RawPathParams, RawPathParamsRejection>,
    request: Request,
) -> Result<Response, ApiError> {
    let path = read_path(path)?;
    let (parts, body) = request.into_parts();
    let (caller, status) = route.endpoint.admit(state, &parts).await?;
    let response = with_rate_headers(status, &state.resources.metrics, async {
        let response = respond(state, route, caller, &parts, &path, body).await;
        response.into_response()
    });
    Ok(response.await)
}

/// Calls the endpoint, and answers with its output or with its events.
async fn respond(
    state: &ApiState,
    Route { endpoint, offer }: &Route,
    caller: Caller,
    parts: &Parts,
    path: &[(String, String)],
    body: Body,
) -> Result<Response, ApiError> {
    let spec = endpoint.handler.spec;
    let representation = negotiate(&parts.headers, *offer)?;
    let input = {
        let schema = &endpoint.input_schema;
        request_reader::read(spec, schema, parts, path, body, state.body_limit).await?
    };
    if parts.method == axum::http::Method::HEAD {
        return head(endpoint, representation, input).await;
    }
    let call = AgentCall {
        state,
        endpoint,
        caller,
        parts,
        input,
        conversation: None,
        waits: Waits::Following,
    };
    if representation == Representation::EventStream {
        return Ok(sse_response::respond(call.events().await?).await);
    }
    if endpoint.may_wait && prefers_async(&parts.headers) {
        let run = call.begin().await?;
        let mut response = accepted_run(run.id, &run.report().await?);
        let applied = HeaderValue::from_static("respond-async");
        response.headers_mut().insert("preference-applied", applied);
        return Ok(response);
    }
    Ok(match call.answer().await? {
        Answer::Output(reply) => success(spec.status, reply.value),
        Answer::Waiting(run, report) => accepted_run(run, &report),
    })
}

/// Whether the caller prefers not to wait (RFC 7240).
fn prefers_async(headers: &HeaderMap) -> bool {
    let values = headers.get_all("prefer").iter();
    let mut preferences = values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|preference| preference.split(';').next());
    preferences.any(|preference| preference.trim().eq_ignore_ascii_case("respond-async"))
}

/// The head of the response to a valid request. Nothing runs for it: a model costs, whoever looks at its answer.
async fn head(
    endpoint: &MountedEndpoint,
    representation: Representation,
    mut input: Input,
) -> Result<Response, ApiError> {
    endpoint.check_input(&mut input).await?;
    let status = endpoint.handler.spec.status;
    let media_type = match representation {
        Representation::EventStream => "text/event-stream",
        Representation::Json if status == 204 => return Ok(success(status, String::new())),
        Representation::Json => "application/json",
    };
    // Of no known length, as the response to a GET would be.
    let body = Body::from_stream(stream::empty::<Result<Bytes, Infallible>>());
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    Ok(response)
}

/// The answer of a run; one of status 204 has no body.
fn success(status: u16, output: String) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
    if status == StatusCode::NO_CONTENT {
        return status.into_response();
    }
    let mut response = json_text_response(output);
    *response.status_mut() = status;
    response
}
