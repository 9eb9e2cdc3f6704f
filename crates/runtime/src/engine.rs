//! One turn of an agent: model calls with retries, fallbacks and circuit breakers, tool calls, structured output, handoffs.
//!
//! Invariant: the engine knows no HTTP. Once a part of the answer has been sent to the caller, nothing is retried.

pub(crate) mod call_usage;
pub(crate) mod circuit_breaker;
pub(crate) mod durable_turns;
pub(crate) mod fallbacks;
pub(crate) mod handoff;
pub(crate) mod model_call;
pub(crate) mod structured_output;
pub(crate) mod todo_list;
mod tool_calls;
pub(crate) mod tool_inputs;
pub(crate) mod tool_questions;
pub(crate) mod tools;
pub(crate) mod turn;
pub(crate) mod turn_context;
