//! Properties of random schemas: their examples are valid, their canonical form is stable, every type has one name.

#![allow(clippy::unwrap_used)]

use crate::diagnostics::source::Source;
use crate::diagnostics::span::Span;
use crate::diagnostics::{Report, has_errors};
use crate::schema::sample::example;
use crate::schema::{Role, Schema, read};
use crate::targets::rust::rust_item::{Names, Shape};
use crate::targets::rust::rust_paths::SERVICE;
use crate::targets::rust::rust_types::types;
use crate::yaml::node::{Entry, Node, Value as Yaml};
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use std::sync::Arc;

fn node(value: &Value) -> Node {
    let value = match value {
        Value::Null => Yaml::Null,
        Value::Bool(value) => Yaml::Bool(*value),
        Value::Number(number) => Yaml::Number(number.clone()),
        Value::String(text) => Yaml::String(text.clone()),
        Value::Array(items) => Yaml::List(items.iter().map(node).collect()),
        Value::Object(object) => Yaml::Map(
            object
                .iter()
                .map(|(key, value)| Entry {
                    key: key.clone(),
                    key_span: Span::default(),
                    value: node(value),
                })
                .collect(),
        ),
    };
    Node {
        value,
        span: Span::default(),
    }
}

fn read_json(value: &Value, role: Role) -> Option<Schema> {
    let source = Arc::new(Source::new("agents/test.md", String::new()));
    let mut report = Report::new(&source);
    let schema = read(&node(value), &mut report, role);
    assert_eq!(
        schema.is_none(),
        has_errors(&report.into_diagnostics()),
        "{value}"
    );
    schema
}

fn bounds(names: [&'static str; 2], most: u64) -> impl Strategy<Value = Map<String, Value>> {
    let bound = move || proptest::option::of(0..most);
    (bound(), bound()).prop_map(move |(one, other)| {
        let (least, most) = match (one, other) {
            (Some(one), Some(other)) => (Some(one.min(other)), Some(one.max(other))),
            bounds => bounds,
        };
        let given = names.into_iter().zip([least, most]);
        given
            .filter_map(|(name, bound)| Some((name.to_owned(), bound?.into())))
            .collect()
    })
}

fn with(mut keywords: Map<String, Value>, more: Value) -> Value {
    if let Value::Object(more) = more {
        keywords.extend(more);
    }
    Value::Object(keywords)
}

fn scalar() -> impl Strategy<Value = Value> {
    let formats = prop_oneof![
        Just("date-time"),
        Just("date"),
        Just("uuid"),
        Just("email"),
        Just("uri"),
        Just("ipv4"),
        Just("ipv6"),
        Just("hostname"),
        Just("time"),
        Just("json-pointer"),
        Just("uri-reference"),
    ];
    prop_oneof![
        Just(json!({ "type": "boolean" })),
        Just(json!({ "type": "null" })),
        Just(json!({})),
        bounds(["minLength", "maxLength"], 20).prop_map(|b| with(b, json!({ "type": "string" }))),
        (bounds(["minLength", "maxLength"], 9), "[a-z]{1,20}").prop_map(|(b, text)| {
            with(
                b,
                json!({ "type": ["string", "null"], "description": text }),
            )
        }),
        formats.prop_map(|format| json!({ "type": "string", "format": format })),
        bounds(["minimum", "maximum"], 50).prop_map(|b| with(b, json!({ "type": "integer" }))),
        (bounds(["minimum", "maximum"], 50), 1..6_u8)
            .prop_map(|(b, step)| { with(b, json!({ "type": "integer", "multipleOf": step })) }),
        bounds(["exclusiveMinimum", "exclusiveMaximum"], 50)
            .prop_map(|b| with(b, json!({ "type": "number" }))),
        (bounds(["minimum", "maximum"], 50), 1..6_u8).prop_map(|(b, step)| {
            with(
                b,
                json!({ "type": "number", "multipleOf": f64::from(step) / 4.0 }),
            )
        }),
        proptest::collection::btree_set("[a-z+# -]{0,4}", 1..4)
            .prop_map(|values| json!({ "enum": values })),
        "[a-z]{1,4}".prop_map(|value| json!({ "const": value })),
        Just(json!({ "$ref": "#/$defs/Tree" })),
    ]
}

fn object(inner: BoxedStrategy<Value>) -> impl Strategy<Value = Value> {
    let additional = prop_oneof![
        Just(None),
        Just(Some(json!(true))),
        Just(Some(json!(false))),
        Just(Some(json!({ "type": "integer" }))),
    ];
    let property = ("[a-z]{1,3}", inner, any::<bool>());
    (proptest::collection::vec(property, 0..4), additional).prop_map(|(list, additional)| {
        let mut properties = Map::new();
        let mut required = Vec::new();
        for (name, schema, must) in list {
            if properties.insert(name.clone(), schema).is_none() && must {
                required.push(name);
            }
        }
        let mut schema =
            json!({ "type": "object", "properties": properties, "required": required });
        if let Some(additional) = additional {
            schema["additionalProperties"] = additional;
        }
        schema
    })
}

fn tagged(inner: BoxedStrategy<Value>) -> impl Strategy<Value = Value> {
    proptest::collection::vec(object(inner), 2..4).prop_map(|objects| {
        let variants = objects.into_iter().enumerate().map(|(index, mut object)| {
            object["properties"]["kind"] = json!({ "const": format!("kind {index}") });
            object["required"]
                .as_array_mut()
                .unwrap()
                .push("kind".into());
            object
        });
        json!({ "oneOf": variants.collect::<Vec<_>>() })
    })
}

/// A schema of what is supported; some have contradicting bounds or colliding names.
fn supported() -> impl Strategy<Value = Value> {
    let tree = json!({
        "type": "object",
        "properties": {
            "leaf": { "type": "string" },
            "sub": { "type": "array", "items": { "$ref": "#/$defs/Tree" } },
            "next": { "anyOf": [{ "$ref": "#/$defs/Tree" }, { "type": "null" }] },
        },
        "required": ["leaf", "sub"],
    });
    let schema = scalar().prop_recursive(4, 32, 4, |inner| {
        let inner = inner.boxed();
        prop_oneof![
            object(inner.clone()),
            tagged(inner.clone()),
            (
                inner.clone(),
                bounds(["minItems", "maxItems"], 4),
                any::<bool>()
            )
                .prop_map(|(items, b, unique)| {
                    with(
                        b,
                        json!({ "type": "array", "items": items, "uniqueItems": unique }),
                    )
                }),
            (inner, bounds(["minProperties", "maxProperties"], 4)).prop_map(|(values, b)| {
                with(
                    b,
                    json!({ "type": "object", "additionalProperties": values }),
                )
            }),
        ]
    });
    schema.prop_map(move |schema| {
        json!({
            "type": "object",
            "properties": { "value": schema },
            "required": ["value"],
            "$defs": { "Tree": tree },
        })
    })
}

/// JSON that looks like a schema from afar.
fn odd() -> impl Strategy<Value = Value> {
    let words = prop_oneof![
        Just("type"),
        Just("properties"),
        Just("required"),
        Just("items"),
        Just("$ref"),
        Just("$defs"),
        Just("oneOf"),
        Just("anyOf"),
        Just("enum"),
        Just("const"),
        Just("format"),
        Just("discriminator"),
        Just("propertyName"),
        Just("additionalProperties"),
        Just("pattern"),
        Just("minimum"),
        Just("maxLength"),
        Just("examples"),
        Just("default"),
        Just("object"),
        Just("string"),
        Just("null"),
        Just("#/$defs/a"),
        Just("a?(array, b)"),
        Just("(*)"),
        Just("a"),
        Just("("),
        Just("?"),
        Just("string, x"),
        Just(""),
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        words.clone().prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 40, 5, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::vec((words.clone(), inner), 0..5).prop_map(|entries| {
                entries
                    .into_iter()
                    .map(|(key, value)| (key.to_owned(), value))
                    .collect()
            }),
        ]
    })
}

/// Whether a list of `schema` must hold items that differ.
fn needs_search(schema: &Value) -> bool {
    schema.to_string().contains("\"uniqueItems\":true")
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn examples_are_valid(value in supported(), input in any::<bool>()) {
        let role = if input { Role::Input } else { Role::Output };
        let Some(schema) = read_json(&value, role) else {
            return Ok(());
        };
        // Only what can't be made without looking for it may be left out.
        let example = example(&schema.json);
        prop_assert!(example.is_some() || needs_search(&schema.json), "{}", schema.json);
        if let Some(example) = example {
            prop_assert!(is_valid(&schema.json, &example), "{}\n{example}", schema.json);
        }
    }

    #[test]
    fn the_canonical_form_is_the_same_schema(value in supported()) {
        let Some(schema) = read_json(&value, Role::Input) else {
            return Ok(());
        };
        let again = read_json(&schema.json, Role::Output).unwrap();
        prop_assert_eq!(&again.json, &schema.json);
        let mut ty = schema.clone();
        ty.json = again.json.clone();
        prop_assert_eq!(ty, again);
    }

    #[test]
    fn every_type_that_is_named_is_there_once(value in supported()) {
        let Some(schema) = read_json(&value, Role::Input) else {
            return Ok(());
        };
        let types = types(&schema, "Root", "About.", &mut Names::default(), &SERVICE);
        let names: Vec<&str> = types.iter().map(|ty| ty.name.as_str()).collect();
        prop_assert_eq!(names[0], "Root");
        let mut mentioned = Vec::new();
        for ty in &types {
            prop_assert_eq!(names.iter().filter(|name| **name == ty.name).count(), 1);
            match &ty.shape {
                Shape::Struct { fields, .. } => {
                    mentioned.extend(fields.iter().map(|field| field.ty.as_str()));
                }
                Shape::Newtype { ty } => mentioned.push(ty),
                Shape::Enum { .. } | Shape::Literals { .. } => {}
                Shape::Tagged { variants, .. } | Shape::Untagged { variants } => {
                    mentioned.extend(variants.iter().filter_map(|variant| variant.ty.as_deref()));
                }
            }
        }
        for path in mentioned {
            let inner = path.trim_end_matches('>').rsplit(['<', ' ']).next().unwrap();
            let is_declared = inner.starts_with("::")
                || ["()", "bool", "i32", "i64", "f64"].contains(&inner)
                || inner.starts_with('(')
                || names.contains(&inner);
            prop_assert!(is_declared, "{path}");
        }
    }

    #[test]
    fn nothing_makes_the_reader_panic(value in odd(), input in any::<bool>()) {
        let role = if input { Role::Input } else { Role::Output };
        if let Some(schema) = read_json(&value, role) {
            example(&schema.json);
        }
    }
}

fn is_valid(schema: &Value, value: &Value) -> bool {
    jsonschema::options()
        .with_draft(jsonschema::Draft::Draft202012)
        .should_validate_formats(true)
        .build(schema)
        .unwrap()
        .is_valid(value)
}
