//! The properties of an input that come from the path, the query and the headers.

use agentgen_schema::{Method, ParameterKind, ParameterLocation};
use serde::Serialize;
use serde_json::Value as Json;

use crate::contract::endpoint_path;
use crate::diagnostics::Report;
use crate::diagnostics::code::Code;
use crate::diagnostics::span::Span;
use crate::schema::schema_type::Literal;
use crate::schema::{Field, Schema, Type};
use crate::text::did_you_mean::did_you_mean;

/// A property of an input that is in the request's path, query or headers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Parameter {
    /// The property's name.
    pub name: String,
    /// Its place in the source.
    pub location: ParameterLocation,
    /// How its text is read.
    pub kind: ParameterKind,
    /// Whether it must be there.
    pub required: bool,
}

/// The parameters of an endpoint: what its path names, the properties called `headers`, and, where requests have no
/// body, everything else.
pub fn of(
    method: Method,
    path: &str,
    input: &Schema,
    headers: &[String],
    span: Span,
    report: &mut Report,
) -> Vec<Parameter> {
    let fields: &[Field] = match input.resolve(&input.ty) {
        Type::Object(object) => &object.fields,
        _ => {
            if !method.has_body() {
                let message = format!("this input can't be in the query of a {} request", method);
                report
                    .error(Code::BadEndpoint, input.span, message)
                    .advise("make it an object with named properties, or take another method");
                return Vec::new();
            }
            &[]
        }
    };
    let mut parameters = Vec::new();
    for name in endpoint_path::parameters(path) {
        match fields.iter().find(|field| field.name == name) {
            Some(field) => {
                parameters.extend(parameter(field, ParameterLocation::Path, input, report))
            }
            None => {
                let message = format!("the input has no property for the path's `{{{name}}}`");
                let place = report.source().find_in(span, &format!("{{{name}}}"));
                let names = fields.iter().map(|field| field.name.as_str());
                let advice = format!("add `{name}` to the endpoint's `input`");
                report
                    .error(Code::BadEndpoint, place, message)
                    .advise(did_you_mean(name, names, advice));
            }
        }
    }
    for name in headers {
        let field = fields.iter().find(|field| field.name == *name);
        let Some(field) = field else { continue };
        if endpoint_path::parameters(path).any(|other| other == name) {
            let message = format!("`{name}` is in the path and is a header");
            report
                .error(Code::BadEndpoint, field.span, message)
                .advise("give one of them another name");
            continue;
        }
        parameters.extend(parameter(field, ParameterLocation::Header, input, report));
    }
    if !method.has_body() {
        for field in fields {
            if !headers.contains(&field.name)
                && !parameters.iter().any(|other| other.name == field.name)
            {
                parameters.extend(parameter(field, ParameterLocation::Query, input, report));
            }
        }
    }
    parameters
}

fn parameter(
    field: &Field,
    location: ParameterLocation,
    input: &Schema,
    report: &mut Report,
) -> Option<Parameter> {
    if location == ParameterLocation::Path && !field.required {
        let message = format!("`{}` is in the path and is optional", field.name);
        report
            .error(Code::BadEndpoint, field.span, message)
            .advise("a part of the path is always there: make the property required");
        return None;
    }
    let kind = match resolve(&field.ty, input) {
        Type::Array(array) if location != ParameterLocation::Path => {
            scalar(resolve(&array.items, input)).and_then(ParameterKind::list)
        }
        other => scalar(other),
    };
    let Some(kind) = kind else {
        let message = format!("`{}` can't be in the {location}", field.name);
        report.error(Code::BadEndpoint, field.span, message).advise(
            "there is room for texts, numbers, truth values and, in the query and in headers, lists of them",
        );
        return None;
    };
    Some(Parameter {
        name: field.name.clone(),
        location,
        kind,
        required: field.required,
    })
}

/// The type behind references and `null`.
fn resolve<'a>(ty: &'a Type, input: &'a Schema) -> &'a Type {
    match input.resolve(ty) {
        Type::Nullable(inner) => resolve(inner, input),
        ty => ty,
    }
}

fn scalar(ty: &Type) -> Option<ParameterKind> {
    match ty {
        Type::Boolean => Some(ParameterKind::Boolean),
        Type::Integer(_) => Some(ParameterKind::Integer),
        Type::Number(_) => Some(ParameterKind::Number),
        Type::String(_) | Type::DateTime | Type::Date | Type::Uuid | Type::Enum(_) => {
            Some(ParameterKind::String)
        }
        Type::Literals(literals) => literal_kind(literals),
        _ => None,
    }
}

/// How the text of a parameter is read that is one of `literals`; none where they are of several kinds.
fn literal_kind(literals: &[Literal]) -> Option<ParameterKind> {
    let kind = |literal: &Literal| match &literal.value {
        Json::Bool(_) => Some(ParameterKind::Boolean),
        Json::Number(number) if number.is_f64() => Some(ParameterKind::Number),
        Json::Number(_) => Some(ParameterKind::Integer),
        Json::String(_) => Some(ParameterKind::String),
        _ => None,
    };
    let mut kinds = literals.iter().map(kind);
    let first = kinds.next()??;
    kinds.try_fold(first, |first, next| match (first, next?) {
        (first, next) if first == next => Some(first),
        (ParameterKind::Integer, ParameterKind::Number)
        | (ParameterKind::Number, ParameterKind::Integer) => Some(ParameterKind::Number),
        _ => None,
    })
}
