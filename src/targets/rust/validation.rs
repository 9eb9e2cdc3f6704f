//! The Rust statements that check a value beyond its type.

use serde_json::Value as Json;

use crate::schema::schema_type::{Bounds, Integer, Text, Type, Width};
use crate::text::rust_literal::literal;

/// How a value is named in Rust.
pub struct Place {
    /// The value itself: `self.limit`, `*value`.
    value: String,
    /// What methods are called on: `self.limit`, `value`.
    object: String,
    /// A reference to it: `&self.limit`, `value`.
    reference: String,
}

impl Place {
    /// The field called `name` of `self`.
    pub fn field(name: &str) -> Self {
        Self {
            value: format!("self.{name}"),
            object: format!("self.{name}"),
            reference: format!("&self.{name}"),
        }
    }

    /// What methods are called on as `object`.
    pub fn of_object(object: &str) -> Self {
        Self {
            value: object.to_owned(),
            object: object.to_owned(),
            reference: format!("&{object}"),
        }
    }

    /// A variable that is a reference to the value.
    pub fn variable(name: &str) -> Self {
        Self {
            value: format!("*{name}"),
            object: name.to_owned(),
            reference: name.to_owned(),
        }
    }
}

/// Writes a schema as a Rust string literal, with the definitions that it needs.
pub type SchemaText<'a> = dyn Fn(&Json) -> String + 'a;

/// Whether the Rust type of `ty` has a name of its own, and checks itself.
pub fn is_named(ty: &Type) -> bool {
    match ty {
        Type::Object(_)
        | Type::Enum(_)
        | Type::Literals(_)
        | Type::OneOf(_)
        | Type::Untagged(_) => true,
        Type::Refined(refined) => is_named(&refined.ty),
        _ => false,
    }
}

/// Statements that check the value at `place`, which is a `ty`, with the validator `v`; empty where
/// the type says everything.
pub fn checks(ty: &Type, place: &Place, text: &SchemaText<'_>) -> String {
    match ty {
        Type::Any
        | Type::Null
        | Type::Boolean
        | Type::DateTime
        | Type::Date
        | Type::Uuid
        | Type::Literals(_)
        | Type::Enum(_) => String::new(),
        Type::Integer(integer) => integer_check(integer, place),
        Type::Number(bounds) => {
            let value = &place.value;
            match bounds_literal("NumberBounds", bounds, |bound| format!("{bound:?}")) {
                Some(bounds) => format!("v.number({value}, {bounds});"),
                None => String::new(),
            }
        }
        Type::String(text) => text_checks(text, place),
        Type::Array(array) => {
            let Place {
                object, reference, ..
            } = place;
            let mut code = String::new();
            if array.min_items.is_some() || array.max_items.is_some() {
                let range = range(array.min_items, array.max_items);
                code.push_str(&format!("v.items({object}.len(), {range});"));
            }
            if array.unique {
                code.push_str(&format!("v.unique({reference});"));
            }
            let inner = checks(&array.items, &Place::variable("item"), text);
            if !inner.is_empty() {
                code.push_str(&format!(
                    "for (index, item) in {object}.iter().enumerate() {{ v.index(index, |v| {{ {inner} }}); }}"
                ));
            }
            code
        }
        Type::Tuple(items) => {
            let mut code = String::new();
            for (index, item) in items.iter().enumerate() {
                let place = Place::of_object(&format!("{}.{index}", place.object));
                let inner = checks(item, &place, text);
                if !inner.is_empty() {
                    code.push_str(&format!("v.index({index}, |v| {{ {inner} }});"));
                }
            }
            code
        }
        Type::Map(map) => {
            let mut code = String::new();
            if map.min_properties.is_some() || map.max_properties.is_some() {
                let range = range(map.min_properties, map.max_properties);
                code.push_str(&format!("v.properties({}.len(), {range});", place.object));
            }
            code.push_str(&entry_checks(&map.values, place, text));
            code
        }
        Type::Nullable(inner) => optional_checks(inner, place, text),
        Type::Refined(refined) if !is_named(&refined.ty) => {
            format!("v.schema({}, {});", place.reference, text(&refined.json))
        }
        Type::Object(_) | Type::OneOf(_) | Type::Untagged(_) | Type::Ref(_) | Type::Refined(_) => {
            format!(
                "::agentgen_runtime::schema::Validate::validate({}, v);",
                place.reference
            )
        }
    }
}

/// Statements that check the values of the map at `place`, each of which is a `ty`.
pub fn entry_checks(ty: &Type, place: &Place, text: &SchemaText<'_>) -> String {
    let inner = checks(ty, &Place::variable("value"), text);
    if inner.is_empty() {
        return inner;
    }
    format!(
        "for (key, value) in {} {{ v.at(key, |v| {{ {inner} }}); }}",
        place.reference
    )
}

/// Statements that check the `Option` at `place`, which may contain a `ty`.
pub fn optional_checks(ty: &Type, place: &Place, text: &SchemaText<'_>) -> String {
    let inner = checks(ty, &Place::variable("value"), text);
    if inner.is_empty() {
        return inner;
    }
    format!(
        "if let ::core::option::Option::Some(value) = {} {{ {inner} }}",
        place.reference
    )
}

/// As [`optional_checks`], for an `Option` in an `Option`.
pub fn twice_optional_checks(ty: &Type, place: &Place, text: &SchemaText<'_>) -> String {
    let inner = checks(ty, &Place::variable("value"), text);
    if inner.is_empty() {
        return inner;
    }
    format!(
        "if let ::core::option::Option::Some(::core::option::Option::Some(value)) = {} {{ {inner} }}",
        place.reference
    )
}

/// Statements that run `inner` for what is under `key`; empty where `inner` is.
pub fn at(key: &str, inner: &str) -> String {
    if inner.is_empty() {
        return String::new();
    }
    format!("v.at({}, |v| {{ {inner} }});", literal(key))
}

fn integer_check(integer: &Integer, place: &Place) -> String {
    let value = &place.value;
    if integer.width == Width::U64 {
        return match bounds_literal("UnsignedBounds", &integer.bounds, i128::to_string) {
            Some(bounds) => format!("v.unsigned({value}, {bounds});"),
            None => String::new(),
        };
    }
    let Some(bounds) = bounds_literal("IntegerBounds", &integer.bounds, i128::to_string) else {
        return String::new();
    };
    match integer.width {
        Width::I64 => format!("v.integer({value}, {bounds});"),
        _ => format!("v.integer(::core::convert::From::from({value}), {bounds});"),
    }
}

fn text_checks(text: &Text, place: &Place) -> String {
    let reference = &place.reference;
    let mut code = String::new();
    if text.min_length.is_some() || text.max_length.is_some() {
        let range = range(text.min_length, text.max_length);
        code.push_str(&format!("v.length({reference}, {range});"));
    }
    if let Some(pattern) = &text.pattern {
        code.push_str(&format!("v.pattern({reference}, {});", literal(pattern)));
    }
    if let Some(format) = text.format {
        code.push_str(&format!(
            "v.format({reference}, ::agentgen_runtime::schema::Format::{format:?});"
        ));
    }
    code
}

fn range(min: Option<u64>, max: Option<u64>) -> String {
    let option = |bound: Option<u64>| match bound {
        Some(bound) => format!("::core::option::Option::Some({bound})"),
        None => "::core::option::Option::None".to_owned(),
    };
    format!("{}, {}", option(min), option(max))
}

/// The bounds as a struct literal; none where there are none.
fn bounds_literal<T>(
    name: &str,
    bounds: &Bounds<T>,
    literal: impl Fn(&T) -> String,
) -> Option<String> {
    let fields = [
        ("minimum", &bounds.minimum),
        ("maximum", &bounds.maximum),
        ("exclusive_minimum", &bounds.exclusive_minimum),
        ("exclusive_maximum", &bounds.exclusive_maximum),
        ("multiple_of", &bounds.multiple_of),
    ];
    let given: Vec<String> = fields
        .iter()
        .filter_map(|(field, bound)| {
            let bound = literal(bound.as_ref()?);
            Some(format!("{field}: ::core::option::Option::Some({bound}), "))
        })
        .collect();
    if given.is_empty() {
        return None;
    }
    let rest = if given.len() < fields.len() {
        format!("..::agentgen_runtime::schema::{name}::NONE")
    } else {
        String::new()
    };
    Some(format!(
        "::agentgen_runtime::schema::{name} {{ {}{rest} }}",
        given.concat()
    ))
}
