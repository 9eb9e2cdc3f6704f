//! Random schemas and values: the answer is the one of the crate `jsonschema`.

use agentgen_schema::CompileOptions;
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

const NAMES: [&str; 4] = ["a", "b", "ab", "c1"];
const DEFINITIONS: [&str; 2] = ["first", "second"];

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 1000,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn answers_are_those_of_another_implementation(
        schema in document(),
        values in vec(value(), 8),
    ) {
        let Ok(ours) = CompileOptions::default().check_formats(false).compile(&schema) else {
            // A definition that applies itself to the same value.
            return Ok(());
        };
        let theirs = jsonschema::options()
            .should_validate_formats(false)
            .build(&schema)
            .expect("a schema that compiles here");
        for value in values {
            let is_valid = ours.is_valid(&value);
            prop_assert_eq!(is_valid, theirs.is_valid(&value), "{} under {}", value, schema);
            let violations = ours.violations(&value);
            prop_assert_eq!(is_valid, violations.is_empty(), "{} under {}", value, schema);
            for violation in violations {
                let is_missing = violation.detail == "is required";
                let exists = value.pointer(&violation.pointer).is_some();
                prop_assert!(exists != is_missing, "{:?}", violation);
            }
        }
    }
}

/// A schema with definitions that it may refer to.
fn document() -> impl Strategy<Value = Value> {
    (schema(), [schema(), schema()]).prop_map(|(schema, definitions)| match schema {
        Value::Object(mut keywords) => {
            let named = DEFINITIONS.iter().map(ToString::to_string).zip(definitions);
            keywords.insert("$defs".to_owned(), Value::Object(named.collect()));
            Value::Object(keywords)
        }
        other => other,
    })
}

fn schema() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        8 => vec(assertion(), 0..3).prop_map(object),
        1 => any::<bool>().prop_map(Value::Bool),
        1 => prop::sample::select(&DEFINITIONS[..])
            .prop_map(|name| json!({ "$ref": format!("#/$defs/{name}") })),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        let keyword = prop_oneof![assertion(), applicator(inner)];
        vec(keyword, 1..5).prop_map(object)
    })
}

type Keyword = (String, Value);

fn object(keywords: Vec<Keyword>) -> Value {
    Value::Object(keywords.into_iter().collect::<Map<_, _>>())
}

/// A keyword that holds no schema.
fn assertion() -> impl Strategy<Value = Keyword> {
    let counts = [
        "minLength",
        "maxLength",
        "minItems",
        "maxItems",
        "minProperties",
        "maxProperties",
        "minContains",
        "maxContains",
    ];
    let bounds = ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"];
    let types = [
        "null", "boolean", "integer", "number", "string", "array", "object",
    ];
    let steps = [
        json!(1),
        json!(2),
        json!(0.5),
        json!(0.01),
        json!(1.5),
        json!(3),
    ];
    let patterns = ["^a", "b$", "[0-9]", "^.{2}$", r"\w\d"];
    prop_oneof![
        keyword(counts, (0_u64..4).prop_map(Value::from)),
        keyword(bounds, number()),
        keyword(["multipleOf"], prop::sample::select(steps.to_vec())),
        keyword(
            ["pattern"],
            prop::sample::select(patterns.to_vec()).prop_map(Value::from)
        ),
        keyword(["uniqueItems"], any::<bool>().prop_map(Value::from)),
        keyword(
            ["type"],
            prop::sample::select(types.to_vec()).prop_map(Value::from)
        ),
        keyword(
            ["type"],
            prop::sample::subsequence(types.to_vec(), 1..4).prop_map(Value::from)
        ),
        keyword(["required"], names()),
        keyword(
            ["dependentRequired"],
            btree_map(name(), names(), 1..3).prop_map(|map| json!(map))
        ),
        keyword(["const"], value()),
        keyword(["enum"], vec(value(), 1..4).prop_map(Value::from)),
    ]
}

/// A keyword that holds schemas.
fn applicator(
    inner: impl Strategy<Value = Value> + Clone + 'static,
) -> impl Strategy<Value = Keyword> {
    let single = [
        "not",
        "if",
        "then",
        "else",
        "items",
        "contains",
        "additionalProperties",
        "unevaluatedProperties",
        "unevaluatedItems",
        "propertyNames",
    ];
    let list = ["allOf", "anyOf", "oneOf", "prefixItems"];
    let by_name = ["properties", "dependentSchemas"];
    let patterns = prop::sample::select(vec!["^a".to_owned(), "[0-9]".to_owned()]);
    prop_oneof![
        keyword(single, inner.clone()),
        keyword(list, vec(inner.clone(), 1..4).prop_map(Value::from)),
        keyword(
            by_name,
            btree_map(name(), inner.clone(), 1..4).prop_map(|map| json!(map))
        ),
        keyword(
            ["patternProperties"],
            btree_map(patterns, inner, 1..3).prop_map(|map| json!(map))
        ),
    ]
}

fn keyword<const N: usize>(
    names: [&'static str; N],
    value: impl Strategy<Value = Value>,
) -> impl Strategy<Value = Keyword> {
    (prop::sample::select(names.to_vec()), value).prop_map(|(name, value)| (name.to_owned(), value))
}

fn name() -> impl Strategy<Value = String> {
    prop::sample::select(&NAMES[..]).prop_map(str::to_owned)
}

fn names() -> impl Strategy<Value = Value> {
    prop::sample::subsequence(&NAMES[..], 0..3).prop_map(Value::from)
}

fn number() -> impl Strategy<Value = Value> {
    prop_oneof![
        (-4_i64..5).prop_map(Value::from),
        (-4_i64..5).prop_map(|whole| json!(whole as f64)),
        (-9_i64..10).prop_map(|quarters| json!(quarters as f64 / 4.0)),
        (0_i64..300).prop_map(|cents| json!(cents as f64 / 100.0)),
        prop::sample::select(vec![json!(1_u64 << 40), json!(-(1_i64 << 40))]),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        number(),
        prop::sample::select(vec!["", "a", "ab", "b1", "é"]).prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            btree_map(name(), inner, 0..4).prop_map(|map| json!(map)),
        ]
    })
}
