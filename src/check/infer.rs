//! What the expressions of a workflow can be.

use agentgen_schema::Comparison;

use crate::check::resolve_path::place;
use crate::check::scope::{Given, Scope, TEXT, bare, plain};
use crate::diagnostics::Report;
use crate::diagnostics::code::Code;
use crate::diagnostics::span::Span;
use crate::expression::{Expression, Kind};
use crate::schema::compare::disjoint::clash;
use crate::schema::schema_type::{Bounds, EnumValue, Type};
use crate::schema::typed_schema::{Typed, exactly, exactly_text};
use crate::text::did_you_mean::nearest;

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
