//! When a model that calls tools waits for a person: `service.tools`.
//!
//! Example: `tools: { approve: [Write], roles: [editor], timeout: 1d, ask_user: true }`.

use crate::diagnostics::Report;
use crate::diagnostics::code::Code;
use crate::diagnostics::span::Span;
use crate::spec::tool_access::note_whole;
use crate::spec::tool_list::{self, Tool};
use crate::yaml::node::{Entry, Node};
use crate::yaml::yaml_settings;

/// What the tools of an agent may not do without a person.
#[derive(Debug, Clone, Default)]
pub struct ToolPolicy {
    /// The tools whose calls a person approves first, each with its place.
    pub approve: Vec<(Tool, Span)>,
    /// The roles of which that person needs one; empty for whoever started the run.
    pub roles: Vec<String>,
    /// How long a question stays open, in milliseconds.
    pub timeout_ms: Option<u64>,
    /// Whether the model may ask whoever started the run.
    pub ask_user: bool,
}

impl ToolPolicy {
    /// Whether a person may be asked something.
    pub fn asks(&self) -> bool {
        self.ask_user || !self.approve.is_empty()
    }

    /// The names of the tools whose calls a person approves, with `*` for any characters.
    pub fn patterns(&self) -> impl Iterator<Item = String> {
        self.approve.iter().map(|(tool, _)| tool.pattern())
    }
}

/// Reads `service.tools`.
pub fn read(node: &Node, report: &mut Report) -> ToolPolicy {
    const KEYS: &[&str] = &["approve", "roles", "timeout", "ask_user"];
    let mut policy = ToolPolicy::default();
    let mut limits = None;
    for Entry {
        key,
        value,
        key_span,
    } in yaml_settings::allowed_entries(node, KEYS, report)
    {
        match key.as_str() {
            "approve" => policy.approve = approved(value, report),
            "ask_user" => policy.ask_user = yaml_settings::truth(value, report).unwrap_or(false),
            "timeout" => {
                policy.timeout_ms = yaml_settings::duration_ms(value, report);
                limits.get_or_insert(*key_span);
            }
            _ => {
                let roles = yaml_settings::names(value, report).into_iter();
                policy.roles = roles.map(|role| role.text).collect();
                limits.get_or_insert(*key_span);
            }
        }
    }
    if let Some(span) = limits.filter(|_| !policy.asks()) {
        report
            .error(Code::BadSetting, span, "nobody is asked")
            .advise("add `approve: [Write]`, `approve: all` or `ask_user: true`");
    }
    policy
}

/// The tools whose calls somebody approves: `all`, `none`, or a list of names.
fn approved(node: &Node, report: &mut Report) -> Vec<(Tool, Span)> {
    match node.as_str() {
        Some("all") => return vec![(Tool::new("*"), node.span)],
        Some("none") => return Vec::new(),
        _ => {}
    }
    let tools = tool_list::parse_denied(node).filter(|_| !tool_list::is_sentence(node));
    let Some(tools) = tools else {
        report
            .error(Code::BadSetting, node.span, "`approve` is no list of tools")
            .advise("it takes `all`, `none` or a list: `[Write, mcp__postgres__execute_sql]`");
        return Vec::new();
    };
    let partial = tools.iter().filter(|(tool, _)| tool.is_partial());
    note_whole(
        partial,
        "a person approves each of them",
        "write the name alone",
        report,
    );
    tools
}
