//! Checks what a step is given against what its endpoint takes.

use serde_json::Value as Json;

use crate::check::infer::infer;
use crate::check::scope::{Inferred, Scope, TEXT, bare};
use crate::diagnostics::Report;
use crate::diagnostics::code::Code;
use crate::diagnostics::span::Span;
use crate::expression::input_template::{InputTemplate, Segment, TemplateKind};
use crate::expression::{Expression, Kind};
use crate::schema::compare::assignable::{AssignIssue, not_assignable};
use crate::schema::compare::describe::{bounded, describe};
use crate::schema::compare::disjoint::{Mismatch, disjoint};
use crate::schema::schema_type::{Object, OneOf, Type};
use crate::schema::typed_schema::{SchemaType, exactly, exactly_text, variants};
use crate::text::did_you_mean::did_you_mean;
use crate::yaml::yaml_settings::Name;

/// Checks the value `template` against what is expected at `place`, the names that lead there; `is_needed` says whether there
/// has to be a value.
pub fn check_value(
    template: &InputTemplate,
    expected: Option<SchemaType<'_>>,
    place: &str,
    is_needed: bool,
    scope: &Scope<'_>,
    report: &mut Report,
) {
    let value = match &template.kind {
        TemplateKind::Object(members) => {
            return check_object(members, template.span, expected, place, scope, report);
        }
        TemplateKind::List(items) => {
            return check_list(items, template.span, expected, place, scope, report);
        }
        TemplateKind::Value(expression) => infer(expression, scope, report),
        TemplateKind::Text(pieces) => {
            for piece in pieces {
                if let Segment::Value(expression) = piece {
                    infer(expression, scope, report);
                }
            }
            Inferred::Plain(TEXT.clone())
        }
        TemplateKind::Json(json) => scalar(json),
    };
    let (Some(types), Some(expected)) = (value.types(), expected) else {
        return;
    };
    let clashes: Vec<Mismatch> = types
        .iter()
        .filter_map(|ty| disjoint(*ty, expected))
        .collect();
    // One of the types fits, or else there is a first clash.
    let Some(first) = clashes.first().filter(|_| clashes.len() == types.len()) else {
        return check_doubts(template, &value, expected, place, is_needed, scope, report);
    };
    let (inside, found) = match clashes.len() {
        1 => (first.path.join("."), first.left.clone()),
        _ => (String::new(), value.describe()),
    };
    let taken = match clashes.len() {
        1 => first.right.clone(),
        _ => describe(expected),
    };
    let place = match (place, inside.as_str()) {
        (place, "") => place.to_owned(),
        (place, inside) => format!("{place}.{inside}"),
    };
    mismatch(template.span, &place, &taken, &found, report);
}

/// Tells of a value that may fit, and may as well not. What the step's own condition speaks of is the author's to know, and
/// that a step may be skipped is no doubt about its output.
fn check_doubts(
    template: &InputTemplate,
    value: &Inferred<'_>,
    expected: SchemaType<'_>,
    place: &str,
    is_needed: bool,
    scope: &Scope<'_>,
    report: &mut Report,
) {
    let TemplateKind::Value(Expression {
        kind: Kind::Path(path),
        ..
    }) = &template.kind
    else {
        return;
    };
    if scope
        .condition
        .is_some_and(|condition| condition.speaks_of(path))
    {
        return;
    }
    let takes_null = matches!(
        expected.resolved().ty,
        Type::Any | Type::Ref(_) | Type::Null | Type::Nullable(_)
    );
    let missing = is_needed && value.is_optional() && !takes_null;
    let missing = missing.then(|| AssignIssue::missing(expected));
    let types = value.types().unwrap_or_default().into_iter();
    let doubts = types.filter_map(|ty| match is_needed {
        true => not_assignable(ty, expected),
        false => not_assignable(bare(ty), expected),
    });
    let Some(AssignIssue { path, taken, may }) = missing.into_iter().chain(doubts).next() else {
        return;
    };
    let names = std::iter::once(place.to_owned()).chain(path);
    let names: Vec<String> = names.filter(|name| !name.is_empty()).collect();
    let message = match names.join(".").as_str() {
        "" => format!("the step takes {taken}, and this {may}"),
        place => format!("`{place}` takes {taken}, and this {may}"),
    };
    report
        .warning(Code::BadWorkflow, template.span, message)
        .advise("the step fails then: change one of the two schemas, or say under `when` what has to be there");
}

fn mismatch(span: Span, place: &str, taken: &str, found: &str, report: &mut Report) {
    let message = if place.is_empty() {
        format!("the step takes {taken}, and this is {found}")
    } else {
        format!("`{place}` takes {taken}, and this is {found}")
    };
    report
        .error(Code::BadWorkflow, span, message)
        .advise("change the value, or the schema of one of the two");
}

fn scalar(json: &Json) -> Inferred<'static> {
    let ty = match json {
        Json::Null => Some(Type::Null),
        Json::Bool(_) => Some(Type::Boolean),
        Json::Number(number) => exactly(number),
        Json::String(text) => Some(exactly_text(text)),
        Json::Array(_) | Json::Object(_) => None,
    };
    ty.map_or(Inferred::Any, Inferred::Plain)
}

fn check_object(
    members: &[(Name, InputTemplate)],
    span: Span,
    expected: Option<SchemaType<'_>>,
    place: &str,
    scope: &Scope<'_>,
    report: &mut Report,
) {
    let outermost = place.is_empty();
    let inner = |name: &str| {
        if outermost {
            name.to_owned()
        } else {
            format!("{place}.{name}")
        }
    };
    let expected = expected.map(bare);
    let chosen = expected.and_then(|typed| match typed.ty {
        Type::Object(object) => Some(object),
        Type::OneOf(one_of) => chosen(typed, one_of, members),
        _ => None,
    });
    for (name, value) in members {
        let place = inner(&name.text);
        let ty = match expected.map(|typed| typed.ty) {
            Some(Type::Map(map)) => Some(&map.values),
            _ => chosen.and_then(|object| member(object, name, &place, report)),
        };
        let expected = expected.zip(ty).map(|(typed, ty)| typed.with(ty));
        // At the top, what is not there is left out where it need not be.
        let mut fields = chosen.into_iter().flat_map(|object| &object.fields);
        let field = fields.find(|field| field.name == name.text);
        let is_needed = !outermost || field.is_none_or(|field| field.required);
        check_value(value, expected, &place, is_needed, scope, report);
    }
    match (expected, chosen) {
        (Some(typed), Some(object)) => {
            let missing = object.fields.iter().filter(|field| {
                field.required && !members.iter().any(|(name, _)| name.text == field.name)
            });
            for field in missing {
                let message = format!("`{}` is missing", inner(&field.name));
                report
                    .error(Code::BadWorkflow, span, message)
                    .advise(format!("it takes {}", describe(typed.with(&field.ty))));
            }
        }
        (Some(typed), None) => {
            let object = matches!(
                typed.ty,
                Type::Any | Type::Map(_) | Type::OneOf(_) | Type::Untagged(_) | Type::Ref(_)
            );
            if !object {
                mismatch(span, place, &describe(typed), "an object", report);
            }
        }
        _ => {}
    }
}

/// The type of a property; a property that does not exist is an error.
fn member<'a>(
    object: &'a Object,
    name: &Name,
    place: &str,
    report: &mut Report,
) -> Option<&'a Type> {
    if let Some(field) = object.fields.iter().find(|field| field.name == name.text) {
        return Some(&field.ty);
    }
    if !object.closed {
        return object.extra.as_deref();
    }
    let names = object.fields.iter().map(|field| field.name.as_str());
    let names: Vec<&str> = names.collect();
    let message = format!("there is no input `{place}`");
    let otherwise = match names.as_slice() {
        [] => "nothing is taken there".to_owned(),
        names => format!("the properties are {}", names.join(", ")),
    };
    report
        .error(Code::BadWorkflow, name.span, message)
        .advise(did_you_mean(&name.text, names, otherwise));
    None
}

/// The form of `one_of` that the tag among `members` chooses, if it is written out.
fn chosen<'a>(
    typed: SchemaType<'a>,
    one_of: &'a OneOf,
    members: &[(Name, InputTemplate)],
) -> Option<&'a Object> {
    let (_, tag) = members.iter().find(|(name, _)| name.text == one_of.tag)?;
    let TemplateKind::Json(Json::String(tag)) = &tag.kind else {
        return None;
    };
    let index = one_of
        .variants
        .iter()
        .position(|variant| variant.value == *tag)?;
    variants(typed, one_of).nth(index)
}

fn check_list(
    items: &[InputTemplate],
    span: Span,
    expected: Option<SchemaType<'_>>,
    place: &str,
    scope: &Scope<'_>,
    report: &mut Report,
) {
    let expected = expected.map(bare);
    let array = expected.and_then(|typed| match typed.ty {
        Type::Array(array) => Some((typed, array)),
        _ => None,
    });
    for (index, item) in items.iter().enumerate() {
        let expected = array.map(|(typed, array)| typed.with(&array.items));
        check_value(
            item,
            expected,
            &format!("{place}.{index}"),
            true,
            scope,
            report,
        );
    }
    let count = items.len() as u64;
    let fits = match (expected.map(|typed| typed.ty), array) {
        (_, Some((_, array))) => {
            array.min_items.is_none_or(|least| count >= least)
                && array.max_items.is_none_or(|most| count <= most)
        }
        (None | Some(Type::Any | Type::Untagged(_) | Type::Ref(_)), None) => true,
        (Some(Type::Tuple(types)), None) => count == types.len() as u64,
        _ => false,
    };
    if let Some(typed) = expected.filter(|_| !fits) {
        let found = match count {
            1 => "a list of 1 item".to_owned(),
            count => format!("a list of {count} items"),
        };
        mismatch(span, place, &bounded(typed), &found, report);
    }
}
