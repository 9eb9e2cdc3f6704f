//! What can go wrong while an agent runs, while a model answers, and while a service starts.

pub(crate) mod problem;
pub(crate) mod provider_error;
pub(crate) mod start_error;

use std::fmt;
use std::time::Duration;

use crate::error::problem::Problem;
use crate::error::provider_error::{ProviderError, ProviderFault};
use crate::schema::validate::Violation;

/// Why a run failed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum AgentError {
    /// 400: the request makes no sense.
    BadRequest(String),
    /// 403: the caller may not do this.
    Forbidden(String),
    /// 404: there is no such thing.
    NotFound(String),
    /// 409: something else is going on that excludes it.
    Conflict(String),
    /// 422: the request is well formed, but breaks these rules.
    Invalid(Vec<Violation>),
    /// 429: too much was asked for; after so many seconds it may be tried again.
    RateLimited(u64),
    /// 500: a fault of the service. The text goes to the log, never to the caller.
    Internal(String),
    /// 501: nobody has written this yet.
    NotImplemented(String),
    /// 502: the model's answer is not what its output schema demands.
    BadAnswer(String),
    /// 503: it can't be done now.
    Unavailable(String),
    /// 504: it took longer than it may.
    TimedOut(String),
    /// 502, 503 or 504: the provider of the model failed, and this is how.
    Provider(ProviderError),
}

/// After how many seconds another try makes sense when something is not there.
const RETRY_UNAVAILABLE: u64 = 5;

impl AgentError {
    /// 400, because of `detail`.
    pub fn bad_request(detail: impl Into<String>) -> Self {
        Self::BadRequest(detail.into())
    }

    /// 403, because of `detail`.
    pub fn forbidden(detail: impl Into<String>) -> Self {
        Self::Forbidden(detail.into())
    }

    /// 404, because of `detail`.
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::NotFound(detail.into())
    }

    /// 409, because of `detail`.
    pub fn conflict(detail: impl Into<String>) -> Self {
        Self::Conflict(detail.into())
    }

    /// 422, for one reason at one place (a JSON Pointer).
    pub fn invalid(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::Invalid(vec![Violation {
            detail: detail.into(),
            pointer: pointer.into(),
        }])
    }

    /// 500; `cause` is logged and not sent.
    pub fn internal(cause: impl fmt::Display) -> Self {
        Self::Internal(cause.to_string())
    }

    /// 501, for an endpoint that is still to be written: `what` is its name.
    pub fn not_implemented(what: impl fmt::Display) -> Self {
        Self::NotImplemented(format!("{what} is not implemented yet"))
    }

    /// 503, because of `detail`.
    pub fn unavailable(detail: impl Into<String>) -> Self {
        Self::Unavailable(detail.into())
    }

    /// The HTTP status of this error.
    #[must_use]
    pub const fn status(&self) -> u16 {
        match self {
            Self::BadRequest(_) => 400,
            Self::Forbidden(_) => 403,
            Self::NotFound(_) => 404,
            Self::Conflict(_) => 409,
            Self::Invalid(_) => 422,
            Self::RateLimited(_) => 429,
            Self::Internal(_) => 500,
            Self::NotImplemented(_) => 501,
            Self::BadAnswer(_) => 502,
            Self::Unavailable(_) => 503,
            Self::TimedOut(_) => 504,
            Self::Provider(error) => error.fault.status(),
        }
    }

    /// The kind of failure, if the provider of the model failed.
    #[must_use]
    pub const fn provider_fault(&self) -> Option<ProviderFault> {
        match self {
            Self::Provider(error) => Some(error.fault),
            _ => None,
        }
    }

    /// Whether a provider that fails so may well answer a little later.
    pub(crate) const fn is_transient(&self) -> bool {
        match self {
            Self::Provider(error) => error.fault.is_transient(),
            Self::RateLimited(_) | Self::Unavailable(_) => true,
            _ => false,
        }
    }

    /// After how long whoever failed wants to be asked again, if that is known.
    pub(crate) const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Provider(error) => error.retry_after,
            Self::RateLimited(seconds) => Some(Duration::from_secs(*seconds)),
            _ => None,
        }
    }

    /// What kind of error this is, in one word for counters.
    pub(crate) const fn kind(&self) -> &'static str {
        match self {
            Self::BadRequest(_) => "bad_request",
            Self::Forbidden(_) => "forbidden",
            Self::NotFound(_) => "not_found",
            Self::Conflict(_) => "conflict",
            Self::Invalid(_) => "invalid",
            Self::RateLimited(_) => "rate_limited",
            Self::Internal(_) => "internal",
            Self::NotImplemented(_) => "not_implemented",
            Self::BadAnswer(_) => "bad_answer",
            Self::Unavailable(_) => "unavailable",
            Self::TimedOut(_) => "timed_out",
            Self::Provider(error) => error.fault.as_str(),
        }
    }

    /// What the caller is told of it.
    #[must_use]
    pub fn to_problem(&self) -> Problem {
        let mut problem = Problem::new(self.status(), self.detail());
        match self {
            Self::Invalid(violations) => problem.errors.clone_from(violations),
            Self::RateLimited(seconds) => problem.retry_after = Some(*seconds),
            Self::Unavailable(_) => problem.retry_after = Some(RETRY_UNAVAILABLE),
            Self::Provider(error) if error.fault.status() == 503 => {
                let told = error.retry_after.map(whole_seconds);
                problem.retry_after = Some(told.unwrap_or(RETRY_UNAVAILABLE));
            }
            _ => {}
        }
        problem
    }

    fn detail(&self) -> String {
        match self {
            Self::BadRequest(detail)
            | Self::Forbidden(detail)
            | Self::NotFound(detail)
            | Self::Conflict(detail)
            | Self::NotImplemented(detail)
            | Self::BadAnswer(detail)
            | Self::Unavailable(detail)
            | Self::TimedOut(detail) => detail.clone(),
            Self::Provider(error) => error.to_string(),
            Self::Invalid(_) => "the request breaks the rules of its schema".to_owned(),
            Self::RateLimited(seconds) => {
                format!("too many requests; try again in {seconds} s")
            }
            Self::Internal(_) => "the service failed; its log says why".to_owned(),
        }
    }
}

/// At least one second, and never less than `duration`.
fn whole_seconds(duration: Duration) -> u64 {
    let seconds = duration.as_secs() + u64::from(duration.subsec_nanos() > 0);
    seconds.max(1)
}

impl From<ProviderError> for AgentError {
    fn from(error: ProviderError) -> Self {
        Self::Provider(error)
    }
}

impl fmt::Display for AgentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Internal(cause) => f.write_str(cause),
            Self::Invalid(violations) => {
                let told = violations
                    .iter()
                    .map(|v| format!("{}: {}", v.pointer, v.detail));
                f.write_str(&told.collect::<Vec<_>>().join("; "))
            }
            _ => f.write_str(&self.detail()),
        }
    }
}

impl std::error::Error for AgentError {}
