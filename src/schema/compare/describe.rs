//! Types in words, as diagnostics speak of them.

use crate::schema::compare::range::{Range, bounds_range, range};
use crate::schema::schema_type::{EnumValue, Type};
use crate::schema::typed_schema::SchemaType;

/// The type in words: "text", "a whole number", "one of \"low\", \"high\"".
pub fn describe(typed: SchemaType<'_>) -> String {
    let inner = |ty| describe(typed.with(ty));
    match typed.ty {
        Type::Enum(values) => match values.as_slice() {
            [EnumValue { value, .. }] => format!("the text {value:?}"),
            values => {
                let values: Vec<String> = values
                    .iter()
                    .map(|EnumValue { value, .. }| format!("{value:?}"))
                    .collect();
                format!("one of {}", values.join(", "))
            }
        },
        Type::DateTime => "a date and time".to_owned(),
        Type::Date => "a date".to_owned(),
        Type::Uuid => "a UUID".to_owned(),
        Type::Integer(integer) if integer.bounds.minimum == integer.bounds.maximum => {
            integer.bounds.minimum.map_or_else(
                || "a whole number".to_owned(),
                |number| format!("the number {number}"),
            )
        }
        Type::Integer(_) => "a whole number".to_owned(),
        Type::OneOf(one_of) => format!("an object with a `{}`", one_of.tag),
        Type::Nullable(ty) => format!("{} or null", inner(ty)),
        Type::Refined(refined) => inner(&refined.ty),
        Type::Untagged(all) => {
            let kinds: Vec<String> = all.iter().map(|one| inner(&one.ty)).collect();
            kinds.join(" or ")
        }
        Type::Literals(literals) => {
            let values: Vec<String> = literals.iter().map(|one| one.value.to_string()).collect();
            match values.as_slice() {
                [value] => value.clone(),
                values => format!("one of {}", values.join(", ")),
            }
        }
        Type::Tuple(items) => format!("a list of {} items", items.len()),
        Type::Ref(_) => match typed.schema.resolve(typed.ty) {
            Type::Ref(_) => "any value".to_owned(),
            ty => inner(ty),
        },
        ty => ty.kind().to_owned(),
    }
}

/// The type in words, with its bounds: "a number of at least 1".
pub fn bounded(typed: SchemaType<'_>) -> String {
    match typed.ty {
        Type::Integer(integer) => ranged("a whole number", range(integer)),
        Type::Number(bounds) => ranged("a number", bounds_range(bounds)),
        Type::String(text) => counted("text", text.min_length, text.max_length, "characters"),
        Type::Array(array) => counted("a list", array.min_items, array.max_items, "items"),
        _ => describe(typed),
    }
}

fn ranged(noun: &str, ((least, above), (most, below)): Range) -> String {
    if least == most {
        return format!("the number {least}");
    }
    let mut words = Vec::new();
    if least.is_finite() {
        let word = if above { "above" } else { "of at least" };
        words.push(format!("{word} {least}"));
    }
    if most.is_finite() {
        let word = if below { "below" } else { "of at most" };
        words.push(format!("{word} {most}"));
    }
    described(noun, &words)
}

fn counted(noun: &str, least: Option<u64>, most: Option<u64>, unit: &str) -> String {
    let mut words = Vec::new();
    let least = least.filter(|least| *least > 0);
    words.extend(least.map(|least| format!("of at least {least} {unit}")));
    words.extend(most.map(|most| format!("of at most {most} {unit}")));
    described(noun, &words)
}

fn described(noun: &str, words: &[String]) -> String {
    if words.is_empty() {
        noun.to_owned()
    } else {
        format!("{noun} {}", words.join(" and "))
    }
}
