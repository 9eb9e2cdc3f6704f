//! Settings: `service.toml` and environment variables, read, checked and reported.
//!
//! Invariant: nothing below `server/` imports this folder; an unknown setting is an error; a secret never prints.

pub(crate) mod document_settings;
pub(crate) mod mcp_load;
pub(crate) mod provider_load;
pub(crate) mod settings_error;
pub(crate) mod settings_file;
pub(crate) mod settings_load;
pub(crate) mod settings_read;
pub(crate) mod settings_report;
pub(crate) mod settings_table;
pub(crate) mod workspace_load;

pub use crate::http::layers::rate_limits::Rates;
pub use crate::http::protocols::Protocol;
pub use crate::telemetry::log::{Log, LogFormat};

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use crate::auth::Auth;
use crate::auth::token_settings::Tokens;
use crate::documents::documents_settings::DocumentsSettings;
use crate::embedding::embedding_settings::Embeddings;
use crate::mcp::McpServerSettings;
use crate::model::provider_settings::ProviderSettings;
use crate::secret::Secret;
use crate::workflow::workflow_service::WorkflowLimits;
use crate::workspace::WorkspaceSettings;

/// `host:port` to listen at.
pub(crate) const ADDRESS: &str = "AGENTGEN_ADDRESS";
/// The settings that say how tokens are checked, in words.
pub(crate) const AUTH_SETTINGS: &str =
    "AGENTGEN_AUTH_HS256_SECRET, or auth.jwks_file or auth.jwks_url in service.toml";

/// The settings of a service. The default listens at 127.0.0.1:8080, has no authentication, keeps sessions in memory and
/// answers with [`Echo`](crate::model::Echo).
#[derive(Debug, Clone)]
pub struct Settings {
    /// `host:port` to listen at; `None` is 127.0.0.1:8080 or the next free port after it.
    pub address: Option<String>,
    /// The protocols by which agents are called.
    pub expose: Vec<Protocol>,
    /// How callers authenticate; `None` admits everyone, at loopback addresses only.
    pub auth: Option<Auth>,
    /// The tokens that the service issues itself; `None` if it issues none.
    pub tokens: Option<Tokens>,
    /// The largest body of a request, in bytes.
    pub body_limit: usize,
    /// The most requests at a time; further requests get 503. A request counts once its body has arrived.
    pub concurrency: usize,
    /// The most bodies that arrive at a time; with one more, the one that takes longest gets 503.
    pub bodies: usize,
    /// The most callers that follow the events of workflow runs at a time; further ones get 503.
    pub followers: usize,
    /// The part of the connections, the arriving bodies and the followers that one address or subject may have, above 0 and
    /// at most 1. What is more gets 429; a connection is closed.
    pub share: f64,
    /// The most open connections; further connections wait until one ends.
    pub connections: usize,
    /// How many proxies before the service append the address of their caller to `X-Forwarded-For`; with 0, the header is
    /// ignored.
    pub trusted_proxies: usize,
    /// How long a new connection may take to send its first request header.
    pub head: Duration,
    /// How long a connection may stay open between two requests.
    pub idle: Duration,
    /// How long a client may take nothing of a response before its connection is closed.
    pub write: Duration,
    /// The time limit of a run whose endpoint and agent set none.
    pub timeout: Duration,
    /// How long running requests may take after the service was asked to stop.
    pub drain: Duration,
    /// The origins whose web pages may call the service.
    pub cors_origins: Vec<String>,
    /// Rate limits besides those of endpoints and agents.
    pub rates: Rates,
    /// The limits of workflow runs.
    pub workflows: WorkflowLimits,
    /// The queue that shares workflow runs between processes, `nats://HOST:PORT/STREAM`, with the feature `nats`. It may
    /// contain a password. All processes need the same queue and the same PostgreSQL store.
    pub queue: Option<Secret>,
    /// A PEM file with the certificate authorities of the queue; it also makes TLS mandatory. `None` trusts those of the
    /// system.
    pub queue_ca: Option<PathBuf>,
    /// The store: `sqlite:PATH`, `postgres://…` or `memory:`. It may contain a password.
    pub store: Secret,
    /// What embeds documents.
    pub embeddings: Embeddings,
    /// A server that stores documents; `None` stores them in [`Settings::store`].
    pub documents: Option<DocumentsSettings>,
    /// What the names of models stand for: `provider:model`, or `echo`. `default` is for agents that name none.
    pub models: BTreeMap<String, String>,
    /// The model providers, by name.
    pub providers: BTreeMap<String, ProviderSettings>,
    /// The MCP servers whose tools agents may use, by name.
    pub mcp_servers: BTreeMap<String, McpServerSettings>,
    /// Whether the MCP servers that agent files define are run, each for its agent alone.
    pub mcp_inline: bool,
    /// The folder on whose files agents work; `None` gives them no files.
    pub workspace: Option<WorkspaceSettings>,
    /// What is logged, and how.
    pub log: Log,
    /// Whether the web console is served at `/`; `None` serves it where only this machine can reach the service.
    pub console: Option<bool>,
    /// Whether `/docs` is served.
    pub docs: bool,
    /// Whether `/metrics` is served.
    pub metrics: bool,
    /// `host:port` of a listener for `/metrics` alone, which asks for no token; `None` serves it with everything else.
    pub metrics_address: Option<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            address: None,
            expose: Protocol::built(),
            auth: None,
            tokens: None,
            body_limit: 1024 * 1024,
            concurrency: 256,
            bodies: 256,
            followers: 1024,
            share: 0.25,
            connections: 10_000,
            trusted_proxies: 0,
            head: Duration::from_secs(10),
            idle: Duration::from_secs(75),
            write: Duration::from_secs(30),
            timeout: Duration::from_secs(300),
            drain: Duration::from_secs(10),
            cors_origins: Vec::new(),
            rates: Rates::default(),
            workflows: WorkflowLimits::default(),
            queue: None,
            queue_ca: None,
            store: Secret::new("memory:"),
            embeddings: Embeddings::default(),
            documents: None,
            models: BTreeMap::new(),
            providers: BTreeMap::new(),
            mcp_servers: BTreeMap::new(),
            mcp_inline: false,
            workspace: None,
            log: Log {
                format: LogFormat::Json,
                level: tracing::Level::INFO,
            },
            console: None,
            docs: true,
            metrics: true,
            metrics_address: None,
        }
    }
}
