//! Picoschema, the shorthand for JSON Schema that dotprompt made known.
//!
//! It is read as dotprompt's reference implementation reads it, with two exceptions: a description
//! in a key keeps its parentheses, and what the reference passes on as an invalid schema is an
//! error. Every property that is optional (`name?`) may also be null, and every object is closed
//! unless it has the key `(*)`.

use crate::diagnostics::Report;
use crate::diagnostics::code::Code;
use crate::diagnostics::span::Span;
use crate::yaml::node::{Entry, Node, Value};

/// The type names of Picoschema.
pub const SCALARS: [&str; 6] = ["any", "boolean", "integer", "null", "number", "string"];

/// Whether `node` is JSON Schema; if not, it is Picoschema.
///
/// As in the reference, the top of a schema decides: a mapping is JSON Schema if its `type` is the
/// name of a type, or if its `properties` is a mapping. Beyond the reference it is JSON Schema too
/// if its `type`, `enum`, `oneOf`, `anyOf` or `allOf` is a list, or if it has one of the keys
/// `$ref`, `$schema`, `$defs`, `$id` and `definitions`: in Picoschema all of these would be errors or very odd names.
pub fn is_json_schema(node: &Node) -> bool {
    let Some(entries) = node.entries() else {
        return matches!(node.value, Value::Bool(_));
    };
    entries.iter().any(|entry| {
        let value = &entry.value;
        match entry.key.as_str() {
            "type" => {
                value.items().is_some()
                    || value.as_str().is_some_and(|name| {
                        SCALARS.contains(&name) || matches!(name, "object" | "array")
                    })
            }
            "properties" => value.entries().is_some(),
            "enum" | "oneOf" | "anyOf" | "allOf" => value.items().is_some(),
            "$ref" | "$schema" | "$defs" | "$id" => true,
            "definitions" => value.entries().is_some(),
            _ => false,
        }
    })
}

/// The JSON Schema that the Picoschema in `node` describes, every part at the place it came from.
/// None where something is wrong with it, which is then in `report`.
pub fn to_json_schema(node: &Node, report: &mut Report) -> Option<Node> {
    match &node.value {
        Value::String(text) => scalar(text, node.span, report),
        Value::Map(entries) => object(entries, node.span, report),
        _ => {
            report
                .error(
                    Code::BadSchema,
                    node.span,
                    format!("a schema is a type or a mapping, not {}", node.kind()),
                )
                .advise(format!(
                    "write a type ({}) or a mapping of properties",
                    SCALARS.join(", ")
                ));
            None
        }
    }
}

fn scalar(text: &str, span: Span, report: &mut Report) -> Option<Node> {
    let (name, description) = split_description(text);
    if !SCALARS.contains(&name) {
        report
            .error(Code::BadSchema, span, format!("there is no type {name:?}"))
            .advise(scalar_advice(name));
        return None;
    }
    let mut entries = Vec::new();
    if name != "any" {
        entries.push(entry("type", string(name, span), span));
    }
    if let Some(description) = description {
        entries.push(entry("description", string(description, span), span));
    }
    Some(map(entries, span))
}

fn scalar_advice(name: &str) -> String {
    let meant = match name.trim().to_ascii_lowercase().as_str() {
        "str" | "text" | "string" => "string",
        "bool" | "boolean" => "boolean",
        "int" | "integer" | "long" => "integer",
        "float" | "double" | "decimal" | "number" => "number",
        "none" | "nil" | "null" => "null",
        "json" | "any" | "unknown" => "any",
        "object" | "dict" | "map" => return "write the properties as a mapping".to_owned(),
        "array" | "list" => return "write `name(array): type`".to_owned(),
        _ => return format!("the types are {}", SCALARS.join(", ")),
    };
    format!("did you mean `{meant}`?")
}

fn object(entries: &[Entry], span: Span, report: &mut Report) -> Option<Node> {
    let mut properties: Vec<Entry> = Vec::new();
    let mut required = Vec::new();
    let mut additional = Some(Node {
        value: Value::Bool(false),
        span,
    });
    let mut complete = true;
    for source in entries {
        if source.key == "(*)" {
            additional = to_json_schema(&source.value, report);
            continue;
        }
        let Some(key) = read_key(source, report) else {
            complete = false;
            continue;
        };
        if properties.iter().any(|other| other.key == key.name) {
            report
                .error(
                    Code::BadSchema,
                    source.key_span,
                    format!("the property {:?} is listed twice", key.name),
                )
                .advise("remove one of them");
            complete = false;
        }
        if !key.optional {
            required.push(string(key.name, source.key_span));
        }
        match property(&key, source, report) {
            Some(value) => properties.push(entry(key.name, value, source.key_span)),
            None => complete = false,
        }
    }
    let additional = additional?;
    if !complete {
        return None;
    }
    let mut schema = vec![
        entry("type", string("object", span), span),
        entry("properties", map(properties, span), span),
    ];
    if !required.is_empty() {
        let value = Value::List(required);
        schema.push(entry("required", Node { value, span }, span));
    }
    schema.push(entry("additionalProperties", additional, span));
    Some(map(schema, span))
}

struct Key<'a> {
    name: &'a str,
    optional: bool,
    kind: Option<&'a str>,
    description: Option<&'a str>,
}

fn read_key<'a>(source: &'a Entry, report: &mut Report) -> Option<Key<'a>> {
    let (name, kind) = match source.key.split_once('(') {
        None => (source.key.as_str(), None),
        Some((name, rest)) => match rest.strip_suffix(')') {
            Some(inner) if !inner.is_empty() => (name, Some(inner)),
            _ => {
                report
                    .error(
                        Code::BadSchema,
                        source.key_span,
                        format!("the key {:?} has an odd parenthesis", source.key),
                    )
                    .advise("write `name(array)`, `name(object)` or `name(enum, description)`");
                return None;
            }
        },
    };
    let (kind, description) = match kind.map(split_description) {
        Some((kind, description)) => (Some(kind), description),
        None => (None, None),
    };
    let (name, optional) = match name.strip_suffix('?') {
        Some(name) => (name, true),
        None => (name, false),
    };
    if name.is_empty() {
        report
            .error(Code::BadSchema, source.key_span, "the property has no name")
            .advise("write a name before `?` and `(`; `(*)` alone stands for all other properties");
        return None;
    }
    Some(Key {
        name,
        optional,
        kind,
        description,
    })
}

fn property(key: &Key<'_>, source: &Entry, report: &mut Report) -> Option<Node> {
    let span = source.value.span;
    let mut schema = match key.kind {
        None => to_json_schema(&source.value, report)?,
        Some("object") if source.value.entries().is_some() => {
            to_json_schema(&source.value, report)?
        }
        Some("object") => {
            let message = format!("the object {:?} is {}", key.name, source.value.kind());
            report
                .error(Code::BadSchema, span, message)
                .advise("write its properties as a mapping");
            return None;
        }
        Some("array") => {
            let items = to_json_schema(&source.value, report)?;
            let kind = entry("type", string("array", source.key_span), source.key_span);
            map(vec![kind, entry("items", items, span)], span)
        }
        Some("enum") => return enumeration(key, source, report),
        Some(other) => {
            let message = format!("the kind in parentheses is {other:?}");
            report
                .error(Code::BadSchema, source.key_span, message)
                .advise("the kinds are array, object and enum; a description comes after a comma");
            return None;
        }
    };
    if key.optional {
        make_nullable(&mut schema);
    }
    describe(&mut schema, key, source);
    Some(schema)
}

fn enumeration(key: &Key<'_>, source: &Entry, report: &mut Report) -> Option<Node> {
    let span = source.value.span;
    let Some(values) = source.value.items() else {
        let message = format!("the enum {:?} is {}", key.name, source.value.kind());
        report
            .error(Code::BadSchema, span, message)
            .advise("write its values as a list");
        return None;
    };
    if values.is_empty() {
        let message = format!("the enum {:?} has no values", key.name);
        report
            .error(Code::BadSchema, span, message)
            .advise("list at least one");
        return None;
    }
    let mut values = values.to_vec();
    if key.optional && !values.iter().any(|value| value.value == Value::Null) {
        values.push(Node {
            value: Value::Null,
            span,
        });
    }
    let list = Node {
        value: Value::List(values),
        span,
    };
    let mut schema = map(vec![entry("enum", list, source.key_span)], span);
    describe(&mut schema, key, source);
    Some(schema)
}

/// Lets the value be null as well; `any` allows null already.
fn make_nullable(schema: &mut Node) {
    let Value::Map(entries) = &mut schema.value else {
        return;
    };
    for kind in entries.iter_mut().filter(|entry| entry.key == "type") {
        let span = kind.value.span;
        let null = string("null", span);
        let name = std::mem::replace(
            &mut kind.value,
            Node {
                value: Value::Null,
                span,
            },
        );
        kind.value.value = Value::List(vec![name, null]);
    }
}

/// A description in the key replaces the one of the value.
fn describe(schema: &mut Node, key: &Key<'_>, source: &Entry) {
    let (Value::Map(entries), Some(description)) = (&mut schema.value, key.description) else {
        return;
    };
    entries.retain(|entry| entry.key != "description");
    entries.push(entry(
        "description",
        string(description, source.key_span),
        source.key_span,
    ));
}

/// What is before the first comma, and what is after it and its blanks.
fn split_description(text: &str) -> (&str, Option<&str>) {
    match text.split_once(',') {
        None => (text, None),
        Some((name, rest)) => {
            let description = rest.trim_start_matches(' ');
            (name, (!description.is_empty()).then_some(description))
        }
    }
}

fn entry(key: &str, value: Node, key_span: Span) -> Entry {
    Entry {
        key: key.to_owned(),
        key_span,
        value,
    }
}

fn string(text: &str, span: Span) -> Node {
    Node {
        value: Value::String(text.to_owned()),
        span,
    }
}

fn map(entries: Vec<Entry>, span: Span) -> Node {
    Node {
        value: Value::Map(entries),
        span,
    }
}
