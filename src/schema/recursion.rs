//! Finds definitions that only lead back to themselves.

use crate::diagnostics::Report;
use crate::diagnostics::code::Code;
use crate::diagnostics::span::Span;
use crate::schema::schema_type::{Object, Type, VariantContent};

/// Whether every definition, and `ty` itself, has a finite value. Those that don't are reported at
/// their `place`.
pub fn check(
    ty: &Type,
    defs: &[(String, Type)],
    place: impl Fn(&str) -> Span,
    report: &mut Report,
) -> bool {
    let mut finite: Vec<&str> = Vec::new();
    loop {
        let before = finite.len();
        for (name, ty) in defs {
            if !finite.contains(&name.as_str()) && is_finite(ty, defs, &finite) {
                finite.push(name);
            }
        }
        if finite.len() == before {
            break;
        }
    }
    let endless = defs
        .iter()
        .filter(|(name, _)| !finite.contains(&name.as_str()));
    let mut good = true;
    for (name, _) in endless {
        let message = format!("a value of the definition {name:?} never ends");
        report
            .error(Code::BadSchema, place(name), message)
            .advise("make the property that leads back to it optional, or a list");
        good = false;
    }
    good && is_finite(ty, defs, &finite)
}

/// The names of the definitions that a value of `ty` contains directly, not behind a list or a map.
/// The enum of a [`Type::OneOf`] contains the fields of its objects.
pub fn held(ty: &Type, names: &mut Vec<String>) {
    match ty {
        Type::Ref(name) => names.push(name.clone()),
        Type::Nullable(inner) => held(inner, names),
        Type::Object(object) => held_by_object(object, names),
        Type::OneOf(one_of) => {
            for variant in &one_of.variants {
                match &variant.content {
                    VariantContent::Object(object) => held_by_object(object, names),
                    VariantContent::Ref(name) => names.push(name.clone()),
                }
            }
        }
        _ => {}
    }
}

/// Whether a value of `from` contains a value of the definition `to`, directly or through others.
pub fn contains_def(from: &Type, to: &str, defs: &[(String, Type)]) -> bool {
    let mut names = Vec::new();
    held(from, &mut names);
    let mut index = 0;
    while let Some(name) = names.get(index).cloned() {
        if name == to {
            return true;
        }
        let mut more = Vec::new();
        if let Some((_, ty)) = defs.iter().find(|(other, _)| *other == name) {
            held(ty, &mut more);
        }
        more.retain(|name| !names.contains(name));
        names.extend(more);
        index += 1;
    }
    false
}

fn held_by_object(object: &Object, names: &mut Vec<String>) {
    for field in &object.fields {
        held(&field.ty, names);
    }
}

fn is_finite(ty: &Type, defs: &[(String, Type)], finite: &[&str]) -> bool {
    match ty {
        Type::Ref(name) => finite.contains(&name.as_str()),
        Type::Array(array) => {
            array.min_items.unwrap_or(0) == 0 || is_finite(&array.items, defs, finite)
        }
        Type::Map(map) => {
            map.min_properties.unwrap_or(0) == 0 || is_finite(&map.values, defs, finite)
        }
        Type::Object(object) => object_is_finite(object, defs, finite),
        Type::OneOf(one_of) => one_of
            .variants
            .iter()
            .any(|variant| match &variant.content {
                VariantContent::Object(object) => object_is_finite(object, defs, finite),
                VariantContent::Ref(name) => finite.contains(&name.as_str()),
            }),
        _ => true,
    }
}

fn object_is_finite(object: &Object, defs: &[(String, Type)], finite: &[&str]) -> bool {
    let mut required = object.fields.iter().filter(|field| field.required);
    required.all(|field| is_finite(&field.ty, defs, finite))
}
