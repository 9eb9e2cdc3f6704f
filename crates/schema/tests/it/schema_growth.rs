//! The time that each keyword takes grows with the value as the value grows, and not faster: a long request must not hold up a service.

use std::collections::BTreeSet;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use agentgen_schema::{Format, Schema, vocabulary};
use serde_json::{Map, Value, json};

/// The sizes that are compared, in bytes of JSON, and how much longer the larger one may take. Eight times the size is eight times the
/// time, or ten with the logarithm of sorting; a square would be 64 times.
const SMALL: usize = 32 * 1024;
const LARGE: usize = 256 * 1024;
const MOST_GROWTH: u32 = 30;
/// What takes less is not looked at: a pause of the machine takes more.
const MOMENT: Duration = Duration::from_millis(20);

type Make = fn(usize) -> Value;

fn numbers(bytes: usize) -> Value {
    (0..bytes / 7).map(|n| json!(n + 100_000)).collect()
}

fn texts(bytes: usize) -> Value {
    (0..bytes / 12).map(|n| json!(format!("t{n:08}"))).collect()
}

fn text(bytes: usize) -> Value {
    "a1-".repeat(bytes / 3).into()
}

fn lists(bytes: usize) -> Value {
    (0..bytes / 20)
        .map(|n| json!([n, [n], { "a": n }]))
        .collect()
}

/// An object with many members.
fn object(bytes: usize) -> Value {
    let members = (0..bytes / 17).map(|n| (format!("n{n:08}"), json!(n)));
    Value::Object(members.collect::<Map<_, _>>())
}

fn objects(bytes: usize) -> Value {
    (0..bytes / 16)
        .map(|n| json!({ "a": n, "b": "x" }))
        .collect()
}

/// An object with a long name, and a list below it.
fn long_name(bytes: usize) -> Value {
    json!({ "n".repeat(bytes / 2): numbers(bytes / 2) })
}

/// Schemas that use each keyword, with values that are valid and values that are not.
fn cases() -> Vec<(Value, Vec<Make>)> {
    let three = json!({ "type": "integer", "minimum": 3 });
    let mut cases: Vec<(Value, Vec<Make>)> = vec![
        (
            json!({ "items": { "type": ["integer", "null"] } }),
            vec![numbers, texts],
        ),
        (
            json!({ "items": { "enum": ["t00000001", 1, null] } }),
            vec![numbers, texts],
        ),
        (
            json!({ "items": { "const": { "a": 1 } } }),
            vec![lists, objects],
        ),
        (
            json!({ "items": {
                "minimum": 1, "maximum": 1e300, "exclusiveMinimum": 0, "exclusiveMaximum": 1e300, "multipleOf": 0.01,
            } }),
            vec![numbers],
        ),
        (
            json!({ "minLength": 3, "maxLength": 100_000_000 }),
            vec![text],
        ),
        (
            json!({ "items": { "minLength": 3, "maxLength": 4 } }),
            vec![texts],
        ),
        (json!({ "pattern": "^(a|a1|1-|-)*$" }), vec![text]),
        (json!({ "pattern": "(a1-a1-)+b$" }), vec![text]),
        (
            json!({ "pattern": "^(?=.*-$)(?!.*b)[a-z0-9-]+(?<=-)$" }),
            vec![text],
        ),
        (
            json!({ "items": { "pattern": "^t0*(1|2|3)[0-9]{0,9}$" } }),
            vec![texts],
        ),
        (
            json!({ "contentEncoding": "base64", "contentMediaType": "text/plain", "contentSchema": true }),
            vec![text],
        ),
        (
            json!({ "prefixItems": [true, { "type": "string" }], "items": three }),
            vec![numbers],
        ),
        (json!({ "contains": { "const": 5 } }), vec![numbers, texts]),
        (
            json!({ "contains": three, "minContains": 3, "maxContains": 5 }),
            vec![numbers, texts],
        ),
        (json!({ "minItems": 2, "maxItems": 3 }), vec![numbers]),
        (
            json!({ "uniqueItems": true }),
            vec![numbers, texts, lists, objects],
        ),
        (
            json!({ "prefixItems": [true], "contains": { "type": "object" }, "anyOf": [{ "contains": { "type": "array" } }, true],
                "unevaluatedItems": { "type": "integer" } }),
            vec![numbers, texts, lists],
        ),
        (
            json!({ "properties": { "n00000007": three } }),
            vec![object],
        ),
        (
            json!({ "items": { "properties": { "a": three, "b": { "type": "null" } } } }),
            vec![objects],
        ),
        (
            json!({ "patternProperties": { "^n0*[1-3]": three, "7$": { "type": "integer" } } }),
            vec![object, long_name],
        ),
        (
            json!({ "additionalProperties": { "type": "string" } }),
            vec![object, long_name],
        ),
        (
            json!({ "additionalProperties": { "items": { "type": "string" } } }),
            vec![long_name],
        ),
        (
            json!({ "additionalProperties": false }),
            vec![object, long_name],
        ),
        (
            json!({ "propertyNames": { "pattern": "^n[0-9]+$", "maxLength": 9 } }),
            vec![object, long_name],
        ),
        (
            json!({ "items": { "required": ["a", "c"], "dependentRequired": { "a": ["b", "d"] } } }),
            vec![objects],
        ),
        (
            json!({ "items": { "dependentSchemas": { "a": { "required": ["b"], "properties": { "b": three } } } } }),
            vec![objects],
        ),
        (
            json!({ "minProperties": 1, "maxProperties": 3 }),
            vec![object],
        ),
        (
            json!({ "allOf": [{ "patternProperties": { "1$": true } }], "unevaluatedProperties": three }),
            vec![object, long_name],
        ),
        (
            json!({ "items": { "allOf": [three, { "maximum": 5 }], "not": { "type": "null" } } }),
            vec![numbers],
        ),
        (
            json!({ "items": { "anyOf": [{ "type": "string" }, { "required": ["a"] }] } }),
            vec![numbers, objects],
        ),
        (
            json!({ "items": { "oneOf": [{ "required": ["a"] }, { "required": ["b"] }] } }),
            vec![objects],
        ),
        (
            json!({ "items": { "if": { "required": ["a"] }, "then": { "required": ["c"] }, "else": false } }),
            vec![objects, numbers],
        ),
        (
            json!({ "$defs": { "any": { "$anchor": "any", "anyOf": [{ "items": { "$ref": "#any" } }, three] } },
                "items": { "$ref": "#/$defs/any" } }),
            vec![numbers, lists],
        ),
        (
            json!({ "$id": "https://example.com/tree", "$dynamicAnchor": "node", "additionalProperties": { "$dynamicRef": "#node" },
                "items": { "$dynamicRef": "#node" } }),
            vec![lists, objects],
        ),
    ];
    for format in Format::ALL {
        let schema = json!({ "format": format.as_str() });
        let makes: [Make; 5] = [
            text,
            |bytes| format!("{}@a.b", "a".repeat(bytes)).into(),
            |bytes| format!("https://a.b/{}", "a/%41".repeat(bytes / 5)).into(),
            |bytes| format!("/{}", "~0/".repeat(bytes / 3)).into(),
            |bytes| "1.".repeat(bytes / 2).into(),
        ];
        cases.push((schema, makes.to_vec()));
    }
    cases
}

/// How long this thread has worked, where the system tells: what else the machine does is not counted.
fn worked() -> Duration {
    static BEGUN: LazyLock<Instant> = LazyLock::new(Instant::now);
    let times = std::fs::read_to_string("/proc/thread-self/schedstat");
    let nanoseconds = times
        .ok()
        .and_then(|times| times.split(' ').next()?.parse().ok());
    nanoseconds.map_or_else(|| BEGUN.elapsed(), Duration::from_nanos)
}

/// The shortest time of three checks.
fn time(schema: &Schema, value: &Value) -> Duration {
    let once = |_| {
        let begun = worked();
        assert_eq!(schema.violations(value).is_empty(), schema.is_valid(value));
        worked().saturating_sub(begun)
    };
    (0..3).map(once).min().unwrap_or_default()
}

fn keywords(schema: &Value, found: &mut BTreeSet<String>) {
    match schema {
        Value::Object(members) => {
            for (name, value) in members {
                found.insert(name.clone());
                keywords(value, found);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| keywords(item, found)),
        _ => {}
    }
}

#[test]
fn every_keyword_takes_time_in_proportion_to_the_value() {
    let mut used = BTreeSet::new();
    for (source, makes) in cases() {
        keywords(&source, &mut used);
        let schema = Schema::compile(&source).expect("a schema");
        for (number, make) in makes.into_iter().enumerate() {
            let (small, large) = (make(SMALL), make(LARGE));
            let at_most = time(&schema, &small).max(MOMENT / 8) * MOST_GROWTH;
            let took = time(&schema, &large);
            assert!(
                took < MOMENT || took < at_most,
                "{source}, value {number}: {took:?} for 256 KB, and at most {at_most:?} are in proportion"
            );
        }
    }
    // What only describes is not checked.
    let silent = [
        "$schema",
        "$comment",
        "title",
        "description",
        "default",
        "examples",
        "deprecated",
        "readOnly",
        "writeOnly",
        "example",
        "discriminator",
    ];
    let missing = vocabulary::ACCEPTED.iter();
    let missing = missing.filter(|name| !used.contains(**name) && !silent.contains(name));
    assert_eq!(missing.collect::<Vec<_>>(), [&""; 0]);
}

#[test]
fn violations_do_not_repeat_a_long_name_a_hundred_times() {
    let schema = json!({ "additionalProperties": { "items": { "type": "string" } } });
    let schema = Schema::compile(&schema).expect("a schema");
    let violations = schema.violations(&long_name(LARGE));
    let bytes = violations
        .iter()
        .map(|one| one.pointer.len() + one.detail.len());
    assert!(!violations.is_empty() && bytes.sum::<usize>() < LARGE);
}

#[test]
fn a_text_is_looked_up_in_a_long_list_of_choices() {
    let choices: Vec<String> = (0..20_000)
        .map(|n| format!("choice number {n:08}"))
        .collect();
    let value: Value = choices
        .iter()
        .rev()
        .cycle()
        .take(100_000)
        .cloned()
        .collect();
    let schema = json!({ "items": { "enum": choices } });
    let schema = Schema::compile(&schema).expect("a schema");
    let begun = Instant::now();
    assert!(schema.is_valid(&value));
    assert!(begun.elapsed() < Duration::from_secs(5));
    assert!(!schema.is_valid(&json!(["choice number"])));
}
