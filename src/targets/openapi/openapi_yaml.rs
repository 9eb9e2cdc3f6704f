//! OpenAPI documents as YAML text.

use std::borrow::Cow;

use serde_json::{Map, Number, Value as Json};

/// Parses a document; keys keep their order.
///
/// # Errors
///
/// A syntax error, with its line and column.
pub fn read(text: &str) -> Result<Json, serde_yaml::Error> {
    serde_yaml::from_str(text)
}

/// Writes a document. Parsers of YAML 1.1 and of 1.2 read the same values: whatever one of them could read as a
/// boolean, a number or a date is quoted.
pub fn write(document: &Json) -> String {
    let mut text = String::new();
    match document {
        Json::Object(map) if !map.is_empty() => write_map(map, 0, false, &mut text),
        Json::Array(items) if !items.is_empty() => write_list(items, 0, false, &mut text),
        value => {
            write_scalar(value, 0, &mut text);
            text.push('\n');
        }
    }
    text
}

/// The longest key that every parser accepts without `? ` before it.
const LONGEST_KEY: usize = 1_000;

/// Writes the entries of a mapping; with `begun`, the first one continues the line.
fn write_map(map: &Map<String, Json>, depth: usize, begun: bool, text: &mut String) {
    for (index, (key, value)) in map.iter().enumerate() {
        if index > 0 || !begun {
            indent(depth, text);
        }
        write_member(key, value, depth, text);
    }
}

/// Writes one entry of a mapping that is `depth` levels deep.
pub fn write_entry(key: &str, value: &Json, depth: usize, text: &mut String) {
    indent(depth, text);
    write_member(key, value, depth, text);
}

/// Writes the key of an entry whose value follows on lines of its own.
pub fn write_key(key: &str, depth: usize, text: &mut String) {
    indent(depth, text);
    write_name(key, depth, text);
    text.push('\n');
}

/// Writes items of a list that is the value of an entry `depth` levels deep.
pub fn write_items(items: &[Json], depth: usize, text: &mut String) {
    write_list(items, depth, false, text);
}

fn write_member(key: &str, value: &Json, depth: usize, text: &mut String) {
    write_name(key, depth, text);
    match value {
        Json::Object(map) if !map.is_empty() => {
            text.push('\n');
            write_map(map, depth + 1, false, text);
        }
        Json::Array(items) if !items.is_empty() => {
            text.push('\n');
            write_list(items, depth, false, text);
        }
        value => {
            text.push(' ');
            write_scalar(value, depth, text);
            text.push('\n');
        }
    }
}

fn write_name(key: &str, depth: usize, text: &mut String) {
    let key = match is_plain(key) {
        true => Cow::Borrowed(key),
        false => Cow::Owned(quoted(key)),
    };
    if key.chars().count() > LONGEST_KEY {
        text.push_str("? ");
        text.push_str(&key);
        text.push('\n');
        indent(depth, text);
    } else {
        text.push_str(&key);
    }
    text.push(':');
}

fn write_list(items: &[Json], depth: usize, begun: bool, text: &mut String) {
    for (index, item) in items.iter().enumerate() {
        if index > 0 || !begun {
            indent(depth, text);
        }
        text.push_str("- ");
        match item {
            Json::Object(map) if !map.is_empty() => write_map(map, depth + 1, true, text),
            Json::Array(items) if !items.is_empty() => write_list(items, depth + 1, true, text),
            value => {
                write_scalar(value, depth, text);
                text.push('\n');
            }
        }
    }
}

fn indent(depth: usize, text: &mut String) {
    for _ in 0..depth {
        text.push_str("  ");
    }
}

fn write_scalar(value: &Json, depth: usize, text: &mut String) {
    match value {
        Json::String(value) if is_plain(value) => text.push_str(value),
        Json::String(value) if is_block(value) => {
            text.push_str(if value.ends_with('\n') { "|" } else { "|-" });
            for line in value.trim_end_matches('\n').split('\n') {
                text.push('\n');
                if !line.is_empty() {
                    indent(depth + 1, text);
                    text.push_str(line);
                }
            }
        }
        Json::String(value) => text.push_str(&quoted(value)),
        Json::Number(value) => text.push_str(&number(value)),
        // Null, the truth values, and what is empty.
        value => text.push_str(&value.to_string()),
    }
}

/// A number with a point and a sign in it where it has an exponent: otherwise it is text in YAML 1.1.
fn number(number: &Number) -> String {
    let text = number.to_string();
    let Some((digits, exponent)) = text.split_once('e') else {
        return text;
    };
    let point = if digits.contains('.') { "" } else { ".0" };
    let sign = if exponent.starts_with(['-', '+']) {
        ""
    } else {
        "+"
    };
    format!("{digits}{point}e{sign}{exponent}")
}

/// Words that parsers of YAML 1.1 or 1.2 read as another type than a string.
const WORDS: [&str; 9] = ["y", "n", "yes", "no", "on", "off", "true", "false", "null"];

/// Whether `text` needs no quotes.
fn is_plain(text: &str) -> bool {
    // Text that begins with a letter is no number, no date and no YAML syntax.
    text.starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '/' | '$' | '_'))
        && !text.ends_with([' ', ':'])
        && !text.contains(": ")
        && !text.contains(" #")
        && is_all_printable(text)
        && !WORDS.iter().any(|word| text.eq_ignore_ascii_case(word))
}

/// Whether `text` is written as a block scalar.
fn is_block(text: &str) -> bool {
    let lines = text.strip_suffix('\n').unwrap_or(text);
    lines.contains('\n')
        && !lines.starts_with([' ', '\n'])
        && !lines.ends_with('\n')
        && lines
            .split('\n')
            .all(|line| !line.ends_with(' ') && is_all_printable(line))
}

/// Whether no character of `text` needs an escape in any YAML scalar.
fn is_all_printable(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes.all(|byte| matches!(byte, b' '..=b'~')) || text.chars().all(is_printable)
}

/// Whether a character needs no escape in any YAML scalar.
fn is_printable(c: char) -> bool {
    matches!(c, ' '..='~' | '\u{a1}'..='\u{2027}' | '\u{202f}'..='\u{205f}' | '\u{2070}'..='\u{d7ff}'
        | '\u{e000}'..='\u{fefe}' | '\u{ff00}'..='\u{ffef}' | '\u{10000}'..='\u{1ffff}')
        && !crate::text::printable::is_hidden(c)
}

fn quoted(text: &str) -> String {
    if is_all_printable(text) {
        return format!("'{}'", text.replace('\'', "''"));
    }
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            c if is_printable(c) => quoted.push(c),
            c => match u32::from(c) {
                code @ ..=0xff => quoted.push_str(&format!("\\x{code:02x}")),
                code @ ..=0xffff => quoted.push_str(&format!("\\u{code:04x}")),
                code => quoted.push_str(&format!("\\U{code:08x}")),
            },
        }
    }
    quoted.push('"');
    quoted
}
