//! Routes of the runtime's own paths, for every method.

use std::collections::BTreeMap;

use axum::Router;
use axum::body::Body;
use axum::extract::rejection::RawPathParamsRejection;
use axum::extract::{RawPathParams, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use axum::routing::any;

use crate::http::api_error::ApiError;

/// A request without its body.
pub(crate) struct RawRequest {
    /// The path with its placeholders, such as `/v1/runs/{run_id}`.
    pub(crate) path: &'static str,
    /// The values of the placeholders.
    pub(crate) parameters: BTreeMap<String, String>,
    /// The method, the URI and the headers.
    pub(crate) parts: Parts,
}

impl RawRequest {
    /// The value of the placeholder `name`; empty if the path has none.
    pub(crate) fn parameter(&self, name: &str) -> &str {
        self.parameters.get(name).map_or("", String::as_str)
    }
}

/// Sends every request for one of `paths` to `handler`, whatever its method.
pub(crate) fn routes<H, F>(paths: impl IntoIterator<Item = &'static str>, handler: H) -> Router
where
    H: Fn(RawRequest, Body) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response> + Send + 'static,
{
    let mut router = Router::new();
    for path in paths {
        let handler = handler.clone();
        let route = move |parameters: Result<RawPathParams, RawPathParamsRejection>,
                          request: Request| {
            let handler = handler.clone();
            let (parts, body) = request.into_parts();
            async move {
                let parameters = match read_path(parameters) {
                    Ok(parameters) => parameters.into_iter().collect(),
                    Err(error) => return error.into_response(),
                };
                let request = RawRequest {
                    path,
                    parameters,
                    parts,
                };
                handler(request, body).await
            }
        };
        router = router.route(path, any(route));
    }
    router
}

/// The parameters of a path, percent-decoded.
pub(crate) fn read_path(
    parameters: Result<RawPathParams, RawPathParamsRejection>,
) -> Result<Vec<(String, String)>, ApiError> {
    let parameters = parameters
        .map_err(|_| ApiError::rejected(StatusCode::BAD_REQUEST, "the path is not valid UTF-8"))?;
    let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    Ok(parameters.iter().map(owned).collect())
}
