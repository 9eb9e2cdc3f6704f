//! How a model provider fails.

use std::fmt;
use std::time::Duration;

/// A failed call of a provider. It holds nothing that the provider sent: that may contain parts of a key or of a prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderError {
    /// The provider's name in the settings.
    pub provider: String,
    /// How it failed.
    pub kind: ProviderErrorKind,
    /// How long the provider asks to wait before the next try.
    pub retry_after: Option<Duration>,
}

/// How a provider failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum ProviderErrorKind {
    /// No connection could be made.
    Unreachable,
    /// It does not accept the key, or the account has no credit: 401, 402, 403.
    Denied,
    /// It does not accept the request, or does not have the model: other 4xx.
    Rejected,
    /// The request is longer than the model's context, or than what its server reads.
    ContextLengthExceeded,
    /// Too many requests: 429.
    RateLimited,
    /// It is overloaded or failed itself: 5xx.
    Overloaded,
    /// It sent nothing for longer than its timeout.
    TimedOut,
    /// The connection broke, or the answer does not follow the protocol.
    Broken,
}

impl ProviderError {
    /// A failure of `provider`.
    pub fn new(provider: impl Into<String>, kind: ProviderErrorKind) -> Self {
        Self {
            provider: provider.into(),
            kind,
            retry_after: None,
        }
    }
}

impl ProviderErrorKind {
    /// All kinds.
    pub const ALL: [Self; 8] = [
        Self::Unreachable,
        Self::Denied,
        Self::Rejected,
        Self::ContextLengthExceeded,
        Self::RateLimited,
        Self::Overloaded,
        Self::TimedOut,
        Self::Broken,
    ];

    /// The name in metrics and logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::Denied => "denied",
            Self::Rejected => "rejected",
            Self::ContextLengthExceeded => "context_length_exceeded",
            Self::RateLimited => "rate_limited",
            Self::Overloaded => "overloaded",
            Self::TimedOut => "timed_out",
            Self::Broken => "broken",
        }
    }

    /// Whether the same call may succeed a little later.
    #[must_use]
    pub const fn is_transient(self) -> bool {
        !matches!(
            self,
            Self::Denied | Self::Rejected | Self::ContextLengthExceeded
        )
    }

    /// Whether the failure says something of the model and its server, and not of this request alone.
    pub(crate) const fn is_of_provider(self) -> bool {
        !matches!(self, Self::Rejected | Self::ContextLengthExceeded)
    }
}

impl fmt::Display for ProviderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            ProviderErrorKind::Unreachable => "the model's provider can't be reached",
            ProviderErrorKind::Denied => "the model's provider does not accept the service",
            ProviderErrorKind::Rejected => "the model's provider does not accept the request",
            ProviderErrorKind::ContextLengthExceeded => {
                "the request, with its conversation and what tools answered, is longer than the model can read: \
                 send less, or begin a new conversation"
            }
            ProviderErrorKind::RateLimited => "the model's provider is asked too often",
            ProviderErrorKind::Overloaded => "the model's provider is overloaded",
            ProviderErrorKind::TimedOut => "the model's provider took too long",
            ProviderErrorKind::Broken => "the model's answer breaks off",
        })
    }
}

impl std::error::Error for ProviderError {}
