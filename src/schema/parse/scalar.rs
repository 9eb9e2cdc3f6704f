//! Reads schemas of text and numbers.

use agentgen_schema::{Format, Pattern};

use crate::diagnostics::Report;
use crate::diagnostics::code::Code;
use crate::diagnostics::span::Span;
use crate::schema::parse::cursor::Cursor;
use crate::schema::parse::keywords::{Topic, wrong_kind};
use crate::schema::schema_type::{Bounds, Integer, Text, Type, Width};
use crate::yaml::node::Value;

/// The type of text that `part` describes.
pub fn text(part: &mut Cursor<'_, '_>) -> Option<Type> {
    let mut good = part.check(&[Topic::Kind, Topic::Text, Topic::Format], "text");
    let mut text = Text {
        min_length: count(part, "minLength", &mut good),
        max_length: count(part, "maxLength", &mut good),
        ..Text::default()
    };
    good &= ordered(
        part,
        "minLength",
        text.min_length,
        "maxLength",
        text.max_length,
    );
    if let Some(node) = part.node.get("pattern") {
        match node.as_str() {
            Some(expression) => {
                good &= pattern(expression, node.span, part.reader.report);
                text.pattern = Some(expression.to_owned());
            }
            None => {
                wrong_kind("pattern", node, "a regular expression", part.reader.report);
                good = false;
            }
        }
    }
    let name = format(part, &mut good);
    text.format = name.and_then(Format::from_name);
    if let Some(other) = name.filter(|_| text.format.is_none()) {
        unchecked(part, other);
    }
    let plain = text.min_length.is_none() && text.max_length.is_none() && text.pattern.is_none();
    let typed = match text.format.filter(|_| plain) {
        Some(Format::DateTime) => Type::DateTime,
        Some(Format::Date) => Type::Date,
        Some(Format::Uuid) => Type::Uuid,
        _ => Type::String(text),
    };
    good.then_some(typed)
}

/// Whether the regular expression `text` at `span` can be matched; if not, that is reported.
pub fn pattern(text: &str, span: Span, report: &mut Report) -> bool {
    let Err(error) = Pattern::new(text) else {
        return true;
    };
    let (code, message, advice) = if error.is_unsupported() {
        (
            Code::UnsupportedSchema,
            format!("the pattern can't be checked: {}", error.reason()),
            "write it without that",
        )
    } else {
        (
            Code::BadSchema,
            format!("the pattern is no regular expression: {}", error.reason()),
            "write a regular expression of ECMA-262; a sign itself is written with `\\` before it",
        )
    };
    report.error(code, span, message).advise(advice);
    false
}

/// The type of the whole number that `part` describes.
pub fn integer(part: &mut Cursor<'_, '_>) -> Option<Type> {
    let topics = [Topic::Kind, Topic::Number, Topic::Format];
    let mut good = part.check(&topics, "a whole number");
    let width = match format(part, &mut good) {
        None => Width::default(),
        Some(name) => Width::of_format(name).unwrap_or_else(|| {
            unchecked(part, name);
            Width::default()
        }),
    };
    let mut bound = |part: &mut Cursor<'_, '_>, keyword| {
        let advice = "write a whole number, or make the type `number`";
        whole(part, keyword, "of 64 bits", advice, &mut good)
    };
    let step = |part: &mut Cursor<'_, '_>, good: &mut bool| {
        let advice = "write a whole number, or make the type `number`";
        whole::<i64>(part, "multipleOf", "of 64 bits", advice, good).map(i128::from)
    };
    let mut bounds = Bounds {
        minimum: bound(part, "minimum"),
        maximum: bound(part, "maximum"),
        exclusive_minimum: bound(part, "exclusiveMinimum"),
        exclusive_maximum: bound(part, "exclusiveMaximum"),
        multiple_of: None,
    };
    bounds.multiple_of = step(part, &mut good);
    // What all numbers of this size are within says nothing.
    let (least, most) = width.range();
    bounds.minimum = bounds.minimum.filter(|bound| *bound > least);
    bounds.exclusive_minimum = bounds.exclusive_minimum.filter(|bound| *bound >= least);
    bounds.maximum = bounds.maximum.filter(|bound| *bound < most);
    bounds.exclusive_maximum = bounds.exclusive_maximum.filter(|bound| *bound <= most);
    if good {
        good = has_multiple(part, &bounds, (least, most));
    }
    good.then_some(Type::Integer(Integer { bounds, width }))
}

/// The type of the number that `part` describes.
pub fn number(part: &mut Cursor<'_, '_>) -> Option<Type> {
    let mut good = part.check(&[Topic::Kind, Topic::Number, Topic::Format], "a number");
    if let Some(other) = format(part, &mut good).filter(|name| !matches!(*name, "float" | "double"))
    {
        unchecked(part, other);
    }
    let mut bound = |part: &mut Cursor<'_, '_>, keyword| {
        let node = part.node.get(keyword)?;
        match &node.value {
            Value::Number(number) => number.as_f64(),
            _ => {
                wrong_kind(keyword, node, "a number", part.reader.report);
                good = false;
                None
            }
        }
    };
    let bounds = Bounds {
        minimum: bound(part, "minimum"),
        maximum: bound(part, "maximum"),
        exclusive_minimum: bound(part, "exclusiveMinimum"),
        exclusive_maximum: bound(part, "exclusiveMaximum"),
        multiple_of: bound(part, "multipleOf"),
    };
    if bounds.multiple_of.is_some_and(|step| step <= 0.0) {
        not_positive(part);
        good = false;
    }
    let least = bounds.minimum.unwrap_or(f64::NEG_INFINITY);
    let above = bounds.exclusive_minimum.unwrap_or(f64::NEG_INFINITY);
    let most = bounds.maximum.unwrap_or(f64::INFINITY);
    let below = bounds.exclusive_maximum.unwrap_or(f64::INFINITY);
    let between = |value: f64| value >= least && value > above && value <= most && value < below;
    let fits = match bounds.multiple_of {
        // The first multiple may be the one that is excluded.
        Some(step) if step > 0.0 && least.max(above).is_finite() => {
            let first = (least.max(above) / step).ceil();
            between(first * step) || between((first + 1.0) * step)
        }
        _ => least <= most && least < below && above < most && above < below,
    };
    if !fits {
        contradiction(part);
        good = false;
    }
    good.then_some(Type::Number(bounds))
}

/// The whole number from 0 under `keyword`; `good` becomes false where it is something else.
pub fn count(part: &mut Cursor<'_, '_>, keyword: &str, good: &mut bool) -> Option<u64> {
    whole(part, keyword, "from 0", "write a number such as 1", good)
}

/// Whether the count under `min` is not above the one under `max`; if it is, that is reported.
pub fn ordered(
    part: &mut Cursor<'_, '_>,
    min: &str,
    least: Option<u64>,
    max: &str,
    most: Option<u64>,
) -> bool {
    let (Some(least), Some(most), Some(entry)) = (least, most, part.node.entry(max)) else {
        return true;
    };
    if least > most {
        let message = format!("`{min}` is {least} and `{max}` is {most}");
        part.reader
            .report
            .error(Code::BadSchema, entry.key_span, message)
            .advise("no value is like that; change one of them");
    }
    least <= most
}

fn format<'n>(part: &mut Cursor<'n, '_>, good: &mut bool) -> Option<&'n str> {
    let node = part.node.get("format")?;
    let name = node.as_str();
    if name.is_none() {
        wrong_kind("format", node, "the name of a format", part.reader.report);
        *good = false;
    }
    name
}

fn unchecked(part: &mut Cursor<'_, '_>, name: &str) {
    // They say how a value is shown or what its bytes are, and demand nothing.
    if ANNOTATIONS.contains(&name) {
        return;
    }
    let Some(node) = part.node.get("format") else {
        return;
    };
    let message = format!("nothing checks the format {name:?}");
    part.reader
        .report
        .note(Code::UnsupportedSchema, node.span, message)
        .about([name])
        .advise("it is kept as documentation");
}

/// Formats of OpenAPI that demand nothing.
const ANNOTATIONS: [&str; 4] = ["binary", "password", "float", "double"];

/// The whole number under `keyword`; `good` becomes false where it is something else, or outside the `range` of a `T`.
fn whole<T: TryFrom<i128>>(
    part: &mut Cursor<'_, '_>,
    keyword: &str,
    range: &str,
    advice: &str,
    good: &mut bool,
) -> Option<T> {
    let node = part.node.get(keyword)?;
    let value = match &node.value {
        Value::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
            (Some(signed), ..) => Some(i128::from(signed)),
            (_, Some(unsigned), _) => Some(i128::from(unsigned)),
            (.., Some(float)) if float.fract() == 0.0 && float.abs() < 1e30 => Some(float as i128),
            _ => None,
        },
        _ => None,
    };
    let value = value.and_then(|value| T::try_from(value).ok());
    if value.is_none() {
        let message = format!("`{keyword}` is not a whole number {range}");
        part.reader
            .report
            .error(Code::BadSchema, node.span, message)
            .advise(advice);
        *good = false;
    }
    value
}

/// Whether there is a number within the bounds; if not, that is reported.
fn has_multiple(part: &mut Cursor<'_, '_>, bounds: &Bounds<i128>, range: (i128, i128)) -> bool {
    let step = bounds.multiple_of.unwrap_or(1);
    if step <= 0 {
        not_positive(part);
        return false;
    }
    let above = bounds.exclusive_minimum.map(|bound| bound + 1);
    let below = bounds.exclusive_maximum.map(|bound| bound - 1);
    let least = [bounds.minimum, above, Some(range.0)]
        .into_iter()
        .flatten()
        .max();
    let most = [bounds.maximum, below, Some(range.1)]
        .into_iter()
        .flatten()
        .min();
    let (Some(least), Some(most)) = (least, most) else {
        return true;
    };
    let first = least.div_euclid(step) * step + if least.rem_euclid(step) == 0 { 0 } else { step };
    if first > most {
        contradiction(part);
    }
    first <= most
}

fn not_positive(part: &mut Cursor<'_, '_>) {
    if let Some(node) = part.node.get("multipleOf") {
        part.reader
            .report
            .error(
                Code::BadSchema,
                node.span,
                "`multipleOf` is not greater than 0",
            )
            .advise("write a number greater than 0");
    }
}

fn contradiction(part: &mut Cursor<'_, '_>) {
    let is_bound = |key: &str| {
        matches!(
            key,
            "minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum"
        )
    };
    let bounds = part.entries.iter().rev().find(|entry| is_bound(&entry.key));
    if let Some(entry) = bounds {
        part.reader
            .report
            .error(
                Code::BadSchema,
                entry.key_span,
                "no number is within the bounds",
            )
            .advise("change one of the bounds");
    }
}
