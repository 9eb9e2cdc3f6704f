//! Agents with their contracts, resolved against each other, and the operations that a service offers for them.
//!
//! Invariant: an [`Agent`] exists only if its own file is free of errors. It imports `spec`, `contract` and `project`.

pub mod invoke;
pub mod operation;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::contract::endpoint_path;
use crate::contract::workflow_contract::OnFailure;
use crate::contract::{self, Service};
use crate::diagnostics::code::Code;
use crate::diagnostics::source::Source;
use crate::diagnostics::span::Span;
use crate::diagnostics::{Diagnostic, Report, Severity};
use crate::project::config::Config;
use crate::spec::agent_file::{self, Spec};
use crate::text::did_you_mean::did_you_mean;
use crate::text::ident::Ident;
use crate::text::slug::Slug;
use crate::yaml::yaml_settings::Name;

/// One agent with its contract.
#[derive(Debug, Clone)]
pub struct Agent {
    /// What the agent's file says.
    pub spec: Spec,
    /// Its HTTP contract.
    pub service: Service,
    /// The name of its module.
    pub module: Ident,
    /// The name of its trait.
    pub type_name: Ident,
}

impl Agent {
    /// The model or alias that runs the agent, if it names one.
    pub fn model(&self) -> Option<&str> {
        self.service.model.as_deref().or(self.spec.model.as_deref())
    }
}

/// Reads every agent in `sources` and checks them against each other.
///
/// Agents come sorted by slug; everything that is to say about them is added to `diagnostics`.
pub fn read_all(
    sources: &[Arc<Source>],
    config: &Config,
    diagnostics: &mut Vec<Diagnostic>,
) -> Vec<Agent> {
    let mut sidecars: BTreeMap<&str, &Arc<Source>> = sources
        .iter()
        .filter_map(|source| Some((sidecar_of(source.path())?, source)))
        .collect();
    let mut agents = Vec::new();
    let specs = sources
        .iter()
        .filter(|source| sidecar_of(source.path()).is_none());
    for source in specs {
        let base = base(source.path());
        let sidecar = sidecars.remove(base);
        let mut report = Report::new(source);
        let agent = read(&mut report, sidecar, config.strict, diagnostics);
        diagnostics.extend(report.into_diagnostics());
        agents.extend(agent);
    }
    for (base, source) in sidecars {
        diagnostics.push(
            Diagnostic::error(Code::OrphanSidecar, "", "this contract belongs to no agent")
                .at(source, Span::default())
                .help(format!("it belongs to `{base}.md`, which is not there")),
        );
    }
    agents.sort_by(|a, b| {
        (&a.spec.slug, a.spec.source.path()).cmp(&(&b.spec.slug, b.spec.source.path()))
    });
    check_names(&agents, diagnostics);
    check_routes(&agents, diagnostics);
    check_references(&agents, config, diagnostics);
    agents
}

fn read(
    report: &mut Report,
    sidecar: Option<&Arc<Source>>,
    strict: bool,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Agent> {
    let spec = agent_file::read(report, strict)?;
    let block = spec.frontmatter.entry("service");
    let service = match (block, sidecar) {
        (Some(block), Some(sidecar)) => {
            report
                .error(
                    Code::ServiceTwice,
                    block.key_span,
                    "the contract stands in two places",
                )
                .advise(format!("keep it here or in `{}`", sidecar.path()));
            Service::none(&spec.source)
        }
        (Some(block), None) => contract::read(&block.value, &spec.slug, report),
        (None, Some(sidecar)) => {
            let mut report = Report::new(sidecar);
            let block = crate::frontmatter::read_yaml(&mut report);
            let service = match &block {
                Some(block) => {
                    let inner = match block.entries() {
                        Some([entry]) if entry.key == "service" => &entry.value,
                        _ => block,
                    };
                    contract::read(inner, &spec.slug, &mut report)
                }
                None => Service::none(sidecar),
            };
            diagnostics.extend(report.into_diagnostics());
            service
        }
        (None, None) => Service::none(&spec.source),
    };
    let module = Ident::snake(spec.slug.as_str());
    let type_name = Ident::camel(spec.slug.as_str());
    Some(Agent {
        module: module?,
        type_name: type_name?,
        service,
        spec,
    })
}

/// The path of a spec without its ending.
fn base(path: &str) -> &str {
    path.rsplit_once('.').map_or(path, |(base, _)| base)
}

/// The path, without its ending, of the spec that a sidecar belongs to.
fn sidecar_of(path: &str) -> Option<&str> {
    path.strip_suffix(".service.yaml")
        .or_else(|| path.strip_suffix(".service.yml"))
}

fn check_names(agents: &[Agent], diagnostics: &mut Vec<Diagnostic>) {
    let mut seen: BTreeMap<String, &Agent> = BTreeMap::new();
    for agent in agents {
        let module = agent.module.as_str().to_ascii_lowercase();
        let type_name = format!("type {}", agent.type_name.as_str().to_ascii_lowercase());
        let twin = seen.get(&module).or_else(|| seen.get(&type_name)).copied();
        if let Some(twin) = twin {
            let message = format!(
                "`{}` and `{}` of {} are both named `{}` in files and code",
                agent.spec.name,
                twin.spec.name,
                twin.spec.source.path(),
                agent.spec.slug,
            );
            diagnostics.push(
                Diagnostic::error(Code::NameCollision, "", message)
                    .at(&agent.spec.source, agent.spec.name_span)
                    .help("rename one of them"),
            );
            continue;
        }
        seen.insert(module, agent);
        seen.insert(type_name, agent);
    }
}

/// Where an endpoint was declared.
type Place<'a> = (&'a Agent, &'a crate::contract::endpoint::Endpoint);

fn check_routes(agents: &[Agent], diagnostics: &mut Vec<Diagnostic>) {
    let mut shapes: BTreeMap<String, Vec<Place<'_>>> = BTreeMap::new();
    for agent in agents {
        for endpoint in &agent.service.endpoints {
            let others = shapes
                .entry(endpoint_path::shape(&endpoint.path))
                .or_default();
            let clash = others.iter().find_map(|(owner, other)| {
                let whose = format!("`{}` of `{}`", other.name, owner.spec.name);
                if other.method == endpoint.method {
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
                }
            });
            if let Some(message) = clash {
                diagnostics.push(
                    Diagnostic::error(Code::EndpointCollision, "", message)
                        .at(&agent.service.source, endpoint.span)
                        .help("give one of them another path"),
                );
            }
            others.push((agent, endpoint));
        }
    }
}

fn check_references(agents: &[Agent], config: &Config, diagnostics: &mut Vec<Diagnostic>) {
    let known: Vec<&str> = agents
        .iter()
        .flat_map(|agent| [agent.spec.slug.as_str(), agent.spec.name.as_str()])
        .collect();
    for agent in agents {
        let service = &agent.service;
        let mut check = |name: &Name, models: bool| {
            if known.contains(&name.text.as_str()) || (models && is_model(&name.text, config)) {
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
            let help = did_you_mean(&name.text, known.iter().copied(), advice);
            diagnostics.push(diagnostic.help(help));
        };
        for name in &service.agents {
            check(name, false);
        }
        for name in &service.policy.fallbacks {
            check(name, true);
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
        let own = [agent.spec.slug.as_str(), agent.spec.name.as_str()];
        for name in service.agents.iter().chain(&service.policy.fallbacks) {
            if own.contains(&name.text.as_str()) {
                let message = format!("`{}` is the agent itself", name.text);
                let diagnostic = Diagnostic::error(Code::BadSetting, "", message)
                    .with_severity(Severity::Warning)
                    .at(&service.source, name.span)
                    .help("it is never asked in its own place: take the name out");
                diagnostics.push(diagnostic);
            }
        }
    }
}

/// Whether `name` is a model: an alias of Claude Code or of the project, `provider:model`, or an id with
/// a version in it.
fn is_model(name: &str, config: &Config) -> bool {
    matches!(name, "sonnet" | "opus" | "haiku" | "fable" | "inherit")
        || config.models.iter().any(|(alias, _)| alias == name)
        || name.contains([':', '/'])
        || name.bytes().any(|byte| byte.is_ascii_digit())
}

/// The agent with this name or slug.
pub fn find_agent<'a>(agents: &'a [Agent], name: &str) -> Option<&'a Agent> {
    let is_meant = |agent: &&Agent| agent.spec.slug.as_str() == name || agent.spec.name == name;
    agents.iter().find(is_meant)
}

/// The slug of the agent with this name or slug.
pub fn find_slug<'a>(agents: &'a [Agent], name: &str) -> Option<&'a Slug> {
    find_agent(agents, name).map(|agent| &agent.spec.slug)
}
