//! The document of a whole service, joined from the service's own part and what each agent adds to it.
//!
//! What an agent adds is kept as compact JSON: a [`Part`] is small, and the document of all agents is never one tree in memory.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use crate::project::config::{OpenapiFormat, OpenapiVersion};
use crate::targets::openapi::document::{SECTIONS, references, security_schemes};
use crate::targets::openapi::openapi_yaml;
use crate::targets::openapi::versions::{convert_with, streamed_event};
use crate::text::escaped_json::{self, JsonText};

/// What one agent adds to the document of its service, in the configured version of the specification.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Part {
    /// The tags: the name and the whole tag as JSON. The first one is the agent's own.
    tags: Vec<(String, String)>,
    /// The paths, each with its methods and their operations as JSON.
    paths: Vec<(String, Vec<(String, String)>)>,
    /// The names of the operations.
    operations: Vec<String>,
    /// The agent's own components as JSON, by section and name.
    components: Vec<(String, String)>,
    /// The components that it refers to and does not have, as `section/name`, one a line.
    outside: String,
}

/// A name that two agents, or an agent and the service, both use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// The index of the part that used it first; none for the service.
    pub first: Option<usize>,
    /// The index of the other part.
    pub second: usize,
    /// The name: operation `x`, or component `schemas/X`.
    pub what: String,
}

impl Part {
    /// What the agent's `document` adds, which has version 3.1, canonical order and the agent's own components alone.
    pub fn of(document: &Json, version: OpenapiVersion) -> Self {
        let mut document = document.clone();
        let own = take_components(&mut document);
        let (used, outside) = reachable(&document, &own);
        let own: Map<String, Json> = own
            .into_iter()
            .map(|(section, entries)| {
                let kept = entries.as_object().into_iter().flatten();
                let kept = kept.filter(|(name, _)| used.contains(&format!("{section}/{name}")));
                let kept: Map<String, Json> = kept
                    .map(|(name, value)| (name.clone(), value.clone()))
                    .collect();
                (section, Json::Object(kept))
            })
            .collect();
        document["components"] = Json::Object(own);
        let document = convert_with(document, version, &BTreeSet::new());
        let tags = document["tags"].as_array().into_iter().flatten();
        let tags = tags.map(|tag| {
            let name = tag["name"].as_str().unwrap_or_default();
            (name.to_owned(), escaped_json::compact(tag))
        });
        let mut operations = Vec::new();
        let paths = document["paths"].as_object().into_iter().flatten();
        let paths = paths.map(|(path, item)| {
            let methods = item.as_object().into_iter().flatten();
            let methods = methods.map(|(method, operation)| {
                let id = operation.get("operationId").and_then(Json::as_str);
                operations.extend(id.map(str::to_owned));
                (method.clone(), escaped_json::compact(operation))
            });
            (path.clone(), methods.collect())
        });
        let outside: Vec<String> = outside.into_iter().collect();
        Self {
            tags: tags.collect(),
            paths: paths.collect(),
            operations,
            components: entries(&document)
                .map(|(name, value)| (name, escaped_json::compact(value)))
                .collect(),
            outside: outside.join("\n"),
        }
    }

    /// The part as one line of JSON.
    pub fn to_line(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// The part that [`to_line`](Self::to_line) has written.
    pub fn from_line(line: &str) -> Option<Self> {
        serde_json::from_str(line).ok()
    }
}

/// The document of a service: its head as a tree, the rest as texts of JSON.
pub struct MergedDocument<'a> {
    /// What is not listed below, in canonical order, with empty places for the rest.
    head: Map<String, Json>,
    tags: Vec<Text<'a>>,
    paths: Vec<(&'a str, Vec<(&'a str, Text<'a>)>)>,
    components: BTreeMap<(usize, String), Text<'a>>,
}

/// JSON, of the service or of an agent.
enum Text<'a> {
    Tree(Json),
    Json(&'a str),
}

impl Text<'_> {
    fn tree(&self) -> Json {
        match self {
            Self::Tree(json) => json.clone(),
            Self::Json(text) => serde_json::from_str(text).unwrap_or_default(),
        }
    }

    fn json(&self) -> Cow<'_, str> {
        match self {
            Self::Tree(json) => Cow::Owned(escaped_json::compact(json)),
            Self::Json(text) => Cow::Borrowed(text),
        }
    }
}

/// Joins `service`, which has version 3.1, canonical order and components of its own, and `parts`. `shared` are the components that
/// the runtime has.
///
/// # Errors
///
/// Every component or operation name that two of them use.
pub fn merge<'a>(
    service: &'a Json,
    parts: &[&'a Part],
    shared: &Json,
    version: OpenapiVersion,
) -> Result<MergedDocument<'a>, Vec<Conflict>> {
    let mut document = service.clone();
    let own = take_components(&mut document);
    let (service_used, service_outside) = reachable(&document, &own);
    let mut conflicts = conflicting_operations(&document, parts);
    let mut owners: BTreeMap<&str, (usize, &str)> = BTreeMap::new();
    for (index, part) in parts.iter().enumerate() {
        for (name, text) in &part.components {
            match owners.get(name.as_str()) {
                None => {
                    owners.insert(name, (index, text));
                }
                Some((first, other)) if !same(other, text) => conflicts.push(Conflict {
                    first: Some(*first),
                    second: index,
                    what: format!("component `{name}`"),
                }),
                Some(_) => {}
            }
        }
    }
    // Who refers to which of the components that no agent has.
    let mut first_users: BTreeMap<String, usize> = BTreeMap::new();
    let lookup = |name: &str| {
        let (section, name) = name.split_once('/')?;
        let find = |sections: &'_ Map<String, Json>| sections.get(section)?.get(name).cloned();
        find(&own).or_else(|| shared.get(section)?.get(name).cloned())
    };
    // Most agents refer to the same ones.
    let mut seen: BTreeSet<&str> = BTreeSet::new();
    for (index, part) in parts.iter().enumerate() {
        if seen.insert(&part.outside) {
            for name in closure(part.outside.lines().map(str::to_owned), &lookup) {
                first_users.entry(name).or_insert(index);
            }
        }
    }
    let of_service = closure(service_used.into_iter().chain(service_outside), &lookup);
    let mut components = Map::new();
    let used: BTreeSet<&String> = of_service.iter().chain(first_users.keys()).collect();
    for name in &used {
        if let (Some((section, entry)), Some(value)) = (name.split_once('/'), lookup(name)) {
            let entries = components
                .entry(section)
                .or_insert_with(|| Json::Object(Map::new()));
            entries[entry] = value;
        }
    }
    let events: BTreeSet<String> = used
        .iter()
        .filter_map(|name| streamed_event(name))
        .filter(|event| shared["schemas"].get(event).is_some())
        .map(str::to_owned)
        .collect();
    document["components"] = Json::Object(components);
    let mut document = convert_with(document, version, &events);
    // An agent's own component goes before the runtime's of that name, unless somebody else means the latter.
    for (name, (index, text)) in &owners {
        let Some((section, entry)) = name.split_once('/') else {
            continue;
        };
        let other = document["components"]
            .get(section)
            .and_then(|entries| entries.get(entry));
        let Some(other) = other else { continue };
        if serde_json::from_str::<Json>(text).is_ok_and(|value| value == *other) {
            continue;
        }
        let is_of_service = own
            .get(section)
            .is_some_and(|entries| entries.get(entry).is_some());
        let first = first_users.get(*name).copied();
        if is_of_service || first.is_some_and(|first| first != *index) {
            let first = first.filter(|_| !is_of_service);
            conflicts.push(Conflict {
                first: first.map(|first| first.min(*index)),
                second: first.map_or(*index, |first| first.max(*index)),
                what: format!("component `{name}`"),
            });
        }
    }
    if !conflicts.is_empty() {
        return Err(conflicts);
    }
    let mut merged: BTreeMap<(usize, String), Text<'_>> = entries(&document)
        .filter_map(|(name, value)| Some((place(&name)?, Text::Tree(value.clone()))))
        .collect();
    for (name, (_, text)) in owners {
        merged.extend(place(name).map(|place| (place, Text::Json(text))));
    }
    let tags = match document["tags"].take() {
        Json::Array(tags) => merged_tags(tags, parts),
        _ => Vec::new(),
    };
    let paths = merged_paths(service, document["paths"].take(), parts);
    let head = match document {
        Json::Object(head) => head,
        _ => Map::new(),
    };
    Ok(MergedDocument {
        head,
        tags,
        paths,
        components: merged,
    })
}

/// The operations of the service and of `parts` that have one name.
fn conflicting_operations(service: &Json, parts: &[&Part]) -> Vec<Conflict> {
    let paths = service["paths"]
        .as_object()
        .into_iter()
        .flat_map(Map::values);
    let operations = paths.filter_map(Json::as_object).flat_map(Map::values);
    let mut seen: BTreeMap<&str, Option<usize>> = operations
        .filter_map(|operation| operation.get("operationId")?.as_str())
        .map(|id| (id, None))
        .collect();
    let mut conflicts = Vec::new();
    for (second, part) in parts.iter().enumerate() {
        for id in &part.operations {
            if let Some(first) = seen.insert(id, Some(second)) {
                let what = format!("operation `{id}`");
                conflicts.push(Conflict {
                    first,
                    second,
                    what,
                });
            }
        }
    }
    conflicts
}

fn merged_tags<'a>(own: Vec<Json>, parts: &[&'a Part]) -> Vec<Text<'a>> {
    let mut places: BTreeMap<String, usize> = BTreeMap::new();
    let mut tags: Vec<Text<'a>> = Vec::new();
    for tag in own {
        places.insert(
            tag["name"].as_str().unwrap_or_default().to_owned(),
            tags.len(),
        );
        tags.push(Text::Tree(tag));
    }
    for part in parts {
        for (index, (name, text)) in part.tags.iter().enumerate() {
            match places.get(name) {
                // The first tag is the agent's own, and says more than an endpoint's.
                Some(place) if index == 0 => tags[*place] = Text::Json(text),
                Some(_) => {}
                None => {
                    places.insert(name.clone(), tags.len());
                    tags.push(Text::Json(text));
                }
            }
        }
    }
    tags
}

fn merged_paths<'a>(
    service: &'a Json,
    own: Json,
    parts: &[&'a Part],
) -> Vec<(&'a str, Vec<(&'a str, Text<'a>)>)> {
    let mut places: BTreeMap<&str, usize> = BTreeMap::new();
    let mut paths: Vec<(&str, Vec<(&str, Text<'_>)>)> = Vec::new();
    // A conversion changes no name of a path or method.
    for (path, item) in service["paths"].as_object().into_iter().flatten() {
        places.insert(path, paths.len());
        let methods = item.as_object().into_iter().flatten();
        let methods = methods.filter_map(|(method, _)| {
            Some((
                method.as_str(),
                Text::Tree(own.get(path)?.get(method)?.clone()),
            ))
        });
        paths.push((path, methods.collect()));
    }
    for part in parts {
        for (path, methods) in &part.paths {
            let place = *places.entry(path).or_insert_with(|| {
                paths.push((path, Vec::new()));
                paths.len() - 1
            });
            let known = &mut paths[place].1;
            for (method, text) in methods {
                let text = Text::Json(text);
                match known.iter_mut().find(|(other, _)| other == method) {
                    Some((_, operation)) => *operation = text,
                    None => known.push((method, text)),
                }
            }
        }
    }
    paths
}

impl MergedDocument<'_> {
    /// The document as text.
    pub fn text(&self, format: OpenapiFormat) -> String {
        let mut text = String::new();
        self.write(format, &mut |part| text.push_str(part));
        text
    }

    /// Gives `receive` the document as text, piece by piece: that of many agents is large.
    pub fn write(&self, format: OpenapiFormat, receive: &mut dyn FnMut(&str)) {
        match format {
            OpenapiFormat::Yaml => self.yaml(receive),
            OpenapiFormat::Json => self.json(receive),
        }
    }

    fn yaml(&self, receive: &mut dyn FnMut(&str)) {
        let mut text = String::new();
        for (key, value) in &self.head {
            match key.as_str() {
                "tags" if !self.tags.is_empty() => {
                    openapi_yaml::write_key(key, 0, &mut text);
                    for tag in &self.tags {
                        openapi_yaml::write_items(&[tag.tree()], 0, &mut text);
                        pass_on(&mut text, receive);
                    }
                }
                "paths" if !self.paths.is_empty() => {
                    openapi_yaml::write_key(key, 0, &mut text);
                    for (path, methods) in &self.paths {
                        if methods.is_empty() {
                            openapi_yaml::write_entry(
                                path,
                                &Json::Object(Map::new()),
                                1,
                                &mut text,
                            );
                            continue;
                        }
                        openapi_yaml::write_key(path, 1, &mut text);
                        for (method, operation) in methods {
                            openapi_yaml::write_entry(method, &operation.tree(), 2, &mut text);
                        }
                        pass_on(&mut text, receive);
                    }
                }
                "components" if !self.components.is_empty() => {
                    openapi_yaml::write_key(key, 0, &mut text);
                    let mut section = None;
                    for ((index, name), component) in &self.components {
                        if section.replace(index) != Some(index) {
                            openapi_yaml::write_key(SECTIONS[*index], 1, &mut text);
                        }
                        openapi_yaml::write_entry(name, &component.tree(), 2, &mut text);
                        pass_on(&mut text, receive);
                    }
                }
                "tags" => {}
                "paths" | "components" => {
                    openapi_yaml::write_entry(key, &Json::Object(Map::new()), 0, &mut text);
                }
                _ => openapi_yaml::write_entry(key, value, 0, &mut text),
            }
        }
        receive(&text);
    }

    fn json(&self, receive: &mut dyn FnMut(&str)) {
        let mut out = JsonText::default();
        out.open('{');
        for (key, own) in &self.head {
            match key.as_str() {
                "tags" if self.tags.is_empty() => {}
                "tags" => {
                    out.key(key);
                    out.open('[');
                    for tag in &self.tags {
                        out.next();
                        out.compact(&tag.json());
                        pass_on(&mut out.text, receive);
                    }
                    out.close(']');
                }
                "paths" => {
                    out.key(key);
                    out.open('{');
                    for (path, methods) in &self.paths {
                        out.key(path);
                        out.open('{');
                        for (method, operation) in methods {
                            out.key(method);
                            out.compact(&operation.json());
                        }
                        out.close('}');
                        pass_on(&mut out.text, receive);
                    }
                    out.close('}');
                }
                "components" => {
                    out.key(key);
                    out.open('{');
                    let mut open = None;
                    for ((section, name), component) in &self.components {
                        if open != Some(section) {
                            if open.replace(section).is_some() {
                                out.close('}');
                            }
                            out.key(SECTIONS[*section]);
                            out.open('{');
                        }
                        out.key(name);
                        out.compact(&component.json());
                        pass_on(&mut out.text, receive);
                    }
                    if open.is_some() {
                        out.close('}');
                    }
                    out.close('}');
                }
                _ => {
                    out.key(key);
                    out.value(own);
                }
            }
        }
        out.close('}');
        out.text.push('\n');
        receive(&out.text);
    }
}

/// In bytes.
const PIECE: usize = 64 * 1024;

/// Gives `text` to `receive` once it is long, and empties it.
fn pass_on(text: &mut String, receive: &mut dyn FnMut(&str)) {
    if text.len() >= PIECE {
        receive(text);
        text.clear();
    }
}

/// The components of `document`, as `section/name`, and their values.
fn entries(document: &Json) -> impl Iterator<Item = (String, &Json)> {
    let sections = document["components"].as_object().into_iter().flatten();
    sections.flat_map(|(section, entries)| {
        let entries = entries.as_object().into_iter().flatten();
        entries.map(move |(name, value)| (format!("{section}/{name}"), value))
    })
}

/// Where the component `section/name` is among all: the index of its section, and its name.
fn place(name: &str) -> Option<(usize, String)> {
    let (section, name) = name.split_once('/')?;
    let index = SECTIONS.iter().position(|known| *known == section)?;
    Some((index, name.to_owned()))
}

fn take_components(document: &mut Json) -> Map<String, Json> {
    match document["components"].take() {
        Json::Object(components) => components,
        _ => Map::new(),
    }
}

/// Which of the components `own` the document refers to, and what else it and they refer to.
fn reachable(document: &Json, own: &Map<String, Json>) -> (BTreeSet<String>, BTreeSet<String>) {
    let (mut used, mut outside) = (BTreeSet::new(), BTreeSet::new());
    let mut waiting = Vec::new();
    references(document, &mut waiting);
    security_schemes(document, &mut waiting);
    while let Some(name) = waiting.pop() {
        let split = name.split_once('/');
        let component = split.and_then(|(section, name)| own.get(section)?.get(name));
        match component {
            Some(component) => {
                if used.insert(name) {
                    references(component, &mut waiting);
                }
            }
            None => {
                outside.insert(name);
            }
        }
    }
    (used, outside)
}

/// The components `names` and all that they refer to, as far as `lookup` finds them.
fn closure(
    names: impl Iterator<Item = String>,
    lookup: &impl Fn(&str) -> Option<Json>,
) -> BTreeSet<String> {
    let mut waiting: Vec<String> = names.collect();
    let mut found = BTreeSet::new();
    while let Some(name) = waiting.pop() {
        if !found.contains(&name)
            && let Some(component) = lookup(&name)
        {
            references(&component, &mut waiting);
            found.insert(name);
        }
    }
    found
}

/// Whether two texts of JSON are the same value.
fn same(one: &str, other: &str) -> bool {
    let read = |text| serde_json::from_str::<Json>(text).ok();
    one == other || read(one) == read(other)
}
