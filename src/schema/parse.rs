//! Reads JSON Schema 2020-12 into types, one file for each kind of schema.
//!
//! Invariant: every keyword is read or refused by name; none is ignored.

pub mod cursor;
pub mod enumeration;
pub mod keywords;
pub mod object;
pub mod scalar;
pub mod union;

use crate::diagnostics::Report;
use crate::diagnostics::code::Code;
use crate::schema::parse::cursor::{Cursor, Reader};
use crate::schema::parse::enumeration::choice;
use crate::schema::parse::keywords::{Topic, wrong_kind};
use crate::schema::parse::object::object;
use crate::schema::parse::scalar::{count, integer, number, ordered, text};
use crate::schema::parse::union::union;
use crate::schema::schema_type::{Array, Type};
use crate::yaml::node::{Entry, Node, Value};

/// Reads the JSON Schema in `node`: its type, and its definitions by name. With `shorthand`, a
/// schema that says nothing was written as `any` and needs no note. With `closed`, an object that
/// names properties refuses others unless it says otherwise. None where something is wrong.
pub fn read(
    node: &Node,
    report: &mut Report,
    shorthand: bool,
    closed: bool,
) -> Option<(Type, Vec<(String, Type)>)> {
    let defs = match node.get("$defs").map(|defs| (defs, defs.entries())) {
        Some((_, Some(entries))) => entries,
        Some((defs, None)) => {
            wrong_kind("$defs", defs, "a mapping of names to schemas", report);
            return None;
        }
        None => &[],
    };
    let mut reader = Reader {
        defs,
        report,
        shorthand,
        closed,
        descend,
    };
    let mut good = check_top(node, reader.report);
    let ty = descend(&mut reader, node, true);
    let mut types = Vec::new();
    for def in defs {
        let valid = |character: char| {
            character.is_ascii_alphanumeric() || matches!(character, '_' | '-' | '.')
        };
        if def.key.is_empty() || !def.key.chars().all(valid) {
            let message = format!("{:?} can't be the name of a definition", def.key);
            reader
                .report
                .error(Code::BadSchema, def.key_span, message)
                .advise("use letters, digits, `_`, `-` and `.`");
            good = false;
        }
        match reader.read(&def.value) {
            Some(ty) => types.push((def.key.clone(), ty)),
            None => good = false,
        }
    }
    ty.filter(|_| good).map(|ty| (ty, types))
}

fn check_top(node: &Node, report: &mut Report) -> bool {
    let Some(dialect) = node.get("$schema") else {
        return true;
    };
    let is_2020_12 =
        |text: &str| text.trim_end_matches('#') == "https://json-schema.org/draft/2020-12/schema";
    if dialect.as_str().is_some_and(is_2020_12) {
        return true;
    }
    report
        .error(
            Code::UnsupportedSchema,
            dialect.span,
            "the schema is in another dialect",
        )
        .advise("leave `$schema` out; schemas are JSON Schema 2020-12");
    false
}

fn descend(reader: &mut Reader<'_>, node: &Node, top: bool) -> Option<Type> {
    let entries = match &node.value {
        Value::Map(entries) => entries,
        Value::Bool(true) => {
            reader.open(
                node,
                "the schema allows every value; it becomes a JSON value",
            );
            return Some(Type::Any);
        }
        Value::Bool(false) => {
            reader
                .report
                .error(
                    Code::UnsupportedSchema,
                    node.span,
                    "the schema allows no value",
                )
                .advise("leave the property out");
            return None;
        }
        _ => {
            let message = format!("a schema is a mapping, not {}", node.kind());
            reader
                .report
                .error(Code::BadSchema, node.span, message)
                .advise("write `{ type: … }`");
            return None;
        }
    };
    let has = |key: &str| entries.iter().any(|entry| entry.key == key);
    let mut part = Cursor {
        reader,
        node,
        entries,
        top,
    };
    if let Some(reference) = node.get("$ref") {
        let good = part.check(&[Topic::Reference], "a reference");
        let name = reader.reference(reference);
        return name.filter(|_| good).map(Type::Ref);
    }
    if has("oneOf") || has("anyOf") {
        return union(&mut part);
    }
    if has("enum") || has("const") {
        return choice(&mut part);
    }
    read_kind(reader, node, entries, top)
}

fn read_kind(reader: &mut Reader<'_>, node: &Node, entries: &[Entry], top: bool) -> Option<Type> {
    let mut part = Cursor {
        reader,
        node,
        entries,
        top,
    };
    let Some(kind) = node.get("type") else {
        if node.get("properties").is_some() {
            return object(&mut part);
        }
        let about = entries.iter().find_map(|entry| match entry.key.as_str() {
            "items" | "minItems" | "maxItems" | "uniqueItems" => Some("array"),
            "required" | "additionalProperties" | "minProperties" | "maxProperties" => {
                Some("object")
            }
            "minLength" | "maxLength" | "pattern" | "format" => Some("string"),
            "minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum" | "multipleOf" => {
                Some("number")
            }
            _ => None,
        });
        if let Some(name) = about {
            part.reader
                .report
                .error(Code::BadSchema, node.span, "the schema has no `type`")
                .advise(format!("add `type: {name}`"));
            return None;
        }
        if !part.check(&[], "a value without a type") {
            return None;
        }
        reader.open(
            node,
            "the schema doesn't say what the value is; it becomes a JSON value",
        );
        return Some(Type::Any);
    };
    let (name, nullable) = kinds(kind, part.reader.report)?;
    let ty = match name {
        "null" => part.check(&[Topic::Kind], "null").then_some(Type::Null),
        "boolean" => part
            .check(&[Topic::Kind], "true or false")
            .then_some(Type::Boolean),
        "integer" => integer(&mut part),
        "number" => number(&mut part),
        "string" => text(&mut part),
        "array" => array(&mut part),
        _ => object(&mut part),
    }?;
    Some(if nullable {
        Type::Nullable(Box::new(ty))
    } else {
        ty
    })
}

/// The one kind of value that `type` names, and whether null is allowed besides.
fn kinds<'n>(kind: &'n Node, report: &mut Report) -> Option<(&'n str, bool)> {
    let single = std::slice::from_ref(kind);
    let mut names = Vec::new();
    for item in kind.items().unwrap_or(single) {
        let name = match &item.value {
            Value::String(name) if KINDS.contains(&name.as_str()) => name.as_str(),
            Value::String(name) => {
                let message = format!("there is no type {name:?}");
                let advice = if name == "any" {
                    "leave `type` out to allow any value".to_owned()
                } else {
                    format!("the types are {}", KINDS.join(", "))
                };
                report
                    .error(Code::BadSchema, item.span, message)
                    .advise(advice);
                return None;
            }
            Value::Null => {
                report
                    .error(Code::BadSchema, item.span, "`type` is nothing")
                    .advise("put the type null in quotes: \"null\"");
                return None;
            }
            _ => {
                wrong_kind("type", item, "the name of a type", report);
                return None;
            }
        };
        if names.contains(&name) {
            let message = format!("the type {name:?} is listed twice");
            report
                .error(Code::BadSchema, item.span, message)
                .advise("remove one of them");
            return None;
        }
        names.push(name);
    }
    let nullable = names.len() > 1 && names.contains(&"null");
    names.retain(|name| !nullable || *name != "null");
    match names.as_slice() {
        [name] => Some((name, nullable)),
        [] => {
            report
                .error(Code::BadSchema, kind.span, "`type` is empty")
                .advise("name a type");
            None
        }
        _ => {
            let message = format!("a value of several types: {}", names.join(", "));
            report
                .error(Code::UnsupportedSchema, kind.span, message)
                .advise("choose one (and \"null\"), or use `oneOf` over objects");
            None
        }
    }
}

const KINDS: [&str; 7] = [
    "array", "boolean", "integer", "null", "number", "object", "string",
];

fn array(part: &mut Cursor<'_, '_>) -> Option<Type> {
    let mut good = part.check(&[Topic::Kind, Topic::Array], "a list");
    let min_items = count(part, "minItems", &mut good);
    let max_items = count(part, "maxItems", &mut good);
    good &= ordered(part, "minItems", min_items, "maxItems", max_items);
    let unique = match part.node.get("uniqueItems").map(|node| (node, &node.value)) {
        None => false,
        Some((_, Value::Bool(unique))) => *unique,
        Some((node, _)) => {
            wrong_kind("uniqueItems", node, "true or false", part.reader.report);
            return None;
        }
    };
    let items = match part.node.get("items") {
        Some(items) => part.reader.read(items),
        None => {
            part.reader.open(
                part.node,
                "the list doesn't say what is in it; JSON values are",
            );
            Some(Type::Any)
        }
    }?;
    good.then(|| {
        Type::Array(Box::new(Array {
            items,
            min_items,
            max_items,
            unique,
        }))
    })
}
