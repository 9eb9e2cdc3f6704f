//! Agents whose endpoints need roles while the agent itself admits every caller.

use std::collections::BTreeSet;

use crate::agent::{Agent, find_slug};
use crate::contract::endpoint::Endpoint;
use crate::diagnostics::code::Code;
use crate::diagnostics::{Diagnostic, Severity};
use crate::text::slug::Slug;

/// Warns where the prompt behind endpoints with roles answers every caller: through `invoke`, or for another agent.
pub fn check_roles(agents: &[Agent], diagnostics: &mut Vec<Diagnostic>) {
    let named: BTreeSet<&Slug> = agents
        .iter()
        .flat_map(|agent| {
            let service = &agent.service;
            service.agents.iter().chain(&service.policy.fallbacks)
        })
        .filter_map(|name| find_slug(agents, &name.text))
        .collect();
    for agent in agents {
        let service = &agent.service;
        let has_roles = |endpoint: &&Endpoint| !endpoint.roles.is_empty();
        let Some(guarded) = service.endpoints.iter().find(has_roles) else {
            continue;
        };
        if service.states_roles || !service.roles.is_empty() {
            continue;
        }
        let mut all = BTreeSet::new();
        let roles = service.endpoints.iter().flat_map(|other| &other.roles);
        let roles: Vec<&str> = roles
            .map(String::as_str)
            .filter(|role| all.insert(*role))
            .collect();
        let roles = roles.join(", ");
        let (open, help) = if service.invoke {
            (
                "`invoke` admits every caller".to_owned(),
                format!(
                    "say who may call it: `invoke: {{ roles: [{roles}] }}`, or `invoke: {{ roles: [] }}` for every caller"
                ),
            )
        } else if named.contains(&agent.spec.slug) {
            (
                format!(
                    "`{}` answers every caller of the agents that name it",
                    agent.spec.name
                ),
                format!(
                    "give its endpoints a role in common, or say who may call it: `invoke: {{ roles: [{roles}] }}`"
                ),
            )
        } else {
            continue;
        };
        let message = format!(
            "{open}, but `{}` needs one of the roles {}",
            guarded.name,
            guarded.roles.join(", ")
        );
        diagnostics.push(
            Diagnostic::error(Code::OpenAgent, "", message)
                .with_severity(Severity::Warning)
                .at(&service.source, guarded.span)
                .help(help),
        );
    }
}
