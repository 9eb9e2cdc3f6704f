//! One run: what a handler works with ([`run_context::RunContext`]), its time limit, and its end.
//!
//! Invariant: a run always ends with a result or an error, also when its handler panics, is cancelled or runs out of time.

pub(crate) mod bound_service;
pub(crate) mod document_access;
pub(crate) mod endpoint_schemas;
pub(crate) mod idempotency_keys;
pub(crate) mod loaded_service;
pub(crate) mod memory_idempotency_keys;
pub(crate) mod reply;
pub(crate) mod resources;
pub(crate) mod run_context;
pub(crate) mod run_input;
pub(crate) mod shutdown;
pub(crate) mod supervision;
