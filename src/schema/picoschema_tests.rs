//! The shorthand of schemas: what it becomes, and mistakes in it.

#![allow(clippy::unwrap_used)]

use crate::schema::Role;
use crate::schema::schema_tests::{assert_diagnostics, read_valid};
use serde_json::json;

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
        let schema = read_valid(text, Role::Output);
        assert_eq!(
            serde_json::to_string_pretty(&schema.json).unwrap(),
            serde_json::to_string_pretty(&expected).unwrap(),
            "{text}"
        );
    }
}

#[test]
fn mistakes_in_the_shorthand_are_found_all_at_once() {
    assert_diagnostics(
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
                "a: str\nb?: Integer, x\nc(list): string\nd(enum): a\ne(object): any\n?: any\nf(array: any\ng: 1\nh(array): Thing\ni(enum): []",
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
                    "10:10: error[AG050]: the enum \"i\" has no values (list at least one)",
                ],
            ),
            (
                "a: string\na?: string",
                &["2:1: error[AG050]: the property \"a\" is listed twice (remove one of them)"],
            ),
            (
                "sessionId: string\nsession_id: string",
                &[
                    "2:1: note[AG053]: the property \"session_id\" meets another one in the name `session_id`; in Rust it is called `session_id_2` (choose a name with `x-rust-name`)",
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
