//! Looks into a JSON Schema: far enough to say everything that is wrong with the shape of a request at once.

use serde_json::{Map, Value};

use crate::schema::validate::{Validator, Violation};

/// How many references in a row are followed.
const MOST_REFERENCES: usize = 16;

/// Every place at which `value` has not the shape that the schema `document` gives it: type, members, choice.
/// Where a schema combines others, nothing is said.
pub(crate) fn misshapen(document: &Value, value: &Value) -> Vec<Violation> {
    let mut validator = Validator::default();
    walk(document, document, value, &mut validator);
    validator.into_violations()
}

/// Whether `value` has not the shape that `schema`, which is a part of `document`, gives it.
pub(crate) fn misfits(document: &Value, schema: &Value, value: &Value) -> bool {
    let mut validator = Validator::default();
    walk(document, schema, value, &mut validator);
    !validator.into_violations().is_empty()
}

/// What a schema stands for, if it is a reference within `document`.
pub(crate) fn resolved<'a>(document: &'a Value, mut schema: &'a Value) -> &'a Value {
    for _ in 0..MOST_REFERENCES {
        let reference = schema.get("$ref").and_then(Value::as_str);
        let pointer = reference.and_then(|reference| reference.strip_prefix('#'));
        match pointer.and_then(|pointer| document.pointer(pointer)) {
            Some(target) => schema = target,
            None => break,
        }
    }
    schema
}

fn walk(document: &Value, schema: &Value, value: &Value, v: &mut Validator) {
    let Value::Object(schema) = resolved(document, schema) else {
        return;
    };
    let types = match schema.get("type") {
        Some(Value::Array(types)) => types.iter().filter_map(Value::as_str).collect(),
        Some(Value::String(one)) => vec![one.as_str()],
        _ => Vec::new(),
    };
    if !types.is_empty() && !types.iter().any(|one| is_a(one, value)) {
        let names = types.iter().map(|one| name(one)).collect::<Vec<_>>();
        return v.fail(format!("must be {}", names.join(" or ")));
    }
    let choice = schema.get("enum").and_then(Value::as_array);
    let only = schema.get("const").map(std::slice::from_ref);
    if let Some(choice) = choice.map(Vec::as_slice).or(only)
        && !choice.contains(value)
    {
        let names = choice.iter().map(Value::to_string).collect::<Vec<_>>();
        return v.fail(format!("must be {}", names.join(" or ")));
    }
    match value {
        Value::Object(fields) => walk_fields(document, schema, fields, v),
        Value::Array(items) => {
            if let Some(of_each) = schema.get("items") {
                for (index, item) in items.iter().enumerate() {
                    v.index(index, |v| walk(document, of_each, item, v));
                }
            }
        }
        _ => {}
    }
}

fn walk_fields(
    document: &Value,
    schema: &Map<String, Value>,
    fields: &Map<String, Value>,
    v: &mut Validator,
) {
    let required = schema.get("required").and_then(Value::as_array);
    for key in required.into_iter().flatten().filter_map(Value::as_str) {
        if !fields.contains_key(key) {
            v.at(key, |v| v.fail("is required"));
        }
    }
    let properties = schema.get("properties").and_then(Value::as_object);
    let is_plain = !schema.contains_key("patternProperties");
    for (key, field) in fields {
        match properties.and_then(|properties| properties.get(key)) {
            Some(property) => v.at(key, |v| walk(document, property, field, v)),
            None if is_plain => match schema.get("additionalProperties") {
                Some(Value::Bool(false)) => v.at(key, |v| v.fail("is not known here")),
                Some(other) => v.at(key, |v| walk(document, other, field, v)),
                None => {}
            },
            None => {}
        }
    }
}

fn is_a(kind: &str, value: &Value) -> bool {
    match kind {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.as_f64().is_some_and(|number| number.fract() == 0.0),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => true,
    }
}

fn name(kind: &str) -> &str {
    match kind {
        "boolean" => "true or false",
        "integer" => "an integer",
        "number" => "a number",
        "string" => "a string",
        "array" => "an array",
        "object" => "an object",
        other => other,
    }
}
