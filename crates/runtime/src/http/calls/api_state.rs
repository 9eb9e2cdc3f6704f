//! What the handlers of all endpoints share.

use std::sync::Arc;

use crate::auth::Auth;
use crate::http::layers::rate_limits::Limits;
use crate::run::idempotency_keys::IdempotencyKeys;
use crate::run::resources::Resources;

/// The state of the HTTP API: the resources of runs, and what only requests need.
pub(crate) struct ApiState {
    /// What runs work with.
    pub(crate) resources: Arc<Resources>,
    /// The request rates of subjects, agents and endpoints.
    pub(crate) limits: Limits,
    /// The keys of requests that may be repeated.
    pub(crate) idempotency_keys: Arc<dyn IdempotencyKeys>,
    /// How callers authenticate; `None` serves everyone as `anonymous`.
    pub(crate) auth: Option<Auth>,
    /// The largest request body, in bytes.
    pub(crate) body_limit: usize,
}
