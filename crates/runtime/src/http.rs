//! HTTP in and out: reading requests, content negotiation, idempotency, responses, event streams. `layers/` is what every
//! request passes, `api/` the endpoints.
//!
//! Invariant: besides [`server`](crate::server) this is the only folder that names axum.

pub(crate) mod admission;
pub(crate) mod api;
pub(crate) mod api_error;
pub(crate) mod calls;
pub(crate) mod content_negotiation;
pub(crate) mod idempotency;
pub(crate) mod layers;
pub(crate) mod pagination;
pub(crate) mod protocols;
pub(crate) mod raw_request;
pub(crate) mod request_reader;
pub(crate) mod responses;
pub(crate) mod sse_response;
