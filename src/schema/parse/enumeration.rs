//! Reads schemas that list values: `enum` and `const`.

use crate::diagnostics::code::Code;
use crate::schema::parse::cursor::Cursor;
use crate::schema::parse::keywords::{Topic, wrong_kind};
use crate::schema::schema_type::{EnumValue, Type};
use crate::text::ident::Ident;
use crate::yaml::node::{Node, Value};

/// The type of a schema with `enum` or `const`.
pub fn choice(part: &mut Cursor<'_, '_>) -> Option<Type> {
    let good = part.check(&[Topic::Kind, Topic::Choice], "a list of values");
    let (keyword, list) = match (part.node.get("const"), part.node.get("enum")) {
        (Some(_), Some(_)) => {
            part.error(
                Code::BadSchema,
                "`const` and `enum` are used together",
                "leave one out",
            );
            return None;
        }
        (Some(value), None) => ("const", std::slice::from_ref(value)),
        (None, Some(node)) => match node.items() {
            Some([]) => {
                part.reader
                    .report
                    .error(Code::BadSchema, node.span, "the enum has no values")
                    .advise("list at least one");
                return None;
            }
            Some(items) => ("enum", items),
            None => {
                wrong_kind("enum", node, "a list of texts", part.reader.report);
                return None;
            }
        },
        (None, None) => return None,
    };
    let values = values(part, keyword, list);
    let null = list.iter().find(|value| value.value == Value::Null);
    let nullable = kind_allows_null(part, keyword, null)?;
    let values = values.filter(|_| good)?;
    if values.is_empty() {
        return Some(Type::Null);
    }
    let ty = Type::Enum(values);
    Some(if nullable {
        Type::Nullable(Box::new(ty))
    } else {
        ty
    })
}

/// The name of the Rust variant for each of `values`; none for a value that meets another one in its
/// name even with its signs spelled out.
pub fn variant_idents(values: &[&str]) -> Vec<Option<Ident>> {
    let plain: Vec<Option<Ident>> = values.iter().map(|value| Ident::camel(value)).collect();
    let mut idents: Vec<Option<Ident>> = Vec::new();
    for (index, value) in values.iter().enumerate() {
        let met = plain.iter().filter(|other| **other == plain[index]).count() > 1;
        let ident = match &plain[index] {
            Some(ident) if !met => Some(ident.clone()),
            _ => Ident::camel(&spelled_out(value)),
        };
        let taken = ident.is_none() || idents.contains(&ident);
        idents.push(ident.filter(|_| !taken));
    }
    idents
}

fn values(part: &mut Cursor<'_, '_>, keyword: &str, list: &[Node]) -> Option<Vec<EnumValue>> {
    let mut good = true;
    let mut values: Vec<EnumValue> = Vec::new();
    for item in list {
        let Some(text) = item.as_str() else {
            if item.value != Value::Null {
                let message = format!("`{keyword}` contains {}", item.kind());
                let advice = match item.value {
                    Value::Number(_) => {
                        "only texts and null can be listed; use `minimum` and \
                                         `maximum`, or put the numbers in quotes"
                    }
                    Value::Bool(_) => {
                        "only texts and null can be listed; put words such as `no` \
                                       in quotes, or use `type: boolean`"
                    }
                    _ => "only texts and null can be listed",
                };
                part.reader
                    .report
                    .error(Code::UnsupportedSchema, item.span, message)
                    .advise(advice);
                good = false;
            }
            continue;
        };
        if values.iter().any(|other| other.value == text) {
            let message = format!("the value {text:?} is listed twice");
            part.reader
                .report
                .error(Code::BadSchema, item.span, message)
                .advise("remove one of them");
            good = false;
            continue;
        }
        values.push(EnumValue {
            value: text.to_owned(),
            span: item.span,
        });
    }
    let texts: Vec<&str> = values.iter().map(|value| value.value.as_str()).collect();
    for (ident, value) in variant_idents(&texts).iter().zip(&values) {
        if ident.is_none() {
            let message = format!("the value {:?} meets another one in its name", value.value);
            part.reader
                .report
                .error(Code::FieldCollision, value.span, message)
                .advise("rename one of them");
            good = false;
        }
    }
    good.then_some(values)
}

/// Whether null is among the values, which `type` must agree with; none where it doesn't.
fn kind_allows_null(part: &mut Cursor<'_, '_>, keyword: &str, null: Option<&Node>) -> Option<bool> {
    let Some(kind) = part.node.get("type") else {
        return Some(null.is_some());
    };
    let single = std::slice::from_ref(kind);
    let names: Vec<&str> = kind
        .items()
        .unwrap_or(single)
        .iter()
        .filter_map(Node::as_str)
        .collect();
    if names.is_empty() || names.iter().any(|name| !matches!(*name, "string" | "null")) {
        part.reader
            .report
            .error(
                Code::UnsupportedSchema,
                kind.span,
                format!("`{keyword}` without text"),
            )
            .advise("the `type` of listed values is `string`, or `[string, \"null\"]`");
        return None;
    }
    let allowed = names.contains(&"null");
    if allowed != null.is_some() {
        let (message, advice) = if allowed {
            (
                format!("the `type` allows null, and `{keyword}` doesn't"),
                "add null to the values",
            )
        } else {
            (
                format!("`{keyword}` contains null, and the `type` doesn't allow it"),
                "write `type: [string, \"null\"]`",
            )
        };
        let span = null.map_or(kind.span, |null| null.span);
        part.reader
            .report
            .error(Code::BadSchema, span, message)
            .advise(advice);
        return None;
    }
    Some(allowed)
}

fn spelled_out(value: &str) -> String {
    if value.trim().is_empty() {
        return if value.is_empty() { "empty" } else { "blank" }.to_owned();
    }
    let mut text = String::new();
    for character in value.chars() {
        let word = match character {
            letter if letter.is_ascii_alphanumeric() => {
                text.push(letter);
                continue;
            }
            ' ' | '_' | '\'' => " ",
            '!' => " not ",
            '#' => " sharp ",
            '$' => " dollar ",
            '%' => " percent ",
            '&' => " and ",
            '*' => " star ",
            '+' => " plus ",
            '-' => " minus ",
            '.' => " dot ",
            '/' => " slash ",
            ':' => " colon ",
            '<' => " less ",
            '=' => " equal ",
            '>' => " greater ",
            '?' => " question ",
            '@' => " at ",
            '^' => " caret ",
            '|' => " or ",
            '~' => " tilde ",
            other => {
                text.push_str(&format!(" u{:04x} ", u32::from(other)));
                continue;
            }
        };
        text.push_str(word);
    }
    text
}
