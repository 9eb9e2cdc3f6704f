//! What is said about a schema that does not compile.

use agentgen_schema::{CompileErrorKind, Schema};
use serde_json::{Value, json};

fn error(schema: &Value) -> String {
    Schema::compile(schema)
        .expect_err("a wrong schema")
        .to_string()
}

#[test]
fn keywords_are_refused_by_name_and_place() {
    for (schema, message) in [
        (
            json!({ "typo": 1 }),
            "/typo: the keyword `typo` is not supported",
        ),
        (
            json!({ "properties": { "a/b": { "nullable": true } } }),
            "/properties/a~1b/nullable: the keyword `nullable` is not supported; write `type: [TYPE, \"null\"]`",
        ),
        (
            json!({ "$defs": { "unused": { "definitions": {} } } }),
            "/$defs/unused/definitions: the keyword `definitions` is not supported; call it `$defs`",
        ),
        (
            json!({ "$schema": "http://json-schema.org/draft-07/schema#" }),
            "/$schema: the dialect `http://json-schema.org/draft-07/schema#` is not supported; schemas are JSON \
             Schema 2020-12",
        ),
    ] {
        assert_eq!(error(&schema), message);
    }
    assert!(
        Schema::compile(
            &json!({ "x-order": [1], "$schema": "https://json-schema.org/draft/2020-12/schema" })
        )
        .is_ok()
    );
}

#[test]
fn values_of_keywords_are_checked() {
    for (schema, message) in [
        (json!(1), "a schema must be an object, true or false"),
        (
            json!({ "items": [] }),
            "/items: a schema must be an object, true or false",
        ),
        (
            json!({ "minLength": -1 }),
            "/minLength: `minLength` must be a whole number from 0",
        ),
        (
            json!({ "multipleOf": 0 }),
            "/multipleOf: `multipleOf` must be a number greater than 0",
        ),
        (
            json!({ "required": ["a", "a"] }),
            "/required: `required` must be an array of different strings",
        ),
        (
            json!({ "anyOf": [] }),
            "/anyOf: `anyOf` must be an array of schemas, at least one",
        ),
        (json!({ "title": 1 }), "/title: `title` must be a string"),
        (
            json!({ "$id": "a#b" }),
            "/$id: `$id` must be a URI reference without a fragment",
        ),
        (
            json!({ "pattern": r"(a)\1" }),
            r"/pattern: the pattern `(a)\1` is not supported: back-references can't be matched",
        ),
        (
            json!({ "patternProperties": { "^a": true, "a/(": true } }),
            "/patternProperties/a~1(: the pattern `a/(` is no regular expression: a `(` has no `)`",
        ),
    ] {
        assert_eq!(error(&schema), message);
    }
    let types = Schema::compile(&json!({ "type": "text" })).expect_err("no such type");
    assert!(matches!(
        types.kind,
        CompileErrorKind::InvalidKeyword { .. }
    ));
}

#[test]
fn references_must_lead_somewhere_else() {
    for (schema, message) in [
        (
            json!({ "$ref": "#/$defs/a" }),
            "/$ref: the reference `#/$defs/a` leads nowhere",
        ),
        (
            json!({ "items": { "$ref": "#a" } }),
            "/items/$ref: the reference `#a` leads nowhere",
        ),
        (
            json!({ "$ref": "other.json" }),
            "/$ref: the reference `other.json` leads to another document, which is not supported",
        ),
        (
            json!({ "$ref": "#" }),
            "the schema applies itself to the same value again, without end",
        ),
        (
            json!({ "$defs": { "a": { "anyOf": [{ "$ref": "#/$defs/b" }] }, "b": { "not": { "$ref": "#/$defs/a" } } } }),
            "/$defs/a: the schema applies itself to the same value again, without end",
        ),
        (
            json!({ "$defs": { "a": { "$anchor": "x" }, "b": { "$anchor": "x" } } }),
            "/$defs/b/$anchor: another schema has the identifier `x` too",
        ),
    ] {
        assert_eq!(error(&schema), message);
    }
    let tree = json!({ "properties": { "children": { "items": { "$ref": "#" } } } });
    assert!(Schema::compile(&tree).is_ok());
}
