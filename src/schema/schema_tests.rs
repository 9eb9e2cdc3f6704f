//! Schemas: what is read, what is said about it, and the values made up for it.

#![allow(clippy::unwrap_used)]

use crate::diagnostics::{Report, has_errors};
use crate::schema::sample::example;
use crate::schema::{Role, Schema, Type, read};
use serde_json::{Value, json};

/// Reads the YAML in `text`: the schema, and each diagnostic without the file's name.
fn read_text(text: &str, role: Role) -> (Option<Schema>, Vec<String>) {
    let (source, node) = crate::yaml::yaml_tests::parse(text);
    let mut report = Report::new(&source);
    let schema = read(&node, &mut report, role);
    let diagnostics = report.into_diagnostics();
    assert_eq!(
        schema.is_none(),
        has_errors(&diagnostics),
        "{text}\n{diagnostics:?}"
    );
    let said = diagnostics
        .iter()
        .map(|diagnostic| diagnostic.to_string().replace("agents/test.md:", ""))
        .collect();
    (schema, said)
}

/// The schema in `text`, which must be read without a word.
fn quiet(text: &str, role: Role) -> Schema {
    let (schema, said) = read_text(text, role);
    assert_eq!(said, Vec::<String>::new(), "{text}");
    schema.unwrap()
}

fn assert_says(role: Role, cases: &[(&str, &[&str])]) {
    for (text, expected) in cases {
        let (_, said) = read_text(text, role);
        assert_eq!(said, *expected, "{text}");
    }
}

#[test]
fn the_shorthand_is_read_as_dotprompt_reads_it() {
    let cases = [
        ("string", json!({ "type": "string" })),
        (
            "number, how much",
            json!({ "description": "how much", "type": "number" }),
        ),
        ("any", json!({})),
        ("any, thing", json!({ "description": "thing" })),
        // The first comma ends the type, and the blanks behind it go.
        (
            "string,  a, b",
            json!({ "description": "a, b", "type": "string" }),
        ),
        (
            "a: string\nb?: integer, count",
            json!({
                "type": "object",
                "properties": {
                    "a": { "type": "string" },
                    "b": { "description": "count", "type": ["integer", "null"] },
                },
                "required": ["a"],
                "additionalProperties": false,
            }),
        ),
        (
            "a?(array, some): string, one",
            json!({
                "type": "object",
                "properties": {
                    "a": {
                        "description": "some",
                        "type": ["array", "null"],
                        "items": { "description": "one", "type": "string" },
                    },
                },
                "additionalProperties": false,
            }),
        ),
        (
            "a(object, it): { b: boolean }\nc?: { d?: any }",
            json!({
                "type": "object",
                "properties": {
                    "a": {
                        "description": "it",
                        "type": "object",
                        "properties": { "b": { "type": "boolean" } },
                        "required": ["b"],
                        "additionalProperties": false,
                    },
                    "c": {
                        "type": ["object", "null"],
                        "properties": { "d": {} },
                        "additionalProperties": false,
                    },
                },
                "required": ["a"],
                "additionalProperties": false,
            }),
        ),
        (
            "a(enum, which): [x, y]\nb?(enum): [x]",
            json!({
                "type": "object",
                "properties": {
                    "a": { "description": "which", "type": "string", "enum": ["x", "y"] },
                    "b": { "type": ["string", "null"], "enum": ["x", null] },
                },
                "required": ["a"],
                "additionalProperties": false,
            }),
        ),
        (
            "a: string\n(*): number, more",
            json!({
                "type": "object",
                "properties": { "a": { "type": "string" } },
                "required": ["a"],
                "additionalProperties": { "description": "more", "type": "number" },
            }),
        ),
        // A property may be called like a keyword, as long as its value is not one of the keyword's.
        (
            "type: string, what it is\nitems: string",
            json!({
                "type": "object",
                "properties": {
                    "type": { "description": "what it is", "type": "string" },
                    "items": { "type": "string" },
                },
                "required": ["type", "items"],
                "additionalProperties": false,
            }),
        ),
        // A description in a key keeps its parentheses.
        (
            "a(array, b (c)): any",
            json!({
                "type": "object",
                "properties": { "a": { "description": "b (c)", "type": "array", "items": {} } },
                "required": ["a"],
                "additionalProperties": false,
            }),
        ),
    ];
    for (text, expected) in cases {
        let schema = quiet(text, Role::Output);
        assert_eq!(
            serde_json::to_string_pretty(&schema.json).unwrap(),
            serde_json::to_string_pretty(&expected).unwrap(),
            "{text}"
        );
    }
}

#[test]
fn mistakes_in_the_shorthand_are_found_all_at_once() {
    assert_says(
        Role::Input,
        &[
            (
                "~",
                &[
                    "1:1: error[AG050]: the schema is empty (write its properties, or leave the key out)",
                ],
            ),
            (
                "[a]",
                &[
                    "1:1: error[AG050]: a schema is a type or a mapping, not a list (write a type (any, boolean, integer, null, number, string) or a mapping of properties)",
                ],
            ),
            (
                "a: str\nb?: Integer, x\nc(list): string\nd(enum): a\ne(object): any\n?: any\nf(array: any\ng: 1\nh(array): Thing",
                &[
                    "1:4: error[AG050]: there is no type \"str\" (did you mean `string`?)",
                    "2:5: error[AG050]: there is no type \"Integer\" (did you mean `integer`?)",
                    "3:1: error[AG050]: the kind in parentheses is \"list\" (the kinds are array, object and enum; a description comes after a comma)",
                    "4:10: error[AG050]: the enum \"d\" is text (write its values as a list)",
                    "5:12: error[AG050]: the object \"e\" is text (write its properties as a mapping)",
                    "6:1: error[AG050]: the property has no name (write a name before `?` and `(`; `(*)` alone stands for all other properties)",
                    "7:1: error[AG050]: the key \"f(array\" has an odd parenthesis (write `name(array)`, `name(object)` or `name(enum, description)`)",
                    "8:4: error[AG050]: a schema is a type or a mapping, not a number (write a type (any, boolean, integer, null, number, string) or a mapping of properties)",
                    "9:11: error[AG050]: there is no type \"Thing\" (the types are any, boolean, integer, null, number, string)",
                ],
            ),
            (
                "a: string\na?: string",
                &["2:1: error[AG050]: the property \"a\" stands twice (remove one of them)"],
            ),
            (
                "sessionId: string\nsession_id: string",
                &[
                    "2:1: error[AG053]: the properties \"sessionId\" and \"session_id\" meet in the field `session_id` (rename one of them)",
                ],
            ),
            (
                "string",
                &[
                    "1:1: error[AG050]: the input is text, and a request is an object (make it a property of an object)",
                ],
            ),
        ],
    );
}

#[test]
fn mistakes_in_json_schema_are_found_all_at_once() {
    assert_says(
        Role::Output,
        &[
            (
                "type: object\nproperties:\n  a: { type: string, minLength: 3, maxLength: 2, pattern: '(?=x)' }\n  b: { allOf: [] }\n  c: { tipe: string }\n  d: { type: integer, minimum: 4, exclusiveMaximum: 4.0 }\n  e: { type: integer, minimum: 1, maximum: 4, multipleOf: 5 }\n  f: { type: number, multipleOf: 0 }\nrequired: [x, a, a, 1]\nadditionalproperties: false",
                &[
                    "10:1: error[AG051]: `additionalproperties` is no keyword of JSON Schema (did you mean `additionalProperties`?)",
                    "3:36: error[AG050]: `minLength` is 3 and `maxLength` is 2 (no value is like that; change one of them)",
                    "3:59: error[AG050]: the pattern can't be checked: look-around can't be matched (use a regular expression without look-around and back-references)",
                    "4:8: error[AG051]: no type is made of `allOf` (write the properties of all its parts into one object)",
                    "5:8: error[AG051]: `tipe` is no keyword of JSON Schema (did you mean `type`?)",
                    "6:35: error[AG050]: no number is within the bounds (change one of the bounds)",
                    "7:35: error[AG050]: no number is within the bounds (change one of the bounds)",
                    "8:34: error[AG050]: `multipleOf` is not greater than 0 (write a number greater than 0)",
                    "9:12: error[AG050]: `required` names \"x\", and there is no such property (describe it under `properties`, or remove it here)",
                    "9:18: error[AG050]: the property \"a\" stands twice (remove one of them)",
                    "9:21: error[AG050]: `required` is a number (it must be a list of property names)",
                ],
            ),
            (
                "type: string\nname: string",
                &[
                    "2:1: error[AG051]: `name` is no keyword of JSON Schema (a mapping with a `type` or `properties` is JSON Schema; to describe a property called `type` in the shorthand, write `type: string, what it is`)",
                ],
            ),
            (
                "type: any",
                &[
                    "1:7: error[AG050]: there is no type \"any\" (leave `type` out to allow any value)",
                ],
            ),
            (
                "type: [string, ~]",
                &["1:16: error[AG050]: `type` is nothing (put the type null in quotes: \"null\")"],
            ),
            (
                "type: [string, integer]",
                &[
                    "1:7: error[AG051]: a value of several types: string, integer (choose one (and \"null\"), or use `oneOf` over objects)",
                ],
            ),
            (
                "type: integer\nminLength: 1",
                &[
                    "2:1: error[AG050]: `minLength` says nothing about a whole number (leave it out, or change the type)",
                ],
            ),
            (
                "type: integer\nminimum: 1.5\nmaximum: x",
                &[
                    "2:10: error[AG050]: `minimum` is not a whole number of 64 bits (write a whole number, or make the type `number`)",
                    "3:10: error[AG050]: `maximum` is not a whole number of 64 bits (write a whole number, or make the type `number`)",
                ],
            ),
            (
                "type: array\nminItems: -1",
                &[
                    "2:11: error[AG050]: `minItems` is not a whole number from 0 (write a number such as 1)",
                    "1:1: note[AG052]: the list doesn't say what is in it; JSON values are (say what it is with `type`, if it is known)",
                ],
            ),
            (
                "enum: [1, a, true, a]",
                &[
                    "1:8: error[AG051]: `enum` holds a number (only texts and null can be listed; use `minimum` and `maximum`, or put the numbers in quotes)",
                    "1:14: error[AG051]: `enum` holds true or false (only texts and null can be listed; put words such as `no` in quotes, or use `type: boolean`)",
                    "1:20: error[AG050]: the value \"a\" stands twice (remove one of them)",
                ],
            ),
            (
                "enum: []",
                &["1:7: error[AG050]: the enum has no values (list at least one)"],
            ),
            (
                "enum: [ab, a_b, \"a b\"]",
                &[
                    "1:17: error[AG053]: the value \"a b\" meets another one in its name (rename one of them)",
                ],
            ),
            (
                "type: [string, \"null\"]\nenum: [a]",
                &[
                    "1:7: error[AG050]: the `type` allows null, and `enum` doesn't (add null to the values)",
                ],
            ),
            (
                "type: string\nenum: [a, null]",
                &[
                    "2:11: error[AG050]: `enum` holds null, and the `type` doesn't allow it (write `type: [string, \"null\"]`)",
                ],
            ),
            (
                "oneOf: [{ type: string }, { type: integer }]",
                &[
                    "1:1: error[AG051]: nothing tells the schemas apart (make them objects that require a property with a `const` of its own in each, such as `kind: { const: text }`)",
                ],
            ),
            (
                "anyOf: [{ type: string }, { type: integer }]",
                &[
                    "1:1: error[AG051]: no type is made of `anyOf`, except for a schema or null (use `oneOf` over objects with a property that tells them apart)",
                ],
            ),
            (
                "oneOf:\n- { type: object, properties: { k: { const: a } }, required: [k] }\n- { type: object, properties: { k: { const: a } } }\n- { type: object, properties: { l: { const: b } }, required: [l] }\ndiscriminator: { propertyName: k }",
                &[
                    "3:3: error[AG050]: the object does not require \"k\" (add `k` to its `required`)",
                    "4:3: error[AG050]: the object has no constant \"k\" (give it the property `k: { const: NAME }`)",
                    "3:3: error[AG053]: \"a\" stands for two objects (give each its own value of `k`)",
                ],
            ),
            (
                "$ref: '#/$defs/A'\n$defs: { B: { type: string } }",
                &["1:7: error[AG050]: there is no definition \"A\" (the definitions are B)"],
            ),
            (
                "type: array\nitems: { $ref: 'other.yaml#/A' }",
                &[
                    "2:16: error[AG051]: \"other.yaml#/A\" refers to something outside of `$defs` (move what is meant to `$defs` at the top of this schema)",
                ],
            ),
            (
                "$ref: '#/$defs/A'\n$defs: { A: { $ref: '#/$defs/B' }, B: { $ref: '#/$defs/A' } }",
                &[
                    "2:10: error[AG050]: a value of the definition \"A\" never ends (make the property that leads back to it optional, or a list)",
                    "2:36: error[AG050]: a value of the definition \"B\" never ends (make the property that leads back to it optional, or a list)",
                ],
            ),
            (
                "type: object\nproperties: { a: { type: object, properties: {}, $defs: {} } }",
                &[
                    "2:50: error[AG051]: `$defs` stands inside a schema (move it to the top of the endpoint's schema)",
                ],
            ),
            (
                "$schema: http://json-schema.org/draft-07/schema#\ntype: string",
                &[
                    "1:10: error[AG051]: the schema is in another dialect (leave `$schema` out; schemas are JSON Schema 2020-12)",
                ],
            ),
            (
                "type: integer\nminimum: 3\nexamples: [3, 3.0, 2, 1e30]\ndefault: x",
                &[
                    "3:20: error[AG050]: `examples`[2]: must be at least 3 (change the value or the schema)",
                    "3:23: error[AG050]: `examples`[3]: must be at most 9223372036854775807 (change the value or the schema)",
                    "4:10: error[AG050]: `default`: must be an integer (change the value or the schema)",
                ],
            ),
            (
                "type: object\nproperties: { name: { type: string }, tags: { type: array, items: { enum: [a] } } }\nrequired: [name]\nexamples: [{ name: 5 }, { tags: [a, b] }]",
                &[
                    "4:20: error[AG050]: `examples`[0]: /name must be a string (change the value or the schema)",
                    "4:25: error[AG050]: `examples`[1]: /name is required (change the value or the schema)",
                    "4:37: error[AG050]: `examples`[1]: /tags/1 must be \"a\" (change the value or the schema)",
                ],
            ),
            (
                "type: string\nnullable: true",
                &[
                    "2:1: error[AG051]: no type is made of `nullable` (write `type: [TYPE, \"null\"]`)",
                ],
            ),
            (
                "type: string\nformat: date\nmaxLength: 3",
                &[
                    "3:1: error[AG051]: `maxLength` stands beside a format that has a type of its own (leave out `maxLength` or `format`)",
                ],
            ),
            (
                "type: object\nproperties: { '\u{1f680}': { type: string } }",
                &[
                    "2:15: error[AG053]: no field can be called like the property \"\u{1f680}\" (use a name with a letter or digit of ASCII)",
                ],
            ),
            (
                "properties: { a: false, b: 1 }",
                &[
                    "1:18: error[AG051]: the schema allows no value (leave the property out)",
                    "1:28: error[AG050]: a schema is a mapping, not a number (write `{ type: … }`)",
                ],
            ),
            (
                "type: object\nproperties: { a: { maximum: 1 } }",
                &["2:18: error[AG050]: the schema has no `type` (add `type: number`)"],
            ),
        ],
    );
}

#[test]
fn what_is_left_open_is_noted_once() {
    assert_says(
        Role::Output,
        &[
            (
                "type: object",
                &[
                    "1:1: note[AG052]: the object names no properties; any are allowed (say what it is with `type`, if it is known)",
                ],
            ),
            ("type: object\nadditionalProperties: true", &[]),
            (
                "type: object\nproperties: { a: {} }",
                &[
                    "2:18: note[AG052]: the schema doesn't say what the value is; it becomes a JSON value (say what it is with `type`, if it is known)",
                ],
            ),
            ("a: any", &[]),
            (
                "type: string\nformat: iri",
                &[
                    "2:9: note[AG051]: nothing checks the format \"iri\" (it is kept as documentation)",
                ],
            ),
            (
                "type: string\nformat: ipv6\nx-mine: 1\ndescription: it\ndeprecated: true",
                &[],
            ),
        ],
    );
}

#[test]
fn the_canonical_form_says_everything_in_order() {
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
    let input = quiet(text, Role::Input);
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
    let output = quiet(text, Role::Output);
    assert_eq!(output.json, open);
    assert!(matches!(&output.ty, Type::Object(object) if !object.closed && object.extra.is_none()));
}

#[test]
fn examples_are_what_the_author_meant() {
    let cases = [
        (
            "reply: string, what it says\nscore?: number",
            json!({ "reply": "what it says", "score": 0.5 }),
        ),
        (
            "session_id: string\ntags(array): string",
            json!({ "session_id": "session id", "tags": ["tags"] }),
        ),
        ("type: integer\nminimum: 10\nmultipleOf: 4", json!(12)),
        ("type: integer\nmaximum: -5", json!(-5)),
        ("type: integer\nminimum: -7\nmaximum: -5", json!(-7)),
        ("type: number\nminimum: 3\nmaximum: 4", json!(3.5)),
        ("type: string\ndefault: given", json!("given")),
        (
            "type: string\nexample: first\ndefault: second",
            json!("first"),
        ),
        ("type: string\nmaxLength: 2", json!("te")),
        ("type: string\nminLength: 6", json!("text t")),
        ("type: string\nformat: date", json!("2026-01-01")),
        ("type: string\npattern: '^[0-9]{4}$'", json!("1234")),
        ("enum: [b, a]", json!("b")),
        ("type: [boolean, 'null']", json!(true)),
        ("type: 'null'", json!(null)),
        (
            "type: array\nitems: { type: string }\nmaxItems: 0",
            json!([]),
        ),
        (
            "type: array\nitems: { type: integer }\nminItems: 3\nuniqueItems: true",
            json!([1, 2, 3]),
        ),
        (
            "type: array\nitems: { type: boolean }\nminItems: 2\nuniqueItems: true",
            json!([true, false]),
        ),
        (
            "type: object\nadditionalProperties: { type: integer }\nminProperties: 2",
            json!({ "name": 1, "name2": 1 }),
        ),
        (
            "$ref: '#/$defs/Node'\n$defs: { Node: { type: object, properties: { n: { type: integer }, next: { $ref: '#/$defs/Node' } }, required: [n] } }",
            json!({ "n": 1 }),
        ),
    ];
    for (text, expected) in cases {
        let (schema, _) = read_text(text, Role::Output);
        assert_eq!(example(&schema.unwrap().json), Some(expected), "{text}");
    }
    let (schema, _) = read_text("type: string\npattern: '^x{77}y$'", Role::Output);
    assert_eq!(example(&schema.unwrap().json), None);
}

#[test]
fn twice_the_same_is_the_same() {
    let text = "a: string\nb?(array): { c: number }";
    assert_eq!(quiet(text, Role::Input), quiet(text, Role::Input));
}

fn is_valid(schema: &Value, value: &Value) -> bool {
    jsonschema::options()
        .with_draft(jsonschema::Draft::Draft202012)
        .should_validate_formats(true)
        .build(schema)
        .unwrap()
        .is_valid(value)
}

mod random {
    use crate::diagnostics::source::Source;
    use crate::diagnostics::span::Span;
    use crate::diagnostics::{Report, has_errors};
    use crate::schema::sample::example;
    use crate::schema::{Role, Schema, read};
    use crate::targets::rust::rust_item::{Names, Shape};
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
            bounds(["minLength", "maxLength"], 20)
                .prop_map(|b| with(b, json!({ "type": "string" }))),
            (bounds(["minLength", "maxLength"], 9), "[a-z]{1,20}").prop_map(|(b, text)| {
                with(
                    b,
                    json!({ "type": ["string", "null"], "description": text }),
                )
            }),
            formats.prop_map(|format| json!({ "type": "string", "format": format })),
            bounds(["minimum", "maximum"], 50).prop_map(|b| with(b, json!({ "type": "integer" }))),
            (bounds(["minimum", "maximum"], 50), 1..6_u8).prop_map(|(b, step)| {
                with(b, json!({ "type": "integer", "multipleOf": step }))
            }),
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
                prop_assert!(super::is_valid(&schema.json, &example), "{}\n{example}", schema.json);
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
            let types = types(&schema, "Root", "About.", &mut Names::default());
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
                    Shape::Enum { .. } => {}
                    Shape::Tagged { variants, .. } => {
                        mentioned.extend(variants.iter().filter_map(|variant| variant.ty.as_deref()));
                    }
                }
            }
            for path in mentioned {
                let inner = path.trim_end_matches('>').rsplit(['<', ' ']).next().unwrap();
                let known = inner.starts_with("::")
                    || ["()", "bool", "i32", "i64", "f64"].contains(&inner)
                    || names.contains(&inner);
                prop_assert!(known, "{path}");
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
}
