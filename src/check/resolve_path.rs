//! The types of the paths in expressions, such as `plan.output.risk`.

use crate::check::scope::{Inferred, Scope, bare};
use crate::diagnostics::Report;
use crate::diagnostics::code::Code;
use crate::diagnostics::span::Span;
use crate::schema::schema_type::{EnumValue, Integer, Type};
use crate::schema::typed_schema::{SchemaType, variants};
use crate::text::did_you_mean::did_you_mean;
use crate::yaml::yaml_settings::Name;

/// The type of the value at `path`; a path that no value can have is an error.
pub fn resolve_path<'a>(
    path: &[Name],
    span: Span,
    scope: &Scope<'a>,
    report: &mut Report,
) -> Inferred<'a> {
    let (types, members) = match path {
        [root, members @ ..] if root.text == "input" => {
            let schema = scope.input;
            let ty = &schema.ty;
            (vec![SchemaType { schema, ty }], members)
        }
        [root, members @ ..] if root.text == "item" => {
            (scope.item.clone().unwrap_or_default(), members)
        }
        [root, members @ ..] if root.text == "index" => {
            if let Some(member) = members.first() {
                report
                    .error(Code::BadWorkflow, member.span, "an index has no members")
                    .advise("`item` is what stands there");
                return Inferred::Any;
            }
            return Inferred::Plain(Type::Integer(Integer::default()));
        }
        [_, id, rest @ ..] => {
            let Some(step) = scope.steps.iter().find(|step| step.id == id.text) else {
                unknown_step(id, rest.is_empty(), scope, report);
                return Inferred::Any;
            };
            if !step.before {
                let message = if id.text == scope.step {
                    format!("the step `{}` speaks of itself", id.text)
                } else {
                    format!("the step `{}` may not be over yet", id.text)
                };
                report
                    .error(Code::BadWorkflow, id.span, message)
                    .advise(format!(
                        "add `needs: [{}]` to a step before it or to `{}`",
                        id.text, scope.step
                    ));
                return Inferred::Any;
            }
            match rest {
                [what] if what.text == "status" => return Inferred::Plain(statuses()),
                [what, members @ ..] if what.text == "output" => (step.outputs.clone(), members),
                _ => {
                    let (span, message) = match rest {
                        [what, ..] if what.text != "status" => {
                            (what.span, format!("a step has no `{}`", what.text))
                        }
                        [_, inner, ..] => (inner.span, "a status has no members".to_owned()),
                        _ => (span, format!("`{}` is a step, not a value", id.text)),
                    };
                    report
                        .error(Code::BadWorkflow, span, message)
                        .advise(format!("write `{0}.output` or `{0}.status`", id.text));
                    return Inferred::Any;
                }
            }
        }
        _ => {
            report
                .error(Code::BadWorkflow, span, "`steps` alone is no value")
                .advise("write `steps.NAME.output` or `steps.NAME.status`");
            return Inferred::Any;
        }
    };
    if types.is_empty() {
        return Inferred::Any;
    }
    walk(types, members, report)
}

fn unknown_step(id: &Name, alone: bool, scope: &Scope<'_>, report: &mut Report) {
    let message = format!("there is no step `{}` in this workflow", id.text);
    let candidates = scope.steps.iter().map(|step| step.id).chain(["input"]);
    let otherwise = match alone {
        true => "put it in quotes if it is text",
        false => "name `input` or a step",
    };
    report
        .error(Code::BadWorkflow, id.span, message)
        .advise(did_you_mean(&id.text, candidates, otherwise));
}

/// The type of the value at `members` of a value of one of `types`.
fn walk<'a>(mut types: Vec<SchemaType<'a>>, members: &[Name], report: &mut Report) -> Inferred<'a> {
    let mut optional = false;
    for member in members {
        let mut found = Vec::new();
        let mut names = Vec::new();
        for typed in &types {
            if !step_into(*typed, &member.text, &mut found, &mut names) {
                return Inferred::Any;
            }
        }
        if found.is_empty() {
            let given = Inferred::Types(types, optional).describe();
            let message = format!("there is no `{}` in what is {given}", member.text);
            let otherwise = match names.as_slice() {
                [] => "take the value itself".to_owned(),
                names => format!("the properties are {}", names.join(", ")),
            };
            report
                .error(Code::BadWorkflow, member.span, message)
                .advise(did_you_mean(&member.text, names, otherwise));
            return Inferred::Any;
        }
        optional = optional || types.iter().any(|typed| is_optional(*typed, &member.text));
        types = found;
    }
    Inferred::Types(types, optional)
}

/// Whether an object of the type may be without its member `name`.
fn is_optional(typed: SchemaType<'_>, name: &str) -> bool {
    match bare(typed).ty {
        Type::Object(object) => object
            .fields
            .iter()
            .any(|field| field.name == name && !field.required),
        Type::Untagged(_) => true,
        _ => false,
    }
}

/// Adds what `name` of a value of the type can be to `found`, and the names of its properties to `names`. False where it
/// can be anything.
fn step_into<'a>(
    typed: SchemaType<'a>,
    name: &str,
    found: &mut Vec<SchemaType<'a>>,
    names: &mut Vec<&'a str>,
) -> bool {
    let typed = bare(typed);
    let objects = match typed.ty {
        Type::Any | Type::Ref(_) => return false,
        Type::Untagged(alternatives) => {
            let mut inner = alternatives.iter().map(|one| typed.with(&one.ty));
            return inner.all(|one| step_into(one, name, found, names));
        }
        Type::Tuple(items) => {
            let item = name.parse().ok().and_then(|index: usize| items.get(index));
            found.extend(item.map(|item| typed.with(item)));
            return true;
        }
        Type::Map(map) => {
            found.push(typed.with(&map.values));
            return true;
        }
        Type::Array(array) => {
            if name.bytes().all(|byte| byte.is_ascii_digit()) {
                found.push(typed.with(&array.items));
            }
            return true;
        }
        Type::Object(object) => vec![object],
        Type::OneOf(one_of) => variants(typed, one_of).collect(),
        _ => return true,
    };
    for object in objects {
        names.extend(object.fields.iter().map(|field| field.name.as_str()));
        let field = object.fields.iter().find(|field| field.name == name);
        match (field, &object.extra) {
            (Some(field), _) => found.push(typed.with(&field.ty)),
            (None, Some(extra)) => found.push(typed.with(extra)),
            (None, None) if !object.closed => return false,
            (None, None) => {}
        }
    }
    true
}

/// What the status of a step is one of.
fn statuses() -> Type {
    let texts = [
        "pending",
        "running",
        "succeeded",
        "failed",
        "skipped",
        "cancelled",
    ];
    Type::Enum(texts.map(EnumValue::of).to_vec())
}
