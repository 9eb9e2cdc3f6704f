//! Runs the agents that `agentgen-build` compiles.
//!
//! A whole program, in a project whose build script calls `agentgen_build::compile("agents")`:
//!
//! ```text
//! mod agents { agentgen_runtime::include_agents!(); }
//!
//! fn main() -> std::process::ExitCode {
//!     agentgen_runtime::serve(agents::registry(&agents::Prompted))
//! }
//! ```
//!
//! A handler is an ordinary function from a context and a request to an answer, and a registry of them is an axum
//! router, so that neither needs a socket to be tried:
//!
//! ```
//! use agentgen_runtime::{AgentSpec, EndpointSpec, InvokeRequest, Registry, RunContext, Service, Settings, StartError};
//!
//! fn router(
//!     agent: &'static AgentSpec,
//!     invoke: &'static EndpointSpec,
//! ) -> Result<agentgen_runtime::axum::Router, StartError> {
//!     let answer = move |cx: RunContext, request: InvokeRequest| async move { cx.invoke(agent, request).await };
//!     let registry = Registry::new("{}").service(Service::new(agent).endpoint(invoke, answer));
//!     registry.into_router(Settings::default())
//! }
//! ```
//!
//! Until a [`Provider`] is given, [`Echo`] answers. What a run does is a stream of [`Event`]s; a JSON answer is the
//! last of them, `text/event-stream` is all of them. Every error is a [`Problem`]. A service listens to its own
//! machine only, unless callers prove who they are ([`Settings`]).

mod accept;
mod auth;
#[doc(hidden)]
pub mod codegen;
mod context;
mod cors;
mod docs;
mod echo;
mod endpoint;
mod engine;
mod error;
mod event;
mod formats;
mod gate;
mod health;
mod idempotency;
mod listen;
mod log;
mod memory;
mod metrics;
mod outage;
mod peer;
mod problem;
mod provider;
mod rate;
mod registry;
mod reply;
mod request;
mod respond;
mod router;
mod run;
mod schema;
mod secret;
mod serve;
mod service;
mod session;
mod settings;
mod settings_file;
mod sink;
mod spec;
mod sse;
mod start;
mod system;
mod validate;

pub use axum;

pub use auth::Auth;
pub use context::RunContext;
pub use echo::Echo;
pub use endpoint::{EndpointSpec, Handler, Method, Parameter, ParameterKind, ParameterLocation};
pub use error::AgentError;
pub use event::{Event, StopReason, Usage};
pub use formats::{Date, DateTime, Format, FormatError, Uuid};
pub use memory::MemorySessions;
pub use problem::Problem;
pub use provider::{Chunk, ChunkStream, Message, ModelRequest, Provider, Role, estimated_tokens};
pub use registry::Registry;
pub use reply::{InvokeRequest, InvokeResponse, Reply};
pub use secret::Secret;
pub use serve::{serve, serve_on};
pub use service::Service;
pub use session::{DEFAULT_HISTORY_TOKENS, DEFAULT_SESSION_TTL, SessionKey, SessionStore, Stored};
pub use settings::{
    Log, LogFormat, ProviderKind, ProviderSettings, Rates, Settings, TokenClient, Tokens,
};
pub use spec::{AgentSpec, Policy, Rate};
pub use start::StartError;
pub use validate::{IntegerBounds, JsonValue, NumberBounds, Validate, Validator, Violation, check};

/// Includes the generated agents: those the build script made, or with a folder (relative to the file that says so)
/// those that are checked in there.
///
/// ```text
/// mod agents { agentgen_runtime::include_agents!(); }
/// mod checked_in { agentgen_runtime::include_agents!("../generated"); }
/// ```
#[macro_export]
macro_rules! include_agents {
    () => {
        ::core::include!(::core::concat!(
            ::core::env!("OUT_DIR"),
            "/agentgen/rust/mod.rs"
        ));
    };
    ($folder:literal) => {
        ::core::include!(::core::concat!($folder, "/rust/mod.rs"));
    };
}
