//! What every request passes on its way in: request id and log, host, CORS, load shedding, rate limits.
//!
//! Invariant: the order is fixed in this file; a request that is refused reaches no handler.

pub(crate) mod admission_slot;
pub(crate) mod client_address;
pub(crate) mod cors;
pub(crate) mod load_shed;
pub(crate) mod places;
pub(crate) mod rate_limiter;
pub(crate) mod rate_limits;

use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use axum::body::Body;
use axum::extract::{ConnectInfo, MatchedPath, Request, State};
use axum::http::header::{self, HeaderName, HeaderValue};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, StatusCode, Version};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use serde_json::Value;

use crate::error::problem::Problem;
use crate::http::api_error::ApiError;
use crate::http::api_error::InternalCause;
use crate::http::layers::client_address::is_loopback_host;
use crate::http::layers::cors::Origins;
use crate::http::layers::load_shed::LoadShed;
use crate::run::run_context::RequestInfo;
use crate::schema::new_uuid_v7;
use crate::telemetry::log;

/// What a browser says of the page that sends a request (Fetch Metadata).
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The longest `X-Request-Id` of a caller that is used, in bytes.
const MAX_REQUEST_ID: usize = 128;
/// The media type of errors of other protocols.
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");
/// The headers of every response, and their values.
const SECURITY_HEADERS: [(HeaderName, &str); 4] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    ),
];
/// For responses other than streams of events, which add `no-transform`.
const CACHE_CONTROL: HeaderValue = HeaderValue::from_static("no-store");
/// For responses that set no policy of their own, as the page at `/docs` does.
const CONTENT_SECURITY_POLICY: HeaderValue =
    HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");

/// The layers of a service.
pub(crate) struct Layers {
    /// The names that the `Host` header may have.
    pub(crate) hosts: HostPolicy,
    /// The web pages that may call.
    pub(crate) origins: Origins,
    /// The limits on requests at a time and on requests of one address.
    pub(crate) load_shed: LoadShed,
    /// The form of errors at a path.
    pub(crate) error_form: ErrorForms,
}

/// Writes a problem as another protocol has its errors.
pub(crate) type ErrorForm = fn(&Problem) -> Value;
/// The form of errors at a path; without one, they are problem documents.
pub(crate) type ErrorForms = fn(&str) -> Option<ErrorForm>;

/// An extension of error responses whose body stays as it is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HasErrorBody;

/// Which `Host` headers are served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HostPolicy {
    /// All.
    Any,
    /// Names of this machine only, so that a web page can't reach the service by DNS rebinding.
    Loopback,
}

/// The layers as one middleware: axum boxes a middleware's future for every request.
pub(crate) async fn layer_stack(
    State(layers): State<Arc<Layers>>,
    request: Request,
    next: Next,
) -> Response {
    let Layers {
        hosts,
        origins,
        load_shed,
        error_form,
    } = &*layers;
    // Outermost first: request context > CORS > load shedding > routes.
    let routes = async |request| next.run(request).await;
    let shed = async |request| load_shed.call(request, routes).await;
    let cors = async |request| origins.call(request, shed).await;
    with_request_context(*hosts, Some(origins), *error_form, request, cors).await
}

/// Gives a request its id, checks its host, logs it, and writes every error and every panic in the form of its path.
pub(crate) async fn with_request_context(
    hosts: HostPolicy,
    origins: Option<&Origins>,
    error_form: ErrorForms,
    mut request: Request,
    next: impl AsyncFnOnce(Request) -> Response,
) -> Response {
    let began = Instant::now();
    let info = Arc::new(RequestInfo {
        id: request_id(request.headers()),
        path: request.uri().path().to_owned(),
        step_key: None,
    });
    let method = request.method().clone();
    // The path's placeholders, and not what callers put there: that may be private.
    let matched = request.extensions().get::<MatchedPath>().cloned();
    let route = matched.as_ref().map_or("none", MatchedPath::as_str);
    request.extensions_mut().insert(Arc::clone(&info));
    let mut response = match refusal(hosts, origins, &request) {
        Some(refusal) => refusal.into_response(),
        None => {
            let caught = AssertUnwindSafe(next(request)).catch_unwind().await;
            caught.unwrap_or_else(|_| {
                tracing::error!(request_id = info.id, route, "a panic outside of a run");
                Problem::new(500, "the service failed; its log says why").into_response()
            })
        }
    };
    if let Some(InternalCause(cause)) = response.extensions().get() {
        tracing::error!(request_id = info.id, route, cause, "request failed");
    }
    let status = response.status();
    let is_error = status.is_client_error() || status.is_server_error();
    if is_error && response.extensions().get::<HasErrorBody>().is_none() {
        response = with_error_body(response, &info, error_form(&info.path));
    }
    write_headers(response.headers_mut(), &info.id);
    let ms = log::millis(began.elapsed());
    tracing::info!(request_id = info.id, %method, route, status = status.as_u16(), ms, "answered");
    response
}

/// Why a request is not served, whatever it asks for: its `Host`, or the web page that sent it.
fn refusal(hosts: HostPolicy, origins: Option<&Origins>, request: &Request) -> Option<ApiError> {
    if !has_one_host(request) {
        let detail = "the request must have one valid `Host` header";
        return Some(ApiError::rejected(StatusCode::BAD_REQUEST, detail));
    }
    if hosts == HostPolicy::Any {
        return None;
    }
    let headers = request.headers();
    if !is_loopback_host(headers) {
        let detail = "this service listens to the names of its own machine only";
        return Some(ApiError::rejected(StatusCode::MISDIRECTED_REQUEST, detail));
    }
    // Nobody authenticates here, and so any page in a browser on this machine could spend the tokens of models.
    if is_foreign_page(headers) && !origins.is_some_and(|origins| origins.allow(headers)) {
        let detail = "a page of another site sent this request, and cors.origins does not name it";
        return Some(ApiError::rejected(StatusCode::FORBIDDEN, detail));
    }
    None
}

/// Whether there is exactly one `Host`, and a valid one (RFC 9112, section 3.2). A program that calls the router itself may
/// leave it out, as a client of HTTP/1.0 may.
fn has_one_host(request: &Request) -> bool {
    let mut values = request.headers().get_all(header::HOST).iter();
    let Some(host) = values.next() else {
        let is_from_socket = request
            .extensions()
            .get::<ConnectInfo<SocketAddr>>()
            .is_some();
        return !is_from_socket || request.version() < Version::HTTP_11;
    };
    let authority = Authority::try_from(host.as_bytes());
    let is_valid = |authority: Authority| {
        let (host, text) = (authority.host(), authority.as_str());
        // `Authority` takes any text as a port.
        let has_port = text
            .strip_prefix(host)
            .is_some_and(|port| matches!(port, "" | ":"))
            || authority.port_u16().is_some();
        !host.is_empty() && !text.contains('@') && has_port
    };
    values.next().is_none() && authority.is_ok_and(is_valid)
}

/// Whether a browser says that a page of another origin sent the request. Programs other than browsers send neither header.
fn is_foreign_page(headers: &HeaderMap) -> bool {
    let site = headers.get(SEC_FETCH_SITE).map(HeaderValue::as_bytes);
    let is_foreign_site = site.is_some_and(|site| site != b"same-origin" && site != b"none");
    let own = headers.get(header::HOST).map(HeaderValue::as_bytes);
    let origin = headers.get(header::ORIGIN).map(HeaderValue::as_bytes);
    is_foreign_site || origin.is_some_and(|origin| origin.strip_prefix(b"http://") != own)
}

/// An error response, whoever made it, with a body in `form`; without one, with its problem document.
fn with_error_body(response: Response, info: &RequestInfo, form: Option<ErrorForm>) -> Response {
    let (mut parts, _) = response.into_parts();
    let mut problem = match parts.extensions.remove::<Arc<Problem>>() {
        Some(problem) => Arc::unwrap_or_clone(problem),
        None => Problem::new(parts.status.as_u16(), "the request can't be answered"),
    };
    problem.instance.clone_from(&info.path);
    problem.request_id.clone_from(&info.id);
    let (body, media_type) = match form {
        Some(form) => (form(&problem).to_string().into_bytes(), JSON),
        None => {
            let body = serde_json::to_vec(&problem);
            let body = body.expect("a problem is made of texts and numbers");
            (body, PROBLEM_JSON)
        }
    };
    parts.headers.remove(header::CONTENT_LENGTH);
    parts.headers.insert(header::CONTENT_TYPE, media_type);
    Response::from_parts(parts, Body::from(body))
}

fn write_headers(headers: &mut HeaderMap, request_id: &str) {
    headers.reserve(SECURITY_HEADERS.len() + 3);
    if let Ok(id) = HeaderValue::from_str(request_id) {
        headers.insert(REQUEST_ID, id);
    }
    for (name, value) in SECURITY_HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(CACHE_CONTROL);
    headers
        .entry(header::CONTENT_SECURITY_POLICY)
        .or_insert(CONTENT_SECURITY_POLICY);
}

/// The caller's own id, or a new one.
fn request_id(headers: &HeaderMap) -> String {
    let given = headers
        .get(REQUEST_ID)
        .and_then(|value| value.to_str().ok());
    let is_valid = |id: &&str| {
        (1..=MAX_REQUEST_ID).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_graphic())
    };
    given
        .filter(is_valid)
        .map_or_else(|| new_uuid_v7().to_string(), str::to_owned)
}
