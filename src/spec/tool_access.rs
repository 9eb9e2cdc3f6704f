//! What an agent may use: the tools it lists, less those it is denied.
//!
//! Example: `tools: Read, Write` and `disallowedTools: Write` leave `Read`.

use crate::diagnostics::Report;
use crate::diagnostics::code::Code;
use crate::diagnostics::span::Span;
use crate::spec::tool_list::Tool;

/// The tools of an agent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ToolAccess {
    /// Those it may use; `None` restricts nothing.
    pub allowed: Option<Vec<Tool>>,
    /// The place of the list of those.
    pub span: Span,
    /// Those it may not use, whatever `allowed` says.
    pub denied: Vec<Tool>,
}

impl ToolAccess {
    /// Whether the agent may hand tasks to an agent with one of these names, as far as its tools say. `Agent(name)` among the allowed
    /// tools admits only the agents that such entries name.
    pub fn may_hand_off_to(&self, names: [&str; 2]) -> bool {
        let names_it = |tool: &&Tool| {
            let named = |name: &&str| names.iter().any(|own| own.eq_ignore_ascii_case(name));
            let arguments = tool.arguments.iter().map(String::as_str);
            !tool.is_partial() || arguments.into_iter().any(|name| named(&name))
        };
        let is_denied = self
            .denied
            .iter()
            .any(|tool| tool.pattern() == "*" || (tool.starts_agents() && names_it(&tool)));
        let mut admitted = self
            .allowed
            .iter()
            .flatten()
            .filter(|tool| tool.starts_agents());
        !is_denied && (admitted.clone().next().is_none() || admitted.any(|tool| names_it(&tool)))
    }
}

/// The place of the first of `tools`, and the names of all, each once.
pub fn place_and_names<'a>(
    tools: impl Iterator<Item = &'a (Tool, Span)>,
) -> Option<(Span, Vec<&'a str>)> {
    let mut place = None;
    let mut names: Vec<&str> = Vec::new();
    for (tool, span) in tools {
        place.get_or_insert(*span);
        if !names.contains(&tool.name.as_str()) {
            names.push(&tool.name);
        }
    }
    Some((place?, names))
}

/// Notes that calls of `tools` can't be told apart by their arguments, and so have the `outcome` all together.
pub fn note_whole<'a>(
    tools: impl Iterator<Item = &'a (Tool, Span)>,
    outcome: &str,
    advice: &str,
    report: &mut Report,
) {
    if let Some((span, names)) = place_and_names(tools) {
        let tools = quoted(&names);
        let message = format!("calls of {tools} can't be told apart by their arguments: {outcome}");
        report
            .note(Code::ToolReach, span, message)
            .about(names)
            .advise(advice);
    }
}

/// The names for a message: `` `Read`, `Bash` ``.
pub fn quoted(names: &[&str]) -> String {
    format!("`{}`", names.join("`, `"))
}
