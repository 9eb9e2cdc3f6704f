//! The tools that agents list and the service does not have.

use std::collections::BTreeSet;

use crate::agent::Agent;
use crate::diagnostics::code::Code;
use crate::diagnostics::{Diagnostic, Severity};
use crate::project::config::Config;
use crate::project::service_file::{READING_TOOLS, WRITING_TOOLS};
use crate::spec::tool_access::quoted;

/// The list that each run has, in every service.
const TODO_LIST: &str = "TodoWrite";

/// Says which tools that agents list the service lacks, and which MCP servers. They are not offered to the model.
pub fn check_tools(agents: &[Agent], config: &Config, diagnostics: &mut Vec<Diagnostic>) {
    for agent in agents {
        diagnostics.extend(missing_tools(agent, config));
        diagnostics.extend(missing_servers(agent, config));
    }
}

/// The tools that harnesses bring along, and this service does not.
fn missing_tools(agent: &Agent, config: &Config) -> Option<Diagnostic> {
    let tools = &agent.spec.tools;
    let mut names: Vec<&str> = Vec::new();
    for tool in tools.allowed.iter().flatten() {
        let name = tool.name.as_str();
        let is_known =
            name == TODO_LIST || config.workspace_tools.iter().any(|known| known == name);
        // An entry for some calls alone allows none, whatever the service has.
        let is_there = is_known && !tool.is_partial();
        let is_missing = tool.is_foreign() && tool.mcp_server.is_none() && !is_there;
        if is_missing && !names.contains(&name) {
            names.push(name);
        }
    }
    if names.is_empty() {
        return None;
    }
    let has_one_of = |tools: &[&str]| names.iter().any(|name| tools.contains(name));
    let help = if config.workspace_tools.is_empty() && has_one_of(&READING_TOOLS) {
        "`[workspace] root` in service.toml gives it `Read`, `Glob` and `Grep`; other tools the service registers (`Registry::tool`)"
    } else if has_one_of(&WRITING_TOOLS) {
        "`[workspace]` in service.toml gives it `Write`, `Edit` and `MultiEdit` with `root` and `write = true`"
    } else {
        "its model is offered only the tools that the service registers (`Registry::tool`), and denied all others"
    };
    let message = format!("a service can't run {}", quoted(&names));
    let mut diagnostic = Diagnostic::error(Code::ToolNotExecutable, "", message)
        .with_severity(Severity::Note)
        .at(&agent.spec.source, tools.span)
        .help(help);
    diagnostic.about(names);
    Some(diagnostic)
}

/// The MCP servers that the settings of the service lack.
fn missing_servers(agent: &Agent, config: &Config) -> Option<Diagnostic> {
    let tools = &agent.spec.tools;
    let named = tools.allowed.iter().flatten();
    let servers: BTreeSet<&str> = named
        .filter_map(|tool| tool.mcp_server.as_deref())
        .filter(|server| !server.contains('*'))
        .filter(|server| !config.mcp_servers.iter().any(|known| known == server))
        .collect();
    if servers.is_empty() {
        return None;
    }
    let names: Vec<&str> = servers.iter().copied().collect();
    let message = format!(
        "service.toml configures no MCP server {}, so its tools are not there",
        quoted(&names)
    );
    let mut diagnostic = Diagnostic::error(Code::McpServerMissing, "", message)
        .with_severity(Severity::Note)
        .at(&agent.spec.source, tools.span)
        .help("add `[mcp.servers.NAME]`, or `file = \".mcp.json\"` under [mcp]");
    diagnostic.about(servers);
    Some(diagnostic)
}
