//! The parts of Rust types that need no other types: paths, attributes and texts.

use crate::schema::parse::enumeration::variant_idents;
use crate::schema::schema_type::{EnumValue, Field, Type};
use crate::targets::rust::rust_item::{RustVariant, Shape};
use crate::text::ident::Ident;
use crate::text::rust_literal::{code_span, doc, literal};

/// The type of any JSON.
pub const JSON: &str = "::agentgen_runtime::schema::JsonValue";

/// The path of the Rust type of `ty`, if that takes neither a name of its own nor parts.
pub fn scalar(ty: &Type) -> Option<&'static str> {
    Some(match ty {
        Type::Any => JSON,
        Type::Null => "()",
        Type::Boolean => "bool",
        Type::Integer(integer) if integer.narrow => "i32",
        Type::Integer(_) => "i64",
        Type::Number(_) => "f64",
        Type::String(_) => "::std::string::String",
        Type::DateTime => "::agentgen_runtime::schema::DateTime",
        Type::Date => "::agentgen_runtime::schema::Date",
        Type::Uuid => "::agentgen_runtime::schema::Uuid",
        _ => return None,
    })
}

/// What stands in the `#[serde(…)]` of `field`, which is called `ident` in Rust; empty where nothing does.
pub fn attributes(field: &Field, ident: &Ident, nullable: bool) -> String {
    let mut serde = Vec::new();
    if ident.as_str() != field.name {
        serde.push(format!("rename = {}", literal(&field.name)));
    }
    if !field.required {
        serde.push("default".to_owned());
        serde.push("skip_serializing_if = \"::core::option::Option::is_none\"".to_owned());
    }
    let helper = match (field.required, nullable) {
        (true, true) => Some("nullable"),
        (false, false) => Some("present"),
        _ => None,
    };
    if let Some(helper) = helper {
        let with = format!("deserialize_with = \"::agentgen_runtime::codegen::{helper}\"");
        serde.push(with);
    }
    serde.join(", ")
}

/// An enum of texts.
pub fn texts(values: &[EnumValue]) -> Shape {
    let texts: Vec<&str> = values.iter().map(|value| value.value.as_str()).collect();
    let idents = variant_idents(&texts);
    let variants = idents.iter().zip(texts).filter_map(|(ident, text)| {
        Some(RustVariant {
            name: ident.as_ref()?.to_string(),
            doc: code_span(text),
            value: literal(text),
            ty: None,
        })
    });
    Shape::Enum {
        variants: variants.collect(),
    }
}

/// The name of what is called `name` and stands in `parent`.
pub fn nested(parent: &str, name: &str) -> String {
    match Ident::camel(name) {
        Some(ident) => format!("{parent}{}", ident.as_str().trim_matches('_')),
        None => format!("{parent}Value"),
    }
}

/// A description as one sentence of Markdown, or else `otherwise`.
pub fn described(description: Option<&str>, otherwise: String) -> String {
    description
        .map(doc)
        .filter(|text| !text.is_empty())
        .unwrap_or(otherwise)
}

/// One sentence about the values of `subject`.
pub fn about_value(subject: &str) -> String {
    format!("A value of {subject}.")
}

/// The path of what may be missing.
pub fn option_of(path: &str) -> String {
    format!("::core::option::Option<{path}>")
}

/// The path of a map of texts to `path`.
pub fn map_of(path: &str) -> String {
    format!("::std::collections::BTreeMap<::std::string::String, {path}>")
}
