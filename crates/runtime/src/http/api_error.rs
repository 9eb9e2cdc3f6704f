//! Why a request fails, and the response that says so.

use std::borrow::Cow;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::auth::claims::BearerError;
use crate::error::AgentError;
use crate::error::problem::Problem;
use crate::error::store_error::StoreError;

/// Why a request fails. Every variant becomes a problem document.
#[derive(Debug)]
pub(crate) enum ApiError {
    /// The caller may not call the endpoint.
    Denied(Denied),
    /// The request itself can't be accepted, with the status that says why.
    Rejected(StatusCode, Cow<'static, str>),
    /// What an input, a store or a run said.
    Agent(AgentError),
    /// A run failed and has logged why.
    Run(Box<Problem>),
}

/// Why a caller may not call an endpoint.
#[derive(Debug)]
pub(crate) enum Denied {
    /// The request has no token that counts.
    Unauthenticated(BearerError),
    /// The caller has none of these roles.
    MissingRole(&'static [&'static str]),
}

impl ApiError {
    /// A request that can't be accepted.
    pub(crate) fn rejected(status: StatusCode, detail: impl Into<Cow<'static, str>>) -> Self {
        Self::Rejected(status, detail.into())
    }

    /// 404: what the path names does not exist.
    pub(crate) fn not_found(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::rejected(StatusCode::NOT_FOUND, detail)
    }
}

impl From<Denied> for ApiError {
    fn from(denied: Denied) -> Self {
        Self::Denied(denied)
    }
}

impl From<AgentError> for ApiError {
    fn from(error: AgentError) -> Self {
        Self::Agent(error)
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        Self::Agent(error.into())
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        match self {
            Self::Denied(denied) => denied.into_response(),
            Self::Rejected(status, detail) => Problem::new(status.as_u16(), detail).into_response(),
            Self::Agent(error) => {
                let mut response = error.to_problem().into_response();
                if let AgentError::Internal(cause) = error {
                    response
                        .extensions_mut()
                        .insert(InternalCause(cause.to_string()));
                }
                response
            }
            Self::Run(problem) => problem.into_response(),
        }
    }
}

impl IntoResponse for Denied {
    fn into_response(self) -> Response {
        match self {
            Self::Unauthenticated(BearerError::Missing) => {
                challenge(401, "a bearer token is needed".to_owned(), "Bearer")
            }
            Self::Unauthenticated(BearerError::Invalid(reason)) => {
                let header =
                    format!("Bearer error=\"invalid_token\", error_description=\"{reason}\"");
                challenge(401, reason.to_owned(), &header)
            }
            Self::Unauthenticated(BearerError::KeysUnavailable) => {
                let detail = "the keys to check tokens with are not there yet";
                AgentError::unavailable(detail).to_problem().into_response()
            }
            Self::MissingRole(roles) => {
                let detail = format!("this needs one of the roles {}", roles.join(", "));
                challenge(403, detail, "Bearer error=\"insufficient_scope\"")
            }
        }
    }
}

/// A problem with the `WWW-Authenticate` header of RFC 6750.
fn challenge(status: u16, detail: String, challenge: &str) -> Response {
    let mut response = Problem::new(status, detail).into_response();
    if let Ok(challenge) = HeaderValue::from_str(challenge) {
        response
            .headers_mut()
            .insert(header::WWW_AUTHENTICATE, challenge);
    }
    response
}

/// The cause of a response with status 500, for the log alone; an extension of responses.
#[derive(Debug, Clone)]
pub(crate) struct InternalCause(pub(crate) String);
