//! JSON Schemas as components of an OpenAPI document.

use heck::ToUpperCamelCase;
use serde_json::{Map, Value as Json, json};

use crate::schema::canonical::each_schema;

/// The `$defs` of a schema: the name of each, and the name of its component.
pub type Definitions = Vec<(String, String)>;

/// Adds each of the `$defs` of `schema` to `components`, as `<base><Def>`.
pub fn register_definitions(
    base: &str,
    schema: &Json,
    components: &mut Vec<(String, Json)>,
) -> Definitions {
    let defs = schema.get("$defs").and_then(Json::as_object);
    let mut definitions = Definitions::new();
    // All are added before the first is rewritten: they may refer to each other.
    for (def, value) in defs.into_iter().flatten() {
        let name = format!("{base}{}", def.to_upper_camel_case());
        let component = insert_unique(&name, value.clone(), components);
        definitions.push((def.clone(), component));
    }
    for ((_, value), (_, component)) in defs.into_iter().flatten().zip(&definitions) {
        let rewritten = rewrite(value, component, &definitions, components);
        if let Some((_, slot)) = components.iter_mut().find(|(name, _)| name == component) {
            *slot = rewritten;
        }
    }
    definitions
}

/// Adds `schema` to `components` as `name`, each of its objects, enums and alternatives of a `oneOf` with a discriminator under
/// its own name, and returns the reference to it.
pub fn extract_component(
    name: &str,
    schema: &Json,
    definitions: &Definitions,
    components: &mut Vec<(String, Json)>,
) -> Json {
    let schema = without_definitions(schema);
    let rewritten = rewrite(&schema, name, definitions, components);
    reference(&insert_unique(name, rewritten, components))
}

/// As [`extract_component`], for a schema that stays where it is used, unless it is an object or an enum; the names of its
/// parts begin with `name`.
pub fn inline_refs(
    name: &str,
    schema: &Json,
    definitions: &Definitions,
    components: &mut Vec<(String, Json)>,
) -> Json {
    named(&without_definitions(schema), name, definitions, components)
}

fn without_definitions(schema: &Json) -> Json {
    let mut schema = schema.clone();
    if let Some(map) = schema.as_object_mut() {
        map.shift_remove("$defs");
    }
    schema
}

/// Adds a component under a unique name, and returns that name.
fn insert_unique(base: &str, schema: Json, components: &mut Vec<(String, Json)>) -> String {
    // The names of definitions, properties and tags may have letters that those of components can't have.
    let valid = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let base: String = base.chars().filter(|c| valid(*c)).collect();
    let mut name = base.clone();
    let mut number = 1;
    while components.iter().any(|(other, _)| *other == name) {
        number += 1;
        name = format!("{base}{number}");
    }
    components.push((name.clone(), schema));
    name
}

/// The object schema `schema` without the properties `names`.
pub fn omit_properties(schema: &Json, names: &[&str]) -> Json {
    let mut schema = schema.clone();
    if names.is_empty() {
        return schema;
    }
    if let Some(properties) = schema.get_mut("properties").and_then(Json::as_object_mut) {
        properties.retain(|name, _| !names.contains(&name.as_str()));
    }
    let mut none_required = false;
    if let Some(required) = schema.get_mut("required").and_then(Json::as_array_mut) {
        required.retain(|name| !name.as_str().is_some_and(|name| names.contains(&name)));
        none_required = required.is_empty();
    }
    if let Some(map) = schema.as_object_mut() {
        if none_required {
            map.shift_remove("required");
        }
        // The author's examples include the omitted properties.
        for key in ["example", "default"] {
            if let Some(value) = map.get_mut(key) {
                omit_members(value, names);
            }
        }
        let examples = map.get_mut("examples").and_then(Json::as_array_mut);
        for example in examples.into_iter().flatten() {
            omit_members(example, names);
        }
    }
    schema
}

fn omit_members(value: &mut Json, names: &[&str]) {
    if let Some(members) = value.as_object_mut() {
        members.retain(|name, _| !names.contains(&name.as_str()));
    }
}

fn reference(name: &str) -> Json {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

/// As [`rewrite`], for a part of a schema: what a client has a type of its own for becomes the component `here`. The
/// generated Rust type has that name too, without that of the agent.
fn named(
    schema: &Json,
    here: &str,
    definitions: &Definitions,
    components: &mut Vec<(String, Json)>,
) -> Json {
    let rewritten = rewrite(schema, here, definitions, components);
    let has = |keyword: &str, least: usize| match rewritten.get(keyword) {
        Some(Json::Array(values)) => values.len() >= least,
        Some(Json::Object(values)) => values.len() >= least,
        _ => false,
    };
    // An enum of one value is a constant, such as the one that tells alternatives apart.
    let has_type = has("properties", 1) || has("enum", 2) || has("discriminator", 1);
    if has_type && rewritten.get("$ref").is_none() {
        reference(&insert_unique(here, rewritten, components))
    } else {
        rewritten
    }
}

/// Whether the alternatives are a schema or null.
fn is_nullable(alternatives: &[Json]) -> bool {
    alternatives.len() == 2 && alternatives.iter().any(|schema| schema["type"] == "null")
}

/// `schema` with its references rewritten to components; the names of extracted parts begin with `here`.
fn rewrite(
    schema: &Json,
    here: &str,
    definitions: &Definitions,
    components: &mut Vec<(String, Json)>,
) -> Json {
    let Some(map) = schema.as_object() else {
        return schema.clone();
    };
    if let Some(split) = without_null(map) {
        return rewrite(&split, here, definitions, components);
    }
    let tag = map
        .get("oneOf")
        .and_then(|_| map.get("discriminator")?.get("propertyName")?.as_str());
    let mut rewritten = Map::new();
    for (key, value) in map {
        let value = match (key.as_str(), value) {
            ("$ref", Json::String(target)) => component_of(target, definitions)
                .map_or_else(|| value.clone(), |name| reference(name)["$ref"].clone()),
            ("properties", Json::Object(properties)) => properties
                .iter()
                .map(|(name, property)| {
                    let inner = format!("{here}{}", name.to_upper_camel_case());
                    let property = named(property, &inner, definitions, components);
                    (name.clone(), property)
                })
                .collect::<Map<_, _>>()
                .into(),
            ("oneOf" | "anyOf", Json::Array(alternatives)) => alternatives
                .iter()
                .enumerate()
                .map(|(index, alternative)| {
                    let Some(tag) = tag else {
                        let inner = match is_nullable(alternatives) {
                            true => here.to_owned(),
                            false => format!("{here}Alternative{}", index + 1),
                        };
                        return named(alternative, &inner, definitions, components);
                    };
                    let name = alternative_name(here, alternative, tag, index);
                    let rewritten = rewrite(alternative, &name, definitions, components);
                    match rewritten.get("$ref") {
                        Some(_) => rewritten,
                        None => reference(&insert_unique(&name, rewritten, components)),
                    }
                })
                .collect(),
            ("items" | "contains" | "unevaluatedItems", _) => {
                named(value, &format!("{here}Item"), definitions, components)
            }
            ("prefixItems", Json::Array(items)) => items
                .iter()
                .zip(1..)
                .map(|(item, number)| {
                    let inner = format!("{here}Item{number}");
                    named(item, &inner, definitions, components)
                })
                .collect(),
            ("additionalProperties", _) => {
                named(value, &format!("{here}Value"), definitions, components)
            }
            (keyword, value) => {
                let mut value = value.clone();
                let inner = format!("{here}Value");
                each_schema(keyword, &mut value, |schema| {
                    *schema = rewrite(schema, &inner, definitions, components);
                });
                value
            }
        };
        rewritten.insert(key.clone(), value);
    }
    // Without a format, the service reads 64 bits.
    if is_integer(map) {
        rewritten.entry("format").or_insert(json!("int64"));
    }
    if let Some(tag) = tag {
        let mapping = mapping(&rewritten, tag, definitions, components);
        let alternatives = rewritten
            .get("oneOf")
            .and_then(Json::as_array)
            .map_or(0, Vec::len);
        // Where the alternatives have no constants of their own, nothing is told apart.
        if mapping
            .as_object()
            .is_some_and(|mapping| mapping.len() == alternatives)
        {
            rewritten.insert(
                "discriminator".to_owned(),
                json!({ "propertyName": tag, "mapping": mapping }),
            );
        } else {
            rewritten.shift_remove("discriminator");
        }
    }
    Json::Object(rewritten)
}

/// A nullable `oneOf` with a discriminator, as that `oneOf` or null: null has no property to discriminate by.
fn without_null(map: &Map<String, Json>) -> Option<Json> {
    let alternatives = map.get("oneOf")?.as_array()?;
    let discriminator = map.get("discriminator")?;
    let is_null = |schema: &Json| schema["type"] == "null";
    if !alternatives.iter().any(is_null) {
        return None;
    }
    let rest: Vec<&Json> = alternatives
        .iter()
        .filter(|schema| !is_null(schema))
        .collect();
    let mut outer = map.clone();
    outer.shift_remove("oneOf");
    outer.shift_remove("discriminator");
    let choice = json!({ "oneOf": rest, "discriminator": discriminator });
    outer.insert("anyOf".to_owned(), json!([choice, { "type": "null" }]));
    Some(Json::Object(outer))
}

fn is_integer(map: &Map<String, Json>) -> bool {
    match map.get("type") {
        Some(Json::Array(types)) => types.iter().any(|kind| kind == "integer"),
        kind => kind.is_some_and(|kind| kind == "integer"),
    }
}

fn component_of<'a>(target: &str, definitions: &'a Definitions) -> Option<&'a str> {
    let def = target.strip_prefix("#/$defs/")?;
    let (_, component) = definitions.iter().find(|(other, _)| other == def)?;
    Some(component)
}

fn alternative_name(here: &str, alternative: &Json, tag: &str, index: usize) -> String {
    match tag_value(alternative, tag) {
        Some(value) => format!("{here}{}", value.to_upper_camel_case()),
        None => format!("{here}Alternative{}", index + 1),
    }
}

fn tag_value<'a>(alternative: &'a Json, tag: &str) -> Option<&'a str> {
    let property = alternative.get("properties")?.get(tag)?;
    property
        .get("const")
        .or_else(|| property.get("enum")?.get(0))?
        .as_str()
}

/// The discriminator's mapping: the component of each value of the tag.
fn mapping(
    schema: &Map<String, Json>,
    tag: &str,
    definitions: &Definitions,
    components: &[(String, Json)],
) -> Json {
    let references = schema
        .get("oneOf")
        .and_then(Json::as_array)
        .into_iter()
        .flatten();
    references
        .filter_map(|alternative| {
            let target = alternative.get("$ref")?;
            let mut name = target.as_str()?.rsplit('/').next()?;
            // A definition may be only a reference to another one.
            for _ in 0..=definitions.len() {
                let (_, component) = components.iter().find(|(other, _)| other == name)?;
                if let Some(value) = tag_value(component, tag) {
                    return Some((value.to_owned(), target.clone()));
                }
                let next = component.get("$ref")?.as_str()?;
                name = component_of(next, definitions).or_else(|| next.rsplit('/').next())?;
            }
            None
        })
        .collect::<Map<_, _>>()
        .into()
}
