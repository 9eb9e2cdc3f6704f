//! The Rust types that schemas become, as data for templates.

use std::collections::BTreeSet;

use crate::schema::Schema;
use crate::schema::parse::enumeration::variant_idents;
use crate::schema::recursion::Cycles;
use crate::schema::schema_type::{EnumValue, Field, Object, OneOf, Type, VariantContent};
use crate::targets::rust::rust_item::{Names, RustField, RustType, RustVariant, Shape};
use crate::targets::rust::validation::{Place, at, checks, entry_checks, optional_checks};
use crate::text::ident::Ident;
use crate::text::rust_literal::{code_span, doc, literal};

/// The named types of `schema`, the one called `name` (or `name` with a number, if that is taken)
/// first: it is what the whole schema describes. `about` is its doc where the schema has no
/// description of its own.
pub fn types(schema: &Schema, name: &str, about: &str, names: &mut Names) -> Vec<RustType> {
    let name = names.take(name);
    let mut plain = BTreeSet::new();
    for ty in schema.defs.iter().map(|(_, ty)| ty).chain([&schema.ty]) {
        mentioned(ty, &mut plain);
    }
    let mut builder = Builder {
        schema,
        cycles: Cycles::of(&schema.defs),
        prefix: name.clone(),
        names,
        plain,
        within: None,
        types: Vec::new(),
        named: Vec::new(),
    };
    let description = schema
        .json
        .get("description")
        .and_then(|text| text.as_str())
        .map(doc);
    let about = description
        .filter(|text| !text.is_empty())
        .unwrap_or_else(|| about.to_owned());
    if let Type::Ref(def) = &schema.ty {
        // The definition itself takes the name, so that there is no type between.
        builder.named.push((def.clone(), None, name));
    } else {
        builder.define(name, &schema.ty, about);
    }
    let mut index = 0;
    while let Some((def, tag, name)) = builder.named.get(index).cloned() {
        builder.define_def(&def, tag.as_deref(), name);
        index += 1;
    }
    for ty in &mut builder.types {
        ty.allow = ty.shape.lints();
        if ty.checks.contains("NumberBounds") {
            ty.check_allow.push("clippy::approx_constant");
        }
    }
    builder.types
}

struct Builder<'a> {
    cycles: Cycles,
    schema: &'a Schema,
    prefix: String,
    names: &'a mut Names,
    /// Definitions that are used other than as an object of a [`OneOf`].
    plain: BTreeSet<String>,
    /// The definition that is being written.
    within: Option<String>,
    types: Vec<RustType>,
    /// Definitions, without one of their properties where they are objects of a [`OneOf`], and the
    /// names of their types.
    named: Vec<(String, Option<String>, String)>,
}

impl Builder<'_> {
    fn define_def(&mut self, def: &str, tag: Option<&str>, name: String) {
        let schema = self.schema;
        let Some(ty) = schema.def(def) else {
            return;
        };
        self.within = Some(def.to_owned());
        let about = format!("The definition {} of the schema.", code_span(def));
        match (ty, tag) {
            (Type::Object(object), Some(tag)) => self.define_object(name, object, Some(tag), about),
            _ => self.define(name, ty, about),
        }
        self.within = None;
    }

    fn define(&mut self, name: String, ty: &Type, about: String) {
        match ty {
            Type::Object(object) => self.define_object(name, object, None, about),
            Type::Enum(values) => self.define_enum(name, values, about),
            Type::OneOf(one_of) => self.define_one_of(name, one_of, about),
            _ => {
                let index = self.push(&name, about);
                let subject = code_span(&name);
                let inner = match ty {
                    Type::Nullable(_) => format!("{name}Value"),
                    _ => name.clone(),
                };
                let ty_path = self.path(ty, &inner, &about_value(&subject), &subject);
                self.types[index].shape = Shape::Newtype { ty: ty_path };
                self.types[index].checks = checks(ty, &Place::field("0"));
            }
        }
    }

    /// Reserves a place in the order of types, so that a type comes before its parts.
    fn push(&mut self, name: &str, doc: String) -> usize {
        let shape = Shape::Enum {
            variants: Vec::new(),
        };
        self.types.push(RustType {
            name: name.to_owned(),
            doc,
            shape,
            checks: String::new(),
            allow: Vec::new(),
            check_allow: Vec::new(),
        });
        self.types.len() - 1
    }

    fn define_object(&mut self, name: String, object: &Object, tag: Option<&str>, about: String) {
        let about = described(object.description.as_deref(), about);
        let index = self.push(&name, about);
        let mut fields = Vec::new();
        let mut code = String::new();
        for field in object
            .fields
            .iter()
            .filter(|field| Some(field.name.as_str()) != tag)
        {
            let Some(ident) = Ident::snake(&field.name) else {
                continue;
            };
            fields.push(self.field(&name, field, &ident));
            let place = Place::field(ident.as_str());
            let inner = match &field.ty {
                Type::Nullable(inner) => optional_checks(inner, &place),
                ty if field.required => checks(ty, &place),
                ty => optional_checks(ty, &place),
            };
            code.push_str(&at(&field.name, &inner));
        }
        if let Some(extra) = &object.extra {
            let mut ident = "additional_properties".to_owned();
            while fields.iter().any(|field| field.name == ident) {
                ident.push('_');
            }
            let subject = code_span(&name);
            let value = self.path(
                extra,
                &format!("{name}Value"),
                &about_value(&subject),
                &subject,
            );
            code.push_str(&entry_checks(extra, &Place::field(&ident)));
            fields.push(RustField {
                name: ident,
                doc: "All other properties.".to_owned(),
                ty: map_of(&value),
                serde: "flatten".to_owned(),
            });
        }
        let closed = object.closed;
        self.types[index].shape = Shape::Struct { closed, fields };
        self.types[index].checks = code;
    }

    fn field(&mut self, parent: &str, field: &Field, ident: &Ident) -> RustField {
        let about = format!("The property {}.", code_span(&field.name));
        let about = described(field.description.as_deref(), about);
        let nested = nested(parent, &field.name);
        let (ty, nullable) = match &field.ty {
            Type::Nullable(inner) => (inner.as_ref(), true),
            ty => (ty, false),
        };
        let mut path = self.held_path(ty, &nested, &about, &code_span(&field.name));
        if nullable || !field.required {
            path = option_of(&path);
        }
        RustField {
            name: ident.to_string(),
            doc: about,
            ty: path,
            serde: attributes(field, ident, nullable),
        }
    }

    fn define_enum(&mut self, name: String, values: &[EnumValue], about: String) {
        let index = self.push(&name, about);
        self.types[index].shape = texts(values);
    }

    fn define_one_of(&mut self, name: String, one_of: &OneOf, about: String) {
        let index = self.push(&name, about);
        let texts: Vec<&str> = one_of
            .variants
            .iter()
            .map(|variant| variant.value.as_str())
            .collect();
        let mut variants = Vec::new();
        for (ident, variant) in variant_idents(&texts).iter().zip(&one_of.variants) {
            let Some(ident) = ident else {
                continue;
            };
            let about = format!(
                "{} is {}.",
                code_span(&one_of.tag),
                code_span(&variant.value)
            );
            let ty = match &variant.content {
                VariantContent::Object(object) => {
                    let inner = self.names.take(&nested(&name, &variant.value));
                    self.define_object(inner.clone(), object, Some(&one_of.tag), about.clone());
                    inner
                }
                VariantContent::Ref(def) => self.def_name(def, Some(&one_of.tag)),
            };
            variants.push(RustVariant {
                name: ident.to_string(),
                doc: about,
                value: literal(&variant.value),
                ty: Some(ty),
            });
        }
        let arms: Vec<String> = variants
            .iter()
            .map(|variant| {
                let name = &variant.name;
                format!("Self::{name}(value) => ::agentgen_runtime::schema::Validate::validate(value, v),")
            })
            .collect();
        self.types[index].checks = format!("match self {{ {} }}", arms.concat());
        self.types[index].shape = Shape::Tagged {
            tag: literal(&one_of.tag),
            variants,
        };
    }

    /// The path of a type whose value is directly in the one that is being written.
    fn held_path(&mut self, ty: &Type, name: &str, about: &str, subject: &str) -> String {
        let path = self.path(ty, name, about, subject);
        let (Type::Ref(def), Some(within)) = (ty, &self.within) else {
            return path;
        };
        if def == within || self.cycles.closes(def, within) {
            format!("::std::boxed::Box<{path}>")
        } else {
            path
        }
    }

    /// The path of the Rust type of `ty`. What needs a name of its own is called `name` and has the
    /// doc `about`; its parts are parts of `subject`.
    fn path(&mut self, ty: &Type, name: &str, about: &str, subject: &str) -> String {
        if let Some(path) = scalar(ty) {
            return path.to_owned();
        }
        match ty {
            Type::Array(array) => {
                let about = format!("An item of {subject}.");
                let subject = format!("an item of {subject}");
                let item = self.path(&array.items, &format!("{name}Item"), &about, &subject);
                format!("::std::vec::Vec<{item}>")
            }
            Type::Map(map) => {
                let about = about_value(subject);
                let subject = format!("a value of {subject}");
                map_of(&self.path(&map.values, &format!("{name}Value"), &about, &subject))
            }
            Type::Nullable(inner) => option_of(&self.held_path(inner, name, about, subject)),
            Type::Ref(def) => self.def_name(def, None),
            Type::Object(_) | Type::Enum(_) | Type::OneOf(_) => {
                let name = self.names.take(name);
                self.define(name.clone(), ty, about.to_owned());
                name
            }
            _ => JSON.to_owned(),
        }
    }

    fn def_name(&mut self, def: &str, tag: Option<&str>) -> String {
        let existing = self
            .named
            .iter()
            .find(|(other, without, _)| other == def && without.as_deref() == tag);
        if let Some((_, _, name)) = existing {
            return name.clone();
        }
        let mut name = nested(&self.prefix, def);
        if tag.is_some() && self.plain.contains(def) {
            name.push_str("Content");
        }
        let name = self.names.take(&name);
        self.named
            .push((def.to_owned(), tag.map(str::to_owned), name.clone()));
        name
    }
}

/// Gathers the definitions that `ty` mentions other than as an object of a [`OneOf`].
fn mentioned(ty: &Type, names: &mut BTreeSet<String>) {
    let in_object = |object: &Object, names: &mut BTreeSet<String>| {
        let fields = object.fields.iter().map(|field| &field.ty);
        for ty in fields.chain(object.extra.as_deref()) {
            mentioned(ty, names);
        }
    };
    match ty {
        Type::Ref(name) => {
            names.insert(name.clone());
        }
        Type::Array(array) => mentioned(&array.items, names),
        Type::Map(map) => mentioned(&map.values, names),
        Type::Nullable(inner) => mentioned(inner, names),
        Type::Object(object) => in_object(object, names),
        Type::OneOf(one_of) => {
            for variant in &one_of.variants {
                if let VariantContent::Object(object) = &variant.content {
                    in_object(object, names);
                }
            }
        }
        _ => {}
    }
}

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

/// The content of the `#[serde(…)]` of `field`, which is called `ident` in Rust; empty where nothing does.
fn attributes(field: &Field, ident: &Ident, nullable: bool) -> String {
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
fn texts(values: &[EnumValue]) -> Shape {
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

/// The name of the type `name` in `parent`.
fn nested(parent: &str, name: &str) -> String {
    match Ident::camel(name) {
        Some(ident) => format!("{parent}{}", ident.as_str().trim_matches('_')),
        None => format!("{parent}Value"),
    }
}

/// A description as one sentence of Markdown, or else `otherwise`.
fn described(description: Option<&str>, otherwise: String) -> String {
    description
        .map(doc)
        .filter(|text| !text.is_empty())
        .unwrap_or(otherwise)
}

/// One sentence about the values of `subject`.
fn about_value(subject: &str) -> String {
    format!("A value of {subject}.")
}

/// The path of what may be missing.
pub fn option_of(path: &str) -> String {
    format!("::core::option::Option<{path}>")
}

/// The path of a map of texts to `path`.
fn map_of(path: &str) -> String {
    format!("::std::collections::BTreeMap<::std::string::String, {path}>")
}
