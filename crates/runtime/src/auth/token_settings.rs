//! Settings of the tokens that a service issues.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::secret::Secret;

/// The tokens that a service issues.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tokens {
    /// The lifetime of an access token.
    pub access_ttl: Duration,
    /// The lifetime of a refresh token.
    pub refresh_ttl: Duration,
    /// The clients, by name: the `sub` of their tokens.
    pub clients: BTreeMap<String, TokenClient>,
}

/// A client that may get tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenClient {
    /// The client's secret.
    pub secret: Secret,
    /// The `roles` of its tokens.
    pub roles: Vec<String>,
}
