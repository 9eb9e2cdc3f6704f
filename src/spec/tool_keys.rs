//! The keys of the frontmatter that allow and deny tools.

use std::sync::Arc;

use crate::diagnostics::Report;
use crate::diagnostics::code::Code;
use crate::diagnostics::span::Span;
use crate::spec::tool_access::{ToolAccess, note_whole};
use crate::spec::tool_list::{self, Tool};
use crate::spec::{tool_names, tool_rules};
use crate::text::did_you_mean::did_you_mean;
use crate::text::printable::printable;
use crate::yaml::node::{Entry, Node, Value};

/// The keys that list the tools of an agent; the first that restricts them counts.
const ALLOW_KEYS: [&str; 4] = ["tools", "allowed-tools", "allowedTools", "allowed_tools"];
/// The keys that deny tools; all of them count.
const DENY_KEYS: [&str; 3] = ["disallowedTools", "disallowed-tools", "disallowed_tools"];
/// Words that mean no tool where they stand alone.
const NO_TOOL: [&str; 3] = ["none", "no tools", "nothing"];
/// Words that mean every tool where they stand alone.
const EVERY_TOOL: [&str; 5] = ["*", "all", "all tools", "any", "inherit"];

/// Reads what `frontmatter` says about tools.
pub fn read(frontmatter: &Node, report: &mut Report) -> ToolAccess {
    let mut access = ToolAccess::default();
    let entry = |key: &&str| {
        let entry = frontmatter.entry(key);
        entry.filter(|entry| entry.value.value != Value::Null)
    };
    let mut counts: Option<&Entry> = None;
    for listed in ALLOW_KEYS.iter().filter_map(entry) {
        match counts {
            Some(first) => warn_of_other_list(first, listed, report),
            None => read_allowed(listed, &mut access, report),
        }
        counts = counts.or(access.allowed.is_some().then_some(listed));
    }
    for denied in DENY_KEYS.iter().filter_map(entry) {
        read_denied(denied, &mut access, report);
    }
    if let Some(entry) = entry(&"permission") {
        tool_rules::read_permissions(&entry.value, &mut access, report);
    }
    let mut seen = Vec::new();
    access.denied.retain(|tool| {
        let is_new = !seen.contains(&tool.entry);
        seen.push(tool.entry.clone());
        is_new
    });
    access
}

fn read_allowed(entry: &Entry, access: &mut ToolAccess, report: &mut Report) {
    let node = &entry.value;
    match &node.value {
        Value::Bool(true) => {}
        Value::Bool(false) => access.allowed = Some(Vec::new()),
        Value::Map(entries) => {
            tool_rules::read_switches(entry, entries, access, report);
            access.span = node.span;
        }
        _ if tool_list::is_sentence(node) => not_a_list(entry, report),
        _ => match tool_list::parse(node) {
            Some(tools) if is_every_tool(&tools) => {}
            Some(tools) => {
                let tools = if is_no_tool(node) { Vec::new() } else { tools };
                warn_of_words_that_allow_nothing(entry, &tools, report);
                note_allowed(entry, &tools, report);
                access.allowed = Some(tools.into_iter().map(|(tool, _)| tool).collect());
                access.span = node.span;
            }
            None => {
                // A restriction that can't be read must not be lost: the agent would get every tool.
                not_tools(entry, report);
            }
        },
    }
}

/// Warns of a list of tools under a second spelling of the key.
fn warn_of_other_list(first: &Entry, other: &Entry, report: &mut Report) {
    let message = format!("`{}` has no effect beside `{}`", other.key, first.key);
    let source = Arc::clone(report.source());
    report
        .warning(Code::DuplicateKey, other.key_span, message)
        .relate(&source, first.key_span, "this list counts")
        .advise("keep one list: both keys mean the same");
}

fn read_denied(entry: &Entry, access: &mut ToolAccess, report: &mut Report) {
    let tools = match &entry.value.value {
        Value::Bool(false) => Some(Vec::new()),
        Value::Map(entries) => tool_rules::switches(entries).map(|switches| {
            let on = switches.into_iter().filter(|switch| switch.is_on);
            on.map(|switch| (Tool::new(switch.name), switch.span))
                .collect()
        }),
        _ if tool_list::is_sentence(&entry.value) || tool_list::has_open_bracket(&entry.value) => {
            return not_a_list(entry, report);
        }
        _ if is_no_tool(&entry.value) => Some(Vec::new()),
        _ => tool_list::parse_denied(&entry.value),
    };
    match tools {
        Some(tools) if is_every_tool(&tools) => access.denied.push(Tool::new("*")),
        Some(tools) => {
            warn_of_names_that_deny_nothing(entry, &tools, report);
            note_whole_denials(&tools, report);
            access
                .denied
                .extend(tools.into_iter().map(|(tool, _)| tool));
        }
        None => not_tools(entry, report),
    }
}

fn is_no_tool(node: &Node) -> bool {
    let text = node
        .as_str()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    NO_TOOL.contains(&text.as_str())
}

/// Refuses a text that can't be cut into names with certainty: part of a restriction would be lost.
fn not_a_list(entry: &Entry, report: &mut Report) {
    let message = format!("`{}` is no list of names", entry.key);
    let advice = if tool_list::is_sentence(&entry.value) {
        "write the names of the tools, as in `Read, Grep`: those that are allowed under `tools`, those that are denied under `disallowedTools`"
    } else {
        "close the bracket: nothing says whether what is behind it are names"
    };
    report
        .error(Code::WrongType, entry.value.span, message)
        .advise(advice);
}

/// Warns of what no tool can be called.
fn warn_of_names_that_deny_nothing(entry: &Entry, tools: &[(Tool, Span)], report: &mut Report) {
    for (tool, span) in tools {
        if tool_names::is_possible(&tool.name)
            || tool.name.contains('/')
            || tool.mcp_server.is_some()
        {
            continue;
        }
        let message = format!(
            "`{}` denies nothing in `{}`: no tool can have this name",
            printable(&tool.entry),
            entry.key
        );
        let candidates = tool_names::known();
        let otherwise = "write the name alone, as in `Edit` or `Bash(git push:*)`";
        report
            .warning(Code::UnknownValue, *span, message)
            .advise(did_you_mean(&tool.name, candidates, otherwise));
    }
}

/// Warns of entries such as `!Write` and `-Write`, and of `inherit` beside names: they allow nothing.
fn warn_of_words_that_allow_nothing(entry: &Entry, tools: &[(Tool, Span)], report: &mut Report) {
    for (tool, span) in tools {
        let word = tool.entry.as_str();
        let advice = if word.starts_with(['!', '-']) {
            "deny a tool under `disallowedTools`"
        } else if tools.len() > 1 && EVERY_TOOL.contains(&word.to_ascii_lowercase().as_str()) {
            "remove it, or the other names: alone it allows every tool"
        } else {
            continue;
        };
        let message = format!("`{}` allows nothing in `{}`", printable(word), entry.key);
        report
            .warning(Code::UnknownValue, *span, message)
            .advise(advice);
    }
}

fn is_every_tool(tools: &[(Tool, Span)]) -> bool {
    let is_word = |tool: &Tool| EVERY_TOOL.contains(&tool.entry.to_ascii_lowercase().as_str());
    let restricts_agents = |(tool, _): &(Tool, Span)| tool.starts_agents() && tool.is_partial();
    match tools {
        [(tool, _)] => is_word(tool),
        _ => tools.iter().any(|(tool, _)| tool.entry == "*") && !tools.iter().any(restricts_agents),
    }
}

fn not_tools(entry: &Entry, report: &mut Report) {
    let items = entry.value.items().unwrap_or_default();
    let odd = items
        .iter()
        .find(|item| item.get("name").unwrap_or(item).as_str().is_none());
    let (message, span) = match odd {
        Some(item) => (
            format!("`{}` has an item that is {}", entry.key, item.kind()),
            item.span,
        ),
        None => (
            format!("`{}` is {}", entry.key, entry.value.kind()),
            entry.value.span,
        ),
    };
    report
        .error(Code::WrongType, span, message)
        .advise("it takes `Read, Grep`, or a list of such names");
}

/// Says which of the tools that `entry` lists come to nothing in a service.
fn note_allowed(entry: &Entry, tools: &[(Tool, Span)], report: &mut Report) {
    if tools.is_empty() {
        let message = format!("`{}` is empty: the agent may use no tool", entry.key);
        report
            .note(Code::ToolReach, entry.key_span, message)
            .advise("remove the key to allow all tools that the service registers");
    }
    let partial = tools
        .iter()
        .filter(|(tool, _)| tool.is_partial() && !tool.is_foreign() && !tool.starts_agents());
    let advice = "name the tool without brackets to allow every call of it";
    note_whole(partial, "none is allowed", advice, report);
}

/// Says which tools are denied as a whole, because only some of their calls can't be.
fn note_whole_denials(tools: &[(Tool, Span)], report: &mut Report) {
    let partial = tools
        .iter()
        .filter(|(tool, _)| tool.is_partial() && !tool.starts_agents());
    let advice = "check the arguments in the tool itself, and take it out of the list";
    note_whole(partial, "all are denied", advice, report);
}
