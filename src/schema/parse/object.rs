//! Reads schemas of objects.

use crate::diagnostics::code::Code;
use crate::schema::parse::cursor::Cursor;
use crate::schema::parse::keywords::{Topic, wrong_kind};
use crate::schema::parse::scalar::{count, ordered};
use crate::schema::schema_type::{Field, Map, Object, Type};
use crate::text::ident::Ident;
use crate::yaml::node::{Entry, Node, Value};

/// The type of the object that `part` describes: a map where no properties are named.
pub fn object(part: &mut Cursor<'_, '_>) -> Option<Type> {
    let mut good = part.check(&[Topic::Kind, Topic::Object], "an object");
    let extra = extra(part, &mut good);
    let fields = match part.node.get("properties") {
        Some(node) => fields(part, node, &mut good),
        None => None,
    };
    required(part, &mut good);
    let min_properties = count(part, "minProperties", &mut good);
    let max_properties = count(part, "maxProperties", &mut good);
    good &= ordered(
        part,
        "minProperties",
        min_properties,
        "maxProperties",
        max_properties,
    );
    let named = part.node.get("properties").and_then(Node::entries);
    let is_map = match extra {
        Extra::Refused => false,
        Extra::Typed(_) => named.is_none_or(<[Entry]>::is_empty),
        Extra::Silent => named.is_none(),
    };
    if is_map {
        let values = match extra {
            Extra::Typed(ty) => ty?,
            _ => {
                let message = "the object names no properties; any are allowed";
                part.reader.open(part.node, message);
                Type::Any
            }
        };
        let map = Map {
            values,
            min_properties,
            max_properties,
        };
        return good.then(|| Type::Map(Box::new(map)));
    }
    for keyword in ["minProperties", "maxProperties"] {
        if let Some(entry) = part.node.entry(keyword) {
            let message = format!("`{keyword}` is on an object with named properties");
            part.reader
                .report
                .error(Code::UnsupportedSchema, entry.key_span, message)
                .advise("use `required`");
            good = false;
        }
    }
    let extra = match extra {
        Extra::Typed(ty) => Some(Some(Box::new(ty?))),
        Extra::Refused => None,
        Extra::Silent => Some(None),
    };
    let object = Object {
        description: description(part.node),
        fields: fields.unwrap_or_default(),
        closed: extra.is_none() || (extra == Some(None) && part.reader.closed),
        extra: extra.flatten(),
    };
    good.then_some(Type::Object(object))
}

/// The description of the schema in `node`, or its title.
pub fn description(node: &Node) -> Option<String> {
    let text = |key| {
        node.get(key)
            .and_then(Node::as_str)
            .filter(|text| !text.trim().is_empty())
    };
    text("description")
        .or_else(|| text("title"))
        .map(str::to_owned)
}

enum Extra {
    Silent,
    Refused,
    Typed(Option<Type>),
}

fn extra(part: &mut Cursor<'_, '_>, good: &mut bool) -> Extra {
    match part.node.get("additionalProperties") {
        None => Extra::Silent,
        Some(node) => match &node.value {
            Value::Bool(true) => Extra::Typed(Some(Type::Any)),
            Value::Bool(false) => Extra::Refused,
            Value::Map(_) => {
                let ty = part.reader.read(node);
                *good &= ty.is_some();
                Extra::Typed(ty)
            }
            _ => {
                wrong_kind(
                    "additionalProperties",
                    node,
                    "true, false or a schema",
                    part.reader.report,
                );
                *good = false;
                Extra::Silent
            }
        },
    }
}

fn fields(part: &mut Cursor<'_, '_>, properties: &Node, good: &mut bool) -> Option<Vec<Field>> {
    let Some(entries) = properties.entries() else {
        wrong_kind(
            "properties",
            properties,
            "a mapping of names to schemas",
            part.reader.report,
        );
        *good = false;
        return None;
    };
    let required: Vec<&str> = part
        .node
        .get("required")
        .and_then(Node::items)
        .unwrap_or_default()
        .iter()
        .filter_map(Node::as_str)
        .collect();
    let mut fields = Vec::new();
    let mut idents: Vec<(Ident, &str)> = Vec::new();
    for entry in entries {
        match Ident::snake(&entry.key) {
            None => {
                let message = format!("no field can be called like the property {:?}", entry.key);
                part.reader
                    .report
                    .error(Code::FieldCollision, entry.key_span, message)
                    .advise("use a name with a letter or digit of ASCII");
                *good = false;
            }
            Some(ident) => {
                if let Some((_, other)) = idents.iter().find(|(other, _)| *other == ident) {
                    let message = format!(
                        "the properties {other:?} and {:?} meet in the field `{ident}`",
                        entry.key
                    );
                    part.reader
                        .report
                        .error(Code::FieldCollision, entry.key_span, message)
                        .advise("rename one of them");
                    *good = false;
                }
                idents.push((ident, &entry.key));
            }
        }
        let Some(ty) = part.reader.read(&entry.value) else {
            *good = false;
            continue;
        };
        fields.push(Field {
            name: entry.key.clone(),
            required: required.contains(&entry.key.as_str()),
            description: description(&entry.value),
            ty,
            span: entry.key_span,
        });
    }
    Some(fields)
}

fn required(part: &mut Cursor<'_, '_>, good: &mut bool) {
    let Some(node) = part.node.get("required") else {
        return;
    };
    let Some(items) = node.items() else {
        wrong_kind(
            "required",
            node,
            "a list of property names",
            part.reader.report,
        );
        *good = false;
        return;
    };
    let properties = part.node.get("properties");
    let mut seen: Vec<&str> = Vec::new();
    for item in items {
        let Some(name) = item.as_str() else {
            wrong_kind(
                "required",
                item,
                "a list of property names",
                part.reader.report,
            );
            *good = false;
            continue;
        };
        let problem = if seen.contains(&name) {
            Some((
                format!("the property {name:?} is listed twice"),
                "remove one of them",
            ))
        } else if properties.is_none_or(|properties| properties.get(name).is_none()) {
            let message = format!("`required` names {name:?}, and there is no such property");
            Some((message, "describe it under `properties`, or remove it here"))
        } else {
            None
        };
        if let Some((message, advice)) = problem {
            part.reader
                .report
                .error(Code::BadSchema, item.span, message)
                .advise(advice);
            *good = false;
        }
        seen.push(name);
    }
}
