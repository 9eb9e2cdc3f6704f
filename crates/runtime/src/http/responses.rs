//! Answers: JSON, problem documents, and what every answer has in its head.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use axum::body::Body;
use axum::extract::{MatchedPath, Request};
use axum::http::header::{self, HeaderName, HeaderValue};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use serde::Serialize;

use crate::error::problem::Problem;
use crate::run::run_context::RequestInfo;
use crate::schema::new_uuid_v7;
use crate::telemetry::log;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");
const NOTHING: HeaderValue = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");
/// How many headers every answer gets here.
const OWN_HEADERS: usize = 7;
/// The longest id of a request that is taken over.
const LONGEST_REQUEST_ID: usize = 128;

/// Marks an answer that is complete although its status is an error's; an extension of answers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Finished;

/// Which names of its own a service listens to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hosts {
    /// All.
    Any,
    /// Those of this machine: a web page that has its name lead here is not served.
    Loopback,
}

/// A JSON answer.
pub(crate) fn json(value: &impl Serialize) -> Response {
    match serde_json::to_vec(value) {
        Ok(bytes) => written_json(bytes),
        Err(error) => {
            tracing::error!(%error, "an answer can't be written as JSON");
            problem(Problem::new(500, "the service failed; its log says why"))
        }
    }
}

/// A JSON answer that is written already.
pub(crate) fn written_json(text: impl Into<Body>) -> Response {
    let json = HeaderValue::from_static("application/json");
    ([(header::CONTENT_TYPE, json)], text.into()).into_response()
}

/// An error. Its document is written by [`frame`], which knows the request.
pub(crate) fn problem(problem: Problem) -> Response {
    let status = StatusCode::from_u16(problem.status);
    let mut response = status
        .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
        .into_response();
    if let Some(seconds) = problem.retry_after {
        response
            .headers_mut()
            .insert(header::RETRY_AFTER, seconds.into());
    }
    response.extensions_mut().insert(Arc::new(problem));
    response
}

/// Stands around every request: gives it its id, turns every error into a problem document, and a panic too.
pub(crate) async fn frame(
    hosts: Hosts,
    mut request: Request,
    next: impl AsyncFnOnce(Request) -> Response,
) -> Response {
    let began = Instant::now();
    let facts = Arc::new(RequestInfo {
        id: request_id(request.headers()),
        path: request.uri().path().to_owned(),
    });
    let method = request.method().clone();
    // The parts of a path that callers fill in are theirs, and not for the log.
    let route = request.extensions().get::<MatchedPath>().cloned();
    request.extensions_mut().insert(Arc::clone(&facts));
    let answered = match hosts == Hosts::Loopback && !is_local(request.headers()) {
        true => Ok(problem(Problem::new(
            421,
            "this service listens to the names of its own machine only",
        ))),
        false => AssertUnwindSafe(next(request)).catch_unwind().await,
    };
    let mut response = answered.unwrap_or_else(|_| {
        tracing::error!(request_id = facts.id, "a panic outside of a run");
        problem(Problem::new(500, "the service failed; its log says why"))
    });
    let status = response.status();
    let is_error = status.is_client_error() || status.is_server_error();
    if is_error && response.extensions().get::<Finished>().is_none() {
        response = written(response, &facts);
    }
    let headers = response.headers_mut();
    headers.reserve(OWN_HEADERS);
    if let Ok(id) = HeaderValue::from_str(&facts.id) {
        headers.insert(REQUEST_ID, id);
    }
    for (name, value) in [
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        (
            HeaderName::from_static("cross-origin-resource-policy"),
            "same-origin",
        ),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    // A page that is served says itself what it may do.
    headers
        .entry(header::CONTENT_SECURITY_POLICY)
        .or_insert(NOTHING);
    let ms = log::millis(began.elapsed());
    let route = route.as_ref().map_or("none", MatchedPath::as_str);
    tracing::info!(request_id = facts.id, %method, route, status = status.as_u16(), ms, "answered");
    response
}

/// An error as a problem document, whoever made it.
fn written(response: Response, facts: &RequestInfo) -> Response {
    let (mut parts, _) = response.into_parts();
    let known = parts.extensions.remove::<Arc<Problem>>();
    let mut problem = match known {
        Some(problem) => Arc::unwrap_or_clone(problem),
        None => Problem::new(parts.status.as_u16(), "the request can't be answered"),
    };
    problem.instance.clone_from(&facts.path);
    problem.request_id.clone_from(&facts.id);
    let body = serde_json::to_vec(&problem).unwrap_or_default();
    parts.headers.remove(header::CONTENT_LENGTH);
    parts.headers.insert(header::CONTENT_TYPE, PROBLEM_JSON);
    Response::from_parts(parts, Body::from(body))
}

fn request_id(headers: &HeaderMap) -> String {
    let given = headers
        .get(REQUEST_ID)
        .and_then(|value| value.to_str().ok());
    let is_sane = |id: &&str| {
        (1..=LONGEST_REQUEST_ID).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_graphic())
    };
    given
        .filter(is_sane)
        .map_or_else(|| new_uuid_v7().to_string(), str::to_owned)
}

fn is_local(headers: &HeaderMap) -> bool {
    let Some(host) = headers.get(header::HOST) else {
        return true;
    };
    let Ok(host) = host.to_str() else {
        return false;
    };
    let name = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((six, _)) => six,
        None => host.split(':').next().unwrap_or_default(),
    };
    name.eq_ignore_ascii_case("localhost")
        || name
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}
