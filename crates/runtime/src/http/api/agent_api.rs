//! From an HTTP request to a run and back: who may, how often, in which form.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::rejection::RawPathParamsRejection;
use axum::extract::{RawPathParams, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::auth::Auth;
use crate::auth::claims::{BearerError, Caller};
use crate::error::AgentError;
use crate::error::problem::Problem;
use crate::event::event_sink::Sink;
use crate::event::usage_meter::Meter;
use crate::http::api::api_state::ApiState;
use crate::http::content_negotiation::{Wanted, wanted};
use crate::http::layers::rate_limiter::Limiter;
use crate::http::layers::rate_limits::within;
use crate::http::request_reader;
use crate::http::responses::{problem, written_json};
use crate::http::sse_response;
use crate::run::bound_service::Mounted;
use crate::run::run_context::RequestInfo;
use crate::run::run_context::{Run, RunContext};
use crate::run::supervision::{EVENTS_AHEAD, run, start};
use crate::schema::new_uuid_v7;
use crate::spec::agent_spec::AgentSpec;
use crate::spec::endpoint_spec::Method;
use crate::telemetry::endpoint_metrics::EndpointMetrics;

/// An endpoint as it is served.
pub(crate) struct Live {
    /// Whose it is.
    pub(crate) agent: &'static AgentSpec,
    /// What it is, and what answers it.
    pub(crate) mounted: Mounted,
    /// How often it may be called: its own limit, or the one it shares with the agent's other endpoints.
    pub(crate) limiter: Option<Arc<Limiter>>,
    /// What is counted of it.
    pub(crate) metrics: Arc<EndpointMetrics>,
}

/// The endpoints under one path.
pub(crate) type Methods = BTreeMap<Method, Live>;

/// Answers a request for one of `methods`.
pub(crate) async fn answer(
    state: Arc<ApiState>,
    methods: Arc<Methods>,
    path: Result<RawPathParams, RawPathParamsRejection>,
    request: Request,
) -> Response {
    let live = match pick(&methods, request.method()) {
        Ok(live) => live,
        Err(response) => return *response,
    };
    let mut response = answer_at(&state, live, path, request).await;
    response.extensions_mut().insert(Arc::clone(&live.metrics));
    response
}

async fn answer_at(
    state: &ApiState,
    live: &Live,
    path: Result<RawPathParams, RawPathParamsRejection>,
    request: Request,
) -> Response {
    let path = match path {
        Ok(path) => path
            .iter()
            .map(|(k, v)| (k.to_owned(), v.to_owned()))
            .collect::<Vec<_>>(),
        Err(_) => return problem(Problem::new(400, "the path is not valid UTF-8")),
    };
    let caller = match admit(
        state.auth.as_ref(),
        request.headers(),
        live.mounted.spec.roles,
    )
    .await
    {
        Ok(caller) => caller,
        Err(response) => return *response,
    };
    let (parts, body) = request.into_parts();
    let standing =
        state
            .limits
            .check_endpoint(&caller, &parts, live.limiter.as_deref(), live.agent.slug);
    within(standing, &state.resources.metrics, async {
        let response = run_of(state, live, caller, &parts, &path, body).await;
        response.unwrap_or_else(|document| problem(*document))
    })
    .await
}

/// The token of `Authorization: Bearer`; `None` if there is not exactly one such header.
fn bearer_token(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return None;
    };
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("bearer")
        .then_some(token.trim())
}

/// Lets a caller in who is who they have to be.
pub(crate) async fn admit(
    auth: Option<&Auth>,
    headers: &HeaderMap,
    roles: &[&str],
) -> Result<Caller, Box<Response>> {
    let Some(auth) = auth else {
        return Ok(Caller::anonymous());
    };
    let caller = auth.authenticate(bearer_token(headers)).await;
    let caller = caller.map_err(|refusal| Box::new(unauthorized(refusal)))?;
    if roles.is_empty()
        || caller
            .roles
            .iter()
            .any(|role| roles.contains(&role.as_str()))
    {
        return Ok(caller);
    }
    let detail = format!("this needs one of the roles {}", roles.join(", "));
    let mut response = problem(Problem::new(403, detail));
    let challenge = HeaderValue::from_static("Bearer error=\"insufficient_scope\"");
    response
        .headers_mut()
        .insert(header::WWW_AUTHENTICATE, challenge);
    Err(Box::new(response))
}

/// Refuses a method, and says which there are.
pub(crate) fn not_allowed(allow: &str) -> Response {
    let mut response = problem(Problem::new(
        405,
        format!("only {allow} can be answered here"),
    ));
    write_allow(&mut response, allow);
    response
}

/// Says which methods there are.
pub(crate) fn options(allow: &str) -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    write_allow(&mut response, allow);
    response
}

fn write_allow(response: &mut Response, allow: &str) {
    if let Ok(allow) = HeaderValue::from_str(allow) {
        response.headers_mut().insert(header::ALLOW, allow);
    }
}

fn pick<'a>(methods: &'a Methods, method: &axum::http::Method) -> Result<&'a Live, Box<Response>> {
    let name = if method == axum::http::Method::HEAD {
        "GET"
    } else {
        method.as_str()
    };
    if let Some((_, live)) = methods.iter().find(|(known, _)| known.as_str() == name) {
        return Ok(live);
    }
    let mut allow = Vec::new();
    for known in methods.keys() {
        allow.push(known.as_str());
        if *known == Method::Get {
            allow.push("HEAD");
        }
    }
    allow.push("OPTIONS");
    let allow = allow.join(", ");
    let is_options = method == axum::http::Method::OPTIONS;
    Err(Box::new(if is_options {
        options(&allow)
    } else {
        not_allowed(&allow)
    }))
}

fn unauthorized(refusal: BearerError) -> Response {
    let (detail, challenge) = match refusal {
        BearerError::Missing => ("a bearer token is needed", "Bearer".to_owned()),
        BearerError::Invalid(reason) => (
            reason,
            format!("Bearer error=\"invalid_token\", error_description=\"{reason}\""),
        ),
        BearerError::KeysUnavailable => {
            let error = AgentError::unavailable("the keys to check tokens with are not there yet");
            return problem(error.to_problem());
        }
    };
    let mut response = problem(Problem::new(401, detail));
    if let Ok(challenge) = HeaderValue::from_str(&challenge) {
        response
            .headers_mut()
            .insert(header::WWW_AUTHENTICATE, challenge);
    }
    response
}

/// Answers a request that may be made: as a whole, or event by event.
async fn run_of(
    state: &ApiState,
    live: &Live,
    caller: Caller,
    parts: &Parts,
    path: &[(String, String)],
    body: axum::body::Body,
) -> Result<Response, Box<Problem>> {
    let endpoint = live.mounted.spec;
    let wanted = wanted(&parts.headers, endpoint.stream).ok_or_else(|| {
        let events = if endpoint.stream {
            " and text/event-stream"
        } else {
            ""
        };
        Box::new(Problem::new(
            406,
            format!("this can be answered as application/json{events} only"),
        ))
    })?;
    let input = request_reader::read(endpoint, parts, path, body, state.body_limit).await?;
    let timeout = endpoint.timeout_ms.or(live.agent.policy.timeout_ms);
    let timeout = timeout.map_or(state.resources.timeout, Duration::from_millis);
    let (events, reader) = match wanted {
        Wanted::Json => (None, None),
        Wanted::Events => {
            let (events, reader) = mpsc::channel(EVENTS_AHEAD);
            (Some(events), Some(reader))
        }
    };
    let info = parts.extensions.get::<Arc<RequestInfo>>();
    let id = new_uuid_v7();
    let cx = RunContext(Arc::new(Run {
        id,
        request: info.cloned().unwrap_or_default(),
        agent: live.agent,
        endpoint,
        caller,
        resources: Arc::clone(&state.resources),
        deadline: Instant::now() + timeout,
        counted: Arc::clone(&live.metrics),
        sessions: Arc::clone(&state.resources.sessions),
        meter: Meter::default(),
        sink: Sink::new(id, live.agent.slug, events),
    }));
    if let Some(reader) = reader {
        let handler = (live.mounted.call)(cx.clone(), input)?;
        let shutdown = state.resources.shutdown.clone();
        return Ok(sse_response::respond(start(cx, handler, timeout, shutdown, reader)).await);
    }
    let answer = async |input| {
        let handler = (live.mounted.call)(cx.clone(), input)?;
        Ok(run(&cx, handler, timeout, &state.resources.shutdown)
            .await?
            .value)
    };
    let answer = match endpoint.method {
        Method::Post => {
            let (headers, subject) = (&parts.headers, &cx.0.caller.subject);
            let operation = endpoint.operation_id;
            let answers = &state.answers;
            answers
                .once(headers, subject, operation, input, answer)
                .await?
        }
        _ => answer(input).await?,
    };
    Ok(written_json(answer))
}
