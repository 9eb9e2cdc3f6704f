//! JSON as text that YAML reads alike and a terminal shows as it is.

use serde_json::Value;

use crate::text::printable::is_hidden;

/// `value` on one line. What a reader can't see is escaped: controls, bidirectional controls, line separators. That makes
/// the text YAML too, which has no such characters, and a line break only where the text has one.
pub fn compact(value: &Value) -> String {
    escaped(value.to_string())
}

/// `value` over several lines, likewise.
pub fn pretty(value: &Value) -> String {
    escaped(format!("{value:#}"))
}

/// JSON has characters other than ASCII only in strings, so an escape can stand for each of them. Characters of two
/// UTF-16 units stay: YAML does not read their escapes as one character.
fn escaped(json: String) -> String {
    if json.is_ascii() && !json.contains('\u{7f}') {
        // JSON escapes the other controls itself.
        return json;
    }
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

/// JSON that is written from its beginning to its end.
#[derive(Default)]
pub struct JsonText {
    /// What is written so far.
    pub text: String,
    /// Of each open bracket, whether there is something in it.
    open: Vec<bool>,
}

impl JsonText {
    /// Opens a bracket.
    pub fn open(&mut self, bracket: char) {
        self.text.push(bracket);
        self.open.push(false);
    }

    /// Closes the last bracket that is open.
    pub fn close(&mut self, bracket: char) {
        if self.open.pop() == Some(true) {
            self.line();
        }
        self.text.push(bracket);
    }

    /// Begins the next item of what is open.
    pub fn next(&mut self) {
        if let Some(has_items) = self.open.last_mut()
            && std::mem::replace(has_items, true)
        {
            self.text.push(',');
        }
        self.line();
    }

    fn line(&mut self) {
        self.text.push('\n');
        self.text.extend(std::iter::repeat_n("  ", self.open.len()));
    }

    /// Begins the next member of the object that is open.
    pub fn key(&mut self, key: &str) {
        self.next();
        self.text.push_str(&compact(&Value::from(key)));
        self.text.push_str(": ");
    }

    /// Writes a value, over several lines.
    pub fn value(&mut self, value: &Value) {
        self.compact(&compact(value));
    }

    /// Writes compact JSON over several lines.
    pub fn compact(&mut self, json: &str) {
        let mut rest = json;
        while let Some(at) = rest.find(['"', '{', '[', '}', ']', ',', ':']) {
            self.text.push_str(&rest[..at]);
            let sign = rest.as_bytes()[at];
            rest = &rest[at..];
            let mut end = 1;
            match sign {
                b'"' => {
                    end = string_end(rest);
                    self.text.push_str(&rest[..end]);
                }
                b'{' | b'[' if matches!(rest.as_bytes().get(1), Some(b'}' | b']')) => {
                    end = 2;
                    self.text.push_str(&rest[..end]);
                }
                b'{' | b'[' => {
                    self.open(char::from(sign));
                    self.next();
                }
                b'}' | b']' => self.close(char::from(sign)),
                b',' => self.next(),
                _ => self.text.push_str(": "),
            }
            rest = &rest[end..];
        }
        self.text.push_str(rest);
    }
}

/// Where the string ends that `json` begins with.
fn string_end(json: &str) -> usize {
    let mut from = 1;
    while let Some(at) = json[from..].find(['"', '\\']) {
        from += at + 1;
        match json.as_bytes()[from - 1] {
            b'"' => return from,
            // What is escaped is one byte, or `u` and digits.
            _ => from += 1,
        }
    }
    json.len()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{JsonText, compact, pretty};

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

    #[test]
    fn json_is_the_same_written_piece_by_piece() {
        let value = json!({
            "a": [1, -2.5e30, [], {}, [[{}]], null, true],
            "b \" \\": { "c": "x, \"y\": {[z]} \\", "é\n": "\\\"" },
            "d": "",
        });
        for value in [
            value.clone(),
            json!([value]),
            json!("{"),
            json!([]),
            json!(1),
        ] {
            let mut out = JsonText::default();
            out.value(&value);
            assert_eq!(out.text, pretty(&value));
        }
        let mut out = JsonText::default();
        out.open('{');
        out.key("v");
        out.value(&value);
        out.close('}');
        assert_eq!(out.text, pretty(&json!({ "v": value })));
    }
}
