//! What every request passes on its way in: request id and log, host, CORS, load shedding, rate limits.
//!
//! Invariant: the order is fixed in this file; a request that is refused reaches no handler.

pub(crate) mod client_address;
pub(crate) mod cors;
pub(crate) mod load_shed;
pub(crate) mod rate_limiter;
pub(crate) mod rate_limits;

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;

use crate::http::layers::cors::Origins;
use crate::http::layers::load_shed::Gate;
use crate::http::responses::{Hosts, frame};

/// What stands before the routes of a service.
pub(crate) struct Front {
    /// The names it listens to.
    pub(crate) hosts: Hosts,
    /// The web pages that may call.
    pub(crate) origins: Origins,
    /// How much is let in.
    pub(crate) gate: Gate,
}

/// Takes a request in. This is one middleware and not three, since each would be boxed for every request.
pub(crate) async fn enter(
    State(front): State<Arc<Front>>,
    request: Request,
    next: Next,
) -> Response {
    let Front {
        hosts,
        origins,
        gate,
    } = &*front;
    let routes = async |request| next.run(request).await;
    let gated = async |request| gate.pass(request, routes).await;
    let framed = async |request| origins.allow(request, gated).await;
    frame(*hosts, request, framed).await
}
