//! Holds a value against the bounds of a JSON Schema, where there is no type that was generated from it.

use regex_lite::Regex;
use serde_json::{Map, Value};

use crate::schema::formats::Format;
use crate::schema::shape::resolved;
use crate::schema::validate::{NumberBounds, Validator, Violation};

/// Every bound of the schema `document` that `value`, which has its shape, is beyond: lengths, patterns, formats, numbers,
/// and how many items and properties there are. Where a schema combines others, nothing is said.
pub(crate) fn out_of_bounds(document: &Value, value: &Value) -> Vec<Violation> {
    let mut validator = Validator::default();
    walk(document, document, value, &mut validator);
    validator.into_violations()
}

fn walk(document: &Value, schema: &Value, value: &Value, v: &mut Validator) {
    let Value::Object(schema) = resolved(document, schema) else {
        return;
    };
    match value {
        Value::String(text) => check_text(schema, text, v),
        Value::Number(number) => {
            let limit = |keyword: &str| schema.get(keyword).and_then(Value::as_f64);
            let bounds = NumberBounds {
                minimum: limit("minimum"),
                maximum: limit("maximum"),
                exclusive_minimum: limit("exclusiveMinimum"),
                exclusive_maximum: limit("exclusiveMaximum"),
                multiple_of: limit("multipleOf"),
            };
            v.number(number.as_f64().unwrap_or_default(), bounds);
        }
        Value::Array(items) => {
            v.items(
                items.len(),
                count(schema, "minItems"),
                count(schema, "maxItems"),
            );
            if schema.get("uniqueItems") == Some(&Value::Bool(true)) {
                v.unique(items);
            }
            if let Some(of_each) = schema.get("items") {
                for (index, item) in items.iter().enumerate() {
                    v.index(index, |v| walk(document, of_each, item, v));
                }
            }
        }
        Value::Object(fields) => {
            let (least, most) = (
                count(schema, "minProperties"),
                count(schema, "maxProperties"),
            );
            v.properties(fields.len(), least, most);
            let properties = schema.get("properties").and_then(Value::as_object);
            for (key, field) in fields {
                let known = properties.and_then(|properties| properties.get(key));
                if let Some(of_it) = known.or_else(|| schema.get("additionalProperties")) {
                    v.at(key, |v| walk(document, of_it, field, v));
                }
            }
        }
        Value::Null | Value::Bool(_) => {}
    }
}

fn check_text(schema: &Map<String, Value>, text: &str, v: &mut Validator) {
    v.length(text, count(schema, "minLength"), count(schema, "maxLength"));
    if let Some(pattern) = schema.get("pattern").and_then(Value::as_str)
        && !Regex::new(pattern).is_ok_and(|regex| regex.is_match(text))
    {
        v.fail(format!("does not match the pattern {pattern}"));
    }
    let format = schema.get("format").and_then(Value::as_str);
    if let Some(format) = format.and_then(Format::from_name) {
        v.format(text, format);
    }
}

fn count(schema: &Map<String, Value>, keyword: &str) -> Option<u64> {
    schema.get(keyword).and_then(Value::as_u64)
}
