//! Lists of tools as frontmatter writes them.

use serde::Serialize;

use crate::diagnostics::span::Span;
use crate::spec::tool_names;
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
    /// The MCP server of a tool named `mcp__server__tool`, `server/tool` or `@server/tool`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mcp_server: Option<String>,
    /// The name of that tool on its server; none where the whole server is meant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mcp_tool: Option<String>,
}

impl Tool {
    /// The tool that `entry` names, such as `Bash(git diff:*)` or `mcp__server__tool`.
    pub fn new(entry: &str) -> Self {
        let (name, arguments) = match entry.split_once('(') {
            Some((name, rest)) => {
                let inner = rest.strip_suffix(')').unwrap_or(rest);
                let arguments = split_outside(inner, &[','])
                    .into_iter()
                    .map(str::to_owned)
                    .collect();
                (name.trim(), arguments)
            }
            None => (entry, Vec::new()),
        };
        let (server, tool) = tool_names::mcp_parts(name).unzip();
        Self {
            entry: entry.to_owned(),
            name: name.to_owned(),
            arguments,
            mcp_server: server.map(str::to_owned),
            mcp_tool: tool
                .filter(|tool| !tool.is_empty() && *tool != "*")
                .map(str::to_owned),
        }
    }

    /// The name that a service registers the tool under, with `*` for any characters: `mcp__server__*` for a whole MCP server. A character
    /// of a server or of its tool that no name of a tool has is `_`, in the service as in Claude Code.
    pub fn pattern(&self) -> String {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '*');
        let plain = |part: &str| -> String {
            let chars = part.chars();
            chars.map(|c| if is_plain(c) { c } else { '_' }).collect()
        };
        match (self.mcp_server.as_deref(), self.mcp_tool.as_deref()) {
            (None, _) => self.name.clone(),
            (Some("*"), None) => "mcp__*".to_owned(),
            (Some(server), None) => format!("mcp__{}__*", plain(server)),
            (Some(server), Some(tool)) => format!("mcp__{}__{}", plain(server), plain(tool)),
        }
    }

    /// Whether only some calls of the tool are meant, as in `Bash(git diff:*)`.
    pub fn is_partial(&self) -> bool {
        !self.arguments.is_empty() && !self.arguments.iter().any(|argument| argument == "*")
    }

    /// Whether this is the tool by which a harness starts other agents.
    pub fn starts_agents(&self) -> bool {
        ["Agent", "Task"]
            .iter()
            .any(|name| self.name.eq_ignore_ascii_case(name))
    }

    /// Whether no service has the tool unless it registers one of that name: a tool of Claude Code, one of an MCP server, and what
    /// no tool can be called.
    pub fn is_foreign(&self) -> bool {
        tool_names::is_built_in(&self.name)
            || self.mcp_server.is_some()
            || !tool_names::is_possible(&self.name)
    }
}

/// The tools in `node`: a list, or a text with commas or blanks between them. `None` where it is something else.
///
/// Each tool comes with its place.
pub fn parse(node: &Node) -> Option<Vec<(Tool, Span)>> {
    read(node, split_entry)
}

/// As [`parse`], for tools that are denied: whatever stands between blanks is a name, for a denial must not miss one.
pub fn parse_denied(node: &Node) -> Option<Vec<(Tool, Span)>> {
    read(node, |entry, _| split_at_blanks(entry))
}

/// Whether a bracket in the text of `node` is never closed: what is behind it may be names or arguments.
pub fn has_open_bracket(node: &Node) -> bool {
    let is_open = |text: &str| text.chars().fold(0, depth_behind) > 0;
    let items = node.items().unwrap_or(std::slice::from_ref(node));
    items.iter().filter_map(Node::as_str).any(is_open)
}

/// Whether `node` is a sentence such as `all except Write`, and no list of names.
pub fn is_sentence(node: &Node) -> bool {
    const WORDS: [&str; 7] = [
        "but",
        "except",
        "excluding",
        "everything",
        "not",
        "only",
        "without",
    ];
    let words = node.as_str().unwrap_or_default().split_whitespace();
    let outside = words.take_while(|word| !word.contains('('));
    let outside: Vec<String> = outside.map(str::to_lowercase).collect();
    outside.len() > 1 && outside.iter().any(|word| WORDS.contains(&word.as_str()))
}

/// The tools in `node`. `split` cuts what stands between commas; it is told whether that is the whole text.
fn read(node: &Node, split: fn(&str, bool) -> Vec<&str>) -> Option<Vec<(Tool, Span)>> {
    let of_text = |text: &str, span: Span, is_list: bool| {
        let entries = split_outside(unwrapped(text), &[',', '\n', ';', '|']);
        let is_whole = !is_list && entries.len() == 1;
        let names = entries.into_iter().flat_map(|entry| split(entry, is_whole));
        names
            .map(|name| (Tool::new(name), span))
            .collect::<Vec<_>>()
    };
    match &node.value {
        Value::String(text) => Some(of_text(text, node.span, false)),
        Value::List(items) => {
            let mut tools = Vec::new();
            for item in items {
                let name = item.get("name").unwrap_or(item);
                tools.extend(of_text(name.as_str()?, item.span, true));
            }
            Some(tools)
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Map(_) => None,
    }
}

/// The text of a list in brackets that was put in quotes: `"['Read', 'Grep']"`.
fn unwrapped(text: &str) -> &str {
    let text = text.trim();
    text.strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'))
        .unwrap_or(text)
}

/// The names in `entry`. Blanks divide names of tools, as in `Read Write Edit`, and not the words of one name, as in
/// `Diff Engine`.
fn split_entry(entry: &str, is_whole: bool) -> Vec<&str> {
    let parts = split_at_blanks(entry);
    let is_tool = |part: &&str| {
        part.contains('(') || tool_names::mcp_parts(part).is_some() || tool_names::is_known(part)
    };
    let is_plain = |part: &&str| {
        tool_names::is_possible(part) && !part.starts_with(|c: char| c.is_ascii_uppercase())
    };
    let all_are_names = if is_whole {
        parts.iter().all(|part| is_tool(part) || is_plain(part))
    } else {
        parts.iter().all(is_tool)
    };
    if all_are_names { parts } else { vec![entry] }
}

/// The parts of `entry` between blanks outside of brackets; brackets belong to the name before them.
fn split_at_blanks(entry: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut depth = 0;
    let mut start = 0;
    // Where the blanks before the next character start.
    let mut blanks = None;
    for (index, c) in entry.char_indices() {
        if depth == 0 && c.is_whitespace() {
            blanks.get_or_insert(index);
            continue;
        }
        if let Some(end) = blanks.take()
            && c != '('
        {
            parts.push(&entry[start..end]);
            start = index;
        }
        depth = depth_behind(depth, c);
    }
    parts.push(entry[start..].trim_end());
    if parts.len() > 1 {
        parts.retain(|part| !JOINERS.contains(part));
    }
    parts
}

/// What people write between two names.
const JOINERS: [&str; 6] = ["&", "+", "-", "/", "and", "or"];

/// The parts of `text` between `separators` outside of brackets.
fn split_outside<'a>(text: &'a str, separators: &[char]) -> Vec<&'a str> {
    let mut depth = 0;
    text.split(|c| {
        depth = depth_behind(depth, c);
        depth == 0 && separators.contains(&c)
    })
    .map(|entry| entry.trim().trim_matches(['"', '\'', '`']).trim())
    .map(|entry| entry.strip_prefix("- ").unwrap_or(entry).trim())
    .filter(|entry| !entry.is_empty())
    .collect()
}

/// How many brackets are open behind `c`, where `depth` are open before it.
fn depth_behind(depth: usize, c: char) -> usize {
    match c {
        '(' | '[' | '{' => depth + 1,
        ')' | ']' | '}' => depth.saturating_sub(1),
        _ => depth,
    }
}
