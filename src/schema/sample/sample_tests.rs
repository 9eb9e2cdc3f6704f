//! The values made up for schemas.

#![allow(clippy::unwrap_used)]

use crate::schema::Role;
use crate::schema::sample::example;
use crate::schema::schema_tests::read_text;
use serde_json::json;

#[test]
fn examples_are_what_the_author_meant() {
    let cases = [
        (
            "reply: string, what it says\nscore?: number",
            json!({ "reply": "Yes, we are open until six.", "score": 0.87 }),
        ),
        (
            "session_id: string\ntags(array): string",
            json!({ "session_id": "01890a5d-ac96-774b-bcce-000000000001", "tags": ["gardening"] }),
        ),
        ("type: integer\nminimum: 10\nmultipleOf: 4", json!(12)),
        ("type: integer\nmaximum: -5", json!(-5)),
        ("type: integer\nminimum: -7\nmaximum: -5", json!(-7)),
        ("type: number\nminimum: 3\nmaximum: 4", json!(3.5)),
        (
            "type: object\nproperties: { amount: { type: number, multipleOf: 0.01 } }",
            json!({ "amount": 20.0 }),
        ),
        ("type: string\ndefault: given", json!("given")),
        (
            "type: string\nexample: first\ndefault: second",
            json!("first"),
        ),
        ("type: string\nmaxLength: 2", json!("So")),
        ("type: string\nminLength: 12", json!("Some text So")),
        ("type: string\nformat: date", json!("2026-01-01")),
        (
            "year: integer\nreader: string, who wants to read and what they like\nprice: number",
            json!({ "year": 2026, "reader": "Ann Smith", "price": 19.99 }),
        ),
        (
            "email: string\nhome-page: string\nmainCity: string\ncreated_at: string\nverdict: string",
            json!({
                "email": "ann@example.com",
                "home-page": "Some home page",
                "mainCity": "Lisbon",
                "created_at": "2026-01-15T09:30:00Z",
                "verdict": "Some verdict",
            }),
        ),
        (
            "type: object\nproperties: { year: { type: integer, maximum: 12 }, email: { type: string, maxLength: 4 } }",
            json!({ "year": 1, "email": "ann@" }),
        ),
        (
            "type: object\nproperties: { counts: { type: array, items: { type: integer, minimum: 1, maximum: 4 }, minItems: 4, uniqueItems: true } }",
            json!({ "counts": [3, 1, 2, 4] }),
        ),
        (
            "type: object\nproperties: { names: { type: array, items: { type: string }, minItems: 4, uniqueItems: true } }",
            json!({ "names": ["Ann Smith", "Ben Okoro", "Cleo Martin", "Ann Smith 4"] }),
        ),
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
fn values_too_large_to_help_are_not_made_up() {
    let nested = |depth: usize| {
        let mut schema = "{type: integer}".to_owned();
        for _ in 0..depth {
            schema = format!("{{type: object, required: [x], properties: {{x: {schema}}}}}");
        }
        schema
    };
    let too_large = [
        "type: object\nminProperties: 1000000000\nadditionalProperties: { type: string }",
        "type: object\nminProperties: 1000000000",
        "type: array\nitems: { type: integer }\nminItems: 1000000000",
        "type: array\nitems: { type: integer }\nminItems: 2000\nuniqueItems: true",
        "type: array\nitems: { type: string, minLength: 90000 }\nminItems: 5",
        "type: string\nminLength: 1000000000",
    ];
    for text in too_large {
        let (schema, _) = read_text(text, Role::Output);
        assert_eq!(example(&schema.unwrap().json), None, "{text}");
    }
    let (schema, _) = read_text(&nested(10), Role::Output);
    assert!(example(&schema.unwrap().json).is_some());
}
