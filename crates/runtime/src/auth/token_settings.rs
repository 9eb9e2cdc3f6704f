//! The tokens that a service issues itself: for how long, and to whom.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::secret::Secret;

/// The tokens that a service issues.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tokens {
    /// For how long a token gives access.
    pub access_ttl: Duration,
    /// For how long the next one may be asked for.
    pub refresh_ttl: Duration,
    /// Who may ask, by name: the `sub` of the tokens.
    pub clients: BTreeMap<String, TokenClient>,
}

/// Who may ask for tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenClient {
    /// What proves it.
    pub secret: Secret,
    /// The `roles` of its tokens.
    pub roles: Vec<String>,
}
