//! JSON as model servers write it: with `NaN` and `Infinity`, and with characters that are split over two documents.
//!
//! A character beyond U+FFFF is two escapes in JSON (`"\ud83d\ude00"`). Servers that stream token by token send each half
//! in a document of its own, which no JSON parser accepts. Halves are marked here, and [`TextJoiner`] puts them together.

use serde_json::{Map, Value};

/// The first half of a surrogate pair, and the first character that none is.
const SURROGATES: std::ops::Range<u32> = 0xD800..0xE000;
/// Half a character U+D800 + n becomes this character + n, which is one for private use and has no meaning in texts.
const MARK: u32 = 0x0010_F000;

/// Parses `text` as JSON, or as what servers send in place of it.
pub(crate) fn parse(text: &str) -> Option<Value> {
    match serde_json::from_str(text) {
        Ok(value) => Some(value),
        Err(_) => serde_json::from_str(&repaired(text)).ok(),
    }
}

/// The arguments of a call: a text may hold the JSON of an object, and PHP writes `[]` for an object without members.
pub(crate) fn arguments(value: Value) -> Value {
    match value {
        Value::Null => Value::Object(Map::new()),
        Value::Array(entries) if entries.is_empty() => Value::Object(Map::new()),
        Value::String(text) => match parse(&text) {
            Some(object @ Value::Object(_)) => object,
            _ if text.trim().is_empty() => Value::Object(Map::new()),
            _ => Value::String(text),
        },
        value => value,
    }
}

/// `text` with `null` in place of numbers that JSON does not have, and with a mark in place of each half of a character.
fn repaired(text: &str) -> String {
    let mut output = String::with_capacity(text.len());
    let mut rest = text;
    let mut in_string = false;
    while let Some(first) = rest.chars().next() {
        let taken = if in_string {
            match first {
                '\\' => match half(rest) {
                    Some(mark) => {
                        output.push(mark);
                        rest = &rest[6..];
                        continue;
                    }
                    // Both halves together, or another escape, whose second character ends no string.
                    None if escape(rest).is_some() => 12.min(rest.len()),
                    None => 1 + rest[1..].chars().next().map_or(0, char::len_utf8),
                },
                _ => {
                    in_string = first != '"';
                    first.len_utf8()
                }
            }
        } else {
            let no_number = ["NaN", "-Infinity", "Infinity", "-inf", "inf", "nan"]
                .into_iter()
                .find(|word| rest.starts_with(word));
            if let Some(word) = no_number {
                output.push_str("null");
                rest = &rest[word.len()..];
                continue;
            }
            in_string = first == '"';
            first.len_utf8()
        };
        let (now, later) = rest.split_at(taken);
        output.push_str(now);
        rest = later;
    }
    output
}

/// The code of the surrogate whose escape `text` starts with.
fn escape(text: &str) -> Option<u32> {
    let code = text.strip_prefix("\\u")?.get(..4)?;
    let code = u32::from_str_radix(code, 16).ok()?;
    SURROGATES.contains(&code).then_some(code)
}

/// The mark for the surrogate that `text` starts with, if its other half does not follow.
fn half(text: &str) -> Option<char> {
    let code = escape(text)?;
    let is_pair = code < 0xDC00 && escape(&text[6..]).is_some_and(|next| next >= 0xDC00);
    if is_pair {
        return None;
    }
    char::from_u32(MARK + code - SURROGATES.start)
}

/// Puts texts together that come in pieces, and the characters that were split over two pieces.
#[derive(Debug, Default)]
pub(crate) struct TextJoiner {
    /// The first half of a character.
    first_half: Option<u16>,
}

impl TextJoiner {
    /// The text that is complete with the next `piece`.
    pub(crate) fn add(&mut self, piece: &str) -> String {
        if self.first_half.is_none() && !piece.contains(is_mark) {
            return piece.to_owned();
        }
        let mut units = Vec::with_capacity(piece.len() + 1);
        units.extend(self.first_half.take());
        let mut buffer = [0; 2];
        for c in piece.chars() {
            match surrogate(c) {
                Some(unit) => units.push(unit),
                None => units.extend_from_slice(c.encode_utf16(&mut buffer)),
            }
        }
        self.first_half = units.pop_if(|last| (0xD800..0xDC00).contains(last));
        String::from_utf16_lossy(&units)
    }

    /// What is left when no piece follows.
    pub(crate) fn end(&mut self) -> String {
        let rest = self.first_half.take();
        rest.map_or_else(String::new, |_| char::REPLACEMENT_CHARACTER.to_string())
    }
}

fn is_mark(c: char) -> bool {
    surrogate(c).is_some()
}

fn surrogate(c: char) -> Option<u16> {
    let code = u32::from(c).checked_sub(MARK)? + SURROGATES.start;
    let code = SURROGATES.contains(&code).then_some(code)?;
    u16::try_from(code).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{TextJoiner, arguments, parse};

    #[test]
    fn numbers_that_json_does_not_have_are_null() {
        let text = r#"{"a": NaN, "b": [-Infinity, Infinity], "c": "NaN \" Infinity", "d": 1e3}"#;
        let wanted = json!({"a": null, "b": [null, null], "c": "NaN \" Infinity", "d": 1e3});
        assert_eq!(parse(text), Some(wanted));
        for text in ["", "{", "{]", "nanny", "\"\\u12\"", "\"\\", "\"\\ud83"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn arguments_are_an_object_where_they_can_be() {
        for (value, wanted) in [
            (json!({"a": 1}), json!({"a": 1})),
            (json!("{\"a\": 1}"), json!({"a": 1})),
            (json!(" "), json!({})),
            (json!([]), json!({})),
            (json!(null), json!({})),
            (json!("{\"a\": "), json!("{\"a\": ")),
            (json!("[1]"), json!("[1]")),
            (json!([1]), json!([1])),
        ] {
            assert_eq!(arguments(value), wanted);
        }
    }

    #[test]
    fn characters_are_put_together_from_their_halves() {
        for (pieces, wanted) in [
            (&[r#""a \ud83d""#, r#""\ude00 b""#][..], "a 😀 b"),
            (&[r#""\uD83D\uDE00 \ud83d""#, r#""\uDE00""#], "😀 😀"),
            (&[r#""\ud83d""#, r#""""#, r#""\ude00""#], "😀"),
            (&[r#""\ud83d""#, r#""x""#], "\u{fffd}x"),
            (&[r#""\ude00\\ud83d""#], "\u{fffd}\\ud83d"),
            (&[r#""\ud83d""#], "\u{fffd}"),
        ] {
            let mut joiner = TextJoiner::default();
            let mut text = String::new();
            for piece in pieces {
                text += &joiner.add(parse(piece).unwrap().as_str().unwrap());
            }
            text += &joiner.end();
            assert_eq!(text, wanted, "{pieces:?}");
        }
    }
}
