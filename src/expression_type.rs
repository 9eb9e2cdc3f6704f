//! What the expressions of a workflow can be.

use std::sync::LazyLock;

use crate::code::Code;
use crate::diagnostic::Report;
use crate::expression::{Comparison, Expression, Kind};
use crate::nearest::nearest;
use crate::schema::Schema;
use crate::schema_overlap::{Typed, clash, describe, exactly, exactly_text, variants};
use crate::schema_type::{Bounds, EnumValue, Text, Type};
use crate::setting::Name;
use crate::span::Span;

/// What is known where an expression stands.
#[derive(Debug)]
pub struct Scope<'a> {
    /// What the run is given.
    pub input: &'a Schema,
    /// The id of the step that it stands in.
    pub step: &'a str,
    /// The steps of the workflow.
    pub steps: Vec<Known<'a>>,
}

/// A step, as far as expressions of another one may speak of it.
#[derive(Debug)]
pub struct Known<'a> {
    /// Its id.
    pub id: &'a str,
    /// Whether it certainly comes before.
    pub before: bool,
    /// What its output is one of; empty where that is not known.
    pub outputs: Vec<Typed<'a>>,
}

/// What a value is one of.
#[derive(Debug, Clone)]
pub enum Given<'a> {
    /// Anything.
    Unknown,
    /// A value of one of the types, which are a schema's.
    Of(Vec<Typed<'a>>),
    /// A value of this type, which no schema states.
    Own(Type),
}

/// A schema without definitions, for types that no schema states.
static PLAIN: LazyLock<Schema> = LazyLock::new(Schema::empty_object);

/// Any text.
pub static TEXT: LazyLock<Type> = LazyLock::new(|| Type::String(Text::default()));

/// The type `ty`, which refers to no definition.
pub fn plain(ty: &Type) -> Typed<'_> {
    Typed { schema: &PLAIN, ty }
}

impl Given<'_> {
    /// The types; none where it may be anything.
    pub fn types(&self) -> Option<Vec<Typed<'_>>> {
        match self {
            Self::Unknown => None,
            Self::Of(types) => Some(types.clone()),
            Self::Own(ty) => Some(vec![plain(ty)]),
        }
    }

    /// What it is, in words.
    pub fn describe(&self) -> String {
        let types = self.types().unwrap_or_default();
        let words: Vec<String> = types.into_iter().map(describe).collect();
        match words.as_slice() {
            [] => "any value".to_owned(),
            words => words.join(" or "),
        }
    }

    /// Whether the value can be one that `fits`.
    fn can_be(&self, fits: impl Fn(Typed<'_>) -> bool) -> bool {
        self.types().is_none_or(|types| types.into_iter().any(fits))
    }
}

/// What the value of `expression` can be. What can't be meant is told: places where nothing can stand, and comparisons
/// that always come out the same because of their types.
pub fn given<'a>(expression: &Expression, scope: &Scope<'a>, report: &mut Report) -> Given<'a> {
    match &expression.kind {
        Kind::Null => Given::Own(Type::Null),
        Kind::Boolean(_) => Given::Own(Type::Boolean),
        Kind::Number(number) => number_type(*number),
        Kind::Text(text) => Given::Own(exactly_text(text)),
        Kind::Path(path) => place(path, expression.span, scope, report),
        Kind::Not(inner) => {
            given(inner, scope, report);
            Given::Own(Type::Boolean)
        }
        Kind::All(parts) | Kind::Any(parts) => {
            for part in parts {
                given(part, scope, report);
            }
            Given::Own(Type::Boolean)
        }
        Kind::Compare(comparison, sides) => {
            let [left, right] = &**sides;
            let (left, right) = (given(left, scope, report), given(right, scope, report));
            check_comparison(*comparison, &left, &right, expression.span, report);
            Given::Own(Type::Boolean)
        }
    }
}

/// The type of a number; a whole one is written without a fraction, as the runtime writes it.
fn number_type(number: f64) -> Given<'static> {
    let whole = number.fract() == 0.0 && number.abs() <= 9_007_199_254_740_992.0;
    let number = if whole {
        Some(serde_json::Number::from(number as i64))
    } else {
        serde_json::Number::from_f64(number)
    };
    number
        .and_then(|number| exactly(&number))
        .map_or(Given::Unknown, Given::Own)
}

fn check_comparison(
    comparison: Comparison,
    left: &Given<'_>,
    right: &Given<'_>,
    span: Span,
    report: &mut Report,
) {
    let (Some(lefts), Some(rights)) = (left.types(), right.types()) else {
        return;
    };
    let apart = |lefts: &[Typed<'_>], rights: &[Typed<'_>]| {
        let meet = |left: &Typed<'_>| rights.iter().any(|right| clash(*left, *right).is_none());
        !lefts.iter().any(meet)
    };
    let is_null = |given: &Given<'_>| matches!(given, Given::Own(Type::Null));
    let (says, advice) = match comparison {
        // What stands nowhere is null, so that any place may be asked whether it is.
        Comparison::Equal | Comparison::NotEqual if is_null(left) || is_null(right) => return,
        Comparison::Equal if apart(&lefts, &rights) => ("is never", near(&lefts, &rights)),
        Comparison::NotEqual if apart(&lefts, &rights) => {
            ("is always unlike", near(&lefts, &rights))
        }
        Comparison::Less | Comparison::AtMost | Comparison::More | Comparison::AtLeast => {
            let number = Type::Number(Bounds::default());
            let both = |ty: &Type| {
                let fits = |typed: Typed<'_>| clash(typed, plain(ty)).is_none();
                left.can_be(fits) && right.can_be(fits)
            };
            if both(&number) || both(&TEXT) {
                return;
            }
            let advice = "numbers are compared with numbers, and texts with texts";
            ("is never less or more than", Some(advice.to_owned()))
        }
        Comparison::In => {
            let stands_in = |right: &Typed<'_>| match bare(*right).ty {
                Type::Array(array) => !apart(&lefts, &[right.with(&array.items)]),
                Type::Any => true,
                _ => clash(*right, plain(&TEXT)).is_none() && !apart(&lefts, &[plain(&TEXT)]),
            };
            if rights.iter().any(stands_in) {
                return;
            }
            let advice = "what it stands in is a list of such values, or a text that holds a text";
            ("never stands in", Some(advice.to_owned()))
        }
        _ => return,
    };
    let advice = advice.unwrap_or_else(|| "compare it with a value that it can have".to_owned());
    let bounds = match (lefts.as_slice(), rights.as_slice()) {
        ([one], [other]) => clash(*one, *other).filter(|clash| clash.path.is_empty()),
        _ => None,
    };
    let (left, right) = match bounds {
        Some(clash) => (clash.left, clash.right),
        None => (left.describe(), right.describe()),
    };
    let message = format!("{left} {says} {right}");
    report
        .error(Code::BadWorkflow, span, message)
        .advise(advice);
}

/// Which of the texts that one side can be was probably meant by the text on the other.
fn near(lefts: &[Typed<'_>], rights: &[Typed<'_>]) -> Option<String> {
    let texts = |side: &[Typed<'_>]| -> Vec<String> {
        let values = side.iter().filter_map(|typed| match bare(*typed).ty {
            Type::Enum(values) => Some(values),
            _ => None,
        });
        let text = |value: &EnumValue| value.value.clone();
        values.flatten().map(text).collect()
    };
    let (mut known, mut written) = (texts(lefts), texts(rights));
    if written.len() != 1 {
        std::mem::swap(&mut known, &mut written);
    }
    let meant = nearest(written.first()?, known.iter().map(String::as_str))?;
    Some(format!("did you mean {meant:?}?"))
}

/// The type without the null that it may be.
pub fn bare(typed: Typed<'_>) -> Typed<'_> {
    let typed = typed.resolved();
    match typed.ty {
        Type::Nullable(ty) => typed.with(ty).resolved(),
        _ => typed,
    }
}

/// What stands at `path`.
fn place<'a>(path: &[Name], span: Span, scope: &Scope<'a>, report: &mut Report) -> Given<'a> {
    let (types, members) = match path {
        [root, members @ ..] if root.text == "input" => {
            let schema = scope.input;
            let ty = &schema.ty;
            (vec![Typed { schema, ty }], members)
        }
        [_, id, rest @ ..] => {
            let Some(step) = scope.steps.iter().find(|step| step.id == id.text) else {
                unknown_step(id, rest.is_empty(), scope, report);
                return Given::Unknown;
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
                return Given::Unknown;
            }
            match rest {
                [what] if what.text == "status" => return Given::Own(statuses()),
                [what, members @ ..] if what.text == "output" => (step.outputs.clone(), members),
                _ => {
                    let (span, said) = match rest {
                        [what, ..] if what.text != "status" => {
                            (what.span, format!("a step has no `{}`", what.text))
                        }
                        [_, inner, ..] => (inner.span, "a status has no members".to_owned()),
                        _ => (span, format!("`{}` is a step, not a value", id.text)),
                    };
                    report
                        .error(Code::BadWorkflow, span, said)
                        .advise(format!("write `{0}.output` or `{0}.status`", id.text));
                    return Given::Unknown;
                }
            }
        }
        _ => {
            report
                .error(Code::BadWorkflow, span, "`steps` alone is no value")
                .advise("write `steps.NAME.output` or `steps.NAME.status`");
            return Given::Unknown;
        }
    };
    if types.is_empty() {
        return Given::Unknown;
    }
    walk(types, members, report)
}

fn unknown_step(id: &Name, alone: bool, scope: &Scope<'_>, report: &mut Report) {
    let message = format!("there is no step `{}` in this workflow", id.text);
    let known = scope.steps.iter().map(|step| step.id);
    let diagnostic = report.error(Code::BadWorkflow, id.span, message);
    match nearest(&id.text, known.chain(["input"])) {
        Some(near) => diagnostic.advise(format!("did you mean `{near}`?")),
        None if alone => diagnostic.advise("put it in quotes if it is text"),
        None => diagnostic.advise("name `input` or a step"),
    }
}

/// What stands at `members` of a value of one of `types`.
fn walk<'a>(mut types: Vec<Typed<'a>>, members: &[Name], report: &mut Report) -> Given<'a> {
    for member in members {
        let mut found = Vec::new();
        let mut known = Vec::new();
        for typed in &types {
            if !step_into(*typed, &member.text, &mut found, &mut known) {
                return Given::Unknown;
            }
        }
        if found.is_empty() {
            let given = Given::Of(types).describe();
            let message = format!("there is no `{}` in what is {given}", member.text);
            let diagnostic = report.error(Code::BadWorkflow, member.span, message);
            match nearest(&member.text, known.iter().copied()) {
                Some(near) => diagnostic.advise(format!("did you mean `{near}`?")),
                None if known.is_empty() => diagnostic.advise("take the value itself"),
                None => diagnostic.advise(format!("known there are {}", known.join(", "))),
            }
            return Given::Unknown;
        }
        types = found;
    }
    Given::Of(types)
}

/// Adds what `name` of a value of the type can be to `found`, and the names that there are to `known`. Says false where
/// it can be anything.
fn step_into<'a>(
    typed: Typed<'a>,
    name: &str,
    found: &mut Vec<Typed<'a>>,
    known: &mut Vec<&'a str>,
) -> bool {
    let typed = bare(typed);
    let objects = match typed.ty {
        Type::Any | Type::Ref(_) => return false,
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
        known.extend(object.fields.iter().map(|field| field.name.as_str()));
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
    let value = |text: &str| EnumValue {
        value: text.to_owned(),
        span: Span::default(),
    };
    let texts = [
        "pending",
        "running",
        "succeeded",
        "failed",
        "skipped",
        "cancelled",
    ];
    Type::Enum(texts.map(value).to_vec())
}
