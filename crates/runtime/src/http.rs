//! HTTP in and out: reading requests, content negotiation, idempotency, responses, event streams. `layers/` is what every
//! request passes, `api/` the endpoints.
//!
//! Invariant: besides [`server`](crate::server) this is the only folder that names axum.

pub(crate) mod any_method;
pub(crate) mod api;
pub(crate) mod content_negotiation;
pub(crate) mod idempotency;
pub(crate) mod layers;
pub(crate) mod pagination;
pub(crate) mod request_reader;
pub(crate) mod responses;
pub(crate) mod sse_response;
