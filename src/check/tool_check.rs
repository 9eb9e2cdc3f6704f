//! The tools that agents list and the service does not have, and those that somebody approves and the agent does not have.

use std::collections::BTreeSet;

use crate::agent::Agent;
use crate::diagnostics::code::Code;
use crate::diagnostics::{Diagnostic, Severity};
use crate::project::config::Config;
use crate::project::service_file::{READING_TOOLS, WRITING_TOOLS};
use crate::spec::tool_access::quoted;
use crate::text::did_you_mean::nearest;

/// The list that each run has, in every service.
const TODO_LIST: &str = "TodoWrite";

/// Says which tools that agents list the service lacks, and which MCP servers. They are not offered to the model.
pub fn check_tools(agents: &[Agent], config: &Config, diagnostics: &mut Vec<Diagnostic>) {
    for agent in agents {
        diagnostics.extend(missing_tools(agent, config));
        diagnostics.extend(missing_servers(agent, config));
        diagnostics.extend(unused_servers(agent, config));
        diagnostics.extend(approvals_without_tool(agent));
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

/// The approvals of tools that the agent may not use: most likely the name of another one is misspelt, and its calls need nobody.
fn approvals_without_tool(agent: &Agent) -> Vec<Diagnostic> {
    let tools = &agent.spec.tools;
    let Some(allowed) = &tools.allowed else {
        return Vec::new();
    };
    let patterns: Vec<String> = allowed.iter().map(|tool| tool.pattern()).collect();
    let approve = agent.service.policy.tools.approve.iter();
    let without = approve.filter(|(tool, _)| {
        let name = tool.pattern().to_ascii_lowercase();
        let mut patterns = patterns.iter();
        !patterns.any(|pattern| may_meet(&name, &pattern.to_ascii_lowercase()))
    });
    let diagnostics = without.map(|(tool, span)| {
        let name = &tool.name;
        let message = format!("the agent has no tool `{name}` that somebody could approve");
        let help = match nearest(name, patterns.iter().map(String::as_str)) {
            Some(other) => {
                format!("did you mean `{other}`? Else take `{name}` out, or add it to `tools`")
            }
            None => format!("take `{name}` out, or add it to `tools`"),
        };
        Diagnostic::error(Code::ApprovalWithoutTool, "", message)
            .at(&agent.service.source, *span)
            .help(help)
    });
    diagnostics.collect()
}

/// Whether some name fits both patterns, as far as what is before their first `*` tells.
fn may_meet(left: &str, right: &str) -> bool {
    match (left.split_once('*'), right.split_once('*')) {
        (None, None) => left == right,
        (Some((start, _)), None) => right.starts_with(start),
        (None, Some((start, _))) => left.starts_with(start),
        (Some((left, _)), Some((right, _))) => left.starts_with(right) || right.starts_with(left),
    }
}

/// The MCP servers that the settings of the service lack.
fn missing_servers(agent: &Agent, config: &Config) -> Option<Diagnostic> {
    let tools = &agent.spec.tools;
    let own = agent.spec.mcp_servers.as_ref();
    let own = own.map_or(&[][..], |servers| &servers.names);
    let named = tools.allowed.iter().flatten();
    let servers: BTreeSet<&str> = named
        .filter_map(|tool| tool.mcp_server.as_deref())
        .filter(|server| !server.contains('*'))
        .filter(|server| !config.mcp_servers.iter().any(|known| known == server))
        .filter(|server| !config.mcp_inline || !own.iter().any(|known| known == server))
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

/// The MCP servers that the file defines and the service does not run.
fn unused_servers(agent: &Agent, config: &Config) -> Option<Diagnostic> {
    let servers = agent.spec.mcp_servers.as_ref();
    let servers = servers.filter(|_| !config.mcp_inline)?;
    let names: Vec<&str> = servers.names.iter().map(String::as_str).collect();
    let message = format!(
        "the file defines {}, and a service runs no MCP server that an agent file defines",
        quoted(&names)
    );
    let mut diagnostic = Diagnostic::error(Code::InlineMcpServer, "", message)
        .with_severity(Severity::Note)
        .at(&agent.spec.source, servers.span)
        .help("`inline = true` under [mcp] in service.toml lets it, for this agent alone");
    diagnostic.about(names);
    Some(diagnostic)
}
