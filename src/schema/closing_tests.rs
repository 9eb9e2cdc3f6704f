//! Closed inputs: what is taken, compared with another implementation of JSON Schema that reads the schema as it was written.

#![allow(clippy::unwrap_used)]

use agentgen_schema::Schema as Compiled;
use serde_json::{Value, json};

use crate::schema::Role;
use crate::schema::schema_tests::read_text;

/// A schema, values that a closed input of it takes, and others.
struct Case {
    schema: Value,
    taken: Vec<Value>,
    refused: Vec<Value>,
}

fn case(schema: Value, taken: &[Value], refused: &[Value]) -> Case {
    Case {
        schema,
        taken: taken.to_vec(),
        refused: refused.to_vec(),
    }
}

/// As pydantic prints a union that a property with a default tells apart.
fn pets() -> Value {
    json!({
        "$defs": {
            "Cat": { "type": "object", "required": ["id"], "properties": {
                "kind": { "const": "cat", "default": "cat", "type": "string" },
                "id": { "type": "integer" },
                "lives": { "type": "integer" },
            } },
            "Dog": { "type": "object", "required": ["id"], "properties": {
                "kind": { "const": "dog", "default": "dog", "type": "string" },
                "id": { "type": "integer" },
                "tricks": { "type": "array", "items": { "$ref": "#/$defs/Trick" } },
            } },
            "Trick": { "type": "object", "properties": { "name": { "type": "string" } } },
        },
        "type": "object",
        "required": ["pet"],
        "properties": { "pet": { "oneOf": [{ "$ref": "#/$defs/Cat" }, { "$ref": "#/$defs/Dog" }] } },
    })
}

fn cases() -> Vec<Case> {
    let text = json!({ "type": "string" });
    let object = |properties: Value| json!({ "type": "object", "properties": properties });
    vec![
        case(
            pets(),
            &[
                json!({ "pet": { "kind": "cat", "id": 1 } }),
                json!({ "pet": { "kind": "dog", "id": 1, "tricks": [{ "name": "sit" }] } }),
                json!({ "pet": { "id": 1, "tricks": [], "kind": "dog" } }),
            ],
            &[
                json!({ "pet": { "id": -4 } }),
                json!({ "pet": { "id": 1, "lives": 9 } }),
                json!({ "pet": { "kind": "cat", "id": 1, "tricks": [] } }),
                json!({ "pet": { "kind": "dog", "id": 1, "tricks": [{ "name": "sit", "x": 1 }] } }),
                json!({ "pet": { "kind": "dog", "id": 1, "wings": 2 } }),
            ],
        ),
        // Objects that only their members tell apart, directly and a level below.
        case(
            json!({ "oneOf": [object(json!({ "a": text })), object(json!({ "b": text }))] }),
            &[],
            &[
                json!({}),
                json!({ "a": "x" }),
                json!({ "b": "x" }),
                json!({ "a": "x", "b": "x" }),
            ],
        ),
        case(
            json!({ "oneOf": [
                { "type": "object", "required": ["a"], "properties": { "a": text } },
                { "type": "object", "required": ["b"], "properties": { "b": text } },
            ] }),
            &[json!({ "a": "x" }), json!({ "b": "x" })],
            &[
                json!({ "a": "x", "b": "x" }),
                json!({ "a": "x", "c": "x" }),
                json!({}),
            ],
        ),
        case(
            object(json!({ "in": { "oneOf": [
                object(json!({ "k": object(json!({ "a": text })) })),
                { "type": "object", "required": ["k"], "properties": { "k": object(json!({ "b": text })) } },
            ] } })),
            &[json!({ "in": {} })],
            &[
                json!({ "in": { "k": { "a": "x" } } }),
                json!({ "in": { "k": { "b": "x" } } }),
                json!({ "in": { "k": { "b": "x", "c": 1 } } }),
            ],
        ),
        // One is an open map, which takes what the other does not name.
        case(
            object(json!({ "in": { "oneOf": [
                object(json!({ "a": text })),
                { "type": "object", "additionalProperties": { "type": "integer" } },
            ] } })),
            &[json!({ "in": { "a": "x" } }), json!({ "in": { "a": 1 } })],
            &[
                json!({ "in": { "z": 1 } }),
                json!({ "in": { "z": "x" } }),
                json!({ "in": {} }),
            ],
        ),
        // A choice within a choice, and one that stands beside properties.
        case(
            object(json!({ "in": { "anyOf": [
                { "oneOf": [object(json!({ "a": text })), { "type": "object", "required": ["b"], "properties": { "b": text } }] },
                { "type": "null" },
            ] } })),
            &[
                json!({ "in": { "a": "x" } }),
                json!({ "in": null }),
                json!({ "in": {} }),
            ],
            &[
                json!({ "in": { "b": "x" } }),
                json!({ "in": { "a": "x", "b": "x" } }),
                json!({ "in": { "c": 1 } }),
            ],
        ),
        case(
            json!({
                "type": "object",
                "properties": { "x": text },
                "oneOf": [
                    object(json!({ "k": object(json!({ "a": text })) })),
                    { "required": ["k"], "type": "object", "properties": { "k": object(json!({ "b": text })) } },
                ],
            }),
            &[json!({ "x": "x" })],
            &[
                json!({ "x": "x", "k": { "a": "x" } }),
                json!({ "k": { "b": "x" } }),
                json!({ "x": "x", "y": 1 }),
            ],
        ),
        // What must not fit is known by what its schema says, not by what it leaves out.
        case(
            json!({
                "type": "object",
                "properties": { "k": object(json!({ "a": text, "b": text })) },
                "not": { "required": ["k"], "type": "object", "properties": {
                    "k": { "type": "object", "required": ["a"], "properties": { "a": text } },
                } },
            }),
            &[json!({ "k": { "b": "x" } }), json!({})],
            &[
                json!({ "k": { "a": "x" } }),
                json!({ "k": { "a": "x", "b": "x" } }),
                json!({ "k": { "z": 1 } }),
            ],
        ),
        case(
            json!({
                "$defs": { "Bad": { "type": "object", "required": ["a"], "properties": { "a": text } } },
                "type": "object",
                "properties": { "k": object(json!({ "a": text, "b": text })), "l": { "$ref": "#/$defs/Bad" } },
                "not": { "type": "object", "required": ["k"], "properties": { "k": { "$ref": "#/$defs/Bad" } } },
            }),
            &[json!({ "k": { "b": "x" }, "l": { "a": "x" } })],
            &[
                json!({ "k": { "a": "x", "b": "x" } }),
                json!({ "k": { "b": "x" }, "l": { "a": "x", "c": 1 } }),
            ],
        ),
        case(
            json!({
                "type": "object",
                "properties": { "k": object(json!({ "a": text, "b": text })), "c": text },
                "if": { "type": "object", "required": ["k"], "properties": {
                    "k": { "type": "object", "required": ["a"], "properties": { "a": text } },
                } },
                "then": { "required": ["c"] },
            }),
            &[
                json!({ "k": { "b": "x" } }),
                json!({ "k": { "a": "x", "b": "x" }, "c": "x" }),
            ],
            &[
                json!({ "k": { "a": "x", "b": "x" } }),
                json!({ "k": { "b": "x" }, "d": 1 }),
            ],
        ),
        case(
            object(json!({ "all": {
                "type": "array",
                "items": object(json!({ "a": text, "b": text })),
                "contains": { "type": "object", "required": ["a"], "properties": { "a": text } },
                "maxContains": 1,
            } })),
            &[json!({ "all": [{ "a": "x", "b": "x" }, { "b": "x" }] })],
            &[
                json!({ "all": [{ "a": "x" }, { "a": "x", "b": "x" }] }),
                json!({ "all": [{ "b": "x" }] }),
                json!({ "all": [{ "a": "x", "c": 1 }] }),
            ],
        ),
        // Definitions that are combined with others may be used alone too.
        case(
            json!({
                "$defs": { "A": object(json!({ "a": text })) },
                "type": "object",
                "properties": { "a": text, "alone": { "$ref": "#/$defs/A" }, "on": { "type": "boolean" } },
                "dependentSchemas": { "on": { "$ref": "#/$defs/A" } },
            }),
            &[json!({ "on": true, "a": "x", "alone": { "a": "x" } })],
            &[
                json!({ "on": true, "a": 1 }),
                json!({ "on": true, "a": "x", "b": "x" }),
                json!({ "alone": { "a": "x", "b": "x" } }),
            ],
        ),
        case(
            json!({
                "$defs": {
                    "Base": { "type": "object", "required": ["id"], "properties": { "id": text, "next": { "$ref": "#/$defs/Child" } } },
                    "Child": { "allOf": [{ "$ref": "#/$defs/Base" }, { "type": "object", "properties": { "more": text } }] },
                },
                "$ref": "#/$defs/Child",
            }),
            &[json!({ "id": "x", "more": "x", "next": { "id": "y", "more": "z" } })],
            &[
                json!({ "id": "x", "other": "x" }),
                json!({ "id": "x", "next": { "id": "y", "other": 1 } }),
            ],
        ),
        case(
            json!({
                "type": "object",
                "properties": { "x": text },
                "required": ["x"],
                "anyOf": [object(json!({ "a": text })), object(json!({ "b": text }))],
            }),
            &[json!({ "x": "x", "a": "x", "b": "x" }), json!({ "x": "x" })],
            &[json!({ "x": "x", "c": "x" }), json!({ "a": "x" })],
        ),
    ]
}

#[test]
fn closed_inputs_take_nothing_that_their_schema_refuses() {
    let all = cases();
    let mut pool: Vec<Value> = Vec::new();
    for case in &all {
        pool.extend(case.taken.iter().chain(&case.refused).cloned());
    }
    let mut wrong = Vec::new();
    for case in &all {
        let text = case.schema.to_string();
        let (schema, said) = read_text(&text, Role::Input);
        let schema = schema.unwrap_or_else(|| panic!("{text}: {said:#?}"));
        let ours = Compiled::compile(&schema.json).unwrap();
        let theirs = jsonschema::draft202012::new(&case.schema).unwrap();
        let mut differ = |value: &Value, word: &str| {
            wrong.push(format!("{word}: {value}\n  {text}\n  {}", schema.json))
        };
        for value in &case.taken {
            if !ours.is_valid(value) {
                differ(value, "refused");
            }
        }
        for value in &case.refused {
            if ours.is_valid(value) {
                differ(value, "taken");
            }
        }
        for value in &pool {
            if ours.is_valid(value) && !theirs.is_valid(value) {
                differ(value, "taken, and the schema refuses it");
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_choice_that_is_clear_is_written_as_it_was() {
    let text = "
oneOf:
- { type: object, required: [kind], properties: { kind: { const: a } } }
- { type: object, required: [kind], properties: { kind: { const: b }, x: { type: string } } }
- { type: object, required: [kind], properties: { kind: { type: integer } } }
";
    let (schema, _) = read_text(text, Role::Input);
    let json = schema.unwrap().json;
    assert_eq!(json.get("allOf"), None);
    for index in 0..3 {
        assert_eq!(json["oneOf"][index]["additionalProperties"], json!(false));
    }
}

#[test]
fn definitions_get_copies_only_where_closing_changes_them() {
    let (schema, _) = read_text(&pets().to_string(), Role::Input);
    let json = schema.unwrap().json;
    let names: Vec<&String> = json["$defs"].as_object().unwrap().keys().collect();
    assert_eq!(
        names,
        ["Cat", "Dog", "Trick", "Cat.open", "Dog.open", "Trick.open"]
    );
    assert_eq!(json["$defs"]["Cat.open"].get("additionalProperties"), None);
    let (schema, _) = read_text(&pets().to_string(), Role::Output);
    assert_eq!(schema.unwrap().json["$defs"].as_object().unwrap().len(), 3);
}
