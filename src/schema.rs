//! JSON Schema and Picoschema, read into a [`schema_type::Type`]: `parse/` reads, `compare/` says whether a value of one schema fits
//! another.
//!
//! Invariant: every schema that is accepted has exactly one Rust type and one canonical JSON form; what has none is an error
//! with its place. It imports `text`, `diagnostics` and `yaml`.

pub mod canonical;
pub mod compare;
pub mod parse;
pub mod picoschema;
pub mod recursion;
pub mod sample;
pub mod sample_scalar;
pub mod schema_type;
pub mod schema_valid;
pub mod typed_schema;

#[cfg(test)]
mod schema_tests;

use crate::diagnostics::Report;
use crate::diagnostics::code::Code;
use crate::diagnostics::span::Span;
use crate::schema::canonical::canonical;
use crate::schema::schema_valid::is_valid;
use crate::yaml::node::{Node, Value};

pub use crate::schema::schema_type::{Field, Object, Type};

/// A schema that was understood completely.
#[derive(Debug, Clone, PartialEq)]
pub struct Schema {
    /// The same schema as JSON Schema 2020-12: keywords in a fixed order, every object's openness
    /// stated where it is the input, and nothing outside itself referred to but `#/$defs/…`.
    pub json: serde_json::Value,
    /// What it says a value is.
    pub ty: Type,
    /// Its definitions, in the order of the source.
    pub defs: Vec<(String, Type)>,
    /// Where it stands.
    pub span: Span,
}

/// What a schema describes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// What a caller sends. Objects refuse properties they don't name, unless they say otherwise.
    Input,
    /// What the endpoint answers. Properties that are not named are let through.
    Output,
}

impl Schema {
    /// The schema of an object that has no properties and refuses any.
    pub fn empty_object() -> Self {
        let object = Object {
            description: None,
            fields: Vec::new(),
            closed: true,
            extra: None,
        };
        Self {
            json: serde_json::json!({
                "type": "object",
                "properties": {},
                "additionalProperties": false,
            }),
            ty: Type::Object(object),
            defs: Vec::new(),
            span: Span::default(),
        }
    }

    /// The definition called `name`.
    pub fn def(&self, name: &str) -> Option<&Type> {
        self.defs
            .iter()
            .find(|(other, _)| other == name)
            .map(|(_, ty)| ty)
    }

    /// The type behind `ty`, which may be a definition of this schema.
    pub fn resolve<'a>(&'a self, ty: &'a Type) -> &'a Type {
        let mut ty = ty;
        // Definitions that only lead to each other are refused when a schema is read.
        while let Type::Ref(name) = ty
            && let Some(target) = self.def(name)
        {
            ty = target;
        }
        ty
    }
}

/// Reads the schema in `node`, which is JSON Schema 2020-12 or Picoschema (see
/// [`picoschema::is_json_schema`]). None where something is wrong with it; everything that is wrong
/// is then in `report`. An input must be an object; an output may be any value.
pub fn read(node: &Node, report: &mut Report, role: Role) -> Option<Schema> {
    if node.value == Value::Null {
        report
            .error(Code::BadSchema, node.span, "the schema is empty")
            .advise("write its properties, or leave the key out");
        return None;
    }
    let shorthand = !picoschema::is_json_schema(node);
    let converted;
    let schema = if shorthand {
        converted = picoschema::to_json_schema(node, report)?;
        &converted
    } else {
        node
    };
    let (ty, defs) = parse::read(schema, report, shorthand, role == Role::Input)?;
    let mut read = Schema {
        json: serde_json::Value::Null,
        ty,
        defs,
        span: node.span,
    };
    let place = |name: &str| {
        let def = schema.get("$defs").and_then(|defs| defs.entry(name));
        def.map_or(node.span, |def| def.key_span)
    };
    if !recursion::check(&read.ty, &read.defs, place, report) {
        return None;
    }
    if role == Role::Input {
        let ty = read.resolve(&read.ty);
        if !matches!(ty, Type::Object(_) | Type::Map(_) | Type::OneOf(_)) {
            let message = format!("the input is {}, and a request is an object", ty.kind());
            report
                .error(Code::BadSchema, node.span, message)
                .advise("make it a property of an object");
            return None;
        }
    }
    let closed = role == Role::Input;
    read.json = canonical(&schema.to_json(), closed);
    check_samples(schema, &read.json, closed, report).then_some(read)
}

/// Whether every example and default in `node` is valid under the schema it stands in; those that
/// aren't are reported.
fn check_samples(node: &Node, root: &serde_json::Value, closed: bool, report: &mut Report) -> bool {
    let mut good = true;
    for entry in node.entries().unwrap_or_default() {
        let single = std::slice::from_ref(&entry.value);
        let samples = match entry.key.as_str() {
            "default" | "example" => single,
            "examples" => entry.value.items().unwrap_or_default(),
            "properties" | "$defs" => {
                for schema in entry.value.entries().unwrap_or_default() {
                    good &= check_samples(&schema.value, root, closed, report);
                }
                continue;
            }
            "items" | "additionalProperties" | "oneOf" | "anyOf" => {
                for schema in entry.value.items().unwrap_or(single) {
                    good &= check_samples(schema, root, closed, report);
                }
                continue;
            }
            _ => continue,
        };
        let schema = canonical(&node.to_json(), closed);
        for sample in samples {
            if !is_valid(&sample.to_json(), &schema, root) {
                let message = format!("`{}` is not valid under its own schema", entry.key);
                report
                    .error(Code::BadSchema, sample.span, message)
                    .advise("change the value or the schema");
                good = false;
            }
        }
    }
    good
}
