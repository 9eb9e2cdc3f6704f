//! The agents of a project against each other: names, routes, and the agents they refer to.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use crate::agent::{Agent, agent_names, find_agent, operation};
use crate::check::model_check::{aliases, is_model};
use crate::contract::endpoint::Endpoint;
use crate::contract::endpoint_path;
use crate::contract::workflow_contract::OnFailure;
use crate::diagnostics::code::Code;
use crate::diagnostics::{Diagnostic, Severity};
use crate::project::config::Config;
use crate::text::did_you_mean::did_you_mean;
use crate::yaml::yaml_settings::Name;

/// Checks what needs more than one agent, except the types in workflows.
pub fn check_agents(agents: &[Agent], config: &Config, diagnostics: &mut Vec<Diagnostic>) {
    check_names(agents, config, diagnostics);
    check_routes(agents, diagnostics);
    check_operation_ids(agents, diagnostics);
    check_references(agents, config, diagnostics);
}

/// Two agents must not have the same name in files, routes, modules or types.
fn check_names(agents: &[Agent], config: &Config, diagnostics: &mut Vec<Diagnostic>) {
    let mut seen: BTreeMap<String, &Agent> = BTreeMap::new();
    for agent in agents {
        let spec = &agent.spec;
        match seen.entry(agent_names::key(&spec.slug)) {
            Entry::Vacant(place) => {
                place.insert(agent);
            }
            Entry::Occupied(place) => {
                let twin = &place.get().spec;
                let line = twin.source.location(twin.name_span.start).line;
                let owner = format!("`{}` (line {line})", twin.source.path());
                let message = if twin.name == spec.name {
                    format!("the name `{}` is taken by {owner}", spec.name)
                } else if twin.slug == spec.slug {
                    format!(
                        "`{}` would be `{}` in files and routes, as `{}` of {owner} is",
                        spec.name, spec.slug, twin.name
                    )
                } else {
                    format!(
                        "`{}` and `{}` of {owner} have the same name in code but for capitals",
                        spec.name, twin.name
                    )
                };
                diagnostics.push(
                    Diagnostic::error(Code::NameCollision, "", message)
                        .at(&spec.source, spec.name_span)
                        .help(rename_or_leave_out(spec.source.path(), config)),
                );
            }
        }
    }
}

/// How the agent at `path` gets out of the way of another one.
fn rename_or_leave_out(path: &str, config: &Config) -> String {
    let left_out = format!("!{path}");
    let entries = config.agents.iter().chain([&left_out]);
    let entries: Vec<String> = entries.map(|entry| format!("{entry:?}")).collect();
    format!(
        "rename one of them, or leave one out in agentgen.toml: `agents = [{}]`",
        entries.join(", ")
    )
}

/// Where an endpoint was declared.
type Place<'a> = (&'a Agent, &'a Endpoint);

/// Two endpoints must not have the same method and path, or paths that differ only in parameter names.
fn check_routes(agents: &[Agent], diagnostics: &mut Vec<Diagnostic>) {
    let mut shapes: BTreeMap<String, Vec<Place<'_>>> = BTreeMap::new();
    for agent in agents {
        for endpoint in &agent.service.endpoints {
            let others = shapes
                .entry(endpoint_path::shape(&endpoint.path))
                .or_default();
            let clash = others.iter().find_map(|(owner, other)| {
                let source = &owner.service.source;
                let line = source.location(other.path_span.start).line;
                let whose = format!(
                    "`{}` of `{}` ({}:{line})",
                    other.name,
                    owner.spec.name,
                    source.path()
                );
                let message = if other.method == endpoint.method {
                    let method = endpoint.method;
                    Some(format!(
                        "{method} {} is the route of {whose} too",
                        endpoint.path
                    ))
                } else if other.path != endpoint.path {
                    Some(format!(
                        "{} and the {} of {whose} differ only in the names of parameters",
                        endpoint.path, other.path
                    ))
                } else {
                    None
                };
                message.map(|message| (message, source, other.path_span))
            });
            if let Some((message, source, span)) = clash {
                let mut diagnostic = Diagnostic::error(Code::EndpointCollision, "", message)
                    .at(&agent.service.source, endpoint.path_span)
                    .help("give one of them another path");
                diagnostic.relate(source, span, "the other is here");
                diagnostics.push(diagnostic);
            }
            others.push((agent, endpoint));
        }
    }
}

/// An id that an author gives to an operation must be that of no other operation or workflow of the project.
fn check_operation_ids(agents: &[Agent], diagnostics: &mut Vec<Diagnostic>) {
    let operations = agents.iter().flat_map(|agent| {
        let operations = operation::all(agent).into_iter();
        operations.map(move |operation| {
            let what = format!("`{}` of `{}`", operation.name, agent.spec.name);
            (agent, operation.id, what, operation.endpoint)
        })
    });
    let workflows = agents.iter().flat_map(|agent| {
        let workflows = agent.service.workflows.iter();
        workflows.map(move |workflow| {
            let what = format!("the workflow `{}` of `{}`", workflow.name, agent.spec.name);
            (agent, workflow.operation_id(), what, None)
        })
    });
    let mut seen: BTreeMap<String, (&Agent, String)> = BTreeMap::new();
    let mut given = Vec::new();
    for (agent, id, what, endpoint) in operations.chain(workflows) {
        match endpoint.and_then(|endpoint| endpoint.operation_id.as_ref()) {
            Some(name) => given.push((agent, name, what)),
            // Those that two agents make up are no matter of these ids.
            None => drop(seen.insert(id, (agent, what))),
        }
    }
    for (agent, name, what) in given {
        let Some((owner, twin)) = seen.get(&name.text) else {
            seen.insert(name.text.clone(), (agent, what));
            continue;
        };
        let place = match owner.service.source.path() == agent.service.source.path() {
            true => String::new(),
            false => format!(" in {}", owner.service.source.path()),
        };
        let message = format!("`{}` is the operation id of {twin}{place} too", name.text);
        diagnostics.push(
            Diagnostic::error(Code::EndpointCollision, "", message)
                .at(&agent.service.source, name.span)
                .help("give one of them another `operation_id`"),
        );
    }
}

/// Every agent that a contract names must exist.
fn check_references(agents: &[Agent], config: &Config, diagnostics: &mut Vec<Diagnostic>) {
    let names: Vec<&str> = agents
        .iter()
        .flat_map(|agent| [agent.spec.slug.as_str(), agent.spec.name.as_str()])
        .collect();
    for agent in agents {
        let service = &agent.service;
        let mut check = |name: &Name, models: bool| {
            if names.contains(&name.text.as_str()) || (models && is_model(&name.text, config)) {
                return;
            }
            let (message, advice) = if models {
                (
                    format!(
                        "`{}` is neither an agent of this project nor a model",
                        name.text
                    ),
                    "models are sonnet, opus, haiku, fable, inherit, `provider:model`, full ids, and the aliases under [models]",
                )
            } else {
                (
                    format!("there is no agent `{}` in this project", name.text),
                    "add its file, or take the name out",
                )
            };
            let diagnostic =
                Diagnostic::error(Code::UnknownAgent, "", message).at(&service.source, name.span);
            let models = aliases(config).filter(|_| models);
            let help = did_you_mean(&name.text, names.iter().copied().chain(models), advice);
            diagnostics.push(diagnostic.help(help));
        };
        for name in &service.agents {
            check(name, false);
        }
        // Those of the frontmatter are models: see `model_check`.
        if service.policy.fallbacks != agent.spec.models.fallbacks {
            for name in &service.policy.fallbacks {
                check(name, true);
            }
        }
        for step in service
            .workflows
            .iter()
            .flat_map(|workflow| &workflow.steps)
        {
            check(&step.agent, false);
            if let OnFailure::Fallback(name) = &step.on_failure {
                check(name, false);
            }
        }
        for name in &service.agents {
            let ruled_out = |other: &&Agent| !agent.may_hand_off_to(other);
            if find_agent(agents, &name.text).filter(ruled_out).is_some() {
                let message = format!("`{}` gets no tasks: the agent's tools forbid it", name.text);
                let diagnostic = Diagnostic::error(Code::ToolReach, "", message)
                    .with_severity(Severity::Warning)
                    .at(&service.source, name.span)
                    .help(
                        "remove the name here, or the rule on `Agent` or `Task` in the frontmatter",
                    );
                diagnostics.push(diagnostic);
            }
        }
        let own = [agent.spec.slug.as_str(), agent.spec.name.as_str()];
        for name in service.agents.iter().chain(&service.policy.fallbacks) {
            if own.contains(&name.text.as_str()) {
                let message = format!("`{}` is the agent itself", name.text);
                let diagnostic = Diagnostic::error(Code::BadSetting, "", message)
                    .with_severity(Severity::Warning)
                    .at(&service.source, name.span)
                    .help("remove the name");
                diagnostics.push(diagnostic);
            }
        }
    }
}
