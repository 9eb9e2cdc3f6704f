//! Spec files and the contracts beside them to agents.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::agent::Agent;
use crate::contract::{self, Service};
use crate::diagnostics::code::Code;
use crate::diagnostics::source::Source;
use crate::diagnostics::span::Span;
use crate::diagnostics::{Diagnostic, Report};
use crate::spec::agent_file;
use crate::text::ident::Ident;

/// Reads every agent in `sources`: spec files, and contracts in files beside them.
///
/// The agents are sorted by slug. Every problem is added to `diagnostics`; an agent whose spec can't be read is left out.
pub fn read_all(
    sources: &[Arc<Source>],
    strict: bool,
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
        let agent = read(&mut report, sidecar, strict, diagnostics);
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
                    "the contract is in two places",
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
