//! The tools an agent may use, as its frontmatter lists them.

use serde::Serialize;

use crate::diagnostics::span::Span;
use crate::yaml::node::{Node, Value};

/// One entry of a list of tools.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Tool {
    /// The entry as it was written: `Bash(git diff:*, git log:*)`.
    pub entry: String,
    /// The tool's name: `Bash`.
    pub name: String,
    /// The text in the brackets behind the name: `git diff:*` and `git log:*`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub arguments: Vec<String>,
    /// The MCP server of a tool named `mcp__server__tool`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mcp_server: Option<String>,
    /// The name of that tool on its server; none where the whole server is meant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mcp_tool: Option<String>,
}

/// The tools that Claude Code brings along: they work on a developer's machine, with files, a shell and a terminal. In
/// order; a service has none of them.
/// See <https://code.claude.com/docs/en/settings#tools-available-to-claude>.
const BUILT_IN: [&str; 38] = [
    "Agent",
    "AskUserQuestion",
    "Bash",
    "BashOutput",
    "Edit",
    "EnterPlanMode",
    "EnterWorktree",
    "ExitPlanMode",
    "ExitWorktree",
    "Glob",
    "Grep",
    "KillBash",
    "KillShell",
    "LS",
    "LSP",
    "ListMcpResourcesTool",
    "MultiEdit",
    "NotebookEdit",
    "NotebookRead",
    "PowerShell",
    "Read",
    "ReadMcpResourceTool",
    "Skill",
    "SlashCommand",
    "Task",
    "TaskCreate",
    "TaskGet",
    "TaskList",
    "TaskOutput",
    "TaskStop",
    "TaskUpdate",
    "TodoRead",
    "TodoWrite",
    "ToolSearch",
    "View",
    "WebFetch",
    "WebSearch",
    "Write",
];

impl Tool {
    /// Whether the tool is one of Claude Code's own, which no service has unless it brings one of that name.
    pub fn is_built_in(&self) -> bool {
        BUILT_IN.binary_search(&self.name.as_str()).is_ok()
    }
}

/// The tools in `node`: a list, a text with commas between them, or a mapping of names to `true` and
/// `false`. `None` where it is something else.
///
/// Each tool comes with its place.
pub fn parse(node: &Node) -> Option<Vec<(Tool, Span)>> {
    match &node.value {
        Value::String(text) => Some(
            split_entries(text)
                .into_iter()
                .map(|entry| (tool(entry), node.span))
                .collect(),
        ),
        Value::List(items) => {
            let mut tools = Vec::new();
            for item in items {
                let text = item.as_str()?;
                tools.extend(
                    split_entries(text)
                        .into_iter()
                        .map(|entry| (tool(entry), item.span)),
                );
            }
            Some(tools)
        }
        Value::Map(entries) => {
            let mut tools = Vec::new();
            for entry in entries {
                match entry.value.value {
                    Value::Bool(true) => tools.push((tool(&entry.key), entry.key_span)),
                    Value::Bool(false) => {}
                    _ => return None,
                }
            }
            Some(tools)
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => None,
    }
}

/// The parts of `text` between commas outside of brackets and quotes.
fn split_entries(text: &str) -> Vec<&str> {
    let mut entries = Vec::new();
    let mut depth = 0_usize;
    let mut start = 0;
    for (index, c) in text.char_indices() {
        match c {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            ',' | '\n' if depth == 0 => {
                entries.push(&text[start..index]);
                start = index + c.len_utf8();
            }
            _ => {}
        }
    }
    entries.push(&text[start..]);
    entries
        .into_iter()
        .map(|entry| entry.trim().trim_matches(['"', '\'', '`']).trim())
        .map(|entry| entry.strip_prefix("- ").unwrap_or(entry).trim())
        .filter(|entry| !entry.is_empty())
        .collect()
}

fn tool(entry: &str) -> Tool {
    let (name, arguments) = match entry.split_once('(') {
        Some((name, rest)) => {
            let inner = rest.strip_suffix(')').unwrap_or(rest);
            let arguments = split_entries(inner)
                .into_iter()
                .map(str::to_owned)
                .collect();
            (name.trim(), arguments)
        }
        None => (entry, Vec::new()),
    };
    let mcp = name.strip_prefix("mcp__");
    let (server, tool) = match mcp.map(|rest| rest.split_once("__").unwrap_or((rest, ""))) {
        Some((server, tool)) => (
            Some(server.to_owned()),
            Some(tool.to_owned()).filter(|tool| !tool.is_empty() && tool != "*"),
        ),
        None => (None, None),
    };
    Tool {
        entry: entry.to_owned(),
        name: name.to_owned(),
        arguments,
        mcp_server: server,
        mcp_tool: tool,
    }
}
