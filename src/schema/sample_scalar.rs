//! Makes up a number or a text for a schema.

use agentgen_schema::{Pattern, Schema};
use serde_json::{Map, Value};

use crate::text::rust_literal::visible_line;

/// An integer within the bounds; `vary` counts up where several are needed that differ.
pub fn integer(keywords: &Map<String, Value>, vary: usize) -> Option<Value> {
    let bound = |name: &str| {
        let value = keywords.get(name)?;
        value
            .as_i64()
            .or_else(|| value.as_f64().map(|float| float as i64))
            .map(i128::from)
    };
    let narrow = keywords.get("format").and_then(Value::as_str) == Some("int32");
    let (lowest, highest) = if narrow {
        (i128::from(i32::MIN), i128::from(i32::MAX))
    } else {
        (i128::from(i64::MIN), i128::from(i64::MAX))
    };
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
    let value = i64::try_from(value).ok()?;
    (least..=most)
        .contains(&i128::from(value))
        .then(|| Value::from(value))
}

/// A number within the bounds.
pub fn number(schema: &Schema, keywords: &Map<String, Value>, vary: usize) -> Option<Value> {
    let bound = |name: &str| keywords.get(name).and_then(Value::as_f64);
    let least = bound("minimum")
        .into_iter()
        .chain(bound("exclusiveMinimum"))
        .reduce(f64::max);
    let most = bound("maximum")
        .into_iter()
        .chain(bound("exclusiveMaximum"))
        .reduce(f64::min);
    let mut values = Vec::new();
    match bound("multipleOf") {
        Some(step) => {
            let first = least.map_or(0.0, |least| (least / step).floor());
            let last = most.map_or(0.0, |most| (most / step).floor());
            values.extend((1..40).map(|count| f64::from(count) * step));
            values.extend((0..40).map(|count| (first + f64::from(count)) * step));
            values.extend((0..40).map(|count| (last - f64::from(count)) * step));
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

/// A text of the format, pattern and length that are required.
pub fn text(
    schema: &Schema,
    keywords: &Map<String, Value>,
    name: &str,
    vary: usize,
) -> Option<Value> {
    let number = vary + 1;
    let format = keywords.get("format").and_then(Value::as_str);
    let sample = match format {
        Some("date-time") => format!("2026-01-{:02}T09:30:00Z", 1 + vary % 28),
        Some("date") => format!("2026-01-{:02}", 1 + vary % 28),
        Some("time") => format!("09:{:02}:00Z", vary % 60),
        Some("duration") => format!("PT{number}H"),
        Some("uuid") => format!("01890a5d-ac96-774b-bcce-{number:012x}"),
        Some("email") => format!("user{number}@example.com"),
        Some("hostname") => format!("host{number}.example.com"),
        Some("ipv4") => format!("192.0.2.{}", number % 256),
        Some("ipv6") => format!("2001:db8::{:x}", number % 0xffff),
        Some("uri" | "uri-reference" | "iri" | "url") => format!("https://example.com/{number}"),
        Some("json-pointer") => format!("/items/{vary}"),
        _ => sample_text(keywords, name, vary),
    };
    if let Some(pattern) = keywords.get("pattern").and_then(Value::as_str) {
        return matching(schema, pattern, &sample, vary);
    }
    if format.is_some() {
        return Some(Value::from(sample));
    }
    let min = count(keywords, "minLength").unwrap_or(0);
    let max = count(keywords, "maxLength").unwrap_or(usize::MAX);
    // A text of a schema that wants more than this would be no help to anyone.
    if min > 100_000 {
        return None;
    }
    let mut characters: Vec<char> = sample.chars().collect();
    while characters.len() < min {
        characters.push(' ');
        characters.extend(sample.chars());
    }
    characters.truncate(max.min(sample.chars().count().max(min)));
    if characters.last() == Some(&' ') {
        characters.pop();
        characters.push('.');
    }
    Some(Value::from(characters.into_iter().collect::<String>()))
}

/// One of some everyday texts that matches `pattern`.
fn matching(schema: &Schema, pattern: &str, sample: &str, vary: usize) -> Option<Value> {
    let pattern = Pattern::new(pattern).ok()?;
    let slug = sample.to_lowercase().replace(' ', "-");
    let everyday = [
        sample,
        &slug,
        "a",
        "A",
        "b",
        "B",
        "1",
        "2",
        "ab",
        "AB",
        "10",
        "abc",
        "ABC",
        "123",
        "abcd",
        "ABCD",
        "1234",
        "12345",
        "123456",
        "1.0.0",
        "v1.0.0",
        "a-b",
        "A-1",
        "AB-12",
        "ABC-123",
        "abc-123",
        "#336699",
        "2026-01-01",
        "09:30",
        "en",
        "en-US",
        "EUR",
        "+14155550100",
        "/a",
        "a/b",
        "user@example.com",
        "https://example.com/",
        "",
    ];
    let fits = |text: &&str| pattern.is_match(text) && schema.is_valid(&Value::from(*text));
    everyday.into_iter().filter(fits).nth(vary).map(Value::from)
}

/// What the author says of the value, or its name.
pub fn sample_text(keywords: &Map<String, Value>, name: &str, vary: usize) -> String {
    let description = keywords
        .get("description")
        .and_then(Value::as_str)
        .map(visible_line);
    let sample = match description {
        Some(text) if !text.is_empty() && text.chars().count() <= 80 => text,
        _ if name.is_empty() => "text".to_owned(),
        _ => visible_line(&name.replace(['_', '-'], " ")),
    };
    match vary {
        0 => sample,
        _ => format!("{} {sample}", vary + 1),
    }
}

/// The number of characters, items or properties that the keyword `name` states.
pub fn count(keywords: &Map<String, Value>, name: &str) -> Option<usize> {
    let value = keywords.get(name)?;
    let count = value
        .as_u64()
        .or_else(|| value.as_f64().map(|float| float as u64))?;
    usize::try_from(count).ok()
}
