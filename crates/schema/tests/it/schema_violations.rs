//! What is said about a value that is not valid.

use agentgen_schema::{Schema, Violation};
use serde_json::{Value, json};

fn violations(schema: &Value, value: &Value) -> Vec<String> {
    let schema = Schema::compile(schema).expect("a schema");
    let found = schema.violations(value);
    assert_eq!(found.is_empty(), schema.is_valid(value));
    found.iter().map(Violation::to_string).collect()
}

#[test]
fn every_place_is_named_at_once() {
    let schema = json!({
        "type": "object",
        "required": ["id", "lines"],
        "properties": {
            "id": { "type": ["integer", "null"] },
            "status": { "enum": ["open", "closed"] },
            "lines": { "type": "array", "maxItems": 2, "uniqueItems": true, "items": { "$ref": "#/$defs/line" } },
            "a/b": { "type": "string", "pattern": "^x", "maxLength": 2 },
            "day": { "type": "string", "format": "date" },
        },
        "additionalProperties": false,
        "$defs": {
            "line": { "type": "object", "properties": { "price": { "multipleOf": 0.01, "exclusiveMinimum": 0 } } },
        },
    });
    let line = json!({ "price": 0.005 });
    let value = json!({
        "a/b": "abc", "day": "2026-02-30", "id": 1.5, "lines": [line, {}, { "price": 0.0 }, line], "more": 1,
        "status": "new",
    });
    assert_eq!(
        violations(&schema, &value),
        [
            "/a~1b: has 3, and must have at most 2 characters",
            "/a~1b: does not match the pattern ^x",
            "/day: is not a valid date",
            "/id: must be an integer or null",
            "/lines: has 4, and must have at most 2 items",
            "/lines/3: is there twice",
            "/lines/0/price: is not a multiple of 0.01",
            "/lines/2/price: must be more than 0",
            "/lines/3/price: is not a multiple of 0.01",
            "/more: is not known here",
            "/status: must be \"open\" or \"closed\"",
        ]
    );
    assert_eq!(
        violations(&schema, &json!({ "id": null })),
        ["/lines: is required"]
    );
    assert_eq!(violations(&schema, &json!([])), ["must be an object"]);
}

#[test]
fn a_choice_is_explained_by_its_tag() {
    let schema = json!({
        "oneOf": [
            {
                "type": "object",
                "required": ["kind", "n"],
                "properties": { "kind": { "const": "size" }, "n": { "type": "integer" } },
            },
            { "type": "object", "required": ["kind"], "properties": { "kind": { "const": "name" } } },
            { "type": "null" },
        ]
    });
    let cases = [
        (
            json!({ "kind": "size", "n": "1" }),
            "/n: must be an integer",
        ),
        (json!({ "kind": "size" }), "/n: is required"),
        (
            json!({ "kind": "sise" }),
            "/kind: must be \"size\" or \"name\"",
        ),
        (json!({ "n": 1 }), "/kind: is required"),
        (json!(1), "must be an object or null"),
    ];
    for (value, expected) in cases {
        assert_eq!(violations(&schema, &value), [expected]);
    }
}

#[test]
fn a_choice_is_explained_by_types_and_values() {
    let nullable = json!({ "anyOf": [{ "$ref": "#/$defs/name" }, { "type": "null" }],
        "$defs": { "name": { "type": "string", "minLength": 1 } } });
    assert_eq!(
        violations(&nullable, &json!("")),
        ["has 0, and must have at least 1 character"]
    );
    assert_eq!(
        violations(&nullable, &json!(1)),
        ["must be a string or null"]
    );
    let constants = json!({ "oneOf": [{ "const": "a" }, { "enum": ["b", 1] }] });
    assert_eq!(
        violations(&constants, &json!("c")),
        ["must be \"a\" or \"b\" or 1"]
    );
    let overlapping = json!({ "oneOf": [{ "minimum": 1 }, { "minimum": 2 }, { "maximum": -1 }] });
    assert_eq!(
        violations(&overlapping, &json!(3)),
        ["must match exactly one of the 3 schemas under `oneOf`, and matches numbers 1 and 2"]
    );
    assert_eq!(
        violations(&overlapping, &json!(0)),
        ["must match exactly one of the 3 schemas under `oneOf`, and matches none"]
    );
}

#[test]
fn combinations_and_names_are_explained() {
    let schema = json!({
        "propertyNames": { "maxLength": 3 },
        "dependentRequired": { "a": ["b"] },
        "properties": { "list": { "contains": { "type": "integer" }, "maxContains": 1 } },
        "if": { "required": ["x"] },
        "then": { "properties": { "x": { "not": { "type": "null" } } } },
        "unevaluatedProperties": false,
    });
    assert_eq!(
        violations(&schema, &json!({ "a": 1, "list": ["x"], "x": null })),
        [
            "/b: is required",
            "/list: the name of this property has 4, and must have at most 3 characters",
            "/list: has 0, and must have at least 1 item that `contains` describes",
            "/x: must not match the schema under `not`",
            "/a: is not known here",
        ]
    );
}

#[test]
fn integers_are_whole_numbers_of_any_size() {
    let integer = json!({ "type": "integer" });
    for value in [
        json!(1.0),
        json!(-0.0),
        json!(u64::MAX),
        json!(1e30),
        json!(1e308),
    ] {
        assert!(violations(&integer, &value).is_empty());
    }
    assert_eq!(violations(&integer, &json!(1.5)), ["must be an integer"]);
    let narrow = json!({ "type": "integer", "format": "int32", "minimum": -1 });
    assert_eq!(
        violations(&narrow, &json!(2_147_483_648_u32)),
        ["must be at most 2147483647"]
    );
    assert_eq!(violations(&narrow, &json!(-2)), ["must be at least -1"]);
    let long = json!({ "format": "int64" });
    assert_eq!(
        violations(&long, &json!(u64::MAX)),
        ["must be at most 9223372036854775807"]
    );
    assert!(violations(&json!({ "maximum": u64::MAX }), &json!(u64::MAX - 1)).is_empty());
    assert_eq!(
        violations(&json!({ "exclusiveMaximum": u64::MAX }), &json!(u64::MAX)),
        ["must be less than 18446744073709551615"]
    );
}

#[test]
fn a_part_of_a_schema_checks_a_part_of_a_value() {
    let schema = Schema::compile(&json!({
        "$ref": "#/$defs/answer",
        "$defs": {
            "answer": {
                "type": "object",
                "required": ["hits"],
                "properties": { "hits": { "type": "array", "items": { "$ref": "#/$defs/hit" } }, "total": true },
            },
            "hit": { "type": "object", "properties": { "score": { "type": "number", "maximum": 1 } } },
        },
    }))
    .expect("a schema");
    assert!(schema.requires("hits") && !schema.requires("total"));
    assert_eq!(schema.property_names(), ["hits", "total"]);
    let hit = schema
        .property("hits")
        .and_then(|hits| hits.items())
        .expect("hits");
    let score = hit.property("score").expect("a score");
    assert!(score.is_valid(&json!(0.5)) && !score.is_valid(&json!(2)));
    assert_eq!(score.source()["maximum"], 1);
    let same = schema.at("/$defs/hit/properties/score").expect("a schema");
    assert_eq!(same.violations(&json!("1"))[0].detail, "must be a number");
    let items = schema
        .at("/$defs/answer")
        .and_then(|answer| answer.at("/properties/hits/items"));
    assert!(items.is_some_and(|items| items.requires("score") == hit.requires("score")));
    assert!(schema.property("query").is_none() && schema.at("/$defs/none").is_none());
}
