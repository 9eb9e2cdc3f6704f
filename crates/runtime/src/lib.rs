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
//! [`Models`] asks the models that the settings name, and without any [`Echo`] answers; a program can bring another
//! [`Provider`]. A [`Tool`] is what a model can have called. What a run does is a stream of [`AgentEvent`]s; a JSON answer is
//! the last of them, `text/event-stream` is all of them. Every error is a [`Problem`]. A service listens to its own
//! machine only, unless callers prove who they are ([`Settings`]). Conversations are kept in a
//! [`Store`], and so are the runs of a [`workflow`], step by step: they outlive the process.

mod auth;
mod client;
#[doc(hidden)]
pub mod codegen;
mod documents;
mod embedding;
mod engine;
mod error;
mod event;
mod http;
mod model;
mod run;
mod schema;
mod secret;
mod server;
mod session;
mod settings;
mod spec;
mod store;
mod telemetry;
#[cfg(feature = "testing")]
pub mod testing;
pub mod workflow;

pub use axum;
pub use schemars;

pub use auth::refresh_tokens::{MemoryRefreshTokens, RefreshToken, RefreshTokens, Taken};
pub use auth::token_settings::{TokenClient, Tokens};
pub use auth::{Auth, AuthError};
pub use documents::document_store::{DocumentStore, Found, PassageQuery};
pub use documents::grounding::Retrieved;
pub use documents::memory_documents::MemoryDocuments;
pub use documents::passage_filter::Condition;
pub use documents::qdrant::DocumentsSettings;
pub use documents::qdrant::Qdrant;
pub use documents::{
    Document, DocumentFacts, DocumentHead, EmbeddedDocument, EmbeddedPassage, Passage,
};
pub use embedding::embedding_settings::Embeddings;
pub use embedding::hashing_embedder::HashingEmbedder;
pub use embedding::{Embedder, Embedding, Purpose};
pub use engine::tools::{Calling, Tool, ToolContext, ToolError, tool};
pub use error::AgentError;
pub use error::problem::Problem;
pub use error::provider_error::{ProviderError, ProviderFault};
pub use error::start_error::StartError;
pub use event::agent_event::{AgentEvent, PolicyKind, RetrievedPassage, StopReason, Usage};
pub use http::layers::rate_limits::Rates;
pub use model::catalog::Models;
pub use model::echo::Echo;
pub use model::provider_settings::{ProviderKind, ProviderSettings};
pub use model::{
    Chunk, ChunkStream, Message, ModelRequest, Provider, Role, Step, ToolCall, ToolDefinition,
    ToolResult, estimated_tokens,
};
pub use run::bound_service::Service;
pub use run::reply::{InvokeRequest, InvokeResponse, Reply};
pub use run::run_context::RunContext;
pub use schema::{
    Bounds, Date, DateTime, Format, FormatError, IntegerBounds, JsonValue, NumberBounds, Uuid,
    Validate, Validator, Violation, check,
};
pub use secret::Secret;
pub use server::command_line::{serve, serve_args};
pub use server::registry::Registry;
pub use server::{serve_on, serve_with};
pub use session::conversations::{DEFAULT_HISTORY_TOKENS, DEFAULT_SESSION_TTL};
pub use session::memory_sessions::MemorySessions;
pub use session::session_store::{
    Conversation, Lease, PastMessage, SessionFacts, SessionKey, SessionStore, Stored, Turn,
};
pub use settings::Settings;
pub use spec::agent_spec::{AgentSpec, DocumentsSpec, Policy, Rate};
pub use spec::endpoint_spec::{
    EndpointSpec, Handler, Method, Parameter, ParameterKind, ParameterLocation, Retrieve,
};
pub use store::Store;
pub use telemetry::log::{Log, LogFormat};
pub use workflow::journal::{Change, Hold, Journal, JournaledRun, Take};
pub use workflow::memory_journal::MemoryJournal;
pub use workflow::run_report::{
    RunReport, RunStatus, SkipReason, StepError, StepReport, StepStatus,
};
pub use workflow::typed_report::{
    StepAnswer, StepOutcome, StepOutput, StepReports, TypedReport, TypedSteps,
};
pub use workflow::workflow_event::WorkflowEvent;
pub use workflow::workflow_service::WorkflowLimits;
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
