//! Reads schemas that offer several: `oneOf` and `anyOf`.

use std::collections::{BTreeMap, BTreeSet};

use crate::diagnostics::code::Code;
use crate::schema::closing::Extent;
use crate::schema::parse::cursor::Cursor;
use crate::schema::parse::enumeration::{Listed, documented, enumeration};
use crate::schema::parse::keywords::{Topic, wrong_kind};
use crate::schema::parse::rust_name::{Named, Style, rust_names};
use crate::schema::parse::union_kinds::{
    ARRAY, BOOLEAN, Facts, INTEGER, NULL, NUMBER, OBJECT, STRING, are_apart, constant, facts,
    kinds, may_be_any, name_of,
};
use crate::schema::schema_type::{
    Alternative, Array, Bounds, Integer, Map, OneOf, Text, Type, Variant, VariantContent,
};
use crate::yaml::node::{Node, Value};

/// The type of a schema with `oneOf` or `anyOf`.
pub fn union(part: &mut Cursor<'_, '_>) -> Option<Type> {
    let good = part.check(&[Topic::Union], "a choice of schemas");
    let node = part.node;
    let (keyword, list) = match (node.get("oneOf"), node.get("anyOf")) {
        (Some(list), _) => ("oneOf", list),
        (None, list) => ("anyOf", list?),
    };
    let Some(schemas) = list.items().filter(|items| !items.is_empty()) else {
        wrong_kind(keyword, list, "a list of schemas", part.reader.report);
        return None;
    };
    part.rest = false;
    let never = |node: &&Node| node.value != Value::Bool(false);
    let schemas: Vec<&Node> = schemas.iter().filter(never).collect();
    let is_null = |node: &Node| kinds(node, part.reader) == NULL;
    let (nulls, others): (Vec<&Node>, Vec<&Node>) =
        schemas.into_iter().partition(|node| is_null(node));
    let once = keyword == "oneOf";
    let ty = match others.as_slice() {
        [] if nulls.is_empty() => {
            part.error(
                Code::UnsupportedSchema,
                "the schema allows no value",
                "leave it out",
            );
            return None;
        }
        [] => Type::Null,
        [single] => part.reader.read(single)?,
        several => several_schemas(part, keyword, several)?,
    };
    if nulls.is_empty() {
        return good.then_some(ty);
    }
    // With `oneOf`, a value that fits two schemas is not valid.
    let may_be_null = others
        .iter()
        .any(|node| kinds(node, part.reader) & NULL != 0);
    part.rest |= once && (may_be_null || nulls.len() > 1);
    let ty = match ty {
        ty @ (Type::Null | Type::Nullable(_) | Type::Any) => ty,
        ty => Type::Nullable(Box::new(ty)),
    };
    good.then_some(ty)
}

fn several_schemas(part: &mut Cursor<'_, '_>, keyword: &str, schemas: &[&Node]) -> Option<Type> {
    let once = keyword == "oneOf";
    let lists: Option<Vec<Vec<Listed<'_>>>> = schemas.iter().map(|node| documented(node)).collect();
    if let Some(lists) = lists {
        let mut all: Vec<Listed<'_>> = Vec::new();
        let mut seen = BTreeSet::new();
        for listed in lists.into_iter().flatten() {
            if seen.insert(listed.value.to_json().to_string()) {
                all.push(listed);
            } else {
                part.rest |= once;
            }
        }
        return enumeration(part, &all);
    }
    let reason = match tagged(part, schemas)? {
        Tagged::Type(ty) => return Some(ty),
        Tagged::Not(reason) => reason,
    };
    if let Some(closing) = part.reader.closing.filter(|_| once) {
        let alternatives: Vec<_> = schemas.iter().map(|node| node.to_json()).collect();
        part.rest |= closing.overlap(&alternatives, Extent::Whole);
    }
    if let Some(ty) = untagged(part, schemas) {
        return ty;
    }
    let all = schemas
        .iter()
        .fold(0, |all, node| all | kinds(node, part.reader));
    let ty = widest(all);
    let entry = part.node.entry(keyword)?;
    let reason =
        reason.unwrap_or_else(|| format!("nothing tells the schemas under `{keyword}` apart"));
    let message = format!("{reason}; the type is {}, which is checked", ty.kind());
    part.widen(
        entry.key_span,
        message,
        "give each object a required property with a `const` of its own, such as `kind: { const: text }`, to get an enum",
    );
    Some(ty)
}

/// The type that takes every value of `kinds`.
fn widest(kinds: u8) -> Type {
    let nullable = kinds & NULL != 0;
    let ty = match kinds & !NULL {
        STRING => Type::String(Text::default()),
        BOOLEAN => Type::Boolean,
        INTEGER => Type::Integer(Integer::default()),
        kinds if kinds & !NUMBER == 0 => Type::Number(Bounds::default()),
        ARRAY => Type::Array(Box::new(Array {
            items: Type::Any,
            min_items: None,
            max_items: None,
            unique: false,
        })),
        OBJECT => Type::Map(Box::new(Map {
            values: Type::Any,
            min_properties: None,
            max_properties: None,
        })),
        _ => return Type::Any,
    };
    if nullable {
        Type::Nullable(Box::new(ty))
    } else {
        ty
    }
}

/// What came of looking for a property that tells objects apart.
enum Tagged {
    Type(Type),
    /// There is none; why the one that `discriminator` names is none.
    Not(Option<String>),
}

fn tagged(part: &mut Cursor<'_, '_>, schemas: &[&Node]) -> Option<Tagged> {
    let given = match part.node.get("discriminator") {
        None => None,
        Some(node) => match node.get("propertyName").and_then(Node::as_str) {
            Some(name) => Some(name),
            None => {
                let expected = "a mapping with `propertyName`";
                wrong_kind("discriminator", node, expected, part.reader.report);
                return None;
            }
        },
    };
    let reader = &*part.reader;
    let targets: Vec<&Node> = schemas.iter().map(|node| reader.target(node)).collect();
    let objects: Vec<Option<Facts<'_>>> = targets.iter().map(|node| facts(node, reader)).collect();
    let why_not = |tag: &str| {
        // How many objects have each constant; counted once the first object has one.
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for (target, object) in targets.iter().zip(&objects) {
            let value = constant(target, tag, reader);
            let Some(object) = object.as_ref().filter(|object| object.plain) else {
                return Some(format!("an alternative is no plain object with {tag:?}"));
            };
            let Some(value) = value else {
                return Some(format!("an object has no constant text as its {tag:?}"));
            };
            if !object.required.contains(&tag) {
                return Some(format!("an object does not require {tag:?}"));
            }
            if counts.is_empty() {
                for value in targets
                    .iter()
                    .filter_map(|other| constant(other, tag, reader))
                {
                    *counts.entry(value).or_default() += 1;
                }
            }
            if counts.get(value).is_some_and(|count| *count > 1) {
                return Some(format!("{value:?} is the {tag:?} of two objects"));
            }
        }
        None
    };
    let candidates: Vec<&str> = match given {
        Some(name) => vec![name],
        None => {
            let first = targets
                .first()
                .and_then(|node| node.get("properties")?.entries());
            first
                .unwrap_or_default()
                .iter()
                .map(|entry| entry.key.as_str())
                .collect()
        }
    };
    let Some(tag) = candidates.into_iter().find(|tag| why_not(tag).is_none()) else {
        return Some(Tagged::Not(given.and_then(why_not)));
    };
    let values: Vec<String> = targets
        .iter()
        .filter_map(|target| constant(target, tag, reader).map(str::to_owned))
        .collect();
    let names: Vec<Option<String>> = schemas.iter().map(|node| name_of(node, reader)).collect();
    let given: Vec<Option<Node>> = schemas
        .iter()
        .zip(&targets)
        .map(|(node, target)| {
            node.get("x-rust-name")
                .or(target.get("x-rust-name"))
                .cloned()
        })
        .collect();
    let tag = tag.to_owned();
    let named: Vec<Named<'_>> = values
        .iter()
        .zip(schemas.iter().zip(&given))
        .map(|(value, (node, given))| Named {
            text: value.clone(),
            place: node.span,
            given: given.as_ref(),
        })
        .collect();
    let idents = rust_names(part, &named, Style::Variant, "value")?;
    let mut variants = Vec::new();
    for (((node, name), value), ident) in schemas.iter().zip(names).zip(values).zip(idents) {
        let content = match name {
            Some(name) => VariantContent::Ref(name),
            None => match part.reader.read(node)? {
                Type::Object(object) => VariantContent::Object(object),
                _ => return Some(Tagged::Not(None)),
            },
        };
        variants.push(Variant {
            value,
            ident,
            content,
            span: node.span,
        });
    }
    Some(Tagged::Type(Type::OneOf(OneOf { tag, variants })))
}

/// An enum whose variants the value itself tells apart; none where some value may be of two of them.
fn untagged(part: &mut Cursor<'_, '_>, schemas: &[&Node]) -> Option<Option<Type>> {
    let reader = &*part.reader;
    if !are_apart(schemas, reader) {
        return None;
    }
    // serde reads a struct from a list too, and an enum of texts from an object: what comes first wins.
    // What may become any JSON value comes last.
    let rank = |node: &&&Node| match kinds(node, reader) {
        _ if may_be_any(node, reader) => 3,
        ARRAY => 0,
        OBJECT => 1,
        _ => 2,
    };
    let mut sorted: Vec<&&Node> = schemas.iter().collect();
    sorted.sort_by_key(rank);
    let texts: Vec<String> = sorted
        .iter()
        .map(|node| alternative_name(part, node))
        .collect();
    let named: Vec<Named<'_>> = sorted
        .iter()
        .zip(texts)
        .map(|(node, text)| Named {
            text,
            place: node.span,
            given: node.get("x-rust-name"),
        })
        .collect();
    let Some(idents) = rust_names(part, &named, Style::Variant, "alternative") else {
        return Some(None);
    };
    let mut alternatives = Vec::new();
    for (node, ident) in sorted.into_iter().zip(idents) {
        let Some(ty) = part.reader.read(node) else {
            return Some(None);
        };
        let description = crate::schema::parse::object::description(node);
        alternatives.push(Alternative {
            ident,
            description,
            ty,
        });
    }
    Some(Some(Type::Untagged(alternatives)))
}

/// What an alternative is called: its title, the definition that it is, or its kind.
fn alternative_name(part: &Cursor<'_, '_>, node: &Node) -> String {
    let title = node.get("title").and_then(Node::as_str);
    let name = title
        .map(str::to_owned)
        .or_else(|| name_of(node, part.reader));
    name.unwrap_or_else(|| {
        let kind = match kinds(node, part.reader) & !NULL {
            STRING => "string",
            BOOLEAN => "boolean",
            INTEGER => "integer",
            ARRAY => "array",
            OBJECT => match facts(node, part.reader).map(|object| object.required) {
                Some(required) => match required.as_slice() {
                    // An object that is told apart by its one property.
                    [single] => return (*single).to_owned(),
                    _ => "object",
                },
                None => "object",
            },
            kinds if kinds & !NUMBER == 0 => "number",
            _ => "value",
        };
        kind.to_owned()
    })
}
