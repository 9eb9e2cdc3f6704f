//! Settings: `service.toml` and environment variables, read, checked and reported.
//!
//! Invariant: nothing below `server/` imports this folder; an unknown setting is an error; a secret never prints.

pub(crate) mod document_settings;
pub(crate) mod settings_error;
pub(crate) mod settings_file;
pub(crate) mod settings_load;
pub(crate) mod settings_read;
pub(crate) mod settings_report;
pub(crate) mod settings_table;

pub use crate::http::layers::rate_limits::Rates;
pub use crate::telemetry::log::{Log, LogFormat};

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use crate::auth::Auth;
use crate::auth::token_settings::Tokens;
use crate::documents::qdrant::DocumentsSettings;
use crate::embedding::embedding_settings::Embeddings;
use crate::model::provider_settings::ProviderSettings;
use crate::secret::Secret;
use crate::workflow::workflow_service::WorkflowLimits;

/// `host:port` to listen at.
pub(crate) const ADDRESS: &str = "AGENTGEN_ADDRESS";
/// The ways in which tokens can be checked, in words.
pub(crate) const WAYS: &str =
    "AGENTGEN_AUTH_HS256_SECRET, or auth.jwks_file or auth.jwks_url in service.toml";

/// How a service is run. The default listens at 127.0.0.1:8080, asks nobody who they are, keeps sessions in memory and
/// answers with [`Echo`](crate::model::Echo).
#[derive(Debug, Clone)]
pub struct Settings {
    /// `host:port` to listen at; `None` is 127.0.0.1:8080 or the next free port after it.
    pub address: Option<String>,
    /// How callers prove who they are; `None` admits everybody, and only at a loopback address.
    pub auth: Option<Auth>,
    /// The tokens that the service issues itself; `None` if it issues none.
    pub tokens: Option<Tokens>,
    /// How large a request's body may be, in bytes.
    pub body_limit: usize,
    /// How many requests may be answered at a time; the next one is told to come later.
    pub concurrency: usize,
    /// How many connections may be open at a time; the next one is not taken until one ends.
    pub connections: usize,
    /// How many proxies stand before the service, and add the address that called them to `X-Forwarded-For`; with none,
    /// what that header says is not heeded.
    pub trusted_proxies: usize,
    /// How long a connection may be idle, or take to send the head of a request.
    pub idle: Duration,
    /// How long a run may take where neither the endpoint nor the agent says.
    pub timeout: Duration,
    /// How long a service that is to stop waits for what is still running.
    pub drain: Duration,
    /// The origins whose pages may call the service.
    pub cors_origins: Vec<String>,
    /// How many requests are answered besides what endpoints and agents say.
    pub rates: Rates,
    /// How runs of workflows are gone on with.
    pub workflows: WorkflowLimits,
    /// What hands out runs of workflows to several processes, `nats://HOST:PORT/STREAM`, with the feature `nats`. It may
    /// hold a password. The store has to be in PostgreSQL then, and every process has to have the same two.
    pub queue: Option<Secret>,
    /// A file in PEM with the authorities that the queue's certificate may be from, and TLS is spoken in any case then;
    /// `None` trusts those of the system.
    pub queue_ca: Option<PathBuf>,
    /// Where sessions are kept: `sqlite:PATH`, `postgres://…` or `memory:`. It may hold a password.
    pub store: Secret,
    /// What makes the texts of documents comparable.
    pub embeddings: Embeddings,
    /// Where documents are kept; `None` is [`Settings::store`].
    pub documents: Option<DocumentsSettings>,
    /// What the names of models stand for: `provider:model`, or `echo`. `default` is for agents that name none.
    pub models: BTreeMap<String, String>,
    /// The providers that models are asked from, by name.
    pub providers: BTreeMap<String, ProviderSettings>,
    /// What is logged, and how.
    pub log: Log,
    /// Whether `/docs` is served.
    pub docs: bool,
    /// Whether `/metrics` is served.
    pub metrics: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            address: None,
            auth: None,
            tokens: None,
            body_limit: 1024 * 1024,
            concurrency: 256,
            connections: 10_000,
            trusted_proxies: 0,
            idle: Duration::from_secs(75),
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
            log: Log {
                format: LogFormat::Json,
                level: tracing::Level::INFO,
            },
            docs: true,
            metrics: true,
        }
    }
}
