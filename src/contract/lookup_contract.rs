//! What the contracts of endpoints have in common that documents and vectors answer: looking at properties one by one.

use crate::diagnostics::code::Code;
use crate::diagnostics::span::Span;
use crate::diagnostics::{Diagnostic, Report};
use crate::schema::compare::describe::describe;
use crate::schema::typed_schema::SchemaType;
use crate::schema::{Field, Schema, Type};
use crate::text::did_you_mean::{did_you_mean, nearest};

/// The type behind references and `null`.
pub fn bare<'a>(ty: &'a Type, schema: &'a Schema) -> &'a Type {
    match schema.resolve(ty) {
        Type::Nullable(inner) => bare(inner, schema),
        ty => ty,
    }
}

/// The properties of `schema`, if it is an object that names them.
pub fn fields(schema: &Schema) -> Option<&[Field]> {
    match schema.resolve(&schema.ty) {
        Type::Object(object) => Some(&object.fields),
        _ => None,
    }
}

/// Whether a value of the type is written as text.
pub fn is_text(ty: &Type) -> bool {
    matches!(
        ty,
        Type::String(_) | Type::Enum(_) | Type::Uuid | Type::DateTime | Type::Date
    )
}

/// Whether a value of the type is a text, a number or a truth value.
pub fn is_scalar(ty: &Type) -> bool {
    is_text(ty) || matches!(ty, Type::Integer(_) | Type::Number(_) | Type::Boolean)
}

/// The type in words, lists with what is in them.
pub fn words(ty: &Type, schema: &Schema) -> String {
    match ty {
        Type::Array(array) => format!(
            "a list, each item {}",
            words(bare(&array.items, schema), schema)
        ),
        ty => describe(SchemaType { schema, ty }),
    }
}

/// What a property has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// Always there, and not null.
    Required,
    /// There or not, as its author likes.
    Free,
    /// Not always there, since there may be nothing to fill it with.
    Optional,
}

/// What is expected of properties: each mismatch is reported at its place.
pub struct Expected<'a> {
    /// The schema that contains them.
    pub schema: &'a Schema,
    /// The place of the object they are in, for what is missing.
    pub span: Span,
    /// What the object is, in words: "the input of a search".
    pub whole: &'static str,
}

impl Expected<'_> {
    /// Checks that the property `name` among `fields` is as it has to be; `fits` says which types are good, and
    /// `kind` says it in words. Answers whether it is there.
    pub fn property(
        &self,
        fields: &[Field],
        name: &str,
        presence: Presence,
        (kind, fits): (&str, impl Fn(&Type) -> bool),
        report: &mut Report,
    ) -> bool {
        let Some(field) = fields.iter().find(|field| field.name == name) else {
            if presence == Presence::Required {
                let message = format!("{} has no `{name}`", self.whole);
                let others = fields.iter().map(|field| field.name.as_str());
                let diagnostic = report.error(Code::BadEndpoint, self.span, message);
                match nearest(name, others) {
                    Some(near) => {
                        diagnostic.advise(format!("rename `{near}`, or add `{name}`: {kind}"))
                    }
                    None => diagnostic.advise(format!("add `{name}`: {kind}")),
                }
            }
            return false;
        };
        let nullable = matches!(self.schema.resolve(&field.ty), Type::Nullable(_));
        let ty = bare(&field.ty, self.schema);
        if !fits(ty) {
            let message = format!(
                "`{name}` in {} can't be {}",
                self.whole,
                words(ty, self.schema)
            );
            report
                .error(Code::BadEndpoint, field.span, message)
                .advise(format!("make it {kind}"));
        } else if presence == Presence::Required && (!field.required || nullable) {
            let message = format!("`{name}` in {} is always there", self.whole);
            report
                .error(Code::BadEndpoint, field.span, message)
                .advise("make it required, and not null");
        } else if presence == Presence::Optional && field.required {
            let message = format!("`{name}` is required, and a document may have none");
            report
                .error(Code::BadEndpoint, field.span, message)
                .advise("make it optional");
        }
        true
    }

    /// Reports each of `fields` that is not in `names`, as nothing `does` something with it: an error if it is required.
    pub fn others(&self, fields: &[Field], names: &[&str], does: &str, report: &mut Report) {
        for field in fields {
            if names.contains(&field.name.as_str()) {
                continue;
            }
            let message = format!("nothing {does} `{}` in {}", field.name, self.whole);
            let diagnostic = match field.required {
                true => report.error(Code::BadEndpoint, field.span, message),
                false => report.note(Code::BadEndpoint, field.span, message),
            };
            let otherwise = format!("the properties are {}", names.join(", "));
            diagnostic.advise(did_you_mean(&field.name, names.iter().copied(), otherwise));
        }
    }
}

/// Advice for the property `name` that is not among `fields`.
pub fn unknown(diagnostic: &mut Diagnostic, name: &str, fields: &[Field]) {
    let names: Vec<&str> = fields.iter().map(|field| field.name.as_str()).collect();
    let otherwise = match names.as_slice() {
        [] => "give the input a property that is a string".to_owned(),
        names => format!("its properties are {}", names.join(", ")),
    };
    diagnostic.advise(did_you_mean(name, names, otherwise));
}

/// Says that a schema which has to describe an object describes something else; `what` says who takes or answers it.
pub fn no_object(schema: &Schema, what: &str, report: &mut Report) {
    let kind = schema.resolve(&schema.ty).kind();
    report
        .error(
            Code::BadEndpoint,
            schema.span,
            format!("{what}, and this is {kind}"),
        )
        .advise("name its properties");
}
