//! Spec files and the contracts beside them to agents.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::agent::{Agent, agent_names, find_agent};
use crate::contract::{self, Service};
use crate::diagnostics::code::Code;
use crate::diagnostics::source::Source;
use crate::diagnostics::span::Span;
use crate::diagnostics::{Diagnostic, Report};
use crate::frontmatter::read_yaml;
use crate::parallel::in_parallel;
use crate::project::discover::SIDECAR_ENDINGS;
use crate::spec::agent_file::{self, Spec};
use crate::spec::run_limits::Limit;
use crate::text::ident::Ident;
use crate::yaml::json_nodes;

/// Reads every agent in `sources`: spec files, and contracts in files beside them. `folders` are those that were found and
/// not named, sorted by precedence.
///
/// The agents are sorted by slug. What there is to say about one agent, whatever the others are, is added to `own`, and the rest to
/// `diagnostics`; an agent whose spec can't be read is left out.
pub fn read_all(
    sources: &[Arc<Source>],
    folders: &[String],
    strict: bool,
    own: &mut Vec<Diagnostic>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Vec<Agent> {
    let mut sidecars: BTreeMap<&str, &Arc<Source>> = BTreeMap::new();
    for source in sources {
        let Some(base) = sidecar_of(source.path()) else {
            continue;
        };
        if let Some(first) = sidecars.get(base) {
            diagnostics.push(
                Diagnostic::error(Code::ServiceTwice, "", "the contract is in two files")
                    .at(source, Span::default())
                    .help(format!("keep it here or in `{}`", first.path())),
            );
        } else {
            sidecars.insert(base, source);
        }
    }
    let mut contracts: BTreeMap<&str, &Arc<Source>> = BTreeMap::new();
    let files: Vec<&Arc<Source>> = sources
        .iter()
        .filter(|source| sidecar_of(source.path()).is_none())
        .collect();
    for source in &files {
        let path = source.path();
        let base = base(path);
        let sidecar = sidecars.remove(base);
        let sidecar = sidecar.or_else(|| sidecars.remove(agent_file::without_suffix(base)));
        contracts.extend(sidecar.map(|sidecar| (path, sidecar)));
    }
    let mut specs = Vec::new();
    for (spec, found) in in_parallel(&files, |source| {
        let mut report = Report::new(source);
        let spec = agent_file::read(&mut report, strict);
        (spec, report.into_diagnostics())
    }) {
        specs.extend(spec);
        own.extend(found);
    }
    for (base, source) in sidecars {
        diagnostics.push(
            Diagnostic::error(Code::OrphanSidecar, "", "this contract belongs to no agent")
                .at(source, Span::default())
                .help(format!("it belongs to `{base}.md`, which is not there")),
        );
    }
    agent_names::settle(&mut specs, folders, diagnostics);
    let mut agents = Vec::new();
    let services = in_parallel(&specs, |spec| {
        let sidecar = contracts.get(spec.source.path()).copied();
        let mut found = Vec::new();
        (service_of(spec, sidecar, &mut found), found)
    });
    for (spec, (service, found)) in specs.into_iter().zip(services) {
        own.extend(found);
        let slug = spec.slug.as_str();
        if let (Some(module), Some(type_name)) = (Ident::snake(slug), Ident::camel(slug)) {
            agents.push(Agent {
                module,
                type_name,
                asks: service.policy.tools.asks(),
                service,
                spec,
            });
        }
    }
    agents.sort_by(|a, b| {
        (&a.spec.slug, a.spec.source.path()).cmp(&(&b.spec.slug, b.spec.source.path()))
    });
    settle_asks(&mut agents);
    agents
}

/// Finds the agents whose answers may have to wait because of those that they hand tasks to, or that answer in their place.
fn settle_asks(agents: &mut [Agent]) {
    if !agents.iter().any(|agent| agent.asks) {
        return;
    }
    loop {
        let waits = |agent: &Agent| {
            let fallbacks = agent.service.policy.fallbacks.iter();
            let fallbacks = fallbacks.filter_map(|name| find_agent(agents, &name.text));
            let mut others = agent.handoffs(agents).chain(fallbacks);
            !agent.asks && others.any(|other| other.asks)
        };
        let found: Vec<usize> = (0..agents.len()).filter(|at| waits(&agents[*at])).collect();
        if found.is_empty() {
            return;
        }
        for at in found {
            agents[at].asks = true;
        }
    }
}

/// The contract of the agent with `spec`.
fn service_of(
    spec: &Spec,
    sidecar: Option<&Arc<Source>>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Service {
    let mut report = Report::new(&spec.source);
    let block = spec.frontmatter.entry("service");
    let mut service = match (block, sidecar) {
        (Some(block), Some(sidecar)) => {
            report
                .error(
                    Code::ServiceTwice,
                    block.key_span,
                    "the contract is in two places",
                )
                .advise(format!("keep it here or in `{}`", sidecar.path()));
            Service::none(&spec.source)
        }
        (Some(block), None) => contract::read(&block.value, &spec.slug, &mut report),
        (None, Some(sidecar)) => {
            let mut report = Report::new(sidecar);
            let block = match sidecar.path().ends_with(".json") {
                true => json_nodes::read(&mut report),
                false => read_yaml(&mut report),
            };
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
    apply_frontmatter(spec, &mut service, &mut report);
    diagnostics.extend(report.into_diagnostics());
    service
}

/// Completes the policy with the limits and models of the frontmatter. The service block goes before it; where both set another
/// limit, the report says so.
fn apply_frontmatter(spec: &Spec, service: &mut Service, report: &mut Report) {
    let policy = &mut service.policy;
    if let Some(limit) = spec.limits.turns {
        let own = *policy.budget_turns.get_or_insert(limit.value);
        note_overruled(&limit, own, "budget.turns", report);
    }
    if let Some(limit) = spec.limits.timeout_ms {
        let own = *policy.timeout_ms.get_or_insert(limit.value);
        note_overruled(&limit, own, "timeout", report);
    }
    if policy.fallbacks.is_empty() && service.model.is_none() {
        policy.fallbacks.clone_from(&spec.models.fallbacks);
    }
}

fn note_overruled<T: PartialEq>(limit: &Limit<T>, own: T, setting: &str, report: &mut Report) {
    if limit.value != own {
        let message = format!("`{}` and `service.{setting}` differ", limit.key);
        report
            .note(Code::BadSetting, limit.span, message)
            .advise("the service block goes first; remove one of them");
    }
}

/// The path of a spec without its ending.
fn base(path: &str) -> &str {
    path.rsplit_once('.').map_or(path, |(base, _)| base)
}

/// The path, without its ending, of the spec that a sidecar belongs to.
fn sidecar_of(path: &str) -> Option<&str> {
    SIDECAR_ENDINGS
        .iter()
        .find_map(|ending| path.strip_suffix(ending))
}
