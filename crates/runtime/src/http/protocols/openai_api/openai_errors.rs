//! Errors as OpenAI has them.

use serde_json::{Value, json};

use crate::error::problem::Problem;
use crate::http::api_error::ApiError;

/// The member of a problem that names the parameter.
const PARAM: &str = "param";

/// A parameter that can't be honoured.
pub(super) fn refused(param: impl Into<String>, detail: impl Into<String>) -> ApiError {
    let param = param.into();
    let mut problem = Problem::new(400, format!("{param}: {}", detail.into()));
    problem.members.insert(PARAM.to_owned(), param.into());
    ApiError::Run(Box::new(problem))
}

/// A model that is no agent.
pub(super) fn model_not_found(model: &str) -> ApiError {
    let mut problem = Problem::new(404, format!("there is no agent `{model}`"));
    problem.members.insert(PARAM.to_owned(), "model".into());
    problem.code = Some("model_not_found".to_owned());
    ApiError::Run(Box::new(problem))
}

/// The body of an error response.
pub(in crate::http::protocols) fn error_body(problem: &Problem) -> Value {
    let mut message = problem.detail.clone();
    for violation in &problem.errors {
        message.push_str(&format!("; {}: {}", violation.pointer, violation.detail));
    }
    json!({
        "error": {
            "message": message,
            "type": kind(problem.status),
            "param": problem.members.get(PARAM),
            "code": code(problem),
        }
    })
}

fn kind(status: u16) -> &'static str {
    match status {
        429 => "rate_limit_error",
        500.. => "server_error",
        _ => "invalid_request_error",
    }
}

/// The code of an error: what an agent declares, or the protocol's own for the status.
pub(super) fn code(problem: &Problem) -> Option<&str> {
    let of_status = match problem.status {
        401 => Some("invalid_api_key"),
        403 => Some("permission_denied"),
        413 if problem.kind != "about:blank" => Some("context_length_exceeded"),
        413 => Some("request_too_large"),
        429 => Some("rate_limit_exceeded"),
        500.. => Some("server_error"),
        _ => None,
    };
    problem.code.as_deref().or(of_status)
}
