//! Makes up a number for a schema.

use agentgen_schema::Schema;
use serde_json::{Map, Value};

use crate::schema::sample::sample_words::number_for;
use crate::schema::schema_type::Width;

/// An integer within the bounds, plausible for the property `name`; `vary` counts up where several are needed that
/// differ.
pub fn integer(
    schema: &Schema,
    keywords: &Map<String, Value>,
    name: &str,
    vary: usize,
) -> Option<Value> {
    let plausible = number_for(name).map(|number| Value::from(number.round() as i64));
    match (plausible.filter(|value| schema.is_valid(value)), vary) {
        (Some(value), 0) => Some(value),
        (Some(_), _) => integer_in_bounds(keywords, vary - 1),
        (None, _) => integer_in_bounds(keywords, vary),
    }
}

fn integer_in_bounds(keywords: &Map<String, Value>, vary: usize) -> Option<Value> {
    let bound = |name: &str| {
        let value = keywords.get(name)?;
        value
            .as_i64()
            .map(i128::from)
            .or_else(|| value.as_u64().map(i128::from))
            .or_else(|| value.as_f64().map(|float| float as i128))
    };
    let format = keywords.get("format").and_then(Value::as_str);
    let (lowest, highest) = format
        .and_then(Width::of_format)
        .unwrap_or_default()
        .range();
    let step = bound("multipleOf").unwrap_or(1).max(1);
    let least = [
        bound("minimum"),
        bound("exclusiveMinimum").map(|bound| bound + 1),
    ];
    let most = [
        bound("maximum"),
        bound("exclusiveMaximum").map(|bound| bound - 1),
    ];
    let least = least
        .into_iter()
        .flatten()
        .max()
        .unwrap_or(lowest)
        .max(lowest);
    let most = most
        .into_iter()
        .flatten()
        .min()
        .unwrap_or(highest)
        .min(highest);
    let up = |from: i128| from + (-from).rem_euclid(step);
    let vary = i128::try_from(vary).ok()? * step;
    let from_one = up(least.max(1)) + vary;
    let value = if from_one <= most {
        from_one
    } else if least > lowest {
        up(least) + vary
    } else {
        most - most.rem_euclid(step) - vary
    };
    if !(least..=most).contains(&value) {
        return None;
    }
    let signed = i64::try_from(value).ok().map(Value::from);
    signed.or_else(|| u64::try_from(value).ok().map(Value::from))
}

/// A number within the bounds, plausible for the property `name`.
pub fn number(
    schema: &Schema,
    keywords: &Map<String, Value>,
    name: &str,
    vary: usize,
) -> Option<Value> {
    let bound = |name: &str| keywords.get(name).and_then(Value::as_f64);
    let least = bound("minimum")
        .into_iter()
        .chain(bound("exclusiveMinimum"))
        .reduce(f64::max);
    let most = bound("maximum")
        .into_iter()
        .chain(bound("exclusiveMaximum"))
        .reduce(f64::min);
    let mut values: Vec<f64> = number_for(name).into_iter().collect();
    match bound("multipleOf") {
        Some(step) => {
            values.extend(number_for(name).map(f64::round));
            let first = least.map_or(0.0, |least| (least / step).floor());
            let last = most.map_or(0.0, |most| (most / step).floor());
            values.extend((1..40).map(|count| f64::from(count) * step));
            values.extend((0..40).map(|count| (first + f64::from(count)) * step));
            values.extend((0..40).map(|count| (last - f64::from(count)) * step));
            // Other validators divide as binary fractions: 19.99 is no multiple of 0.01 to them.
            values.retain(|value| (value / step).fract() == 0.0);
        }
        None => {
            values.extend([0.5, 1.0, 0.0]);
            values.extend(
                least
                    .zip(most)
                    .map(|(least, most)| least / 2.0 + most / 2.0),
            );
            values.extend(least.into_iter().chain(most));
            let from = least.or(most.map(|most| most - 100.0)).unwrap_or(1.0);
            let width = most.map_or(100.0, |most| most - from);
            values.extend((1..100).map(|part| from + width * f64::from(part) / 100.0));
            values.extend((0..20).map(|count| from + f64::from(count)));
        }
    }
    let mut fitting: Vec<Value> = Vec::new();
    for value in values.into_iter().map(Value::from) {
        if schema.is_valid(&value) && !fitting.contains(&value) {
            fitting.push(value);
            if fitting.len() > vary {
                break;
            }
        }
    }
    fitting.into_iter().nth(vary)
}
