//! The problem document of RFC 9457, which every HTTP error response holds, and the status of each error.
//!
//! Invariant: this is the only place where errors become HTTP statuses.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::error::provider_error::{ProviderError, ProviderErrorKind};
use crate::error::{AgentError, whole_seconds};
use crate::schema::Violation;

/// `Retry-After` of a 503 without a better estimate.
const UNAVAILABLE_RETRY_SECONDS: u64 = 5;
/// The type of a 413 that is about the model's context, and not about the size of the body.
const CONTEXT_LENGTH_EXCEEDED: &str = "urn:problem:context_length_exceeded";

/// What went wrong, as RFC 9457 problem details.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(
    extend("required" = ["type", "title", "status"]),
    example = json!({ "type": "about:blank", "title": "Bad Request", "status": 400 })
)]
pub struct Problem {
    /// Identifies the kind of problem: `about:blank` where the status says it all, `urn:problem:context_length_exceeded` for
    /// a request that is longer than the model's context, else a URI that the operation declares.
    #[serde(rename = "type")]
    #[schemars(extend("format" = "uri-reference"))]
    pub kind: String,
    /// The kind of problem in words: the name of the status, unless the operation declares another one.
    pub title: String,
    /// The HTTP status code.
    #[schemars(range(min = 400, max = 599))]
    pub status: u16,
    /// This occurrence, explained.
    pub detail: String,
    /// The path of the request.
    #[serde(default)]
    #[schemars(extend("format" = "uri-reference"))]
    pub instance: String,
    /// Each part of the request that was refused.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<Violation>,
    /// For the endpoints that issue tokens: the code of RFC 6749, section 5.2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(skip)]
    pub error: Option<String>,
    /// The request's id, as in the header X-Request-Id.
    #[serde(default, rename = "requestId")]
    pub request_id: String,
    /// Identifies the kind of problem among those that the operation declares.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// What a declared error has besides.
    #[serde(flatten)]
    #[schemars(skip)]
    pub members: Map<String, Value>,
    /// After how many seconds another attempt makes sense; sent as `Retry-After`.
    #[serde(skip)]
    pub retry_after: Option<u64>,
}

impl Problem {
    /// A problem of a status, and what went wrong.
    #[must_use]
    pub fn new(status: u16, detail: impl Into<String>) -> Self {
        Self {
            kind: "about:blank".to_owned(),
            title: title(status).to_owned(),
            status,
            detail: detail.into(),
            instance: String::new(),
            errors: Vec::new(),
            error: None,
            request_id: String::new(),
            code: None,
            members: Map::new(),
            retry_after: None,
        }
    }
}

/// The name of a status as RFC 9110 has it; `http` has older names of some.
fn title(status: u16) -> &'static str {
    match status {
        413 => "Content Too Large",
        422 => "Unprocessable Content",
        status => {
            let code = reqwest::StatusCode::from_u16(status).ok();
            code.and_then(|code| code.canonical_reason())
                .unwrap_or("Error")
        }
    }
}

impl AgentError {
    /// The HTTP status that the caller gets.
    #[must_use]
    pub const fn status(&self) -> u16 {
        match self {
            Self::BadRequest(_) => 400,
            Self::Forbidden(_) => 403,
            Self::NotFound(_) => 404,
            Self::Conflict(_) => 409,
            Self::Gone(_) => 410,
            Self::TooLarge(_) => 413,
            Self::Invalid(_) => 422,
            Self::RateLimited { .. } => 429,
            Self::Internal(_) => 500,
            Self::NotImplemented(_) => 501,
            Self::EmptyAnswer
            | Self::TruncatedAnswer(_)
            | Self::SchemaMismatch(_)
            | Self::BudgetExceeded(_)
            | Self::Refused => 502,
            Self::Unavailable(_) => 503,
            Self::TimedOut(_) => 504,
            Self::Declared(error) => error.spec.status,
            Self::Provider(error) => error.kind.status(),
        }
    }

    /// The problem document that the caller gets.
    #[must_use]
    pub fn to_problem(&self) -> Problem {
        let mut problem = Problem::new(self.status(), self.detail());
        match self {
            Self::Declared(error) => {
                problem.kind = error.spec.problem_type.to_owned();
                problem.title = error.spec.title.to_owned();
                problem.code = Some(error.spec.code.to_owned());
                problem.members = error.members.clone();
            }
            Self::Invalid(violations) => problem.errors.clone_from(violations),
            Self::RateLimited { retry_after } => {
                problem.retry_after = Some(whole_seconds(*retry_after));
            }
            Self::Unavailable(_) => problem.retry_after = Some(UNAVAILABLE_RETRY_SECONDS),
            Self::Provider(ProviderError {
                kind: ProviderErrorKind::ContextLengthExceeded,
                ..
            }) => {
                problem.kind = CONTEXT_LENGTH_EXCEEDED.to_owned();
                problem.title = "Context Length Exceeded".to_owned();
            }
            Self::Provider(error) if error.kind.status() == 503 => {
                let seconds = error.retry_after.map(whole_seconds);
                problem.retry_after = Some(seconds.unwrap_or(UNAVAILABLE_RETRY_SECONDS));
            }
            _ => {}
        }
        problem
    }
}

impl ProviderErrorKind {
    /// The HTTP status that the service answers with. The provider's own 4xx are no fault of the caller, who can only make
    /// a request shorter.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::ContextLengthExceeded => 413,
            Self::Denied | Self::Rejected | Self::Broken => 502,
            Self::Unreachable | Self::RateLimited | Self::Overloaded => 503,
            Self::TimedOut => 504,
        }
    }
}
