//! Conversion of a document between versions of the OpenAPI Specification.

use std::collections::BTreeSet;

use serde_json::{Map, Value as Json, json};

use crate::project::config::OpenapiVersion;
use crate::targets::openapi::document::canonical;

/// Converts `document`, which has version 3.1, to `version`.
pub fn convert(document: Json, version: OpenapiVersion) -> Json {
    convert_with(document, version, &BTreeSet::new())
}

/// As [`convert`], for a document that others join whose operations answer with streams of `events`.
pub fn convert_with(document: Json, version: OpenapiVersion, events: &BTreeSet<String>) -> Json {
    match version {
        OpenapiVersion::V3_0 => canonical(to_3_0(&document)),
        OpenapiVersion::V3_1 => document,
        OpenapiVersion::V3_2 => canonical(to_3_2(document, events)),
    }
}

/// The schema of the events in the stream that the component `schemas/AgentEventStream` is: `AgentEvent`.
pub fn streamed_event(component: &str) -> Option<&str> {
    component.strip_prefix("schemas/")?.strip_suffix(STREAM)
}

/// Version 3.0 has `nullable` for lists of types, one `example` for a list, no `const`, and no licence ids.
fn to_3_0(document: &Json) -> Json {
    let mut document = older(document, false);
    document["openapi"] = json!("3.0.3");
    if let Some(info) = document["info"].as_object_mut() {
        info.shift_remove("summary");
        if let Some(license) = info.get_mut("license") {
            let id = license["identifier"].as_str().unwrap_or_default();
            let page = match id.starts_with("LicenseRef-") {
                true => "https://spdx.org/licenses/".to_owned(),
                false => format!("https://spdx.org/licenses/{id}.html"),
            };
            *license = json!({ "name": license["name"], "url": page });
        }
    }
    document
}

/// Rewrites all schemas in `value`; with `named`, the keys of this object are names and no keywords.
fn older(value: &Json, named: bool) -> Json {
    match value {
        Json::Array(items) => items.iter().map(|item| older(item, false)).collect(),
        Json::Object(map) if named => map
            .iter()
            .map(|(key, value)| (key.clone(), older(value, false)))
            .collect::<Map<_, _>>()
            .into(),
        Json::Object(map) => {
            let mut out = Map::new();
            let is_tuple = map.get("prefixItems").is_some_and(Json::is_array);
            for (key, value) in map {
                match (key.as_str(), value) {
                    ("example" | "default" | "value" | "enum", _) => {
                        out.insert(key.clone(), value.clone());
                    }
                    (extension, _) if extension.starts_with("x-") => {
                        out.insert(key.clone(), value.clone());
                    }
                    // What patterns allow must not be refused.
                    ("additionalProperties", _) if map.contains_key("patternProperties") => {}
                    // Its items are of several types, and a list of no items is a short list.
                    ("items", _) if is_tuple => {}
                    ("items", Json::Bool(false)) => {
                        out.insert("maxItems".to_owned(), json!(0));
                    }
                    ("items" | "not", Json::Bool(allows)) => {
                        out.insert(key.clone(), boolean_schema(*allows));
                    }
                    ("allOf" | "anyOf" | "oneOf", Json::Array(schemas)) => {
                        let schemas = schemas.iter().map(older_schema);
                        out.insert(key.clone(), schemas.collect());
                    }
                    ("properties", Json::Object(properties)) => {
                        let properties = properties
                            .iter()
                            .map(|(name, schema)| (name.clone(), older_schema(schema)));
                        out.insert(key.clone(), properties.collect::<Map<_, _>>().into());
                    }
                    (unknown, _) if UNKNOWN_TO_3_0.contains(&unknown) => {}
                    ("examples", Json::Array(examples)) => {
                        if let Some(first) = examples.first() {
                            out.insert("example".to_owned(), first.clone());
                        }
                    }
                    ("const", Json::Null) => out.extend(null_schema()),
                    ("const", constant) => {
                        out.insert("enum".to_owned(), json!([constant]));
                        if !map.contains_key("type") && constant.is_string() {
                            out.insert("type".to_owned(), json!("string"));
                        }
                    }
                    ("type", Json::Array(types)) => older_types(types, map, &mut out),
                    ("type", Json::String(kind)) if kind == "null" => {
                        out.extend(null_schema());
                    }
                    ("contentEncoding", encoding) => {
                        if encoding == "base64" && !map.contains_key("format") {
                            out.insert("format".to_owned(), json!("byte"));
                        }
                    }
                    // An empty list is not allowed.
                    ("required", Json::Array(names)) if names.is_empty() => {}
                    ("exclusiveMinimum", Json::Number(bound)) => {
                        let other = map.get("minimum").and_then(Json::as_f64);
                        if other.is_none_or(|other| bound.as_f64() >= Some(other)) {
                            out.insert("minimum".to_owned(), json!(bound));
                            out.insert("exclusiveMinimum".to_owned(), json!(true));
                        }
                    }
                    ("exclusiveMaximum", Json::Number(bound)) => {
                        let other = map.get("maximum").and_then(Json::as_f64);
                        if other.is_none_or(|other| bound.as_f64() <= Some(other)) {
                            out.insert("maximum".to_owned(), json!(bound));
                            out.insert("exclusiveMaximum".to_owned(), json!(true));
                        }
                    }
                    (
                        "paths" | "responses" | "content" | "headers" | "schemas" | "examples"
                        | "mapping" | "securitySchemes",
                        _,
                    ) => {
                        out.insert(key.clone(), older(value, true));
                    }
                    _ => {
                        out.insert(key.clone(), older(value, false));
                    }
                }
            }
            if out.get("type").is_some_and(|kind| kind == "array") {
                out.entry("items").or_insert(json!({}));
            }
            nullable_alternative(out)
        }
        value => value.clone(),
    }
}

/// Keywords that version 3.0 does not have. Without them a schema describes more values than the service takes.
const UNKNOWN_TO_3_0: [&str; 17] = [
    "contentMediaType",
    "contentSchema",
    "$schema",
    "$comment",
    "patternProperties",
    "propertyNames",
    "unevaluatedProperties",
    "unevaluatedItems",
    "dependentRequired",
    "dependentSchemas",
    "prefixItems",
    "contains",
    "minContains",
    "maxContains",
    "if",
    "then",
    "else",
];

/// As [`older`], for a schema, which may be true or false.
fn older_schema(schema: &Json) -> Json {
    match schema {
        Json::Bool(allows) => boolean_schema(*allows),
        schema => older(schema, false),
    }
}

/// The schema of every value, or of none.
fn boolean_schema(allows: bool) -> Json {
    if allows {
        json!({})
    } else {
        json!({ "not": {} })
    }
}

/// A list of types: one of them with `nullable`, or alternatives.
fn older_types(types: &[Json], map: &Map<String, Json>, out: &mut Map<String, Json>) {
    let (nulls, kinds): (Vec<&Json>, Vec<&Json>) = types.iter().partition(|kind| **kind == "null");
    match kinds.as_slice() {
        [] => out.extend(null_schema()),
        [kind] => {
            out.insert("type".to_owned(), (*kind).clone());
            if !nulls.is_empty() {
                out.insert("nullable".to_owned(), json!(true));
            }
        }
        several => {
            let alternative = |kind: &&Json| match kind.as_str() {
                Some("array") => {
                    json!({ "type": "array", "items": map.get("items").map_or(json!({}), older_schema) })
                }
                _ => json!({ "type": kind }),
            };
            let mut alternatives: Vec<Json> = several.iter().map(alternative).collect();
            if !nulls.is_empty() {
                alternatives.push(Json::Object(null_schema()));
            }
            let choice = json!({ "anyOf": alternatives });
            match map.contains_key("anyOf") || map.contains_key("allOf") {
                // The keyword is taken by the schema itself.
                true => {}
                false => {
                    out.insert("allOf".to_owned(), json!([choice]));
                }
            }
        }
    }
}

/// The schema of null: without a `type`, `nullable` has no effect.
fn null_schema() -> Map<String, Json> {
    let keywords = [
        ("type", json!("string")),
        ("nullable", json!(true)),
        ("enum", json!([null])),
    ];
    keywords
        .into_iter()
        .map(|(keyword, value)| (keyword.to_owned(), value))
        .collect()
}

/// A schema or null becomes that schema, nullable, if it has a type of its own; a reference with anything
/// beside it is wrapped.
fn nullable_alternative(mut map: Map<String, Json>) -> Json {
    let is_null = |schema: &Json| schema["enum"] == json!([null]);
    for key in ["anyOf", "oneOf"] {
        let Some(Json::Array(alternatives)) = map.get(key) else {
            continue;
        };
        let rest: Vec<&Json> = alternatives
            .iter()
            .filter(|schema| !is_null(schema))
            .collect();
        if let [Json::Object(single)] = rest.as_slice()
            && rest.len() < alternatives.len()
            && single.contains_key("type")
        {
            let mut single = single.clone();
            single.insert("nullable".to_owned(), json!(true));
            if let Some(Json::Array(values)) = single.get_mut("enum")
                && !values.contains(&Json::Null)
            {
                values.push(Json::Null);
            }
            map.shift_remove(key);
            // The outer keywords take precedence.
            for (keyword, value) in single {
                map.entry(keyword).or_insert(value);
            }
        }
    }
    if map.len() > 1
        && let Some(target) = map.shift_remove("$ref")
    {
        map.insert("allOf".to_owned(), json!([{ "$ref": target }]));
    }
    Json::Object(map)
}

/// Version 3.2 describes each item of a stream, where older versions can describe no more than its text.
fn to_3_2(mut document: Json, events: &BTreeSet<String>) -> Json {
    document["openapi"] = json!("3.2.0");
    let mut found = stream_items(&mut document);
    found.extend(events.iter().cloned());
    for event in found {
        if let Some(schemas) = document["components"]["schemas"].as_object_mut()
            && let Some(schema) = schemas.get(&event).cloned()
        {
            schemas.shift_remove(&format!("{event}{STREAM}"));
            let name = item_name(&event);
            schemas.insert(format!("{name}Event"), event_types(&schema));
            schemas.insert(name, stream_item(&event, &schema));
            schemas.sort_keys();
        }
    }
    document
}

/// Gives every stream among the answers an `itemSchema`, and answers the schemas of their events.
fn stream_items(document: &mut Json) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let paths = document["paths"].as_object_mut().into_iter().flatten();
    let operations = paths.flat_map(|(_, item)| item.as_object_mut().into_iter().flatten());
    for (_, operation) in operations {
        let responses = operation.get_mut("responses").and_then(Json::as_object_mut);
        for (_, response) in responses.into_iter().flatten() {
            let stream = response
                .get_mut("content")
                .and_then(|content| content.get_mut("text/event-stream"));
            let Some(stream) = stream else { continue };
            let event = stream["schema"]["$ref"]
                .as_str()
                .and_then(|target| target.strip_prefix(SCHEMAS)?.strip_suffix(STREAM));
            if let Some(event) = event.map(str::to_owned) {
                let item = format!("{SCHEMAS}{}", item_name(&event));
                *stream = json!({ "itemSchema": { "$ref": item } });
                found.insert(event);
            }
        }
    }
    found
}

const SCHEMAS: &str = "#/components/schemas/";
/// How the name of the component of a stream ends: the rest is the component of its events.
const STREAM: &str = "Stream";

/// The component of a stream whose documents are `event`: `AgentStreamItem` for `AgentEvent`.
fn item_name(event: &str) -> String {
    format!("{}StreamItem", event.strip_suffix("Event").unwrap_or(event))
}

/// The types of the events with the schema `schema`: what tells its alternatives apart.
fn event_types(schema: &Json) -> Json {
    let types = schema["discriminator"]["mapping"].as_object();
    let types: Vec<&String> = types.into_iter().flat_map(Map::keys).collect();
    json!({
        "type": "string",
        "description": "The type of the document in the data of an event.",
        "enum": types,
        "examples": types.iter().take(1).collect::<Vec<_>>(),
    })
}

/// One event of a stream whose documents are the component `event` with the schema `schema`.
fn stream_item(event: &str, schema: &Json) -> Json {
    let sample = &schema["examples"][0];
    json!({
        "type": "object",
        "description": "One server-sent event of a run.",
        "required": ["id", "event", "data"],
        "properties": {
            "id": { "type": "string", "description": "The number of the event in its stream, from 1." },
            "event": { "$ref": format!("{SCHEMAS}{}Event", item_name(event)) },
            "data": {
                "type": "string",
                "description": "One JSON document.",
                "contentMediaType": "application/json",
                "contentSchema": { "$ref": format!("{SCHEMAS}{event}") },
            },
        },
        "examples": [{
            "id": "2",
            "event": sample["type"],
            "data": sample.to_string(),
        }],
    })
}
