//! Why a request is refused, in the forms of the protocol.

use std::collections::HashMap;

use a2a::errordetails::{FieldViolation, PROTOCOL_DOMAIN, TypedDetail};
use a2a::{A2AError, JsonRpcError, JsonRpcId, JsonRpcResponse, error_code, error_reason};
use serde_json::{Value, json};

use crate::error::AgentError;
use crate::error::problem::Problem;
use crate::error::store_error::StoreError;
use crate::http::api_error::{ApiError, Denied};

/// Why a request is refused.
pub(super) enum Refusal {
    /// The protocol has an error for it.
    Protocol(Box<A2AError>),
    /// HTTP has a status for it: the caller may not do it, or not now, or the service failed.
    Http(ApiError),
}

/// -32602.
pub(super) fn invalid(detail: impl Into<String>) -> Refusal {
    A2AError::invalid_params(detail).into()
}

/// -32004.
pub(super) fn unsupported(detail: impl Into<String>) -> Refusal {
    A2AError::unsupported_operation(detail).into()
}

impl From<A2AError> for Refusal {
    fn from(error: A2AError) -> Self {
        Self::Protocol(Box::new(error))
    }
}

impl From<Denied> for Refusal {
    fn from(denied: Denied) -> Self {
        Self::Http(denied.into())
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Self::Http(error.into())
    }
}

impl From<AgentError> for Refusal {
    fn from(error: AgentError) -> Self {
        let problem = error.to_problem();
        match of_problem(&problem) {
            Some(error) => error.into(),
            None => Self::Http(error.into()),
        }
    }
}

impl From<ApiError> for Refusal {
    fn from(error: ApiError) -> Self {
        match error {
            ApiError::Agent(error) => error.into(),
            ApiError::Run(problem) => match of_problem(&problem) {
                Some(error) => error.into(),
                None => Self::Http(ApiError::Run(problem)),
            },
            other => Self::Http(other),
        }
    }
}

/// The protocol's error for what is wrong with the request itself.
fn of_problem(problem: &Problem) -> Option<A2AError> {
    match problem.status {
        400 | 404 | 422 => {
            let violation = |violation: &crate::schema::Violation| FieldViolation {
                field: violation.pointer.clone(),
                description: violation.detail.clone(),
            };
            let fields: Vec<_> = problem.errors.iter().map(violation).collect();
            let mut message = problem.detail.clone();
            for field in &fields {
                message += &format!("; {} {}", field.field, field.description);
            }
            let error = A2AError::invalid_params(message);
            Some(match fields.is_empty() {
                true => error,
                false => error.with_details(vec![TypedDetail::bad_request(fields)]),
            })
        }
        409 | 410 => Some(A2AError::unsupported_operation(problem.detail.clone())),
        _ => None,
    }
}

/// An HTTP error at a path of JSON-RPC.
pub(super) fn json_rpc_form(problem: &Problem) -> Value {
    let code = match problem.status {
        400..=499 => error_code::INVALID_REQUEST,
        _ => error_code::INTERNAL_ERROR,
    };
    let error = JsonRpcError {
        code,
        message: problem.detail.clone(),
        data: Some(json!([{
            "@type": a2a::errordetails::ERROR_INFO_TYPE,
            "reason": grpc_status(problem.status),
            "domain": PROTOCOL_DOMAIN,
            "metadata": { "requestId": problem.request_id },
        }])),
    };
    json!(JsonRpcResponse::error(JsonRpcId::Null, error))
}

/// An HTTP error at a path of HTTP+JSON.
pub(super) fn rest_form(problem: &Problem) -> Value {
    let status = grpc_status(problem.status);
    json!({ "error": {
        "code": problem.status,
        "status": status,
        "message": problem.detail,
        "details": [{
            "@type": a2a::errordetails::ERROR_INFO_TYPE,
            "reason": status,
            "domain": PROTOCOL_DOMAIN,
            "metadata": { "requestId": problem.request_id },
        }],
    }})
}

/// An error of the protocol for HTTP+JSON: its status, and its body.
pub(super) fn rest_error(error: &A2AError) -> (u16, Value) {
    let status = error.http_status_code();
    let reason = error_reason(error.code);
    let mut details = error.details.clone().unwrap_or_default();
    details.push(TypedDetail::error_info(
        reason,
        PROTOCOL_DOMAIN,
        Some(HashMap::new()),
    ));
    let body = json!({ "error": {
        "code": status,
        "status": match error.code {
            error_code::TASK_NOT_FOUND => "NOT_FOUND",
            error_code::METHOD_NOT_FOUND => "UNIMPLEMENTED",
            error_code::INTERNAL_ERROR => "INTERNAL",
            error_code::PARSE_ERROR | error_code::INVALID_REQUEST | error_code::INVALID_PARAMS => "INVALID_ARGUMENT",
            _ => "FAILED_PRECONDITION",
        },
        "message": error.message,
        "details": details,
    }});
    (status, body)
}

/// The name that google.rpc has for an HTTP status.
fn grpc_status(status: u16) -> &'static str {
    match status {
        401 => "UNAUTHENTICATED",
        403 => "PERMISSION_DENIED",
        404 => "NOT_FOUND",
        405 | 501 => "UNIMPLEMENTED",
        409 => "ABORTED",
        429 => "RESOURCE_EXHAUSTED",
        503 => "UNAVAILABLE",
        504 => "DEADLINE_EXCEEDED",
        400..=499 => "INVALID_ARGUMENT",
        _ => "INTERNAL",
    }
}
