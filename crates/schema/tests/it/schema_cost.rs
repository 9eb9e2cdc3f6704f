//! What a value costs: long lists, deep nesting, and schemas that meet a value many times.

use std::time::{Duration, Instant};

use agentgen_schema::{CompileErrorKind, Schema, Validator};
use serde_json::{Value, json};

/// Generous, so that a slow machine passes; what these tests rule out takes minutes or forever.
const LIMIT: Duration = Duration::from_secs(5);

fn nested(depth: usize, wrap: impl Fn(Value) -> Value) -> Value {
    (0..depth).fold(json!(1), |inner, _| wrap(inner))
}

#[test]
fn a_long_list_is_sorted_to_find_repeated_items() {
    let schema = Schema::compile(&json!({ "uniqueItems": true })).expect("a schema");
    let items: Vec<Value> = (0..100_000).rev().map(|n| json!({ "n": n })).collect();
    let start = Instant::now();
    assert!(schema.is_valid(&items.clone().into()));
    let mut validator = Validator::default();
    validator.unique(&items);
    assert!(validator.into_violations().is_empty());
    let same = vec![json!(1); 100_000];
    assert_eq!(schema.violations(&same.into()).len(), 100);
    assert!(start.elapsed() < LIMIT);
}

#[test]
fn a_value_that_meets_a_schema_many_times_is_checked_once() {
    let twice = json!({ "$ref": "#" });
    let schemas = [
        json!({ "anyOf": [{ "properties": { "a": twice } }, { "properties": { "a": twice } }], "not": { "const": 0 } }),
        json!({ "properties": { "a": twice }, "patternProperties": { "a": twice }, "not": { "const": 0 } }),
        json!({ "oneOf": [{ "properties": { "a": twice } }, { "properties": { "a": twice } }] }),
        json!({ "allOf": [{ "properties": { "a": twice } }, { "properties": { "a": twice } }], "type": "object" }),
        json!({ "anyOf": [{ "properties": { "a": twice } }], "unevaluatedProperties": false }),
    ];
    for schema in schemas {
        let schema = Schema::compile(&schema).expect("a schema");
        for innermost in [json!(0), json!({}), json!("x")] {
            let value = (0..100).fold(innermost, |inner, _| json!({ "a": inner }));
            let start = Instant::now();
            assert_eq!(
                schema.is_valid(&value),
                schema.violations(&value).is_empty()
            );
            assert!(start.elapsed() < LIMIT);
        }
    }
}

#[test]
fn nesting_is_limited_and_not_by_the_stack() {
    let list = Schema::compile(&json!({ "$defs": { "list": { "items": { "$ref": "#/$defs/list" } } }, "$ref": "#/$defs/list" }))
        .expect("a schema");
    let wrap = |inner| Value::Array(vec![inner]);
    assert!(list.is_valid(&nested(127, wrap)));
    let deep = nested(2000, wrap);
    assert_eq!(list.violations(&deep)[0].detail, "is nested too deeply");
    let choice = json!({ "properties": { "a": { "oneOf": [{ "$ref": "#" }, { "type": "number" }] } }, "type": "object" });
    let choice = Schema::compile(&choice).expect("a schema");
    let object = |inner| Value::Object([("a".to_owned(), inner)].into_iter().collect());
    assert!(choice.is_valid(&nested(127, object)));
    assert_eq!(
        choice.violations(&nested(2000, object))[0].detail,
        "is nested too deeply"
    );
    let negated =
        Schema::compile(&json!({ "not": { "items": { "$ref": "#" } } })).expect("a schema");
    assert!(!negated.is_valid(&deep));
    let deep_schema = nested(2000, |inner| {
        Value::Object([("not".to_owned(), inner)].into_iter().collect())
    });
    let error = Schema::compile(&deep_schema).expect_err("a deep schema");
    assert_eq!(error.kind, CompileErrorKind::TooDeep);
}

#[test]
fn at_most_a_hundred_violations_are_reported() {
    let schema = Schema::compile(&json!({ "items": { "type": "string" } })).expect("a schema");
    assert_eq!(schema.violations(&vec![json!(1); 1000].into()).len(), 100);
}
