//! Reads JSON Schema into types: `normalize` brings it into one form, and there is one file for each kind of schema.
//!
//! Invariant: every keyword is read or refused by name; none is ignored. What a type can't say is checked beside it
//! ([`Type::Refined`]).

pub mod all_of;
pub mod cursor;
pub mod definitions;
pub mod enumeration;
pub mod keywords;
pub mod normalize;
pub mod object;
pub mod rust_name;
pub mod scalar;
pub mod union;
pub mod union_kinds;

#[cfg(test)]
mod schema_acceptance_tests;

use crate::diagnostics::Report;
use crate::diagnostics::code::Code;
use crate::schema::canonical::canonical;
use crate::schema::closing::Closing;
use crate::schema::parse::cursor::{Cursor, Reader};
use crate::schema::parse::enumeration::choice;
use crate::schema::parse::keywords::{Topic, is_annotation, topic, wrong_kind};
use crate::schema::parse::normalize::{entry, map, node};
use crate::schema::parse::object::object;
use crate::schema::parse::scalar::{count, integer, number, ordered, text};
use crate::schema::schema_type::{Alternative, Array, Refined, Type};
use crate::text::ident::Ident;
use crate::yaml::node::{Entry, Node, Value};

/// Reads the JSON Schema in `node`, which is in [normal form](normalize::normalize): its type, and its definitions by
/// name. With `shorthand`, a schema that says nothing was written as `any` and needs no note. With `closing`, an object
/// that names properties refuses others unless it says otherwise. None where something is wrong.
pub fn read(
    node: &Node,
    report: &mut Report,
    shorthand: bool,
    closing: Option<&Closing<'_>>,
) -> Option<(Type, Vec<(String, Type)>)> {
    let defs = node
        .get("$defs")
        .and_then(Node::entries)
        .unwrap_or_default();
    let mut reader = Reader {
        defs: defs
            .iter()
            .map(|def| (def.key.as_str(), &def.value))
            .collect(),
        named: 0,
        report,
        shorthand,
        closing,
        descend,
    };
    let top = node.entries().map(|entries| {
        let mut entries = entries.to_vec();
        entries.retain(|entry| entry.key != "$defs");
        map(entries, node.span)
    });
    let ty = reader.read(top.as_ref().unwrap_or(node));
    let mut types = Vec::new();
    let mut good = true;
    for def in defs {
        match reader.read(&def.value) {
            Some(ty) => types.push((def.key.clone(), ty)),
            None => good = false,
        }
    }
    if reader.named > MAX_NAMED {
        let message = format!(
            "the schema has {} objects and choices that become Rust types, and {MAX_NAMED} are the most",
            reader.named
        );
        reader
            .report
            .error(Code::UnsupportedSchema, node.span, message)
            .advise("leave out what the endpoint does not use, or write `type: object` for a part that needs no type");
        return None;
    }
    ty.filter(|_| good).map(|ty| (ty, types))
}

/// The most types of one schema: each takes about 80 kB of memory until it is Rust code.
const MAX_NAMED: usize = 4_000;

fn descend(reader: &mut Reader<'_>, node: &Node) -> Option<Type> {
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
                .advise("leave it out");
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
    let mut part = Cursor {
        reader,
        node,
        entries,
        rest: false,
    };
    let ty = read_type(&mut part)?;
    let is_named = match &ty {
        Type::Object(_) | Type::OneOf(_) | Type::Untagged(_) => true,
        Type::Enum(values) => values.len() > 1,
        Type::Literals(values) => values.len() > 1,
        _ => false,
    };
    part.reader.named += usize::from(is_named);
    if !part.rest {
        return Some(ty);
    }
    // What is combined with other schemas is closed as a whole.
    let json = canonical(&node.to_json(), part.reader.closing);
    Some(Type::Refined(Box::new(Refined { ty, json })))
}

fn read_type(part: &mut Cursor<'_, '_>) -> Option<Type> {
    let has = |key: &str| part.node.get(key).is_some();
    if has("$ref") {
        let good = part.check(&[Topic::Reference], "a reference");
        let name = part.reader.reference(part.node).map(str::to_owned);
        return name.filter(|_| good).map(Type::Ref);
    }
    let union = |entry: &Entry| {
        matches!(entry.key.as_str(), "oneOf" | "anyOf" | "discriminator")
            || is_annotation(&entry.key)
    };
    if (has("oneOf") != has("anyOf")) && part.entries.iter().all(union) {
        return union::union(part);
    }
    if has("enum") || has("const") {
        return choice(part);
    }
    let Some(kind) = part.node.get("type") else {
        if has("properties") {
            return object(part);
        }
        return untyped(part);
    };
    let (kinds, nullable) = kinds(kind, part.reader.report)?;
    let ty = match kinds.as_slice() {
        [kind] => typed(part, kind)?,
        several => several_types(part, several)?,
    };
    Some(if nullable {
        Type::Nullable(Box::new(ty))
    } else {
        ty
    })
}

/// The type of the schema, whose `type` is `kind`.
fn typed(part: &mut Cursor<'_, '_>, kind: &str) -> Option<Type> {
    match kind {
        "null" => part.check(&[Topic::Kind], "null").then_some(Type::Null),
        "boolean" => part
            .check(&[Topic::Kind], "true or false")
            .then_some(Type::Boolean),
        "integer" => integer(part),
        "number" => number(part),
        "string" => text(part),
        "array" => array(part),
        _ => object(part),
    }
}

/// The type of a value of one of the types `kinds`: what is said about one of them holds for that one alone.
fn several_types(part: &mut Cursor<'_, '_>, kinds: &[&str]) -> Option<Type> {
    let mut alternatives = Vec::new();
    for kind in kinds {
        // A whole number is a number.
        if *kind == "integer" && kinds.contains(&"number") {
            continue;
        }
        let topics: &[Topic] = match *kind {
            "integer" | "number" => &[Topic::Number, Topic::Format],
            "string" => &[Topic::Text, Topic::Format],
            "array" => &[Topic::Array, Topic::ArrayRest],
            "object" => &[Topic::Object, Topic::ObjectRest],
            _ => &[],
        };
        let about = |entry: &&Entry| topic(&entry.key).is_some_and(|topic| topics.contains(&topic));
        let mut keywords: Vec<Entry> = part.entries.iter().filter(about).cloned().collect();
        let span = part.node.span;
        keywords.insert(
            0,
            entry("type", node(Value::String((*kind).to_owned()), span), span),
        );
        alternatives.push((*kind, part.reader.read(&map(keywords, span))?));
    }
    let all = [
        Topic::Kind,
        Topic::Number,
        Topic::Format,
        Topic::Text,
        Topic::Array,
        Topic::ArrayRest,
        Topic::Object,
        Topic::ObjectRest,
    ];
    let good = part.check(&all, "a value of these types");
    // Their rest is checked with each of them.
    let condition =
        |entry: &Entry| matches!(topic(&entry.key), Some(Topic::Condition | Topic::Union));
    part.rest = part.entries.iter().any(condition);
    if !good {
        return None;
    }
    Some(match <[_; 1]>::try_from(alternatives) {
        Ok([(_, ty)]) => ty,
        Err(alternatives) => Type::Untagged(
            alternatives
                .into_iter()
                .map(|(kind, ty)| Alternative {
                    ident: Ident::variant(kind),
                    description: None,
                    ty,
                })
                .collect(),
        ),
    })
}

/// The type of a schema that names no type: any value, which is checked where the schema demands something.
fn untyped(part: &mut Cursor<'_, '_>) -> Option<Type> {
    let all = [
        Topic::Number,
        Topic::Format,
        Topic::Text,
        Topic::Array,
        Topic::ArrayRest,
        Topic::Object,
        Topic::ObjectRest,
    ];
    if !part.check(&all, "a value without a type") {
        return None;
    }
    let demands = part.entries.iter().find(|entry| !is_annotation(&entry.key));
    let Some(demand) = demands else {
        part.reader.open(
            part.node,
            "the schema doesn't say what the value is; it becomes a JSON value",
        );
        return Some(Type::Any);
    };
    let kind = match topic(&demand.key) {
        Some(Topic::Number) => "number",
        Some(Topic::Text | Topic::Format) => "string",
        Some(Topic::Array | Topic::ArrayRest) => "array",
        Some(Topic::Object | Topic::ObjectRest) => "object",
        _ => "TYPE",
    };
    let message = format!(
        "`{}` stands without a `type`, so that other kinds of values are allowed too; it becomes a JSON value that is checked",
        demand.key
    );
    part.widen(demand.key_span, message, format!("add `type: {kind}`"));
    Some(Type::Any)
}

/// The kinds of values that `type` names, and whether null is allowed besides.
fn kinds<'n>(kind: &'n Node, report: &mut Report) -> Option<(Vec<&'n str>, bool)> {
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
    if names.is_empty() {
        report
            .error(Code::BadSchema, kind.span, "`type` is empty")
            .advise("name a type");
        return None;
    }
    Some((names, nullable))
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
    if let Some(prefix) = part.node.get("prefixItems") {
        let ty = tuple(part, prefix, min_items, max_items, unique)?;
        return good.then_some(ty);
    }
    let items = match part.node.get("items") {
        // There are no items at all.
        Some(Node {
            value: Value::Bool(false),
            ..
        }) => {
            part.rest = true;
            Some(Type::Any)
        }
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

/// The type of a list whose first items have schemas of their own.
fn tuple(
    part: &mut Cursor<'_, '_>,
    prefix: &Node,
    min_items: Option<u64>,
    max_items: Option<u64>,
    unique: bool,
) -> Option<Type> {
    let Some(items) = prefix.items().filter(|items| !items.is_empty()) else {
        wrong_kind(
            "prefixItems",
            prefix,
            "a list of schemas",
            part.reader.report,
        );
        return None;
    };
    let count = items.len() as u64;
    let ends = part
        .node
        .get("items")
        .is_some_and(|items| items.value == Value::Bool(false));
    let fixed = min_items.is_some_and(|least| least >= count)
        && (ends || max_items.is_some_and(|most| most <= count))
        && min_items <= Some(count);
    if fixed && items.len() <= MAX_TUPLE {
        part.rest |= unique;
        let types: Option<Vec<Type>> = items.iter().map(|item| part.reader.read(item)).collect();
        return types.map(Type::Tuple);
    }
    let message = "the list has items of several types, and no fixed length; JSON values are in it, which are checked";
    let advice = format!(
        "write `minItems: {count}` and `maxItems: {count}` to get a tuple (of up to {MAX_TUPLE} items)"
    );
    part.widen(prefix.span, message, advice);
    Some(Type::Array(Box::new(Array {
        items: Type::Any,
        min_items,
        max_items,
        unique,
    })))
}

/// The longest tuple that Rust compares and prints.
const MAX_TUPLE: usize = 12;
