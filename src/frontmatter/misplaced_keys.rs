//! Keys that are valid YAML and in the wrong place: outside of `service:`, or beside a character that looks like a space.

use crate::diagnostics::Report;
use crate::diagnostics::span::Span;
use crate::frontmatter::known_keys;
use crate::text::did_you_mean::nearest;
use crate::yaml::node::{Entry, Node, Value};
use crate::yaml::yaml_fault::{Fault, odd_key_fault};
use crate::yaml::yaml_line::{is_name, is_odd_space};

/// The keys of a service block.
pub const SERVICE_KEYS: &[&str] = &[
    "endpoints",
    "invoke",
    "model",
    "fallbacks",
    "retry",
    "breaker",
    "timeout",
    "budget",
    "rate",
    "session",
    "agents",
    "workflows",
    "documents",
    "tools",
];

/// Whether `key` belongs to a service block and to nothing else.
pub fn is_service_key(key: &str) -> bool {
    SERVICE_KEYS.contains(&key) && !known_keys::is_known(key)
}

/// Reports the first misplaced key of the mapping `map`, which is what a whole file says of an agent, or a service block
/// beside one. Whether there is one.
pub fn refuse(map: &Node, report: &mut Report) -> bool {
    let misplaced = || misspelt_service(map).or_else(|| outside_of_service(map, report));
    let Some(fault) = odd_key(map, report).or_else(misplaced) else {
        return false;
    };
    report
        .error(fault.code, fault.span, fault.message)
        .advise(fault.help);
    true
}

/// The fault of a key that belongs to a service block, and is in this column (from 0) of another one; `has_service` tells
/// whether there is a service block.
pub fn service_fault(span: Span, key: &str, column: usize, has_service: bool) -> Fault {
    let help = match (has_service, column) {
        (true, 0) => "indent it by two spaces, and the lines below it too",
        (true, _) => "move it there, with the lines below it",
        (false, 0 | 1) => {
            "write a line `service:` above it; indent it by two spaces, and the lines below it too"
        }
        (false, _) => "write a line `service:` above it, in the first column",
    };
    Fault::of_layout(span, format!("`{key}` belongs under `service:`"), help)
}

/// A service block under a key such as `Service` or `services`, which nothing would read.
fn misspelt_service(map: &Node) -> Option<Fault> {
    let entry = map.entries()?.iter().find(|entry| {
        let inner = entry.value.entries().unwrap_or_default();
        !known_keys::is_known(&entry.key)
            && nearest(&entry.key, ["service"]).is_some()
            && inner.iter().any(holds_blocks)
    })?;
    Some(Fault::of_layout(
        entry.key_span,
        format!(
            "there is no key `{}`, and so nothing reads this service block",
            entry.key
        ),
        "write `service:`",
    ))
}

/// A key of the service block beside `service:`, or below a key that takes a short value.
fn outside_of_service(map: &Node, report: &Report) -> Option<Fault> {
    let entries = map.entries()?;
    let service = map.get("service");
    let is_empty = service.is_some_and(|service| service.value == Value::Null);
    let beside = entries.iter().find(|entry| {
        is_service_key(&entry.key)
            && entry.value.value != Value::Null
            && (is_empty || (holds_blocks(entry) && is_of_agent(map)))
    });
    let below = || {
        entries
            .iter()
            .filter(|entry| {
                matches!(
                    &*entry.key,
                    "name" | "description" | "model" | "color" | "tools"
                )
            })
            .flat_map(|entry| entry.value.entries().unwrap_or_default())
            .find(|entry| holds_blocks(entry))
    };
    let entry = beside.or_else(below)?;
    let column = report.source().location(entry.key_span.start).column - 1;
    Some(service_fault(
        entry.key_span,
        &entry.key,
        column,
        service.is_some(),
    ))
}

/// Whether `map` describes an agent, and is not a service block by itself.
fn is_of_agent(map: &Node) -> bool {
    ["name", "description", "prompt", "service"]
        .iter()
        .any(|key| map.get(key).is_some())
}

/// Whether the entry is `endpoints` or `workflows` with a mapping for each of its names.
fn holds_blocks(entry: &Entry) -> bool {
    let inner = entry.value.entries().unwrap_or_default();
    matches!(&*entry.key, "endpoints" | "workflows")
        && !inner.is_empty()
        && inner.iter().all(|inner| inner.value.entries().is_some())
}

/// The first key with a character around it that looks like a space: of the mapping itself, and at any depth of a service block.
fn odd_key(map: &Node, report: &Report) -> Option<Fault> {
    let of_agent = is_of_agent(map);
    for entry in map.entries()? {
        let name = entry.key.trim_matches(is_odd_space);
        if !name.is_empty() && name.len() < entry.key.len() {
            let (side, c) = match entry.key.chars().next().filter(|c| is_odd_space(*c)) {
                Some(c) => ("in front of", c),
                None => ("behind", entry.key.chars().next_back()?),
            };
            let text = report.source().text();
            let written = text.get(entry.key_span.start..entry.key_span.end)?;
            let at = entry.key_span.start + written.find(c).unwrap_or(0);
            return Some(odd_key_fault(at, c, side, name));
        }
        let below = match &entry.value.value {
            Value::Map(_) if entry.key == "service" || !of_agent => odd_key(&entry.value, report),
            Value::String(text) => {
                odd_colon(entry, text, report).or_else(|| odd_dash(entry, text, report))
            }
            _ => None,
        };
        if below.is_some() {
            return below;
        }
    }
    None
}

/// The fault of a value on a line of its own that looks like `key: value`, but for the space.
fn odd_colon(entry: &Entry, text: &str, report: &Report) -> Option<Fault> {
    let (name, behind) = text.split_once(':')?;
    let c = behind.chars().next().filter(|c| is_odd_space(*c))?;
    let start = entry.value.span.start;
    let line = |at: usize| report.source().location(at).line;
    let written = report.source().text().get(start..)?;
    let own_line = line(entry.key_span.start) < line(start) && written.starts_with(name);
    let prose = known_keys::is_prose(&entry.key);
    (own_line && !prose && is_name(name))
        .then(|| odd_key_fault(start + name.len() + 1, c, "behind", &format!("{name}:")))
}

/// The fault of a value on a line of its own that looks like a list, but for the space behind the dash.
fn odd_dash(entry: &Entry, text: &str, report: &Report) -> Option<Fault> {
    let c = text.strip_prefix('-')?.chars().next()?;
    let start = entry.value.span.start;
    let line = |at: usize| report.source().location(at).line;
    let own_line = line(entry.key_span.start) < line(start);
    let is_list = own_line && is_odd_space(c) && !known_keys::is_prose(&entry.key);
    is_list.then(|| odd_key_fault(start + 1, c, "behind", "-"))
}
