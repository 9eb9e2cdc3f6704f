//! Reads schemas that list values: `enum` and `const`.

use std::collections::BTreeSet;

use crate::diagnostics::code::Code;
use crate::schema::parse::all_of::is_of_type;
use crate::schema::parse::cursor::Cursor;
use crate::schema::parse::keywords::{Topic, is_annotation, wrong_kind};
use crate::schema::parse::normalize::names;
use crate::schema::parse::object::description;
use crate::schema::parse::rust_name::{Named, Style, rust_names};
use crate::schema::schema_type::{EnumValue, Literal, Type, Width};
use crate::text::ident::Ident;
use crate::yaml::node::{Node, Value};

/// A value that a schema lists.
pub struct Listed<'n> {
    /// The value.
    pub value: &'n Node,
    /// What the source says about it.
    pub description: Option<String>,
    /// The name that the author gave it.
    pub given: Option<&'n Node>,
}

/// The type of a schema with `enum` or `const`.
pub fn choice(part: &mut Cursor<'_, '_>) -> Option<Type> {
    let good = part.check(
        &[
            Topic::Kind,
            Topic::Choice,
            Topic::Text,
            Topic::Number,
            Topic::Format,
        ],
        "a list of values",
    );
    // The values themselves show what else is demanded of them.
    part.rest |= part.entries.iter().any(|entry| {
        let sized =
            |name: &str| Width::of_format(name).is_some() || matches!(name, "float" | "double");
        match entry.key.as_str() {
            "type" | "enum" | "const" => false,
            "format" => !entry.value.as_str().is_some_and(sized),
            key => !is_annotation(key),
        }
    });
    let node = part.node;
    let listed = listed(part)?;
    let values = of_type(part, listed)?;
    let nullable = values
        .iter()
        .any(|listed| listed.value.value == Value::Null);
    if let Some(kind) = node.get("type")
        && !nullable
        && names(kind).iter().any(|name| name == "null")
    {
        let message = "the `type` allows null, and the listed values don't";
        part.reader
            .report
            .note(Code::UnsupportedSchema, kind.span, message)
            .advise("add null to the values to allow it");
    }
    let ty = enumeration(part, &values)?;
    good.then_some(ty)
}

/// The values that the schema lists.
fn listed<'n>(part: &mut Cursor<'n, '_>) -> Option<Vec<Listed<'n>>> {
    let node = part.node;
    let plain = |value| Listed {
        value,
        description: None,
        given: None,
    };
    match (node.get("const"), node.get("enum")) {
        (Some(value), _) => {
            let given = node.get("x-rust-name");
            Some(vec![Listed {
                given,
                ..plain(value)
            }])
        }
        (None, Some(list)) => match list.items() {
            Some([]) => {
                part.reader
                    .report
                    .error(Code::BadSchema, list.span, "the enum has no values")
                    .advise("list at least one");
                None
            }
            Some(items) => {
                let given = given_names(part, items.len())?;
                let named = |key: &str| node.get(key).and_then(Node::items).unwrap_or_default();
                let (wished, about) = (named("x-enum-varnames"), named("x-enum-descriptions"));
                let values = items.iter().enumerate().map(|(index, value)| Listed {
                    description: about.get(index).and_then(Node::as_str).map(str::to_owned),
                    given: given.get(index).or_else(|| sound_name(wished, index)),
                    value,
                });
                Some(values.collect())
            }
            None => {
                wrong_kind("enum", list, "a list of values", part.reader.report);
                None
            }
        },
        (None, None) => None,
    }
}

/// What `x-rust-names` lists: a name for each of the `count` values, or nothing.
fn given_names<'n>(part: &mut Cursor<'n, '_>, count: usize) -> Option<&'n [Node]> {
    let Some(node) = part.node.get("x-rust-names") else {
        return Some(&[]);
    };
    let Some(names) = node.items() else {
        wrong_kind("x-rust-names", node, "a list of names", part.reader.report);
        return None;
    };
    if names.len() != count {
        let message = format!(
            "`x-rust-names` has {} names, and `enum` {count} values",
            names.len()
        );
        part.reader
            .report
            .error(Code::BadSchema, node.span, message)
            .advise("list one name for each value, in the same order");
        return None;
    }
    Some(names)
}

/// The name in `names` that other tools gave to a value, if it is one in Rust and no other value has it.
fn sound_name(names: &[Node], index: usize) -> Option<&Node> {
    let text = |node: &Node| node.as_str().and_then(Ident::parse);
    let name = names.get(index)?;
    let ident = text(name)?;
    let same = names
        .iter()
        .filter(|other| text(other).as_ref() == Some(&ident));
    (same.count() == 1).then_some(name)
}

/// Those of `listed` that are of the schema's `type`; the others are never valid.
fn of_type<'n>(part: &mut Cursor<'n, '_>, listed: Vec<Listed<'n>>) -> Option<Vec<Listed<'n>>> {
    let Some(kind) = part.node.get("type") else {
        return Some(listed);
    };
    let allowed = names(kind);
    let mut values = Vec::new();
    let mut last = kind.span;
    for value in listed {
        if is_of_type(value.value, &allowed) {
            values.push(value);
            continue;
        }
        last = value.value.span;
        let message = format!(
            "the `type` does not allow the listed value {}",
            value.value.to_json()
        );
        part.reader
            .report
            .note(Code::UnsupportedSchema, last, message)
            .advise("it is never valid: leave it out, or change the type");
    }
    if values.is_empty() {
        part.reader
            .report
            .error(Code::BadSchema, last, "no listed value is of the `type`")
            .advise("change the type or the values");
        return None;
    }
    Some(values)
}

/// The type of the values in `listed`.
pub fn enumeration(part: &mut Cursor<'_, '_>, listed: &[Listed<'_>]) -> Option<Type> {
    let mut distinct: Vec<&Listed<'_>> = Vec::new();
    let mut seen = BTreeSet::new();
    let mut good = true;
    for one in listed {
        if !seen.insert(one.value.to_json().to_string()) {
            let message = format!("the value {} is listed twice", one.value.to_json());
            part.reader
                .report
                .error(Code::BadSchema, one.value.span, message)
                .advise("remove one of them");
            good = false;
        } else {
            distinct.push(one);
        }
    }
    if !good {
        return None;
    }
    let nullable = distinct.iter().any(|one| one.value.value == Value::Null);
    distinct.retain(|one| one.value.value != Value::Null);
    if distinct.is_empty() {
        return Some(Type::Null);
    }
    let compound = |one: &&&Listed<'_>| matches!(one.value.value, Value::List(_) | Value::Map(_));
    if let Some(one) = distinct.iter().find(compound) {
        let message = format!(
            "the listed value is {}; it becomes a JSON value that is checked",
            one.value.kind()
        );
        part.widen(
            one.value.span,
            message,
            "list texts, numbers, true or false to get an enum",
        );
        return Some(Type::Any);
    }
    let text = |node: &Node| match &node.value {
        Value::String(text) => text.clone(),
        _ => node.to_json().to_string(),
    };
    let named: Vec<Named<'_>> = distinct
        .iter()
        .map(|one| Named {
            text: text(one.value),
            place: one.value.span,
            given: one.given,
        })
        .collect();
    let idents = rust_names(part, &named, Style::Variant, "value")?;
    let pairs = distinct.iter().zip(idents);
    let ty = if distinct.iter().all(|one| one.value.as_str().is_some()) {
        let values = pairs.map(|(one, ident)| EnumValue {
            value: text(one.value),
            ident,
            description: one.description.clone(),
            span: one.value.span,
        });
        Type::Enum(values.collect())
    } else {
        let literals = pairs.map(|(one, ident)| Literal {
            value: one.value.to_json(),
            ident,
            description: one.description.clone(),
        });
        Type::Literals(literals.collect())
    };
    Some(if nullable {
        Type::Nullable(Box::new(ty))
    } else {
        ty
    })
}

/// The values that `node` lists, if it does nothing else: what documents the values of an enum one by one.
pub fn documented(node: &Node) -> Option<Vec<Listed<'_>>> {
    let entries = node.entries()?;
    let about = |key: &str| matches!(key, "type" | "const" | "enum") || is_annotation(key);
    if !entries.iter().all(|entry| about(&entry.key)) {
        return None;
    }
    let values = match (node.get("const"), node.get("enum")) {
        (Some(value), None) => std::slice::from_ref(value),
        (None, Some(list)) => list.items()?,
        _ => return None,
    };
    if let Some(kind) = node.get("type") {
        let allowed = names(kind);
        if !values.iter().all(|value| is_of_type(value, &allowed)) {
            return None;
        }
    }
    let single = values.len() == 1;
    let list = values.iter().map(|value| Listed {
        value,
        description: description(node).filter(|_| single),
        given: node.get("x-rust-name").filter(|_| single),
    });
    Some(list.collect())
}
