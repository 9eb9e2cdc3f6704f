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
//! [`Provider`]. A [`Tool`] is what a model can have called. What a run does is a stream of [`Event`]s; a JSON answer is
//! the last of them, `text/event-stream` is all of them. Every error is a [`Problem`]. A service listens to its own
//! machine only, unless callers prove who they are ([`Settings`]). Conversations are kept in a
//! [`Store`], and so are the runs of a [`workflow`], step by step: they outlive the process.

mod accept;
mod answer;
mod anthropic;
mod asked;
mod auth;
mod backing;
mod breaker;
mod call;
mod citations;
mod claims;
#[doc(hidden)]
pub mod codegen;
mod command;
mod complaint;
mod consult;
mod context;
mod cors;
mod docs;
mod document;
mod document_store;
mod documents_api;
mod echo;
mod embedder;
mod embedding_settings;
mod embeddings;
mod endpoint;
mod endpoint_metrics;
mod engine;
mod error;
mod event;
mod expression;
mod fault;
mod filter;
mod formats;
mod front;
mod gate;
mod handover;
mod hashing;
mod health;
mod idempotency;
mod input;
mod journal;
mod jwks;
mod library;
mod limits;
mod listen;
mod log;
mod lone_service;
mod lookup;
mod means;
mod memory;
mod memory_documents;
mod memory_journal;
mod meter;
mod metrics;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod mirror;
mod models;
mod mount;
#[cfg(feature = "nats")]
mod nats;
mod needs;
mod openai;
mod openai_embeddings;
mod outage;
mod page;
mod passages;
mod peer;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "sqlite")]
mod presence;
mod problem;
mod provider;
mod provider_settings;
mod qdrant;
mod qdrant_wire;
mod queue;
mod queue_url;
mod ranking;
mod rate;
mod refresh_store;
mod registry;
mod reply;
mod request;
mod respond;
mod retrieval;
mod route_api;
mod router;
mod run;
mod run_event;
mod run_report;
mod schedule;
mod schema;
mod schema_bounds;
mod secret;
mod serve;
mod service;
mod session;
mod session_store;
mod sessions_api;
mod settings;
mod settings_documents;
mod settings_error;
mod settings_file;
mod settings_load;
mod settings_read;
mod settings_report;
mod sink;
mod spec;
mod spoken;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod sql;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod sql_documents;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod sql_journal;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod sql_refresh;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod sql_run;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod sql_sessions;
#[cfg(feature = "sqlite")]
mod sqlite;
mod sse;
mod sse_reader;
mod start;
mod store;
mod store_url;
mod system;
#[cfg(feature = "testing")]
pub mod testing;
mod token_routes;
mod tokens;
mod tool;
mod typed_report;
mod upstream;
mod validate;
mod vectors;
mod words;
pub mod workflow;
mod workflow_events;
mod workflow_going;
mod workflow_hold;
mod workflow_keeper;
mod workflow_routes;
mod workflow_run;
mod workflow_runs;
mod workflow_step;
mod workflow_worker;
mod workflows;

pub use axum;
pub use schemars;

pub use auth::{Auth, AuthError};
pub use command::{serve, serve_args};
pub use context::RunContext;
pub use document::{
    Document, DocumentFacts, DocumentHead, EmbeddedDocument, EmbeddedPassage, Passage,
};
pub use document_store::{DocumentStore, Found, PassageQuery};
pub use echo::Echo;
pub use embedder::{Embedder, Embedding, Purpose};
pub use embedding_settings::Embeddings;
pub use endpoint::{
    EndpointSpec, Handler, Method, Parameter, ParameterKind, ParameterLocation, Retrieve,
};
pub use error::AgentError;
pub use event::{Event, PolicyKind, RetrievedPassage, StopReason, Usage};
pub use fault::{ProviderError, ProviderFault};
pub use filter::Condition;
pub use formats::{Date, DateTime, Format, FormatError, Uuid};
pub use hashing::HashingEmbedder;
pub use journal::{Change, Hold, Journal, JournaledRun, Take};
pub use memory::MemorySessions;
pub use memory_documents::MemoryDocuments;
pub use memory_journal::MemoryJournal;
pub use models::Models;
pub use problem::Problem;
pub use provider::{
    Chunk, ChunkStream, Message, ModelRequest, Provider, Role, Step, ToolCall, ToolDefinition,
    ToolResult, estimated_tokens,
};
pub use provider_settings::{ProviderKind, ProviderSettings};
pub use qdrant::Qdrant;
pub use refresh_store::{MemoryRefreshTokens, RefreshToken, RefreshTokens, Taken};
pub use registry::Registry;
pub use reply::{InvokeRequest, InvokeResponse, Reply};
pub use retrieval::Retrieved;
pub use run_event::RunEvent;
pub use run_report::{RunReport, RunStatus, SkipReason, StepError, StepReport, StepStatus};
pub use secret::Secret;
pub use serve::{serve_on, serve_with};
pub use service::Service;
pub use session::{DEFAULT_HISTORY_TOKENS, DEFAULT_SESSION_TTL};
pub use session_store::{
    Conversation, Lease, PastMessage, SessionFacts, SessionKey, SessionStore, Stored, Turn,
};
pub use settings::{
    DocumentsSettings, Log, LogFormat, Rates, Settings, TokenClient, Tokens, WorkflowLimits,
};
pub use spec::{AgentSpec, DocumentsSpec, Policy, Rate};
pub use start::StartError;
pub use store::Store;
pub use tool::{Calling, Tool, ToolContext, ToolError, tool};
pub use typed_report::{StepAnswer, StepOutcome, StepOutput, StepReports, TypedReport, TypedSteps};
pub use validate::{
    Bounds, IntegerBounds, JsonValue, NumberBounds, Validate, Validator, Violation, check,
};
pub use workflows::Workflows;

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
