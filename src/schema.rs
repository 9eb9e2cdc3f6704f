//! JSON Schema and Picoschema, read into a [`schema_type::Type`]: `parse/` reads, `compare/` says whether a value of one schema fits
//! another.
//!
//! Invariant: every schema that is accepted has exactly one Rust type and one canonical JSON form; what the type can't say is
//! checked beside it, and what has none is an error with its place. It imports `text`, `diagnostics` and `yaml`.

pub mod canonical;
pub mod closing;
pub mod compare;
pub mod parse;
pub mod picoschema;
pub mod recursion;
pub mod sample;
pub mod schema_type;
pub mod typed_schema;

#[cfg(test)]
mod closing_tests;
#[cfg(test)]
mod json_schema_tests;
#[cfg(test)]
mod picoschema_tests;
#[cfg(test)]
mod schema_property_tests;
#[cfg(test)]
mod schema_tests;

use std::cell::OnceCell;

use agentgen_schema::{
    CompileErrorKind, CompileOptions, MAX_SESSION_ID_LENGTH, SESSION_ID_PATTERN,
    Schema as CompiledSchema, Violation, push_key,
};
use serde_json::json;

use crate::diagnostics::Report;
use crate::diagnostics::code::Code;
use crate::diagnostics::span::Span;
use crate::schema::canonical::canonical;
use crate::schema::closing::Closing;
use crate::schema::parse::normalize::normalize;
use crate::yaml::node::{Entry, Node, Value};

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
    /// Its place in the source.
    pub span: Span,
}

/// What a schema describes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// What a caller sends. Objects refuse properties they don't name, unless they say otherwise.
    Input,
    /// What a caller sends to a model, as [`Role::Input`]. Text called `session_id` is the id of a conversation: where the schema
    /// does not say how long it is and which characters it has, the rules of the service are added.
    ModelInput,
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
            json: json!({
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

    /// The type behind `ty`, which may be a definition of this schema or refined.
    pub fn resolve<'a>(&'a self, ty: &'a Type) -> &'a Type {
        let mut ty = ty;
        // Definitions that only lead to each other are refused when a schema is read.
        loop {
            ty = match ty {
                Type::Ref(name) => match self.def(name) {
                    Some(target) => target,
                    None => return ty,
                },
                Type::Refined(refined) => &refined.ty,
                ty => return ty,
            };
        }
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
    let (mut schema, good) = if shorthand {
        (picoschema::to_json_schema(node, report)?, true)
    } else {
        normalize(node, report)?
    };
    if role == Role::ModelInput {
        bound_session_id(&mut schema);
    }
    let schema = &schema;
    let json = schema.to_json();
    let closing = (role != Role::Output).then(|| Closing::of(&json));
    let (ty, defs) = parse::read(schema, report, shorthand, closing.as_ref())?;
    if !good {
        return None;
    }
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
    if role != Role::Output {
        let ty = read.resolve(&read.ty);
        if !is_object(ty, &read) {
            let message = format!("the input is {}, and a request is an object", ty.kind());
            report
                .error(Code::BadSchema, node.span, message)
                .advise("make it a property of an object");
            return None;
        }
    }
    read.json = canonical(&json, closing.as_ref());
    let mut json = read.json.clone();
    state_64_bits(&mut json);
    match CompiledSchema::compile(&json) {
        Ok(compiled) => {
            let mut samples = Samples {
                json: &json,
                compiled: &compiled,
                lenient: OnceCell::new(),
                report,
                good: true,
                left_out: Vec::new(),
            };
            samples.check(schema, "");
            let (good, left_out) = (samples.good, samples.left_out);
            for pointer in left_out {
                if let Some(serde_json::Value::Object(part)) = read.json.pointer_mut(&pointer) {
                    part.retain(|keyword, _| keyword != "default");
                }
            }
            good.then_some(read)
        }
        Err(error) => {
            let span = schema.nearest(&error.pointer).span;
            let advice = match &error.kind {
                CompileErrorKind::CircularReference => {
                    "make what leads back to it optional, or a list"
                }
                CompileErrorKind::UnsupportedKeyword(_) => {
                    "leave it out, or call it `x-…` if it only documents"
                }
                _ => "change the schema",
            };
            report
                .error(Code::UnsupportedSchema, span, error.kind.to_string())
                .advise(advice);
            None
        }
    }
}

/// Adds what the service accepts as the id of a conversation to `session_id`, where that is text of any length or of any characters.
fn bound_session_id(schema: &mut Node) {
    let properties = schema.get_mut("properties");
    let Some(id) = properties.and_then(|properties| properties.get_mut("session_id")) else {
        return;
    };
    let is_text = id.get("type").is_some_and(|kind| {
        let kinds = kind.items().unwrap_or(std::slice::from_ref(kind));
        kinds.iter().any(|kind| kind.as_str() == Some("string"))
    });
    let is_listed = ["const", "enum", "format"]
        .iter()
        .any(|keyword| id.get(keyword).is_some());
    let span = id.span;
    let Value::Map(keywords) = &mut id.value else {
        return;
    };
    if !is_text || is_listed {
        return;
    }
    for (keyword, value) in [
        ("minLength", json!(1)),
        ("maxLength", json!(MAX_SESSION_ID_LENGTH)),
        ("pattern", json!(SESSION_ID_PATTERN)),
    ] {
        if !keywords.iter().any(|entry| entry.key == keyword) {
            keywords.push(Entry {
                key: keyword.to_owned(),
                key_span: span,
                value: Node::from_json(&value, span),
            });
        }
    }
}

/// Whether every value of `ty` is an object.
fn is_object(ty: &Type, schema: &Schema) -> bool {
    match schema.resolve(ty) {
        Type::Object(_) | Type::Map(_) | Type::OneOf(_) => true,
        Type::Untagged(all) => all.iter().all(|one| is_object(&one.ty, schema)),
        _ => false,
    }
}

/// Checks the examples and defaults of a schema.
struct Samples<'s, 'r> {
    json: &'s serde_json::Value,
    compiled: &'s CompiledSchema,
    /// The same without formats.
    lenient: OnceCell<Option<CompiledSchema>>,
    report: &'r mut Report,
    /// Whether no example and no default is wrong.
    good: bool,
    /// The pointers to the schemas whose default says nothing that can be used.
    left_out: Vec<String>,
}

impl Samples<'_, '_> {
    /// Reports which examples and defaults in `node`, the schema at `pointer`, are not valid under their own schema.
    fn check(&mut self, node: &Node, pointer: &str) {
        for Entry { key, value, .. } in node.entries().unwrap_or_default() {
            let below = |names: &[&str]| {
                let mut pointer = pointer.to_owned();
                for name in names {
                    push_key(&mut pointer, name);
                }
                pointer
            };
            match key.as_str() {
                "default" => self.check_default(value, pointer),
                "example" => self.check_sample("`example`", value, pointer),
                "examples" => {
                    for (index, value) in value.items().unwrap_or_default().iter().enumerate() {
                        self.check_sample(&format!("`examples`[{index}]"), value, pointer);
                    }
                }
                "properties" | "patternProperties" | "$defs" => {
                    for part in value.entries().unwrap_or_default() {
                        self.check(&part.value, &below(&[key, &part.key]));
                    }
                }
                "oneOf" | "anyOf" | "allOf" | "prefixItems" => {
                    for (index, part) in value.items().unwrap_or_default().iter().enumerate() {
                        self.check(part, &below(&[key, &index.to_string()]));
                    }
                }
                "items" | "additionalProperties" => self.check(value, &below(&[key])),
                _ => {}
            }
        }
    }

    /// Checks the default of the schema at `pointer`. Two that pydantic prints say nothing about the values of the schema,
    /// and are left out: null for "none", and a text that is not quite of the format, such as a time without its offset.
    fn check_default(&mut self, value: &Node, pointer: &str) {
        let Some(part) = self.compiled.at(pointer) else {
            return;
        };
        let sample = value.to_json();
        if part.is_valid(&sample) {
            return;
        }
        let (message, advice) = if sample.is_null() {
            let message = "`default` is null, which the schema doesn't allow; it is left out";
            (message, "leave it out, or allow null too")
        } else if self.is_valid_but_for_formats(&sample, pointer) {
            let message = "`default` is not of the format that the schema names; it is left out";
            (message, "change the value or the format")
        } else {
            self.check_sample("`default`", value, pointer);
            return;
        };
        self.report
            .note(Code::UnsupportedSchema, value.span, message)
            .advise(advice);
        self.left_out.push(pointer.to_owned());
    }

    fn is_valid_but_for_formats(&self, sample: &serde_json::Value, pointer: &str) -> bool {
        let options = CompileOptions::default().check_formats(false);
        let lenient = self.lenient.get_or_init(|| options.compile(self.json).ok());
        lenient.as_ref().is_some_and(|schema| {
            let part = schema.at(pointer);
            part.is_some_and(|part| part.is_valid(sample))
        })
    }

    /// Reports what is wrong with `sample`, which is called `name`: "`examples`[0]: /name must be a string".
    fn check_sample(&mut self, name: &str, sample: &Node, pointer: &str) {
        let Some(part) = self.compiled.at(pointer) else {
            return;
        };
        for Violation { pointer, detail } in part.violations(&sample.to_json()) {
            let space = if pointer.is_empty() { "" } else { " " };
            let message = format!("{name}: {pointer}{space}{detail}");
            self.report
                .error(Code::BadSchema, sample.nearest(&pointer).span, message)
                .advise("change the value or the schema");
            self.good = false;
        }
    }
}

/// States the 64 bits that an integer has in generated code: no example may be beyond them.
fn state_64_bits(schema: &mut serde_json::Value) {
    match schema {
        serde_json::Value::Object(keywords) => {
            if keywords.get("type").is_some_and(is_integer) {
                keywords.entry("format").or_insert("int64".into());
            }
            keywords.values_mut().for_each(state_64_bits);
        }
        serde_json::Value::Array(items) => items.iter_mut().for_each(state_64_bits),
        _ => {}
    }
}

fn is_integer(kind: &serde_json::Value) -> bool {
    match kind {
        serde_json::Value::Array(kinds) => {
            kinds.iter().all(|kind| kind == "integer" || kind == "null")
        }
        kind => kind == "integer",
    }
}
