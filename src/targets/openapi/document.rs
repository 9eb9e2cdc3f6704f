//! OpenAPI documents as data: pruning unused components, ordering keys.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

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

/// The places of the keys in [`ORDER`].
static PLACES: LazyLock<BTreeMap<&str, usize>> = LazyLock::new(|| {
    ORDER
        .iter()
        .zip(0..)
        .map(|(key, place)| (*key, place))
        .collect()
});

/// The order of the sections below `components`.
pub const SECTIONS: &[&str] = &[
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

/// The document with only the components that it refers to: its own, or else those of `shared`.
pub fn prune(mut document: Json, shared: &Json) -> Json {
    let mut used = BTreeSet::new();
    let components = match document["components"].take() {
        Json::Object(components) => components,
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
    document["components"] = Json::Object(used_components);
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
                let place = |key: &str| PLACES.get(key).copied().unwrap_or(ORDER.len());
                entries.sort_by_cached_key(|(key, _)| place(key));
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

/// Collects the components that `value` refers to, as `section/name`.
pub fn references(value: &Json, found: &mut Vec<String>) {
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

/// Collects the security schemes that `document` demands, as `section/name`.
pub fn security_schemes(document: &Json, found: &mut Vec<String>) {
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
