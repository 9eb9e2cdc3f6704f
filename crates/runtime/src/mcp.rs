//! MCP servers that the operator configured: their tools are tools of the service.
//!
//! Invariant: an agent file names servers and tools. What it defines itself is started or called only if the settings say so, and for this
//! agent alone. A server that can't be used costs a run
//! the tools of that server and at most its `connect_timeout`.
//!
//! The protocol is that of <https://modelcontextprotocol.io/specification>, spoken by the crate `rmcp`: 2026-07-28, and 2025-11-25
//! and older with servers that don't know it.

#[cfg(feature = "mcp")]
mod mcp_client;
#[cfg(feature = "mcp")]
mod mcp_connection;
#[cfg(feature = "mcp")]
mod mcp_elicitation;
pub(crate) mod mcp_file;
#[cfg(feature = "mcp")]
mod mcp_list;
#[cfg(feature = "mcp")]
mod mcp_log;
#[cfg(feature = "mcp")]
mod mcp_program;
#[cfg(feature = "mcp")]
mod mcp_result;
#[cfg(feature = "mcp")]
mod mcp_server;
#[cfg(feature = "mcp")]
mod mcp_servers;
pub(crate) mod mcp_settings;
#[cfg(feature = "mcp")]
mod mcp_tool;
#[cfg(feature = "mcp")]
mod mcp_traffic;

pub use self::mcp_settings::{McpServerSettings, McpTransport};

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::engine::tools::RemoteTools;

/// The tools of the servers in the settings, and of those that agents define if `inline` says so; `None` where there can be no servers,
/// which is always so without the feature `mcp`.
pub(crate) fn open(
    servers: &BTreeMap<String, McpServerSettings>,
    inline: bool,
) -> Option<Arc<dyn RemoteTools>> {
    #[cfg(feature = "mcp")]
    if inline || !servers.is_empty() {
        return Some(Arc::new(mcp_servers::McpServers::new(servers)));
    }
    let _ = (servers, inline);
    None
}
