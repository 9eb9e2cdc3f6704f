//! OpenAPI documents as data: pruning unused components, ordering keys, merging fragments.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value as Json};

/// The order of the keys in the objects of a document; other keys follow in their own order.
const ORDER: &[&str] = &[
    "$ref",
    "openapi",
    "url",
    "name",
    "in",
    "info",
    "title",
    "operationId",
    "type",
    "format",
    "summary",
    "description",
    "termsOfService",
    "contact",
    "license",
    "identifier",
    "version",
    "servers",
    "security",
    "tags",
    "deprecated",
    "paths",
    "parameters",
    "required",
    "requestBody",
    "headers",
    "const",
    "enum",
    "oneOf",
    "anyOf",
    "allOf",
    "discriminator",
    "propertyName",
    "mapping",
    "content",
    "schema",
    "itemSchema",
    "nullable",
    "minimum",
    "exclusiveMinimum",
    "maximum",
    "exclusiveMaximum",
    "multipleOf",
    "minLength",
    "maxLength",
    "pattern",
    "minItems",
    "maxItems",
    "uniqueItems",
    "items",
    "minProperties",
    "maxProperties",
    "additionalProperties",
    "properties",
    "default",
    "example",
    "examples",
    "value",
    "responses",
    "components",
    "schemas",
];

/// The order of the sections below `components`.
const SECTIONS: &[&str] = &[
    "schemas",
    "responses",
    "parameters",
    "examples",
    "requestBodies",
    "headers",
    "securitySchemes",
    "links",
    "callbacks",
    "pathItems",
];

/// A name that two agents, or an agent and the service, both use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// The index of the fragment that used it first; none for the service.
    pub first: Option<usize>,
    /// The index of the other fragment.
    pub second: usize,
    /// The name: operation `x`, or component `schemas/X`.
    pub what: String,
}

/// The document with only the components that it refers to: its own, or else those of `shared`.
pub fn prune(mut document: Json, shared: &Json) -> Json {
    let mut used = BTreeSet::new();
    let components = match document
        .as_object_mut()
        .and_then(|map| map.shift_remove("components"))
    {
        Some(Json::Object(components)) => components,
        _ => Map::new(),
    };
    let component = |section: &str, name: &str| {
        let own = components
            .get(section)
            .and_then(|section| section.get(name));
        own.or_else(|| shared.get(section)?.get(name))
    };
    let mut waiting: Vec<String> = Vec::new();
    references(&document, &mut waiting);
    security_schemes(&document, &mut waiting);
    while let Some(reference) = waiting.pop() {
        if let Some((section, name)) = reference.split_once('/')
            && !used.contains(&reference)
            && let Some(component) = component(section, name)
        {
            references(component, &mut waiting);
            used.insert(reference);
        }
    }
    let mut used_components = Map::new();
    for section in SECTIONS {
        let names = used
            .iter()
            .filter_map(|used| used.strip_prefix(section)?.strip_prefix('/'));
        let entries: Map<String, Json> = names
            .filter_map(|name| Some((name.to_owned(), component(section, name)?.clone())))
            .collect();
        if !entries.is_empty() {
            used_components.insert((*section).to_owned(), Json::Object(entries));
        }
    }
    if let Some(map) = document.as_object_mut() {
        map.insert("components".to_owned(), Json::Object(used_components));
    }
    document
}

/// The document with the keys of every object in the order of the specification. Paths and properties keep the order
/// of the author.
pub fn canonical(document: Json) -> Json {
    order(document, Names::Keywords)
}

/// The kind of an object's keys.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Names {
    /// Keywords of the specification.
    Keywords,
    /// Names that keep their order; the values are objects of the specification.
    Kept,
    /// Part of a value of the author: its order is kept.
    Free,
}

fn order(value: Json, names: Names) -> Json {
    match value {
        Json::Array(items) => items.into_iter().map(|item| order(item, names)).collect(),
        Json::Object(map) if names == Names::Free => Json::Object(map),
        Json::Object(map) => {
            let mut entries: Vec<(String, Json)> = map.into_iter().collect();
            if names == Names::Keywords {
                entries.sort_by_key(|(key, _)| {
                    ORDER
                        .iter()
                        .position(|keyword| keyword == key)
                        .unwrap_or(ORDER.len())
                });
            }
            entries
                .into_iter()
                .filter(|(key, value)| {
                    let empty = value.as_array().is_some_and(Vec::is_empty);
                    names != Names::Keywords
                        || !(empty && matches!(key.as_str(), "parameters" | "tags"))
                })
                .map(|(key, value)| {
                    let inner = match (names, key.as_str()) {
                        (Names::Kept, _) => Names::Keywords,
                        (
                            _,
                            "paths" | "properties" | "responses" | "content" | "headers"
                            | "schemas" | "securitySchemes" | "mapping",
                        ) => Names::Kept,
                        // `examples` contains named examples, or, in a schema, a list of values.
                        (_, "examples") => {
                            if value.is_array() {
                                Names::Free
                            } else {
                                Names::Kept
                            }
                        }
                        (
                            _,
                            "example" | "value" | "default" | "const" | "enum" | "required"
                            | "security",
                        ) => Names::Free,
                        (_, "components") => {
                            return (key, components(value));
                        }
                        _ => Names::Keywords,
                    };
                    let value = if inner == Names::Free {
                        value
                    } else {
                        order(value, inner)
                    };
                    (key, value)
                })
                .collect::<Map<_, _>>()
                .into()
        }
        value => value,
    }
}

fn components(value: Json) -> Json {
    let Json::Object(sections) = value else {
        return value;
    };
    sections
        .into_iter()
        .map(|(section, entries)| (section, order(entries, Names::Kept)))
        .collect::<Map<_, _>>()
        .into()
}

/// Adds the tags, paths and components of `fragments` to the document `service`.
pub fn merge(mut service: Json, fragments: &[Json]) -> (Json, Vec<Conflict>) {
    let mut conflicts = Vec::new();
    let mut operations: BTreeMap<String, Option<usize>> = operation_ids(&service)
        .into_iter()
        .map(|id| (id, None))
        .collect();
    let mut owners: BTreeMap<String, usize> = BTreeMap::new();
    for (index, fragment) in fragments.iter().enumerate() {
        for id in operation_ids(fragment) {
            if let Some(first) = operations.insert(id.clone(), Some(index)) {
                conflicts.push(Conflict {
                    first,
                    second: index,
                    what: format!("operation `{id}`"),
                });
            }
        }
        if let (Some(Json::Array(tags)), Some(Json::Array(own))) =
            (service.get_mut("tags"), fragment.get("tags"))
        {
            for (index, tag) in own.iter().enumerate() {
                let known = tags.iter_mut().find(|known| known["name"] == tag["name"]);
                match known {
                    // The first tag is the agent's own, and says more than an endpoint's.
                    Some(known) if index == 0 => *known = tag.clone(),
                    Some(_) => {}
                    None => tags.push(tag.clone()),
                }
            }
        }
        if let (Some(Json::Object(paths)), Some(Json::Object(own))) =
            (service.get_mut("paths"), fragment.get("paths"))
        {
            for (path, item) in own {
                match (paths.get_mut(path), item) {
                    (Some(Json::Object(methods)), Json::Object(item)) => {
                        methods
                            .extend(item.iter().map(|(key, value)| (key.clone(), value.clone())));
                    }
                    _ => {
                        paths.insert(path.clone(), item.clone());
                    }
                }
            }
        }
        let own = fragment.get("components").and_then(Json::as_object);
        for (section, entries) in own.into_iter().flatten() {
            for (name, value) in entries.as_object().into_iter().flatten() {
                let key = format!("{section}/{name}");
                let existing = &mut service["components"][section.as_str()][name.as_str()];
                if existing.is_null() {
                    *existing = value.clone();
                    owners.insert(key, index);
                } else if existing != value {
                    let first = owners.get(&key).copied();
                    conflicts.push(Conflict {
                        first,
                        second: index,
                        what: format!("component `{key}`"),
                    });
                }
            }
        }
    }
    (service, conflicts)
}

fn operation_ids(document: &Json) -> Vec<String> {
    let paths = document.get("paths").and_then(Json::as_object);
    paths
        .into_iter()
        .flat_map(Map::values)
        .filter_map(Json::as_object)
        .flat_map(Map::values)
        .filter_map(|operation| operation.get("operationId")?.as_str())
        .map(str::to_owned)
        .collect()
}

/// Collects the components that `value` refers to, as `section/name`.
fn references(value: &Json, found: &mut Vec<String>) {
    match value {
        Json::Array(items) => items.iter().for_each(|item| references(item, found)),
        Json::Object(map) => {
            for (key, value) in map {
                match value {
                    Json::String(text) => {
                        if key == "$ref" || text.starts_with("#/components/") {
                            found.extend(text.strip_prefix("#/components/").map(str::to_owned));
                        }
                    }
                    value => references(value, found),
                }
            }
        }
        _ => {}
    }
}

fn security_schemes(document: &Json, found: &mut Vec<String>) {
    match document {
        Json::Array(items) => items.iter().for_each(|item| security_schemes(item, found)),
        Json::Object(map) => {
            for (key, value) in map {
                if key == "security" {
                    let requirements = value.as_array().into_iter().flatten();
                    for name in requirements.filter_map(Json::as_object).flat_map(Map::keys) {
                        found.push(format!("securitySchemes/{name}"));
                    }
                } else {
                    security_schemes(value, found);
                }
            }
        }
        _ => {}
    }
}
