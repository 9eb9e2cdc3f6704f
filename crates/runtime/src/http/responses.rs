//! Responses: JSON, problem documents, and the answers to methods that a path does not offer.

use std::sync::Arc;

use axum::body::Body;
use axum::http::header::{self, HeaderValue};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::error::AgentError;
use crate::error::problem::Problem;
use crate::http::api_error::ApiError;

/// A response with `value` as JSON.
pub(crate) fn json_response(value: &impl Serialize) -> Response {
    match serde_json::to_vec(value) {
        Ok(bytes) => json_text_response(bytes),
        Err(error) => ApiError::from(AgentError::internal(error)).into_response(),
    }
}

/// A response with a text that is JSON.
pub(crate) fn json_text_response(text: impl Into<Body>) -> Response {
    let json = HeaderValue::from_static("application/json");
    ([(header::CONTENT_TYPE, json)], text.into()).into_response()
}

/// The response to a method other than those in `allow`: 204 to `OPTIONS`, 405 to all others.
pub(crate) fn other_method(method: &Method, allow: &str) -> Response {
    let mut response = if *method == Method::OPTIONS {
        StatusCode::NO_CONTENT.into_response()
    } else {
        let detail = format!("only {allow} can be answered here");
        Problem::new(405, detail).into_response()
    };
    if let Ok(allow) = HeaderValue::from_str(allow) {
        response.headers_mut().insert(header::ALLOW, allow);
    }
    response
}

impl IntoResponse for Problem {
    /// The status and the headers. The layers write the document, since they know the request.
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status);
        let mut response = status
            .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
            .into_response();
        if let Some(seconds) = self.retry_after {
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, seconds.into());
        }
        response.extensions_mut().insert(Arc::new(self));
        response
    }
}
