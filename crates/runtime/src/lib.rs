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
//! use agentgen_runtime::spec::{AgentSpec, EndpointSpec};
//! use agentgen_runtime::{InvokeRequest, Registry, RunContext, Service, Settings, StartError};
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
//! The settings name the model providers ([`model::Models`]); without any, [`model::Echo`] answers. A program can bring
//! its own [`model::Provider`], and functions that a model can call ([`tools`]). A run is a stream of [`event::AgentEvent`]s:
//! a JSON answer is the last of them, `text/event-stream` is all of them. Every error is a [`Problem`]. Without
//! authentication a service listens on its own machine only ([`Settings`]). A [`Store`] keeps conversations and the
//! steps of [`workflow`] runs, so both survive a restart.

#![warn(unreachable_pub)]

pub mod auth;
mod client;
#[doc(hidden)]
pub mod codegen;
pub mod documents;
mod embedding;
mod engine;
mod error;
pub mod event;
mod future;
mod http;
pub mod mcp;
pub mod model;
mod run;
pub mod schema;
mod secret;
mod server;
pub mod session;
pub mod settings;
pub mod spec;
mod store;
mod telemetry;
#[cfg(feature = "testing")]
pub mod testing;
mod unix_time;
pub mod workflow;
pub mod workspace;

/// Functions that a model can call.
pub mod tools {
    pub use crate::engine::tools::{Tool, ToolContext, ToolError, ToolFuture, idempotent, tool};
}

/// Server-sent events, for those who call a service.
pub mod sse {
    pub use crate::client::sse_decoder::{SseDecoder, SseEvent, TooLarge};
}

pub use axum;
pub use schemars;

pub use error::AgentError;
pub use error::declared_error::DeclaredError;
pub use error::problem::Problem;
pub use error::start_error::StartError;
pub use error::store_error::StoreError;
pub use future::BoxFuture;
pub use http::api::console_data::{AgentDiagnostic, AgentDiagnostics};
pub use run::bound_service::Service;
pub use run::reply::{InvokeRequest, InvokeResponse, Reply};
pub use run::run_context::RunContext;
pub use secret::Secret;
pub use server::agent_loader::AgentLoader;
pub use server::command_line::{serve, serve_args};
pub use server::live_service::LiveService;
pub use server::registry::Registry;
#[cfg(feature = "mcp-server")]
pub use server::serve_mcp;
pub use server::{serve_live, serve_on, serve_with};
pub use settings::Settings;
pub use store::Store;
pub use workflow::workflows::Workflows;

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

// `generated_by!`: the build script writes it, since a macro can't compare a text with a constant.
include!(concat!(env!("OUT_DIR"), "/generated_by.rs"));
