//! Makes up a text for a schema.

use agentgen_schema::{Pattern, Schema};
use serde_json::{Map, Value};

use crate::schema::sample::sample_words::{id, text_for};

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
        Some("idn-email") => format!("user{number}@example.com"),
        Some("iri-reference") => format!("https://example.com/{number}"),
        Some("uri-template") => format!("/items/{{id}}/{number}"),
        Some("relative-json-pointer") => format!("{vary}"),
        Some("regex") => "^[a-z]+$".to_owned(),
        Some("byte") => "aGVsbG8=".to_owned(),
        Some("uuid") => id(vary),
        Some("email") => match ["ann", "ben", "cleo"].get(vary) {
            Some(user) => format!("{user}@example.com"),
            None => format!("user{number}@example.com"),
        },
        Some("hostname") => format!("host{number}.example.com"),
        Some("ipv4") => format!("192.0.2.{}", number % 256),
        Some("ipv6") => format!("2001:db8::{:x}", number % 0xffff),
        Some("uri" | "uri-reference" | "iri" | "url") => format!("https://example.com/{number}"),
        Some("json-pointer") => format!("/items/{vary}"),
        _ => text_for(name, vary),
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
    let fits = |text: &&str| pattern.is_match(text) && schema.is_valid(&Value::from(*text));
    let everyday = [sample, &slug].into_iter().chain(EVERYDAY);
    everyday.filter(fits).nth(vary).map(Value::from)
}

/// An everyday text that matches `pattern`.
pub fn matching_text(pattern: &str) -> Option<String> {
    let pattern = Pattern::new(pattern).ok()?;
    let mut everyday = EVERYDAY.into_iter();
    everyday
        .find(|text| pattern.is_match(text))
        .map(str::to_owned)
}

/// Texts that match many a pattern.
const EVERYDAY: [&str; 39] = [
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
    "x-a",
    "_a",
    "\u{e9}",
    "",
];

/// The number of characters, items or properties that the keyword `name` states.
pub fn count(keywords: &Map<String, Value>, name: &str) -> Option<usize> {
    let value = keywords.get(name)?;
    let count = value
        .as_u64()
        .or_else(|| value.as_f64().map(|float| float as u64))?;
    usize::try_from(count).ok()
}
