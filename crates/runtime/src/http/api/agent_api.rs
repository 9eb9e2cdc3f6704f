//! The endpoints of agents: from an HTTP request to a run and back.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::rejection::RawPathParamsRejection;
use axum::extract::{RawPathParams, Request};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::auth::claims::Caller;
use crate::engine::todo_list::TodoList;
use crate::error::AgentError;
use crate::event::event_sink::Sink;
use crate::event::usage_meter::Meter;
use crate::http::admission::admit;
use crate::http::api::agent_run_api;
use crate::http::api::api_state::ApiState;
use crate::http::api_error::ApiError;
use crate::http::content_negotiation::{Offer, Representation, negotiate};
use crate::http::idempotency::Operation;
use crate::http::layers::rate_limiter::Limiter;
use crate::http::layers::rate_limits::with_rate_headers;
use crate::http::raw_request::read_path;
use crate::http::request_reader;
use crate::http::responses::{json_text_response, other_method};
use crate::http::sse_response;
use crate::run::bound_service::BoundHandler;
use crate::run::run_context::RequestInfo;
use crate::run::run_context::{Run, RunContext};
use crate::run::run_input::Input;
use crate::run::supervision::{EVENTS_AHEAD, run, start};
use crate::schema::{Schema, new_uuid_v7};
use crate::spec::agent_spec::AgentSpec;
use crate::spec::endpoint_spec::Method;
use crate::telemetry::endpoint_metrics::EndpointMetrics;
use crate::workflow::workflow_service::WorkflowService;

/// An endpoint that is served.
pub(crate) struct MountedEndpoint {
    /// Its agent.
    pub(crate) agent: &'static AgentSpec,
    /// Its spec and its handler.
    pub(crate) handler: BoundHandler,
    /// The schema of its requests.
    pub(crate) input_schema: Schema,
    /// Its rate limiter: its own, or the one that the agent's other endpoints share.
    pub(crate) limiter: Option<Arc<Limiter>>,
    /// Its metrics.
    pub(crate) metrics: Arc<EndpointMetrics>,
    /// Where its runs are, if they may have to wait for a person.
    pub(crate) runs: Option<Arc<WorkflowService>>,
}

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
    let endpoint = &route.endpoint;
    let roles = endpoint.handler.spec.roles;
    let caller = admit(state.auth.as_ref(), request.headers(), roles).await?;
    let (parts, body) = request.into_parts();
    let limiter = endpoint.limiter.as_deref();
    let slug = endpoint.agent.slug;
    let status = state.limits.check_endpoint(&caller, &parts, limiter, slug);
    let response = with_rate_headers(status, &state.resources.metrics, async {
        let response = invoke_handler(state, route, caller, &parts, &path, body).await;
        response.into_response()
    });
    Ok(response.await)
}

/// Runs the handler of an endpoint, and answers with its output or with its events.
async fn invoke_handler(
    state: &ApiState,
    Route { endpoint, offer }: &Route,
    caller: Caller,
    parts: &Parts,
    path: &[(String, String)],
    body: Body,
) -> Result<Response, ApiError> {
    let resources = &state.resources;
    let spec = endpoint.handler.spec;
    let representation = negotiate(&parts.headers, *offer)?;
    let input = {
        let schema = &endpoint.input_schema;
        request_reader::read(spec, schema, parts, path, body, state.body_limit).await?
    };
    if parts.method == axum::http::Method::HEAD {
        return head(endpoint, representation, input).await;
    }
    if let Some(runs) = &endpoint.runs {
        return agent_run_api::respond(runs, endpoint, representation, caller, parts, input).await;
    }
    let timeout = spec.timeout_ms.or(endpoint.agent.policy.timeout_ms);
    let timeout = timeout.map_or(resources.timeout, Duration::from_millis);
    let (events, reader) = match representation {
        Representation::Json => (None, None),
        Representation::EventStream => {
            let (events, reader) = mpsc::channel(EVENTS_AHEAD);
            (Some(events), Some(reader))
        }
    };
    let info = parts.extensions.get::<Arc<RequestInfo>>();
    let id = new_uuid_v7();
    let cx = RunContext(Arc::new(Run {
        id,
        request: info.cloned().unwrap_or_default(),
        agent: endpoint.agent,
        endpoint: spec,
        caller,
        resources: Arc::clone(resources),
        sessions: Arc::clone(&resources.sessions),
        deadline: Instant::now() + timeout,
        counted: Arc::clone(&endpoint.metrics),
        todo_list: TodoList::default(),
        meter: Meter::default(),
        sink: Sink::new(id, endpoint.agent.slug, events),
        turns: None,
    }));
    if let Some(reader) = reader {
        let handler = (endpoint.handler.call)(cx.clone(), input, &endpoint.input_schema).await?;
        let shutdown = resources.shutdown.clone();
        return Ok(sse_response::respond(start(cx, handler, timeout, shutdown, reader)).await);
    }
    let subject = cx.0.caller.subject.clone();
    let invoke = {
        let (endpoint, resources) = (Arc::clone(endpoint), Arc::clone(resources));
        async move |input| {
            let handler = (endpoint.handler.call)(cx.clone(), input, &endpoint.input_schema);
            let handler = handler.await?;
            match run(&cx, handler, timeout, &resources.shutdown).await {
                Ok(reply) => Ok(reply.value),
                Err(problem) => Err(ApiError::Run(problem)),
            }
        }
    };
    let output = if spec.method == Method::Post {
        let operation = Operation {
            keys: &state.idempotency_keys,
            shutdown: &resources.shutdown,
            name: spec.operation_id.to_owned(),
            timeout,
        };
        operation.get_or_run(parts, &subject, input, invoke).await?
    } else {
        invoke(input).await?
    };
    Ok(success(spec.status, output))
}

/// The head of the response to a valid request. Nothing runs for it: a model costs, whoever looks at its answer.
async fn head(
    endpoint: &MountedEndpoint,
    representation: Representation,
    mut input: Input,
) -> Result<Response, ApiError> {
    check_input(endpoint, &mut input).await?;
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

/// Checks the input of an endpoint before anything runs.
///
/// # Errors
/// 422 with everything that is wrong with it.
pub(super) async fn check_input(
    endpoint: &MountedEndpoint,
    input: &mut Input,
) -> Result<(), ApiError> {
    let schema = endpoint.input_schema.clone();
    let violations = input.inspect(move |json| schema.violations(json)).await?;
    match violations.is_empty() {
        true => Ok(()),
        false => Err(AgentError::Invalid(violations).into()),
    }
}

/// The answer of a run; one of status 204 has no body.
pub(super) fn success(status: u16, output: String) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
    if status == StatusCode::NO_CONTENT {
        return status.into_response();
    }
    let mut response = json_text_response(output);
    *response.status_mut() = status;
    response
}
