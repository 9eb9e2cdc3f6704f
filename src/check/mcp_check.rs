//! The MCP servers whose tools agents list.

use std::collections::BTreeSet;

use crate::agent::Agent;
use crate::diagnostics::code::Code;
use crate::diagnostics::{Diagnostic, Severity};
use crate::project::config::Config;

/// Says which servers the settings of the service lack. Their tools are not offered to the model.
pub fn check_mcp_servers(agents: &[Agent], config: &Config, diagnostics: &mut Vec<Diagnostic>) {
    for agent in agents {
        let tools = &agent.spec.tools;
        let named = tools.allowed.iter().flatten();
        let servers: BTreeSet<&str> = named
            .filter_map(|tool| tool.mcp_server.as_deref())
            .filter(|server| !server.contains('*'))
            .filter(|server| !config.mcp_servers.iter().any(|known| known == server))
            .collect();
        if servers.is_empty() {
            continue;
        }
        let quoted: Vec<String> = servers.iter().map(|server| format!("`{server}`")).collect();
        let message = format!(
            "service.toml configures no MCP server {}, so its tools are not there",
            quoted.join(", ")
        );
        let mut diagnostic = Diagnostic::error(Code::McpServerMissing, "", message)
            .with_severity(Severity::Note)
            .at(&agent.spec.source, tools.span)
            .help("add `[mcp.servers.NAME]`, or `file = \".mcp.json\"` under [mcp]");
        diagnostic.about(servers);
        diagnostics.push(diagnostic);
    }
}
