//! JSON as text that YAML reads alike and a terminal shows as it is.

use serde_json::Value;

use crate::text::printable::is_hidden;

/// `value` on one line. What a reader can't see is escaped: controls, bidirectional controls, line separators. That makes
/// the text YAML too, which has no such characters, and a line break only where the text has one.
pub fn compact(value: &Value) -> String {
    escaped(&value.to_string())
}

/// `value` over several lines, likewise.
pub fn pretty(value: &Value) -> String {
    escaped(&format!("{value:#}"))
}

/// JSON has characters other than ASCII only in strings, so an escape can stand for each of them. Characters of two
/// UTF-16 units stay: YAML does not read their escapes as one character.
fn escaped(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        match u32::from(c) {
            code @ ..=0xffff if is_hidden(c) => {
                text.push_str(&format!("\\u{code:04x}"));
            }
            _ => text.push(c),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{compact, pretty};

    #[test]
    fn the_text_is_what_it_was_and_shows_it() {
        let all: String = (0..=0xffff).filter_map(char::from_u32).collect();
        let value = json!({ &all: [&all, "\u{1f600}", 1.5, null] });
        for text in [compact(&value), pretty(&value)] {
            let read: serde_json::Value = serde_json::from_str(&text).expect("it is JSON");
            assert_eq!(read, value);
            for hidden in [
                '\u{7f}', '\u{85}', '\u{9b}', '\u{2028}', '\u{202e}', '\u{feff}', '\u{ffff}',
            ] {
                assert!(!text.contains(hidden), "{hidden:?}");
            }
            assert!(text.contains("\u{1f600}"));
        }
        assert_eq!(compact(&json!("é\u{7f}\u{2028}")), r#""é\u007f\u2028""#);
    }
}
