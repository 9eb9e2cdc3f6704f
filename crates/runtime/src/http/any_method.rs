//! Requests for paths of the runtime's own, whatever their method.

use std::collections::BTreeMap;

use axum::Router;
use axum::body::Body;
use axum::extract::rejection::RawPathParamsRejection;
use axum::extract::{RawPathParams, Request};
use axum::http::request::Parts;
use axum::response::Response;
use axum::routing::any;

use crate::error::AgentError;
use crate::error::problem::Problem;
use crate::http::responses::problem;

/// A request, without its body.
pub(crate) struct Asked {
    /// The path as the router knows it.
    pub(crate) path: &'static str,
    /// What stands in the path's holes.
    pub(crate) parameters: BTreeMap<String, String>,
    /// The rest of its head.
    pub(crate) parts: Parts,
}

/// Has `answer` take every request for one of `paths`.
pub(crate) fn routes<A, F>(paths: impl IntoIterator<Item = &'static str>, answer: A) -> Router
where
    A: Fn(Asked, Body) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response> + Send + 'static,
{
    let mut router = Router::new();
    for path in paths {
        let answer = answer.clone();
        let handler = move |parameters: Result<RawPathParams, RawPathParamsRejection>,
                            request: Request| {
            let (parts, body) = request.into_parts();
            let answer = answer.clone();
            async move {
                let Ok(parameters) = parameters else {
                    return problem(Problem::new(400, "the path is not valid UTF-8"));
                };
                let parameters = parameters
                    .iter()
                    .map(|(name, value)| (name.to_owned(), value.to_owned()));
                let asked = Asked {
                    path,
                    parameters: parameters.collect(),
                    parts,
                };
                answer(asked, body).await
            }
        };
        router = router.route(path, any(handler));
    }
    router
}

/// What the caller is told of an error of a request about `what`; the log is told the rest.
pub(crate) fn told(what: &'static str, error: impl Into<AgentError>) -> Box<Problem> {
    let error = error.into();
    if let AgentError::Internal(cause) = &error {
        tracing::error!(%cause, "a request about {what} failed");
    }
    Box::new(error.to_problem())
}
