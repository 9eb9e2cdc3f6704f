//! OpenCode's mappings of tools: `tools` switches single tools on and off, `permission` allows, asks or denies.
//!
//! Example: `tools: {write: false}` leaves every tool but `write`, and `tools: {"*": false, read: true}` only `read`.

use crate::diagnostics::Report;
use crate::diagnostics::code::Code;
use crate::diagnostics::span::Span;
use crate::spec::tool_access::{ToolAccess, note_whole, place_and_names, quoted};
use crate::spec::tool_list::Tool;
use crate::text::did_you_mean::did_you_mean;
use crate::text::printable::printable;
use crate::yaml::node::{Entry, Node, Value};

/// A tool, in whose name `*` stands for any characters, switched on or off.
pub struct Switch<'a> {
    /// The tool's name.
    pub name: &'a str,
    /// Its place.
    pub span: Span,
    /// Whether it is on.
    pub is_on: bool,
}

/// Keys of `permission` that are about something else than a tool.
const NO_TOOLS: [&str; 2] = ["doom_loop", "external_directory"];
/// What the permission `edit` covers.
const EDIT: [&str; 5] = ["edit", "write", "patch", "multiedit", "apply_patch"];
const ACTIONS: [&str; 3] = ["allow", "ask", "deny"];

/// Reads the mapping of the key `tools` into `access`.
pub fn read_switches(
    entry: &Entry,
    entries: &[Entry],
    access: &mut ToolAccess,
    report: &mut Report,
) {
    let Some(switches) = switches(entries) else {
        let other = |inner: &&Entry| !matches!(inner.value.value, Value::Bool(_));
        if let Some(other) = entries.iter().find(other) {
            let message = format!(
                "`{}` of `{}` is {}",
                printable(&other.key),
                entry.key,
                other.value.kind()
            );
            report
                .error(Code::WrongType, other.value.span, message)
                .advise("it takes `true` or `false`; `ask` and `deny` belong under `permission`");
        }
        return;
    };
    if !switches.is_empty()
        && switches
            .iter()
            .all(|switch| switch.is_on && switch.name != "*")
    {
        let message = format!("`{}` switches tools on, and none off", entry.key);
        report
            .note(Code::ToolReach, entry.key_span, message)
            .advise("a tool that is not there is on; add `\"*\": false` as the first one to allow only those that are there");
    }
    apply(&switches, access, report);
}

/// The switches in a mapping of names to truth values; `None` if a value is something else.
pub fn switches(entries: &[Entry]) -> Option<Vec<Switch<'_>>> {
    let switch = |entry: &'_ Entry| match entry.value.value {
        Value::Bool(is_on) => Some(is_on),
        _ => None,
    };
    entries
        .iter()
        .map(|entry| {
            Some(Switch {
                name: &entry.key,
                span: entry.key_span,
                is_on: switch(entry)?,
            })
        })
        .collect()
}

/// Reads the value of the key `permission` into `access`. A service has nobody to ask: `ask` denies.
pub fn read_permissions(node: &Node, access: &mut ToolAccess, report: &mut Report) {
    let mut switches = Vec::new();
    let mut asked = Vec::new();
    let mut widened = Vec::new();
    match &node.value {
        Value::Map(entries) => {
            for entry in entries
                .iter()
                .filter(|entry| !NO_TOOLS.contains(&entry.key.as_str()))
            {
                let mut actions = Vec::new();
                match &entry.value.value {
                    Value::Map(patterns) => {
                        actions.extend(
                            patterns
                                .iter()
                                .map(|pattern| action(&pattern.value, report)),
                        );
                    }
                    _ => actions.push(action(&entry.value, report)),
                }
                let tool = (Tool::new(&entry.key), entry.key_span);
                if actions.contains(&Action::Ask) {
                    asked.push(tool);
                } else if actions.contains(&Action::Allow) && actions.contains(&Action::Deny) {
                    widened.push(tool);
                }
                let names = match entry.key.as_str() {
                    "edit" => &EDIT[..],
                    name => &[name],
                };
                switches.extend(names.iter().map(|name| Switch {
                    name,
                    span: entry.key_span,
                    is_on: actions.iter().all(|action| *action == Action::Allow),
                }));
            }
        }
        _ => {
            let action = action(node, report);
            if action == Action::Ask {
                asked.push((Tool::new("*"), node.span));
            }
            switches.push(Switch {
                name: "*",
                span: node.span,
                is_on: action == Action::Allow,
            });
        }
    }
    if let Some((span, names)) = place_and_names(asked.iter()) {
        let tools = quoted(&names);
        let message = format!("a service has nobody to ask: {tools} is denied");
        report
            .note(Code::ToolReach, span, message)
            .about(names)
            .advise("write `allow` to let the model use it");
    }
    let advice = "write `allow`, and check the arguments in the tool itself";
    note_whole(widened.iter(), "all are denied", advice, report);
    apply(&switches, access, report);
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    Allow,
    Ask,
    Deny,
}

/// The action in `node`. What is not understood denies.
fn action(node: &Node, report: &mut Report) -> Action {
    match node.as_str() {
        Some("allow") => Action::Allow,
        Some("ask") => Action::Ask,
        Some("deny") => Action::Deny,
        other => {
            let message = match other {
                Some(word) => format!("`{word}` is no permission: it denies"),
                None => format!("a permission is {}: it denies", node.kind()),
            };
            let help = did_you_mean(
                other.unwrap_or_default(),
                ACTIONS,
                "it takes `allow`, `ask` or `deny`",
            );
            report
                .warning(Code::UnknownValue, node.span, message)
                .advise(help);
            Action::Deny
        }
    }
}

/// Narrows `access` by `switches`. OpenCode lets the last one that matches a tool decide; here a denial always does, and where that
/// makes a difference, the report says so.
fn apply(switches: &[Switch<'_>], access: &mut ToolAccess, report: &mut Report) {
    let last = switches.iter().rposition(|switch| switch.name == "*");
    let others_are_on = last.is_none_or(|last| switches[last].is_on);
    let switches = &switches[last.map_or(0, |last| last + 1)..];
    let on = switches.iter().filter(|switch| switch.is_on);
    if !others_are_on {
        let on: Vec<&str> = on.clone().map(|switch| switch.name).collect();
        access.allowed = Some(match access.allowed.take() {
            None => on.iter().map(|name| Tool::new(name)).collect(),
            Some(mut tools) => {
                tools.retain(|tool| on.iter().any(|name| covers(name, &tool.name)));
                tools
            }
        });
    }
    for switch in on {
        let denies = |other: &&Switch<'_>| !other.is_on && covers(other.name, switch.name);
        if let Some(denial) = switches.iter().find(denies) {
            let message = format!("`{}` stays denied", switch.name);
            report
                .note(Code::ToolReach, switch.span, message)
                .advise(format!(
                    "`{}` denies it, and a denial always wins",
                    denial.name
                ));
        }
    }
    let off = switches.iter().filter(|switch| !switch.is_on);
    access
        .denied
        .extend(off.map(|switch| Tool::new(switch.name)));
}

/// Whether `pattern`, which may end in `*`, is `name` in any case.
fn covers(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(start) => name
            .get(..start.len())
            .is_some_and(|head| head.eq_ignore_ascii_case(start)),
        None => pattern.eq_ignore_ascii_case(name),
    }
}
