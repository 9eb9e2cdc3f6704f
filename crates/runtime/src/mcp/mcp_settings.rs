//! The settings of an MCP server: `[mcp.servers.NAME]`, or an entry of `.mcp.json`.

use std::collections::BTreeMap;
use std::time::Duration;

use reqwest::header::{HeaderName, HeaderValue};

use crate::client::server_address;
use crate::secret::Secret;

/// How long a server may take to start and to list its tools.
pub(crate) const DEFAULT_CONNECT_TIMEOUT: Duration = Duration::from_secs(20);
/// How long a call of a tool may take without a report of its progress.
pub(crate) const DEFAULT_CALL_TIMEOUT: Duration = Duration::from_secs(60);
/// How long a call may take in all.
pub(crate) const DEFAULT_MAX_TOTAL_TIMEOUT: Duration = Duration::from_secs(10 * 60);
/// After how long without a call the connection is closed.
pub(crate) const DEFAULT_IDLE_TIMEOUT: Duration = Duration::from_secs(10 * 60);
/// The most bytes of a result that the model gets.
pub(crate) const DEFAULT_RESULT_BYTES: usize = 256 << 10;

/// A server, and how it is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct McpServerSettings {
    /// How it is reached.
    pub transport: McpTransport,
    /// The longest time until it has listed its tools.
    pub connect_timeout: Duration,
    /// The longest time of a call in which the server does not report progress.
    pub call_timeout: Duration,
    /// The longest time of a call.
    pub max_total_timeout: Duration,
    /// After this time without a call its connection ends; the next call opens it again.
    pub idle_timeout: Duration,
    /// A longer result is cut off, and the model is told.
    pub result_bytes: usize,
    /// The addresses of folders that the server is told to work on, such as `file:///srv/repo`.
    pub roots: Vec<String>,
}

/// How a server is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum McpTransport {
    /// A program on this machine, spoken to over its standard input and output.
    Stdio {
        /// The program.
        command: String,
        /// Its arguments.
        args: Vec<String>,
        /// Its environment, besides `PATH`, `HOME`, `LANG` and `TMPDIR` of the service.
        env: BTreeMap<String, Secret>,
    },
    /// A server that speaks streamable HTTP.
    Http {
        /// Its address.
        url: String,
        /// Headers of each request.
        headers: BTreeMap<String, Secret>,
    },
}

impl McpServerSettings {
    /// A server with the default limits.
    #[must_use]
    pub fn new(transport: McpTransport) -> Self {
        Self {
            transport,
            connect_timeout: DEFAULT_CONNECT_TIMEOUT,
            call_timeout: DEFAULT_CALL_TIMEOUT,
            max_total_timeout: DEFAULT_MAX_TOTAL_TIMEOUT,
            idle_timeout: DEFAULT_IDLE_TIMEOUT,
            result_bytes: DEFAULT_RESULT_BYTES,
            roots: Vec::new(),
        }
    }

    /// Checks the address and the headers of a server that has some.
    ///
    /// # Errors
    /// What is wrong with them.
    pub(crate) fn check_url(&self) -> Result<(), String> {
        let McpTransport::Http { url, headers } = &self.transport else {
            return Ok(());
        };
        let secret = ("`headers`", !headers.is_empty());
        let address = reqwest::Url::parse(url).ok();
        server_address::check(address, "https://mcp.example.com/mcp", secret)?;
        for (name, value) in headers {
            let is_name = HeaderName::try_from(name).is_ok();
            if !is_name || HeaderValue::try_from(value.expose()).is_err() {
                return Err(format!("has a header `{name}` that HTTP can't have"));
            }
        }
        Ok(())
    }

    /// What the model and the log must not see: the values of the environment and of headers, the query of the address, and passwords in
    /// values that are addresses. Shorter values, such as `1` and `debug`, are words that texts may have.
    #[cfg(feature = "mcp")]
    pub(super) fn secrets(&self) -> Vec<String> {
        const MIN_BYTES: usize = 8;
        let (values, url) = match &self.transport {
            McpTransport::Stdio { env, .. } => (env, None),
            McpTransport::Http { url, headers } => (headers, url.split_once('?')),
        };
        let mut secrets: Vec<String> = Vec::new();
        for value in values.values().map(Secret::expose) {
            let url = reqwest::Url::parse(value).ok();
            let password = url.as_ref().and_then(reqwest::Url::password);
            secrets.extend(password.map(str::to_owned));
            if value.len() >= MIN_BYTES {
                secrets.push(value.to_owned());
                // The scheme of a header may be known.
                secrets.extend(value.strip_prefix("Bearer ").map(str::to_owned));
            }
        }
        secrets.extend(url.map(|(_, query)| query.to_owned()));
        secrets.retain(|secret| !secret.is_empty());
        // A value goes before a part of it.
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        secrets
    }
}
