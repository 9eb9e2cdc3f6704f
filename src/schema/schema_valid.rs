//! Whether a value is valid under a schema.

use serde_json::{Map, Value};

/// Whether `value` is valid under `schema`, a canonical schema or a part of one; `root` is the schema
/// that holds its definitions. Formats without a type of their own are taken as kept.
pub fn is_valid(value: &Value, schema: &Value, root: &Value) -> bool {
    check(value, schema, root, 0)
}

/// The definition that `reference` means in `root`.
pub fn definition<'a>(reference: &str, root: &'a Value) -> Option<&'a Value> {
    root.get("$defs")?.get(reference.strip_prefix("#/$defs/")?)
}

/// How deeply definitions may lead to each other before a value counts as invalid.
const MAX_DEPTH: usize = 200;

fn check(value: &Value, schema: &Value, root: &Value, depth: usize) -> bool {
    let keywords = match schema {
        Value::Bool(allowed) => return *allowed,
        Value::Object(keywords) if depth < MAX_DEPTH => keywords,
        _ => return false,
    };
    let inner = |value: &Value, schema: &Value| check(value, schema, root, depth + 1);
    let one_of = |list: &Value| {
        let schemas = list.as_array().map_or(&[][..], Vec::as_slice);
        schemas.iter().filter(|schema| inner(value, schema)).count()
    };
    let keyword = |name: &str| keywords.get(name);
    keyword("$ref")
        .and_then(Value::as_str)
        .is_none_or(|reference| {
            definition(reference, root).is_some_and(|schema| inner(value, schema))
        })
        && keyword("oneOf").is_none_or(|list| one_of(list) == 1)
        && keyword("anyOf").is_none_or(|list| one_of(list) > 0)
        && keyword("const").is_none_or(|constant| constant == value)
        && keyword("enum")
            .and_then(Value::as_array)
            .is_none_or(|values| values.contains(value))
        && keyword("type").is_none_or(|kind| has_kind(value, kind))
        && match value {
            Value::Number(number) => number
                .as_f64()
                .is_none_or(|number| within_bounds(number, keywords)),
            Value::String(text) => text_fits(text, keywords),
            Value::Array(items) => {
                counts(items.len(), keywords, "minItems", "maxItems")
                    && (keyword("uniqueItems") != Some(&Value::Bool(true)) || all_differ(items))
                    && keyword("items")
                        .is_none_or(|schema| items.iter().all(|item| inner(item, schema)))
            }
            Value::Object(object) => {
                let known = keyword("properties").and_then(Value::as_object);
                let required = keyword("required").and_then(Value::as_array);
                counts(object.len(), keywords, "minProperties", "maxProperties")
                    && required.is_none_or(|names| {
                        names
                            .iter()
                            .filter_map(Value::as_str)
                            .all(|name| object.contains_key(name))
                    })
                    && object.iter().all(|(name, value)| {
                        let schema = known
                            .and_then(|known| known.get(name))
                            .or_else(|| keyword("additionalProperties"));
                        schema.is_none_or(|schema| inner(value, schema))
                    })
            }
            _ => true,
        }
}

fn has_kind(value: &Value, kind: &Value) -> bool {
    if let Value::Array(kinds) = kind {
        return kinds.iter().any(|kind| has_kind(value, kind));
    }
    match kind.as_str() {
        Some("null") => value.is_null(),
        Some("boolean") => value.is_boolean(),
        // A whole number is read as 64 bits, and `1.0` is not read as one.
        Some("integer") => value.is_i64(),
        Some("number") => value.is_number(),
        Some("string") => value.is_string(),
        Some("array") => value.is_array(),
        Some("object") => value.is_object(),
        _ => false,
    }
}

fn within_bounds(number: f64, keywords: &Map<String, Value>) -> bool {
    let bound = |name: &str| keywords.get(name).and_then(Value::as_f64);
    bound("minimum").is_none_or(|bound| number >= bound)
        && bound("maximum").is_none_or(|bound| number <= bound)
        && bound("exclusiveMinimum").is_none_or(|bound| number > bound)
        && bound("exclusiveMaximum").is_none_or(|bound| number < bound)
        && bound("multipleOf").is_none_or(|step| {
            let quotient = number / step;
            (quotient - quotient.round()).abs() <= quotient.abs() * f64::EPSILON * 4.0
        })
        && match keywords.get("format").and_then(Value::as_str) {
            Some("int32") => number >= f64::from(i32::MIN) && number <= f64::from(i32::MAX),
            _ => true,
        }
}

fn text_fits(text: &str, keywords: &Map<String, Value>) -> bool {
    let pattern = keywords.get("pattern").and_then(Value::as_str);
    counts(text.chars().count(), keywords, "minLength", "maxLength")
        && pattern.is_none_or(|pattern| {
            regex_lite::Regex::new(pattern).is_ok_and(|regex| regex.is_match(text))
        })
        && match keywords.get("format").and_then(Value::as_str) {
            Some("date") => is_date(text),
            Some("date-time") => is_date_time(text),
            Some("uuid") => is_uuid(text),
            _ => true,
        }
}

fn counts(count: usize, keywords: &Map<String, Value>, min: &str, max: &str) -> bool {
    let bound = |name: &str| keywords.get(name).and_then(Value::as_f64);
    let count = count as f64;
    bound(min).is_none_or(|min| count >= min) && bound(max).is_none_or(|max| count <= max)
}

fn all_differ(items: &[Value]) -> bool {
    items
        .iter()
        .enumerate()
        .all(|(index, item)| !items[..index].contains(item))
}

fn is_uuid(text: &str) -> bool {
    let lengths = [8, 4, 4, 4, 12];
    let parts: Vec<&str> = text.split('-').collect();
    parts.len() == lengths.len()
        && parts.iter().zip(lengths).all(|(part, length)| {
            part.len() == length && part.bytes().all(|byte| byte.is_ascii_hexdigit())
        })
}

fn is_date(text: &str) -> bool {
    let bytes = text.as_bytes();
    let separated = bytes.len() == 10 && bytes[4] == b'-' && bytes[7] == b'-';
    let (Some(year), Some(month), Some(day)) =
        (digits(text, 0, 4), digits(text, 5, 7), digits(text, 8, 10))
    else {
        return false;
    };
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => 0,
    };
    separated && (1..=days).contains(&day)
}

fn is_date_time(text: &str) -> bool {
    let (Some(date), Some(time)) = (text.get(..10), text.get(11..)) else {
        return false;
    };
    let separator = matches!(text.as_bytes().get(10), Some(b'T' | b't'));
    let clock = |text: &str, start: usize| {
        let colon = text.as_bytes().get(start + 2) == Some(&b':');
        let hour = digits(text, start, start + 2).is_some_and(|hour| hour < 24);
        colon && hour && digits(text, start + 3, start + 5).is_some_and(|minute| minute < 60)
    };
    let seconds = time.as_bytes().get(5) == Some(&b':')
        && digits(time, 6, 8).is_some_and(|second| second <= 60);
    let rest = time.get(8..).unwrap_or_default();
    let offset = match rest.strip_prefix('.') {
        Some(fraction) => {
            let offset = fraction.trim_start_matches(|digit: char| digit.is_ascii_digit());
            if offset.len() == fraction.len() {
                ""
            } else {
                offset
            }
        }
        None => rest,
    };
    let offset_fits = matches!(offset, "Z" | "z")
        || (offset.len() == 6 && offset.starts_with(['+', '-']) && clock(offset, 1));
    separator && is_date(date) && clock(time, 0) && seconds && offset_fits
}

fn digits(text: &str, start: usize, end: usize) -> Option<u32> {
    let part = text.get(start..end)?;
    part.bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| part.parse().ok())?
}
