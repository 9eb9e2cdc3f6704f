//! Reading schemas: what is read, and the diagnostics.

#![allow(clippy::unwrap_used)]

use crate::diagnostics::{Report, has_errors};
use crate::schema::{Role, Schema, Type, read};
use serde_json::json;

/// Reads the YAML in `text`: the schema, and each diagnostic without the file's name.
pub(super) fn read_text(text: &str, role: Role) -> (Option<Schema>, Vec<String>) {
    let (source, node) = crate::yaml::yaml_tests::parse(text);
    let mut report = Report::new(&source);
    let schema = read(&node, &mut report, role);
    let diagnostics = report.into_diagnostics();
    assert_eq!(
        schema.is_none(),
        has_errors(&diagnostics),
        "{text}\n{diagnostics:?}"
    );
    let messages = diagnostics
        .iter()
        .map(|diagnostic| diagnostic.to_string().replace("agents/test.md:", ""))
        .collect();
    (schema, messages)
}

/// The schema in `text`, which has to be valid.
pub(super) fn read_valid(text: &str, role: Role) -> Schema {
    let (schema, messages) = read_text(text, role);
    assert_eq!(messages, Vec::<String>::new(), "{text}");
    schema.unwrap()
}

pub(super) fn assert_diagnostics(role: Role, cases: &[(&str, &[&str])]) {
    let mut wrong = String::new();
    for (text, expected) in cases {
        let (_, messages) = read_text(text, role);
        if messages != *expected {
            wrong.push_str(&format!("{text}\n{messages:#?}\n"));
        }
    }
    assert!(wrong.is_empty(), "what is said is another thing:\n{wrong}");
}

#[test]
fn the_canonical_form_states_everything_in_order() {
    let text = "
$schema: https://json-schema.org/draft/2020-12/schema
required: [kind]
properties:
  kind: { const: a, example: a }
  inner: { properties: { x: { maximum: 3, type: integer } } }
  open: { type: object, properties: { y: { type: string } }, additionalProperties: true }
  some: { type: [array, 'null'], items: { $ref: '#/$defs/It' } }
$defs: { It: { enum: [p, null] } }
title: T
";
    let closed = json!({
        "title": "T",
        "type": "object",
        "properties": {
            "kind": { "type": "string", "const": "a", "examples": ["a"] },
            "inner": {
                "type": "object",
                "properties": { "x": { "type": "integer", "maximum": 3 } },
                "additionalProperties": false,
            },
            "open": {
                "type": "object",
                "properties": { "y": { "type": "string" } },
                "additionalProperties": true,
            },
            "some": { "type": ["array", "null"], "items": { "$ref": "#/$defs/It" } },
        },
        "required": ["kind"],
        "additionalProperties": false,
        "$defs": { "It": { "type": ["string", "null"], "enum": ["p", null] } },
    });
    let input = read_valid(text, Role::Input);
    assert_eq!(input.json.to_string(), closed.to_string());
    assert!(matches!(&input.ty, Type::Object(object) if object.closed));
    let mut open = closed;
    open.as_object_mut()
        .unwrap()
        .shift_remove("additionalProperties");
    open["properties"]["inner"]
        .as_object_mut()
        .unwrap()
        .shift_remove("additionalProperties");
    let output = read_valid(text, Role::Output);
    assert_eq!(output.json, open);
    assert!(matches!(&output.ty, Type::Object(object) if !object.closed && object.extra.is_none()));
}

#[test]
fn reading_is_deterministic() {
    let text = "a: string\nb?(array): { c: number }";
    assert_eq!(read_valid(text, Role::Input), read_valid(text, Role::Input));
}

#[test]
fn what_is_left_open_is_noted_once() {
    assert_diagnostics(
        Role::Output,
        &[
            (
                "type: object",
                &[
                    "1:1: note[AG052]: the object names no properties; any are allowed (say what it is with `type`)",
                ],
            ),
            ("type: object\nadditionalProperties: true", &[]),
            (
                "type: object\nproperties: { a: {} }",
                &[
                    "2:18: note[AG052]: the schema doesn't say what the value is; it becomes a JSON value (say what it is with `type`)",
                ],
            ),
            ("a: any", &[]),
            (
                "type: string\nformat: phone",
                &[
                    "2:9: note[AG051]: nothing checks the format \"phone\" (it is kept as documentation)",
                ],
            ),
            (
                "type: string\nformat: ipv6\nx-mine: 1\ndescription: it\ndeprecated: true",
                &[],
            ),
        ],
    );
}
