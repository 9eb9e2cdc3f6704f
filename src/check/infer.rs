//! What the expressions of a workflow can be.

use agentgen_schema::Comparison;

use crate::check::resolve_path::resolve_path;
use crate::check::scope::{Inferred, Scope, TEXT, bare, plain};
use crate::diagnostics::Report;
use crate::diagnostics::code::Code;
use crate::diagnostics::span::Span;
use crate::expression::{Expression, Kind};
use crate::schema::compare::disjoint::disjoint;
use crate::schema::schema_type::{Bounds, EnumValue, Type};
use crate::schema::typed_schema::{SchemaType, exactly, exactly_text};
use crate::text::did_you_mean::nearest;

/// The type of `expression`. Errors are paths that no value can have, and comparisons whose result is always the same
/// because of their types.
pub fn infer<'a>(expression: &Expression, scope: &Scope<'a>, report: &mut Report) -> Inferred<'a> {
    match &expression.kind {
        Kind::Null => Inferred::Plain(Type::Null),
        Kind::Boolean(_) => Inferred::Plain(Type::Boolean),
        Kind::Number(number) => number_type(*number),
        Kind::Text(text) => Inferred::Plain(exactly_text(text)),
        Kind::Path(path) => resolve_path(path, expression.span, scope, report),
        Kind::Not(inner) => {
            infer(inner, scope, report);
            Inferred::Plain(Type::Boolean)
        }
        Kind::All(parts) | Kind::Any(parts) => {
            for part in parts {
                infer(part, scope, report);
            }
            Inferred::Plain(Type::Boolean)
        }
        Kind::Compare(comparison, sides) => {
            let [left, right] = &**sides;
            let (left, right) = (infer(left, scope, report), infer(right, scope, report));
            check_comparison(*comparison, &left, &right, expression.span, report);
            Inferred::Plain(Type::Boolean)
        }
    }
}

/// The type of a number; a whole one is written without a fraction, as the runtime writes it.
fn number_type(number: f64) -> Inferred<'static> {
    let whole = number.fract() == 0.0 && number.abs() <= 9_007_199_254_740_992.0;
    let number = if whole {
        Some(serde_json::Number::from(number as i64))
    } else {
        serde_json::Number::from_f64(number)
    };
    number
        .and_then(|number| exactly(&number))
        .map_or(Inferred::Any, Inferred::Plain)
}

fn check_comparison(
    comparison: Comparison,
    left: &Inferred<'_>,
    right: &Inferred<'_>,
    span: Span,
    report: &mut Report,
) {
    let (Some(lefts), Some(rights)) = (left.types(), right.types()) else {
        return;
    };
    let apart = |lefts: &[SchemaType<'_>], rights: &[SchemaType<'_>]| {
        let meet =
            |left: &SchemaType<'_>| rights.iter().any(|right| disjoint(*left, *right).is_none());
        !lefts.iter().any(meet)
    };
    let is_null = |given: &Inferred<'_>| matches!(given, Inferred::Plain(Type::Null));
    let (says, advice) = match comparison {
        // A missing value is null, so any path may be compared with null.
        Comparison::Equal | Comparison::NotEqual if is_null(left) || is_null(right) => return,
        Comparison::Equal if apart(&lefts, &rights) => ("is never", near(&lefts, &rights)),
        Comparison::NotEqual if apart(&lefts, &rights) => {
            ("is always unlike", near(&lefts, &rights))
        }
        Comparison::Less | Comparison::AtMost | Comparison::More | Comparison::AtLeast => {
            let number = Type::Number(Bounds::default());
            let both = |ty: &Type| {
                let fits = |typed: SchemaType<'_>| disjoint(typed, plain(ty)).is_none();
                left.can_be(fits) && right.can_be(fits)
            };
            if both(&number) || both(&TEXT) {
                return;
            }
            let advice = "numbers are compared with numbers, and texts with texts";
            ("is never less or more than", Some(advice.to_owned()))
        }
        Comparison::In => {
            let contains = |right: &SchemaType<'_>| match bare(*right).ty {
                Type::Array(array) => !apart(&lefts, &[right.with(&array.items)]),
                Type::Any => true,
                _ => disjoint(*right, plain(&TEXT)).is_none() && !apart(&lefts, &[plain(&TEXT)]),
            };
            if rights.iter().any(contains) {
                return;
            }
            let advice =
                "the right side of `in` is a list of such values, or a text that contains a text";
            ("is never in", Some(advice.to_owned()))
        }
        _ => return,
    };
    let advice = advice.unwrap_or_else(|| "compare it with a value that it can have".to_owned());
    let bounds = match (lefts.as_slice(), rights.as_slice()) {
        ([one], [other]) => disjoint(*one, *other).filter(|clash| clash.path.is_empty()),
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
fn near(lefts: &[SchemaType<'_>], rights: &[SchemaType<'_>]) -> Option<String> {
    let texts = |side: &[SchemaType<'_>]| -> Vec<String> {
        let values = side.iter().filter_map(|typed| match bare(*typed).ty {
            Type::Enum(values) => Some(values),
            _ => None,
        });
        let text = |value: &EnumValue| value.value.clone();
        values.flatten().map(text).collect()
    };
    let (mut candidates, mut written) = (texts(lefts), texts(rights));
    if written.len() != 1 {
        std::mem::swap(&mut candidates, &mut written);
    }
    let meant = nearest(written.first()?, candidates.iter().map(String::as_str))?;
    Some(format!("did you mean {meant:?}?"))
}
