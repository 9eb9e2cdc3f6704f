//! The Rust types that schemas become, as data for templates.

use std::collections::BTreeSet;

use serde_json::{Map, Value as Json};

use crate::schema::Schema;
use crate::schema::recursion::Cycles;
use crate::schema::schema_type::{
    Alternative, EnumValue, Field, Literal, Object, OneOf, Type, VariantContent,
};
use crate::targets::rust::rust_item::{Names, RustField, RustType, RustVariant, Shape};
use crate::targets::rust::rust_paths::RustPaths;
use crate::targets::rust::validation::{
    Place, at, checks, entry_checks, is_named, optional_checks, twice_optional_checks,
};
use crate::text::ident::Ident;
use crate::text::rust_literal::{code_span, doc, literal};

/// The named types of `schema`, the one called `name` (or `name` with a number, if that is taken)
/// first: it is what the whole schema describes. `about` is its doc where the schema has no
/// description of its own; `paths` are those of the module they are for.
pub fn types(
    schema: &Schema,
    name: &str,
    about: &str,
    names: &mut Names,
    paths: &'static RustPaths,
) -> Vec<RustType> {
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
        paths,
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
    paths: &'static RustPaths,
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
            Type::Literals(literals) => self.define_literals(name, literals, about),
            Type::OneOf(one_of) => self.define_one_of(name, one_of, about),
            Type::Untagged(alternatives) => self.define_untagged(name, alternatives, about),
            Type::Refined(refined) if is_named(&refined.ty) => {
                let index = self.types.len();
                self.define(name, &refined.ty, about);
                self.types[index].checks = self.schema_check(&refined.json, "self");
            }
            _ => {
                let index = self.push(&name, about);
                let subject = code_span(&name);
                let inner = match ty {
                    Type::Nullable(_) | Type::Tuple(_) | Type::Refined(_) => format!("{name}Value"),
                    _ => name.clone(),
                };
                let ty_path = self.path(ty, &inner, &about_value(&subject), &subject);
                self.types[index].shape = Shape::Newtype { ty: ty_path };
                self.types[index].checks = self.checks(ty, &Place::field("0"));
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
            fields.push(self.field(&name, field));
            let place = Place::field(field.ident.as_str());
            let inner = match &field.ty {
                Type::Nullable(inner) if is_three_valued(field) => {
                    self.twice_optional_checks(inner, &place)
                }
                Type::Nullable(inner) => self.optional_checks(inner, &place),
                ty if field.required => self.checks(ty, &place),
                ty => self.optional_checks(ty, &place),
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
            code.push_str(&self.entry_checks(extra, &Place::field(&ident)));
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

    fn field(&mut self, parent: &str, field: &Field) -> RustField {
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
        if is_three_valued(field) {
            path = option_of(&path);
        }
        RustField {
            name: field.ident.to_string(),
            doc: about,
            ty: path,
            serde: attributes(field, self.paths),
        }
    }

    fn define_enum(&mut self, name: String, values: &[EnumValue], about: String) {
        let index = self.push(&name, about);
        self.types[index].shape = texts(values);
    }

    fn define_literals(&mut self, name: String, literals: &[Literal], about: String) {
        let index = self.push(&name, about);
        let variants = literals.iter().map(|one| {
            let text = one.value.to_string();
            RustVariant {
                name: one.ident.to_string(),
                doc: described(one.description.as_deref(), code_span(&text)),
                value: literal(&text),
                ty: None,
            }
        });
        self.types[index].shape = Shape::Literals {
            variants: variants.collect(),
        };
    }

    fn define_untagged(&mut self, name: String, alternatives: &[Alternative], about: String) {
        let index = self.push(&name, about);
        let mut variants = Vec::new();
        let mut arms = String::new();
        for one in alternatives {
            let ident = one.ident.as_str();
            let words = format!("The alternative {}.", code_span(ident));
            let doc = described(one.description.as_deref(), words);
            let subject = code_span(&name);
            let ty = self.held_path(&one.ty, &nested(&name, ident), &doc, &subject);
            let inner = self.checks(&one.ty, &Place::variable("value"));
            arms.push_str(&match inner.is_empty() {
                true => format!("Self::{ident}(_) => {{}}"),
                false => format!("Self::{ident}(value) => {{ {inner} }}"),
            });
            variants.push(RustVariant {
                name: ident.to_owned(),
                doc,
                value: String::new(),
                ty: Some(ty),
            });
        }
        if arms.contains("(value)") {
            self.types[index].checks = format!("match self {{ {arms} }}");
        }
        self.types[index].shape = Shape::Untagged { variants };
    }

    fn define_one_of(&mut self, name: String, one_of: &OneOf, about: String) {
        let index = self.push(&name, about);
        let mut variants = Vec::new();
        for variant in &one_of.variants {
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
                name: variant.ident.to_string(),
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

    fn checks(&self, ty: &Type, place: &Place) -> String {
        checks(ty, place, &|json| self.schema_text(json))
    }

    fn optional_checks(&self, ty: &Type, place: &Place) -> String {
        optional_checks(ty, place, &|json| self.schema_text(json))
    }

    fn twice_optional_checks(&self, ty: &Type, place: &Place) -> String {
        twice_optional_checks(ty, place, &|json| self.schema_text(json))
    }

    fn entry_checks(&self, ty: &Type, place: &Place) -> String {
        entry_checks(ty, place, &|json| self.schema_text(json))
    }

    /// The statement that checks the value `reference` against the schema `json`.
    fn schema_check(&self, json: &Json, reference: &str) -> String {
        format!("v.schema({reference}, {});", self.schema_text(json))
    }

    /// The schema `json`, together with the definitions that it refers to, as a Rust string literal.
    fn schema_text(&self, json: &Json) -> String {
        let mut whole = json.clone();
        let nothing = Map::new();
        let all = self
            .schema
            .json
            .get("$defs")
            .and_then(Json::as_object)
            .unwrap_or(&nothing);
        let mut used = Map::new();
        let mut open = vec![json];
        while let Some(json) = open.pop() {
            match json {
                Json::Object(map) => {
                    let target = map.get("$ref").and_then(Json::as_str);
                    let name = target.and_then(|target| target.strip_prefix("#/$defs/"));
                    if let Some((name, def)) = name.and_then(|name| all.get_key_value(name))
                        && !used.contains_key(name)
                    {
                        used.insert(name.clone(), def.clone());
                        open.push(def);
                    }
                    open.extend(map.values());
                }
                Json::Array(items) => open.extend(items),
                _ => {}
            }
        }
        used.sort_keys();
        if let Json::Object(map) = &mut whole
            && !used.is_empty()
        {
            map.insert("$defs".to_owned(), Json::Object(used));
        }
        literal(&whole.to_string())
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
        if let Some(path) = scalar(ty, self.paths) {
            return path;
        }
        match ty {
            Type::Array(array) => {
                let about = format!("An item of {subject}.");
                let subject = format!("an item of {subject}");
                let item = self.path(&array.items, &format!("{name}Item"), &about, &subject);
                vec_of(&item)
            }
            Type::Map(map) => {
                let about = about_value(subject);
                let subject = format!("a value of {subject}");
                map_of(&self.path(&map.values, &format!("{name}Value"), &about, &subject))
            }
            Type::Nullable(inner) => option_of(&self.held_path(inner, name, about, subject)),
            Type::Ref(def) => self.def_name(def, None),
            Type::Tuple(items) => {
                let mut paths = String::new();
                for (index, item) in items.iter().enumerate() {
                    let about = format!("Item {} of {subject}.", index + 1);
                    let subject = format!("item {} of {subject}", index + 1);
                    let name = format!("{name}Item{}", index + 1);
                    paths.push_str(&self.held_path(item, &name, &about, &subject));
                    paths.push_str(", ");
                }
                format!("({paths})")
            }
            Type::Refined(refined) if !is_named(&refined.ty) => {
                self.path(&refined.ty, name, about, subject)
            }
            ty if is_named(ty) => {
                let name = self.names.take(name);
                self.define(name.clone(), ty, about.to_owned());
                name
            }
            _ => self.paths.json(),
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
        Type::Refined(refined) => mentioned(&refined.ty, names),
        Type::Tuple(items) => items.iter().for_each(|item| mentioned(item, names)),
        Type::Untagged(all) => all.iter().for_each(|one| mentioned(&one.ty, names)),
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

/// The path of the Rust type of `ty`, if that takes neither a name of its own nor parts.
pub fn scalar(ty: &Type, paths: &RustPaths) -> Option<String> {
    let path = match ty {
        Type::Any => return Some(paths.json()),
        Type::Null => "()",
        Type::Boolean => "bool",
        Type::Integer(integer) => integer.width.rust(),
        Type::Number(_) => "f64",
        Type::String(_) => "::std::string::String",
        Type::DateTime => return Some(paths.of_schema("DateTime")),
        Type::Date => return Some(paths.of_schema("Date")),
        Type::Uuid => return Some(paths.of_schema("Uuid")),
        _ => return None,
    };
    Some(path.to_owned())
}

/// The content of the `#[serde(…)]` of `field`; empty where nothing does.
fn attributes(field: &Field, paths: &RustPaths) -> String {
    let mut serde = Vec::new();
    if field.ident.as_str() != field.name {
        serde.push(format!("rename = {}", literal(&field.name)));
    }
    if !field.required {
        serde.push("default".to_owned());
        serde.push("skip_serializing_if = \"::core::option::Option::is_none\"".to_owned());
    }
    let ty = match &field.ty {
        Type::Refined(refined) => &refined.ty,
        ty => ty,
    };
    let helper = match (field.required, matches!(ty, Type::Nullable(_))) {
        (true, true) => Some("nullable"),
        (false, false) => Some("present"),
        // What is there is read, null too.
        (false, true) if !field.null_is_nothing => Some("present"),
        _ => None,
    };
    if let Some(helper) = helper {
        let with = format!("deserialize_with = \"{}::{helper}\"", paths.codegen);
        serde.push(with);
    }
    serde.join(", ")
}

/// Whether nothing, null and a value are three things.
fn is_three_valued(field: &Field) -> bool {
    !field.required && !field.null_is_nothing && matches!(field.ty, Type::Nullable(_))
}

/// An enum of texts.
fn texts(values: &[EnumValue]) -> Shape {
    let variants = values.iter().map(|value| RustVariant {
        name: value.ident.to_string(),
        doc: described(value.description.as_deref(), code_span(&value.value)),
        value: literal(&value.value),
        ty: None,
    });
    Shape::Enum {
        variants: variants.collect(),
    }
}

/// The name of the type `name` in `parent`.
fn nested(parent: &str, name: &str) -> String {
    match Ident::camel(name) {
        Some(ident) => format!("{parent}{}", ident.as_str().trim_matches('_')),
        None => format!(
            "{parent}{}",
            Ident::variant(name).as_str().trim_matches('_')
        ),
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

/// The path of a list of `path`.
pub fn vec_of(path: &str) -> String {
    format!("::std::vec::Vec<{path}>")
}

/// The path of a map of texts to `path`.
fn map_of(path: &str) -> String {
    format!("::std::collections::BTreeMap<::std::string::String, {path}>")
}
