//! Reads schemas of objects.

use crate::diagnostics::code::Code;
use crate::schema::parse::cursor::Cursor;
use crate::schema::parse::keywords::{Topic, wrong_kind};
use crate::schema::parse::rust_name::{Named, Style, rust_names};
use crate::schema::parse::scalar::{count, ordered, pattern};
use crate::schema::schema_type::{Field, Map, Object, Type};
use crate::text::ident::Ident;
use crate::yaml::node::{Entry, Node, Value};

/// The type of the object that `part` describes: a map where no properties are named.
pub fn object(part: &mut Cursor<'_, '_>) -> Option<Type> {
    let mut good = part.check(&[Topic::Kind, Topic::Object], "an object");
    let extra = extra(part, &mut good);
    let patterns = patterns(part, &mut good);
    let named = part.node.get("properties").and_then(Node::entries);
    let is_map = match extra {
        Extra::Refused => named.is_none_or(<[Entry]>::is_empty) && patterns.is_some(),
        Extra::Typed(_) => named.is_none_or(<[Entry]>::is_empty),
        Extra::Silent => named.is_none(),
    };
    let silent = matches!(extra, Extra::Silent);
    // What other schemas say of the same object may name further properties.
    let combined = part
        .entries
        .iter()
        .any(|entry| IN_PLACE.contains(&entry.key.as_str()));
    let closed = match extra {
        Extra::Refused => true,
        Extra::Typed(_) => false,
        Extra::Silent => part.reader.closing.is_some() && !is_map && !combined,
    };
    let fields = match part.node.get("properties") {
        Some(node) => fields(part, node, closed, &mut good),
        None => Some(Vec::new()),
    };
    required(part, closed && !is_map, &mut good);
    let min_properties = count(part, "minProperties", &mut good);
    let max_properties = count(part, "maxProperties", &mut good);
    good &= ordered(
        part,
        "minProperties",
        min_properties,
        "maxProperties",
        max_properties,
    );
    let other = match (extra, patterns) {
        (Extra::Typed(ty), None) => Some(ty?),
        (Extra::Refused, None) => None,
        (Extra::Silent, None) => (part.rest && !closed).then_some(Type::Any),
        (Extra::Refused, Some(ty)) => Some(ty),
        (Extra::Silent, Some(ty)) if closed => Some(ty),
        (Extra::Silent, Some(_)) => Some(Type::Any),
        (Extra::Typed(extra), Some(ty)) => Some(if extra? == ty { ty } else { Type::Any }),
    };
    if is_map {
        part.rest |= part.node.get("required").is_some();
        let values = other.unwrap_or(Type::Any);
        if silent {
            let message = "the object names no properties; any are allowed";
            part.reader.open(part.node, message);
        }
        let map = Map {
            values,
            min_properties,
            max_properties,
        };
        return good.then(|| Type::Map(Box::new(map)));
    }
    part.rest |= min_properties.is_some() || max_properties.is_some();
    let fields = fields?;
    // Nothing that is checked besides may get lost.
    let kept = (part.rest && !closed && other.is_none()).then_some(Type::Any);
    let extra = other.or(kept).map(Box::new);
    let object = Object {
        description: description(part.node),
        fields,
        closed: closed && extra.is_none(),
        extra,
    };
    good.then_some(Type::Object(object))
}

/// Keywords whose schemas are about the same object, and may name properties of it.
pub const IN_PLACE: [&str; 8] = [
    "$ref",
    "allOf",
    "anyOf",
    "oneOf",
    "if",
    "then",
    "else",
    "dependentSchemas",
];

/// What the values of properties whose names match a pattern are: the one type that all patterns give, or any value.
fn patterns(part: &mut Cursor<'_, '_>, good: &mut bool) -> Option<Type> {
    let node = part.node.get("patternProperties")?;
    let Some(entries) = node.entries() else {
        wrong_kind(
            "patternProperties",
            node,
            "a mapping of patterns to schemas",
            part.reader.report,
        );
        *good = false;
        return None;
    };
    part.rest = true;
    let mut common: Option<Type> = None;
    for entry in entries {
        *good &= pattern(&entry.key, entry.key_span, part.reader.report);
        // No property has such a name.
        if entry.value.value == Value::Bool(false) {
            continue;
        }
        let Some(ty) = part.reader.read(&entry.value) else {
            *good = false;
            continue;
        };
        common = Some(match common {
            Some(other) if other != ty => Type::Any,
            _ => ty,
        });
    }
    Some(common.unwrap_or(Type::Any))
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

fn fields(
    part: &mut Cursor<'_, '_>,
    properties: &Node,
    closed: bool,
    good: &mut bool,
) -> Option<Vec<Field>> {
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
    let required: Vec<&Node> = part
        .node
        .get("required")
        .and_then(Node::items)
        .unwrap_or_default()
        .iter()
        .filter(|item| item.as_str().is_some())
        .collect();
    let is_required = |name: &str| required.iter().any(|item| item.as_str() == Some(name));
    let mut fields: Vec<(Named<'_>, Field)> = Vec::new();
    for entry in entries {
        // There is no such property.
        if entry.value.value == Value::Bool(false) {
            part.rest = true;
            continue;
        }
        let Some(ty) = part.reader.read(&entry.value) else {
            *good = false;
            continue;
        };
        let named = Named {
            text: entry.key.clone(),
            place: entry.key_span,
            given: entry.value.get("x-rust-name"),
        };
        let field = Field {
            name: entry.key.clone(),
            ident: Ident::field(&entry.key),
            required: is_required(&entry.key),
            null_is_nothing: part.reader.shorthand,
            description: description(&entry.value),
            ty,
            span: entry.key_span,
        };
        fields.push((named, field));
    }
    // In a closed object this is an error, which is reported with `required`.
    let undescribed = required.iter().filter(|_| !closed);
    for item in undescribed {
        let name = item.as_str().unwrap_or_default();
        if properties.get(name).is_some() || fields.iter().any(|(_, field)| field.name == name) {
            continue;
        }
        let message = format!(
            "`required` names {name:?}, which `properties` does not describe; it becomes a JSON value"
        );
        part.reader
            .report
            .note(Code::OpenSchema, item.span, message)
            .advise("describe it under `properties`");
        let named = Named {
            text: name.to_owned(),
            place: item.span,
            given: None,
        };
        let field = Field {
            name: name.to_owned(),
            ident: Ident::field(name),
            required: true,
            null_is_nothing: false,
            description: None,
            ty: Type::Any,
            span: item.span,
        };
        fields.push((named, field));
    }
    let (named, mut fields): (Vec<_>, Vec<_>) = fields.into_iter().unzip();
    let Some(idents) = rust_names(part, &named, Style::Field, "property") else {
        *good = false;
        return None;
    };
    for (field, ident) in fields.iter_mut().zip(idents) {
        field.ident = ident;
    }
    Some(fields)
}

fn required(part: &mut Cursor<'_, '_>, closed: bool, good: &mut bool) {
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
        } else if closed && properties.is_none_or(|properties| properties.get(name).is_none()) {
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
