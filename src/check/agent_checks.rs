//! The agents of a project against each other: names, routes, and the agents they refer to.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use agentgen_schema::stream_path;

use crate::agent::{Agent, agent_names, find_agent, operation};
use crate::check::model_check::{aliases, is_model};
use crate::contract::endpoint::Endpoint;
use crate::contract::endpoint_path;
use crate::diagnostics::code::Code;
use crate::diagnostics::span::Span;
use crate::diagnostics::{Diagnostic, Severity};
use crate::project::config::Config;
use crate::text::did_you_mean::did_you_mean;
use crate::yaml::yaml_settings::Name;

/// Checks what needs more than one agent, except the types in workflows.
pub fn check_agents(agents: &[Agent], config: &Config, diagnostics: &mut Vec<Diagnostic>) {
    check_names(agents, config, diagnostics);
    check_routes(agents, diagnostics);
    note_hidden_values(agents, diagnostics);
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

/// A route of an endpoint: its own, or that of its events.
struct Route<'a> {
    agent: &'a Agent,
    endpoint: &'a Endpoint,
    path: String,
    is_stream: bool,
}

impl Route<'_> {
    /// The route in words, with the place of its endpoint.
    fn owner(&self) -> String {
        let source = &self.agent.service.source;
        let line = source.location(self.endpoint.path_span.start).line;
        let events = if self.is_stream { "the events of " } else { "" };
        let (endpoint, agent) = (&self.endpoint.name, &self.agent.spec.name);
        format!(
            "{events}`{endpoint}` of `{agent}` ({}:{line})",
            source.path()
        )
    }
}

/// The routes of all declared endpoints.
fn routes(agents: &[Agent]) -> impl Iterator<Item = Route<'_>> {
    let endpoints = agents.iter().flat_map(|agent| {
        let endpoints = agent.service.endpoints.iter();
        endpoints.map(move |endpoint| (agent, endpoint))
    });
    endpoints.flat_map(|(agent, endpoint)| {
        let route = |path, is_stream| Route {
            agent,
            endpoint,
            path,
            is_stream,
        };
        let events = endpoint.stream.then(|| stream_path(&endpoint.path));
        let own = route(endpoint.path.clone(), false);
        [Some(own), events.map(|path| route(path, true))]
            .into_iter()
            .flatten()
    })
}

/// Two endpoints must not have the same method and path, or paths that differ only in parameter names.
fn check_routes(agents: &[Agent], diagnostics: &mut Vec<Diagnostic>) {
    let mut shapes: BTreeMap<String, Vec<Route<'_>>> = BTreeMap::new();
    for route in routes(agents) {
        let others = shapes.entry(endpoint_path::shape(&route.path)).or_default();
        let method = route.endpoint.method;
        let clash = others.iter().find_map(|other| {
            if other.endpoint.method == method {
                let ours = if route.is_stream {
                    ", for its events,"
                } else {
                    ""
                };
                let path = &route.path;
                Some((
                    other,
                    format!(
                        "{method} {path}{ours} is the route of {} too",
                        other.owner()
                    ),
                ))
            } else if other.path != route.path {
                Some((
                    other,
                    format!(
                        "{} and the {} of {} differ only in the names of parameters",
                        route.path,
                        other.path,
                        other.owner()
                    ),
                ))
            } else {
                None
            }
        });
        if let Some((other, message)) = clash {
            let help = match route.is_stream || other.is_stream {
                true => {
                    "give one of them another path, or remove `stream`: its events have the path of the endpoint and `/stream`"
                }
                false => "give one of them another path",
            };
            let mut diagnostic = Diagnostic::error(Code::EndpointCollision, "", message)
                .at(&route.agent.service.source, route.endpoint.path_span)
                .help(help);
            let source = &other.agent.service.source;
            diagnostic.relate(source, other.endpoint.path_span, "the other is here");
            diagnostics.push(diagnostic);
        }
        others.push(route);
    }
}

/// Where the path of some events takes a value away from a parameter of another endpoint, a note says so: a route without a
/// parameter wins, whatever its method.
fn note_hidden_values(agents: &[Agent], diagnostics: &mut Vec<Diagnostic>) {
    let last = |path: &str| {
        path.rsplit_once('/')
            .map(|(rest, _)| endpoint_path::shape(rest))
    };
    let mut streams: BTreeMap<Option<String>, Route<'_>> = BTreeMap::new();
    for route in routes(agents).filter(|route| route.is_stream) {
        streams.entry(last(&route.path)).or_insert(route);
    }
    for route in routes(agents).filter(|route| !route.is_stream) {
        let (Some(stream), Some(parameter)) =
            (streams.get(&last(&route.path)), last_parameter(&route))
        else {
            continue;
        };
        let (path, hidden) = (&route.path, &stream.path);
        let message = format!(
            "the path {hidden} leads to {}, so `stream` as a `{parameter}` of {path} does not arrive",
            stream.owner()
        );
        diagnostics.push(
            Diagnostic::error(Code::EndpointCollision, "", message)
                .with_severity(Severity::Note)
                .at(&route.agent.service.source, route.endpoint.path_span)
                .help("if `stream` is such a value, give one of them another path"),
        );
    }
}

/// The parameter that ends the path of `route`, if it may be the text `stream`.
fn last_parameter<'a>(route: &'a Route<'_>) -> Option<&'a str> {
    let (_, segment) = route.path.rsplit_once('/')?;
    let name = segment.strip_prefix('{')?.strip_suffix('}')?;
    let input = &route.endpoint.input.json;
    let mut schema = input["properties"][name].clone();
    if let (Some(map), Some(defs)) = (schema.as_object_mut(), input.get("$defs")) {
        map.insert("$defs".to_owned(), defs.clone());
    }
    let schema = agentgen_schema::Schema::compile(&schema).ok()?;
    schema.is_valid(&"stream".into()).then_some(name)
}

/// The id of an operation or workflow of a project.
struct OperationId<'a> {
    agent: &'a Agent,
    id: String,
    /// What has the id, in words.
    what: String,
    /// The place of an id that an author gave, or made up from an id or a name that an author gave.
    span: Option<Span>,
    is_given: bool,
}

/// The ids of all operations, of their streams, and of all workflows.
fn operation_ids(agents: &[Agent]) -> Vec<OperationId<'_>> {
    let mut ids = Vec::new();
    for agent in agents {
        for operation in operation::all(agent) {
            let name = format!("`{}` of `{}`", operation.name, agent.spec.name);
            let given = operation
                .endpoint
                .and_then(|endpoint| endpoint.operation_id.as_ref());
            let span = match given {
                Some(name) => Some(name.span),
                None => operation.endpoint.map(|endpoint| endpoint.span),
            };
            let stream = operation.stream_route(agent);
            ids.push(OperationId {
                agent,
                id: operation.id,
                what: name.clone(),
                span,
                is_given: given.is_some(),
            });
            ids.extend(stream.map(|route| OperationId {
                agent,
                id: route.id,
                what: format!("the events of {name}"),
                span,
                is_given: given.is_some(),
            }));
        }
        ids.extend(agent.service.workflows.iter().map(|workflow| OperationId {
            agent,
            id: workflow.operation_id(),
            what: format!("the workflow `{}` of `{}`", workflow.name, agent.spec.name),
            span: None,
            is_given: false,
        }));
    }
    ids
}

/// An id that an author gives to an operation must be that of no other operation or workflow of the project, and the ids
/// of one agent must differ.
fn check_operation_ids(agents: &[Agent], diagnostics: &mut Vec<Diagnostic>) {
    let mut ids = operation_ids(agents);
    // Those that an author gave come last, since they are what can be changed.
    ids.sort_by_key(|id| id.is_given);
    let mut seen: BTreeMap<String, OperationId<'_>> = BTreeMap::new();
    for id in ids {
        let twin = match seen.entry(id.id.clone()) {
            Entry::Vacant(place) => {
                place.insert(id);
                continue;
            }
            Entry::Occupied(place) => place,
        };
        let twin = twin.get();
        let same_file = twin.agent.service.source.path() == id.agent.service.source.path();
        // Names that two agents make up are compared where their documents are merged.
        let (Some(span), true) = (id.span.or(twin.span), id.is_given || same_file) else {
            continue;
        };
        let place = match same_file {
            true => String::new(),
            false => format!(" in {}", twin.agent.service.source.path()),
        };
        let message = format!(
            "`{}` is the operation id of {}{place} too",
            id.id, twin.what
        );
        diagnostics.push(
            Diagnostic::error(Code::EndpointCollision, "", message)
                .at(&id.agent.service.source, span)
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
                    "models are sonnet, opus, haiku, fable, best, opusplan, inherit, `provider:model`, full ids, and the aliases under [models]",
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
            for name in step.agents() {
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
