//! How the provider of a model can fail.

use std::fmt;
use std::time::Duration;

/// A failed call of a provider. Its text says what kind of failure it is, and nothing that the provider said: that may
/// hold parts of a key or of a prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderError {
    /// The provider's name in the settings.
    pub provider: String,
    /// What went wrong.
    pub fault: ProviderFault,
    /// After how long the provider wants to be asked again, if it said so.
    pub retry_after: Option<Duration>,
}

/// A kind of failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum ProviderFault {
    /// No connection came about.
    Unreachable,
    /// It does not take the service's key, or the account behind it: 401, 402, 403.
    Denied,
    /// It does not take the request, or does not have the model: any other 4xx.
    Rejected,
    /// Too much is asked of it: 429.
    RateLimited,
    /// It is overloaded, or fails itself: 5xx.
    Overloaded,
    /// It was silent for too long.
    TimedOut,
    /// Its answer breaks off, or can't be read.
    Broken,
}

impl ProviderError {
    /// A failure of `provider`.
    pub fn new(provider: impl Into<String>, fault: ProviderFault) -> Self {
        Self {
            provider: provider.into(),
            fault,
            retry_after: None,
        }
    }
}

impl ProviderFault {
    /// Every kind there is.
    pub const ALL: [Self; 7] = [
        Self::Unreachable,
        Self::Denied,
        Self::Rejected,
        Self::RateLimited,
        Self::Overloaded,
        Self::TimedOut,
        Self::Broken,
    ];

    /// A name for metrics and logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::Denied => "denied",
            Self::Rejected => "rejected",
            Self::RateLimited => "rate_limited",
            Self::Overloaded => "overloaded",
            Self::TimedOut => "timed_out",
            Self::Broken => "broken",
        }
    }

    /// The HTTP status with which the service passes the failure on.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::Denied | Self::Rejected | Self::Broken => 502,
            Self::Unreachable | Self::RateLimited | Self::Overloaded => 503,
            Self::TimedOut => 504,
        }
    }

    /// Whether the same call may well succeed a little later.
    #[must_use]
    pub const fn is_transient(self) -> bool {
        !matches!(self, Self::Denied | Self::Rejected)
    }
}

impl fmt::Display for ProviderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.fault {
            ProviderFault::Unreachable => "the model's provider can't be reached",
            ProviderFault::Denied => "the model's provider does not accept the service",
            ProviderFault::Rejected => "the model's provider does not accept the request",
            ProviderFault::RateLimited => "the model's provider is asked too often",
            ProviderFault::Overloaded => "the model's provider is overloaded",
            ProviderFault::TimedOut => "the model's provider took too long",
            ProviderFault::Broken => "the model's answer breaks off",
        })
    }
}

impl std::error::Error for ProviderError {}
