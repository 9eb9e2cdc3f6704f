//! The errors of a run ([`AgentError`]), of a model provider and of starting a service.
//!
//! Invariant: errors know no HTTP; [`problem`] alone maps them to statuses.

pub(crate) mod declared_error;
pub(crate) mod problem;
pub(crate) mod provider_error;
pub(crate) mod start_error;
pub(crate) mod store_error;

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::error::declared_error::DeclaredError;
use crate::error::provider_error::{ProviderError, ProviderErrorKind};
use crate::schema::Violation;

/// Why a run failed. Texts are sent to the caller, except for [`AgentError::Internal`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum AgentError {
    /// The request makes no sense (HTTP 400).
    BadRequest(String),
    /// The caller may not do this (403).
    Forbidden(String),
    /// It does not exist (404).
    NotFound(String),
    /// It conflicts with something that is in progress or was changed meanwhile (409).
    Conflict(String),
    /// It was there, and is no longer (410).
    Gone(String),
    /// It is larger than the service takes (413).
    TooLarge(String),
    /// The request breaks these rules of its schema (422).
    Invalid(Vec<Violation>),
    /// Too many requests (429).
    RateLimited {
        /// How long to wait before the next try.
        retry_after: Duration,
    },
    /// A fault of the service (500). The cause is logged, and never sent.
    Internal(Arc<dyn Error + Send + Sync>),
    /// The endpoint has no handler yet (501).
    NotImplemented(String),
    /// The model answered with nothing (502).
    EmptyAnswer,
    /// The model's answer ends before it is complete (502).
    TruncatedAnswer(String),
    /// The model's answer does not fit its output schema (502).
    SchemaMismatch(String),
    /// The run's budget of tokens or model calls ended before there was an answer (502).
    BudgetExceeded(String),
    /// The model declined to answer (502).
    Refused,
    /// It can't be done now (503).
    Unavailable(String),
    /// It took too long (504).
    TimedOut(String),
    /// The model's provider failed (413, 502, 503 or 504).
    Provider(ProviderError),
    /// An error that the endpoint declares, with the status that it has there.
    Declared(Box<DeclaredError>),
}

impl AgentError {
    /// An [`AgentError::BadRequest`].
    pub fn bad_request(detail: impl Into<String>) -> Self {
        Self::BadRequest(detail.into())
    }

    /// An [`AgentError::Forbidden`].
    pub fn forbidden(detail: impl Into<String>) -> Self {
        Self::Forbidden(detail.into())
    }

    /// An [`AgentError::NotFound`].
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::NotFound(detail.into())
    }

    /// An [`AgentError::Conflict`].
    pub fn conflict(detail: impl Into<String>) -> Self {
        Self::Conflict(detail.into())
    }

    /// An [`AgentError::Gone`].
    pub fn gone(detail: impl Into<String>) -> Self {
        Self::Gone(detail.into())
    }

    /// An [`AgentError::TooLarge`].
    pub fn too_large(detail: impl Into<String>) -> Self {
        Self::TooLarge(detail.into())
    }

    /// An [`AgentError::Invalid`] with one violation. `pointer` is a JSON Pointer into the request, as in `/limit`.
    pub fn invalid(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::Invalid(vec![Violation {
            detail: detail.into(),
            pointer: pointer.into(),
        }])
    }

    /// An [`AgentError::Internal`] from an error or a text.
    pub fn internal(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Internal(Arc::from(cause.into()))
    }

    /// An [`AgentError::NotImplemented`] for an endpoint that is still to be written, as in `search_books`.
    pub fn not_implemented(endpoint: impl fmt::Display) -> Self {
        Self::NotImplemented(format!("{endpoint} is not implemented yet"))
    }

    /// An [`AgentError::Unavailable`].
    pub fn unavailable(detail: impl Into<String>) -> Self {
        Self::Unavailable(detail.into())
    }

    /// How the provider failed; `None` for other errors.
    #[must_use]
    pub const fn provider_error_kind(&self) -> Option<ProviderErrorKind> {
        match self {
            Self::Provider(error) => Some(error.kind),
            _ => None,
        }
    }

    /// Whether the same model call may succeed a little later.
    pub(crate) const fn is_transient(&self) -> bool {
        match self {
            Self::Provider(error) => error.kind.is_transient(),
            Self::RateLimited { .. } | Self::Unavailable(_) => true,
            _ => false,
        }
    }

    /// How long whoever failed asks to wait before the next try.
    pub(crate) const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Provider(error) => error.retry_after,
            Self::RateLimited { retry_after } => Some(*retry_after),
            _ => None,
        }
    }

    /// The value of the metrics label `kind`.
    pub(crate) const fn kind(&self) -> &'static str {
        match self {
            Self::BadRequest(_) => "bad_request",
            Self::Forbidden(_) => "forbidden",
            Self::NotFound(_) => "not_found",
            Self::Conflict(_) => "conflict",
            Self::Gone(_) => "gone",
            Self::TooLarge(_) => "too_large",
            Self::Invalid(_) => "invalid",
            Self::RateLimited { .. } => "rate_limited",
            Self::Internal(_) => "internal",
            Self::NotImplemented(_) => "not_implemented",
            Self::EmptyAnswer => "empty_answer",
            Self::TruncatedAnswer(_) => "truncated_answer",
            Self::SchemaMismatch(_) => "schema_mismatch",
            Self::BudgetExceeded(_) => "budget_exceeded",
            Self::Refused => "refused",
            Self::Unavailable(_) => "unavailable",
            Self::TimedOut(_) => "timed_out",
            Self::Declared(_) => "declared",
            Self::Provider(error) => error.kind.as_str(),
        }
    }

    /// The text for the caller.
    fn detail(&self) -> String {
        match self {
            Self::BadRequest(detail)
            | Self::Forbidden(detail)
            | Self::NotFound(detail)
            | Self::Conflict(detail)
            | Self::Gone(detail)
            | Self::TooLarge(detail)
            | Self::NotImplemented(detail)
            | Self::TruncatedAnswer(detail)
            | Self::SchemaMismatch(detail)
            | Self::BudgetExceeded(detail)
            | Self::Unavailable(detail)
            | Self::TimedOut(detail) => detail.clone(),
            Self::EmptyAnswer => "the model's answer is empty".to_owned(),
            Self::Refused => "the model declined to answer".to_owned(),
            Self::Provider(error) => error.to_string(),
            Self::Declared(error) => error.detail().to_owned(),
            Self::Invalid(_) => "the request breaks the rules of its schema".to_owned(),
            Self::RateLimited { retry_after } => {
                let seconds = whole_seconds(*retry_after);
                format!("too many requests; try again in {seconds} s")
            }
            Self::Internal(_) => "the service failed; its log says why".to_owned(),
        }
    }
}

impl From<DeclaredError> for AgentError {
    fn from(error: DeclaredError) -> Self {
        Self::Declared(Box::new(error))
    }
}

impl From<ProviderError> for AgentError {
    fn from(error: ProviderError) -> Self {
        Self::Provider(error)
    }
}

/// For logs: in contrast to the text for the caller, it names the cause of an internal error.
impl fmt::Display for AgentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Internal(cause) => cause.fmt(f),
            Self::Invalid(violations) => {
                let lines = violations
                    .iter()
                    .map(|violation| format!("{}: {}", violation.pointer, violation.detail));
                f.write_str(&lines.collect::<Vec<_>>().join("; "))
            }
            _ => f.write_str(&self.detail()),
        }
    }
}

impl Error for AgentError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            // Its text is that of this error already.
            Self::Internal(cause) => cause.source(),
            _ => None,
        }
    }
}

/// For `Retry-After`: at least 1, and never less than `duration`.
fn whole_seconds(duration: Duration) -> u64 {
    let seconds = duration.as_secs() + u64::from(duration.subsec_nanos() > 0);
    seconds.max(1)
}
