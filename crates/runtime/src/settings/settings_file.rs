//! The tables and keys of `service.toml`, as serde reads them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use crate::secret::Secret;
use crate::settings::document_settings::{DocumentsFile, EmbeddingsFile};
use crate::spec::agent_spec::Rate;

/// `service.toml`, key by key.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct File {
    pub(crate) address: Option<String>,
    pub(crate) expose: Option<Vec<String>>,
    pub(crate) limits: LimitsFile,
    pub(crate) auth: AuthFile,
    pub(crate) tokens: Option<TokensFile>,
    pub(crate) cors: CorsFile,
    pub(crate) rate: RateFile,
    pub(crate) workflows: WorkflowsFile,
    pub(crate) store: StoreFile,
    pub(crate) embeddings: EmbeddingsFile,
    pub(crate) documents: DocumentsFile,
    pub(crate) models: BTreeMap<String, String>,
    pub(crate) providers: BTreeMap<String, ProviderFile>,
    pub(crate) mcp: McpFile,
    pub(crate) workspace: WorkspaceFile,
    pub(crate) log: LogFile,
    pub(crate) console: SwitchFile,
    pub(crate) docs: SwitchFile,
    pub(crate) metrics: MetricsFile,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct LimitsFile {
    pub(crate) body_bytes: Option<usize>,
    pub(crate) output_bytes: Option<usize>,
    pub(crate) concurrency: Option<usize>,
    pub(crate) bodies: Option<usize>,
    pub(crate) followers: Option<usize>,
    pub(crate) connections: Option<usize>,
    pub(crate) share: Option<f64>,
    pub(crate) trusted_proxies: Option<usize>,
    #[serde(deserialize_with = "span")]
    pub(crate) head: Option<Duration>,
    #[serde(deserialize_with = "span")]
    pub(crate) idle: Option<Duration>,
    #[serde(deserialize_with = "span")]
    pub(crate) write: Option<Duration>,
    #[serde(deserialize_with = "span")]
    pub(crate) timeout: Option<Duration>,
    #[serde(deserialize_with = "span")]
    pub(crate) drain: Option<Duration>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct AuthFile {
    pub(crate) hs256_secret: Option<Secret>,
    pub(crate) jwks_file: Option<String>,
    pub(crate) jwks_url: Option<String>,
    pub(crate) algorithms: Option<Vec<String>>,
    pub(crate) issuer: Option<String>,
    pub(crate) audience: Option<String>,
    #[serde(deserialize_with = "span")]
    pub(crate) leeway: Option<Duration>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct TokensFile {
    #[serde(deserialize_with = "span")]
    pub(crate) access_ttl: Option<Duration>,
    #[serde(deserialize_with = "span")]
    pub(crate) refresh_ttl: Option<Duration>,
    pub(crate) clients: BTreeMap<String, ClientFile>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ClientFile {
    pub(crate) secret: Option<Secret>,
    pub(crate) roles: Vec<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct CorsFile {
    pub(crate) origins: Vec<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RateFile {
    #[serde(deserialize_with = "rate")]
    pub(crate) subject: Option<Rate>,
    #[serde(deserialize_with = "rate")]
    pub(crate) address: Option<Rate>,
    #[serde(deserialize_with = "rate")]
    pub(crate) agent: Option<Rate>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct WorkflowsFile {
    pub(crate) runs: Option<u32>,
    pub(crate) queued: Option<u32>,
    #[serde(deserialize_with = "span")]
    pub(crate) lease: Option<Duration>,
    #[serde(deserialize_with = "span")]
    pub(crate) keep: Option<Duration>,
    pub(crate) resumptions: Option<u32>,
    pub(crate) queue: Option<Secret>,
    pub(crate) queue_ca: Option<PathBuf>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct StoreFile {
    pub(crate) url: Option<Secret>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ProviderFile {
    pub(crate) kind: Option<String>,
    pub(crate) dialect: Option<String>,
    pub(crate) base_url: Option<String>,
    pub(crate) api_key: Option<Secret>,
    #[serde(deserialize_with = "span")]
    pub(crate) timeout: Option<Duration>,
    pub(crate) structured: Option<String>,
    pub(crate) stream_options: Option<bool>,
    pub(crate) max_tokens_parameter: Option<String>,
    pub(crate) max_output_tokens: Option<u32>,
    pub(crate) system_role: Option<String>,
    pub(crate) tool_calls_in_text: Option<bool>,
    pub(crate) images: Option<bool>,
    pub(crate) thinking_prefilled: Vec<String>,
    pub(crate) headers: BTreeMap<String, Secret>,
    pub(crate) headers_env: BTreeMap<String, String>,
    pub(crate) extra_body: toml::Table,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct McpFile {
    pub(crate) file: Option<PathBuf>,
    pub(crate) inline: bool,
    pub(crate) servers: BTreeMap<String, McpServerFile>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct McpServerFile {
    pub(crate) command: Option<String>,
    pub(crate) args: Vec<String>,
    pub(crate) env: BTreeMap<String, Secret>,
    pub(crate) inherit: Vec<String>,
    pub(crate) url: Option<String>,
    pub(crate) headers: BTreeMap<String, Secret>,
    pub(crate) headers_env: BTreeMap<String, String>,
    #[serde(deserialize_with = "span")]
    pub(crate) connect_timeout: Option<Duration>,
    #[serde(deserialize_with = "span")]
    pub(crate) call_timeout: Option<Duration>,
    #[serde(deserialize_with = "span")]
    pub(crate) max_total_timeout: Option<Duration>,
    #[serde(deserialize_with = "span")]
    pub(crate) idle_timeout: Option<Duration>,
    pub(crate) result_bytes: Option<usize>,
    pub(crate) roots: Vec<PathBuf>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct WorkspaceFile {
    pub(crate) root: Option<PathBuf>,
    pub(crate) write: Option<bool>,
    pub(crate) result_bytes: Option<usize>,
    pub(crate) file_bytes: Option<usize>,
    #[serde(deserialize_with = "span")]
    pub(crate) search_timeout: Option<Duration>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct LogFile {
    pub(crate) format: Option<String>,
    pub(crate) level: Option<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct SwitchFile {
    pub(crate) enabled: Option<bool>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct MetricsFile {
    pub(crate) enabled: Option<bool>,
    pub(crate) address: Option<String>,
}

fn span<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let duration = humantime::parse_duration(&text);
    duration
        .map(Some)
        .map_err(|_| D::Error::custom("this is no duration such as 500ms, 30s, 5m or 7d"))
}

fn rate<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Rate>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let read = || {
        let (requests, unit) = text.split_once('/')?;
        let requests = requests
            .trim()
            .parse()
            .ok()
            .filter(|requests| *requests > 0)?;
        let seconds = match unit.trim() {
            "s" | "second" => 1,
            "m" | "minute" => 60,
            "h" | "hour" => 60 * 60,
            "d" | "day" => 24 * 60 * 60,
            _ => return None,
        };
        Some(Rate { requests, seconds })
    };
    read()
        .map(Some)
        .ok_or_else(|| D::Error::custom("this is no rate such as 60/minute"))
}
