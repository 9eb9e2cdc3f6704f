//! Reads the properties of an answer from an example in JSON, as people write them: with comments, with `...`, with
//! types or choices in place of values.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json};

use crate::suggest::reading::one_line;
use crate::suggest::reading::text_sample::{Property, Shape, unique};
use agentgen_build::inspect::Ident;

/// How deep properties are read; deeper ones become `any`.
const MAX_DEPTH: usize = 6;

/// The comments on keys.
type Remarks = BTreeMap<String, String>;

/// The properties of the JSON object in `text`, or of those in the list that it is.
pub fn of_json(text: &str) -> Option<Vec<Property>> {
    let (strict, remarks) = strict(text)?;
    of_value(&serde_json::from_str(&strict).ok()?, &remarks)
}

/// The properties of the object `value`, or of those in the list that it is.
pub fn of_value(value: &Json, remarks: &Remarks) -> Option<Vec<Property>> {
    let properties = match value {
        Json::Object(map) => object(map, 0, remarks),
        Json::Array(items) => {
            let first = items.iter().find_map(Json::as_object)?;
            let items = object(first, 1, remarks);
            (!items.is_empty()).then_some(())?;
            vec![Property {
                name: "items".to_owned(),
                description: String::new(),
                shape: Shape::Object(items),
                many: true,
            }]
        }
        _ => return None,
    };
    (!properties.is_empty()).then_some(properties)
}

fn object(map: &Map<String, Json>, depth: usize, remarks: &Remarks) -> Vec<Property> {
    let members = map.iter().filter_map(|(key, value)| {
        // These mean something in the keys of Picoschema, or have no name in Rust.
        let odd = key.contains(['(', ')', '?', '$']) || one_line(key, 64) != *key;
        if odd || Ident::snake(key).is_none() {
            return None;
        }
        let (shape, many) = shape(value, depth, remarks);
        let sample = match value {
            Json::Array(items) => items.first().and_then(Json::as_str),
            value => value.as_str(),
        };
        // A value of one word is an example; several words describe the value.
        let phrase = sample.filter(|sample| {
            sample.contains([' ', '|'])
                && kind(sample).is_none()
                && !matches!(shape, Shape::Enum(_))
        });
        let remark = remarks.get(key).map(String::as_str);
        Some(Property {
            name: key.clone(),
            description: one_line(remark.or(phrase).unwrap_or_default(), 120),
            shape,
            many,
        })
    });
    unique(members.collect())
}

fn shape(value: &Json, depth: usize, remarks: &Remarks) -> (Shape, bool) {
    match value {
        Json::Bool(_) => (Shape::Scalar("boolean"), false),
        Json::Number(number) if number.is_f64() => (Shape::Scalar("number"), false),
        Json::Number(_) => (Shape::Scalar("integer"), false),
        Json::String(text) => match text.trim().strip_suffix("[]").and_then(kind) {
            Some(kind) => (Shape::Scalar(kind), true),
            None => (of_text(text), false),
        },
        Json::Array(items) => match items.first() {
            // A choice among several has no shorthand.
            Some(Json::String(text)) => (Shape::Scalar(kind(text).unwrap_or("string")), true),
            Some(first @ (Json::Object(_) | Json::Bool(_) | Json::Number(_))) => {
                (shape(first, depth, remarks).0, true)
            }
            _ => (Shape::Scalar("any"), true),
        },
        Json::Object(map) if depth < MAX_DEPTH => match object(map, depth + 1, remarks) {
            members if members.is_empty() => (Shape::Scalar("any"), false),
            members => (Shape::Object(members), false),
        },
        Json::Object(_) | Json::Null => (Shape::Scalar("any"), false),
    }
}

/// The shape of a value written as `text`: a type, a choice ("low | medium | high"), or an example.
fn of_text(text: &str) -> Shape {
    if let Some(kind) = kind(text) {
        return Shape::Scalar(kind);
    }
    let choices: Vec<String> = text
        .split('|')
        .map(|choice| choice.trim().to_owned())
        .collect();
    let plain = |choice: &String| {
        !choice.is_empty()
            && choice.len() <= 40
            && choice
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'))
            && !choice.bytes().all(|byte| byte.is_ascii_digit())
            && kind(choice).is_none()
            && choice != "null"
    };
    let mut names: Vec<_> = choices.iter().map(|choice| Ident::camel(choice)).collect();
    names.sort();
    names.dedup();
    if choices.len() > 1 && names.len() == choices.len() && choices.iter().all(plain) {
        Shape::Enum(choices)
    } else {
        Shape::Scalar("string")
    }
}

/// The type that `text` is the name of, or a range of: `number`, `<integer>`, `string|null`, `0.0-1.0`.
fn kind(text: &str) -> Option<&'static str> {
    let text = text.trim().trim_matches(['<', '>']).to_lowercase();
    let text = text
        .trim_end_matches("| null")
        .trim_end_matches("|null")
        .trim();
    match text {
        "string" | "str" => return Some("string"),
        "number" | "float" | "double" | "decimal" => return Some("number"),
        "integer" | "int" => return Some("integer"),
        "boolean" | "bool" | "true/false" | "true|false" | "true | false" => {
            return Some("boolean");
        }
        "any" | "object" | "array" => return Some("any"),
        _ => {}
    }
    let (from, to) = text.split_once('-')?;
    let number = |text: &str| text.trim().parse::<f64>().is_ok_and(f64::is_finite);
    let plain = |text: &str| {
        text.trim()
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'.')
    };
    (number(from) && number(to) && plain(from) && plain(to)).then_some(if text.contains('.') {
        "number"
    } else {
        "integer"
    })
}

/// `text` as strict JSON, and its comments with the keys before them. A placeholder for a value
/// without quotes becomes a text, and `...` nothing.
fn strict(text: &str) -> Option<(String, Remarks)> {
    let mut out = String::with_capacity(text.len());
    let mut remarks = Remarks::new();
    let mut key = String::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        if first == '"' {
            let mut stream = serde_json::Deserializer::from_str(rest).into_iter::<String>();
            let string = stream.next()?.ok()?;
            let end = stream.byte_offset();
            out.push_str(&rest[..end]);
            rest = rest[end..].trim_start();
            if rest.starts_with(':') {
                key = string;
            }
        } else if let Some(comment) = rest.strip_prefix("//").or_else(|| rest.strip_prefix('#')) {
            let (comment, behind) = comment.split_once('\n').unwrap_or((comment, ""));
            if !key.is_empty() {
                let key = std::mem::take(&mut key);
                remarks
                    .entry(key)
                    .or_insert_with(|| comment.trim().to_owned());
            }
            rest = behind;
        } else if matches!(first, '{' | '}' | '[' | ']' | ',' | ':') {
            if matches!(first, '}' | ']' | ',') {
                end_value(&mut out, first);
            }
            if first != ',' || !out.ends_with(['{', '[', ',']) {
                out.push(first);
            }
            rest = &rest[1..];
        } else {
            let end = rest
                .find([',', '}', ']', '{', '\n', '"', ':'])
                .unwrap_or(rest.len());
            let end = rest[..end].find("//").unwrap_or(end);
            let word = rest[..end].trim();
            if serde_json::from_str::<Json>(word).is_ok() {
                out.push_str(word);
            } else if !word.trim_matches(['.', '\u{2026}']).is_empty() {
                out.push_str(&Json::from(word).to_string());
            }
            rest = &rest[end..];
        }
        rest = rest.trim_start();
    }
    Some((out, remarks))
}

/// Ends what is written in `out` so that `next` may follow: no comma at the end of a list, no key without a value.
fn end_value(out: &mut String, next: char) {
    if out.ends_with(':') {
        out.push_str("null");
    }
    if next != ',' && out.ends_with(',') {
        out.pop();
    }
}
