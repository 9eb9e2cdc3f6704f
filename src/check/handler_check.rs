//! Handlers of agents that are gone: rustc would report several names that it can't find, and none of them is the cause.

use std::collections::BTreeMap;

use crate::agent::Agent;
use crate::diagnostics::Diagnostic;
use crate::diagnostics::code::Code;
use crate::diagnostics::span::Span;
use crate::project::handler_stubs::{HandlerStubs, declarations, generated_names};

/// Reports the handlers in `handlers` that belong to none of `agents`.
pub fn check_handlers(
    agents: &[Agent],
    handlers: &HandlerStubs,
    diagnostics: &mut Vec<Diagnostic>,
) {
    for (module, span) in orphans(agents, handlers) {
        let message = format!("`{module}` is the handler of an agent that is not there");
        let name = module.replace('_', "-");
        let help = format!("run `agentgen remove {name}`, or bring back the agent's file");
        diagnostics.push(
            Diagnostic::error(Code::HandlerOrphaned, "", message)
                .at(&handlers.module, span)
                .help(help),
        );
    }
}

/// The modules of handlers without an agent, and where `mod.rs` names each.
pub fn orphans(agents: &[Agent], handlers: &HandlerStubs) -> BTreeMap<String, Span> {
    let has_agent = |name: &str| agents.iter().any(|agent| agent.module.as_str() == name);
    let text = handlers.module.text();
    let mut found = BTreeMap::new();
    for (name, span) in generated_names(text) {
        if !has_agent(name) && text[span.end..].starts_with("::") {
            found.entry(name.to_owned()).or_insert(span);
        }
    }
    for (name, span) in declarations(text) {
        let own = handlers.handlers.iter().find(|(module, _)| module == name);
        let names_contract = own.is_some_and(|(_, file)| {
            generated_names(file.text()).any(|(generated, _)| generated == name)
        });
        if found.contains_key(name) || (!has_agent(name) && names_contract) {
            found.insert(name.to_owned(), span);
        }
    }
    found
}

#[cfg(test)]
#[path = "handler_check_tests.rs"]
mod tests;
