//! Characters that JSON writes as two escapes: `"\ud83d\ude00"` is 😀.
//!
//! YAML takes JSON, but its parsers refuse such halves. They get two escapes of the same length in their place, of characters
//! for private use, and [`restored`] puts the right character into what they read.

use std::borrow::Cow;

/// The bytes of two escapes: `\ud83d\ude00`.
pub const LENGTH: usize = 12;

/// Where the 2,048 halves are, and where those that stand for them are.
const HALVES: u32 = 0xd800;
const PRIVATE: u32 = 0xe000;

/// The half of a character that `text` starts with an escape of.
pub fn half(text: &str) -> Option<u32> {
    escaped(text).filter(|code| (HALVES..HALVES + 0x800).contains(code))
}

/// Whether `text` starts with the escapes of both halves of a character.
pub fn is_pair(text: &str) -> bool {
    let second = || half(text.get(LENGTH / 2..)?);
    half(text).is_some_and(|code| code < HALVES + 0x400)
        && second().is_some_and(|code| code >= HALVES + 0x400)
}

/// `text` as parsers read it. What has no pairs stays, and so does a text with characters for private use in the range that
/// is needed here: those could not be told apart.
pub fn hidden(text: &str) -> Cow<'_, str> {
    let is_pair_at = |at: &usize| is_pair(&text[*at..]);
    let mut places = text
        .match_indices("\\u")
        .map(|(at, _)| at)
        .filter(is_pair_at)
        .peekable();
    if places.peek().is_none() || has_private(text) {
        return Cow::Borrowed(text);
    }
    let mut hidden = text.to_owned();
    for at in places.flat_map(|at| [at, at + LENGTH / 2]) {
        // `d8` to `df` become `e0` to `e7`; an `E` remembers that they were capitals.
        let Some((first, second)) = leading_digits(&text[at..]) else {
            return Cow::Borrowed(text);
        };
        let digits = format!("{}{}", if first == 'D' { 'E' } else { 'e' }, second - 8);
        hidden.replace_range(at + 2..at + 4, &digits);
    }
    Cow::Owned(hidden)
}

/// `text`, which was read from a [`hidden`] text, as it is in the source: the characters themselves where the escapes were
/// read, and the escapes where they are text.
pub fn restored(text: &str) -> String {
    let mut restored = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let code = u32::from(c);
        let second = rest[c.len_utf8()..].chars().next().map(u32::from);
        let pair = second.and_then(|second| {
            let high = code.checked_sub(PRIVATE).filter(|high| *high < 0x400)?;
            let low = second
                .checked_sub(PRIVATE + 0x400)
                .filter(|low| *low < 0x400)?;
            char::from_u32(0x1_0000 + (high << 10) + low)
        });
        let literal = escaped(rest).filter(|code| is_private(*code));
        match (pair, literal) {
            (Some(whole), _) => {
                restored.push(whole);
                rest = &rest[2 * c.len_utf8()..];
            }
            (None, Some(code)) => {
                let escape = format!("\\u{:02x}", (code - PRIVATE + HALVES) >> 8);
                let capitals = rest.as_bytes()[2] == b'E';
                match capitals {
                    true => restored.push_str(&escape.to_uppercase().replace('U', "u")),
                    false => restored.push_str(&escape),
                }
                restored.push_str(&rest[4..LENGTH / 2]);
                rest = &rest[LENGTH / 2..];
            }
            (None, None) => {
                restored.push(c);
                rest = &rest[c.len_utf8()..];
            }
        }
    }
    restored
}

fn is_private(code: u32) -> bool {
    (PRIVATE..PRIVATE + 0x800).contains(&code)
}

fn has_private(text: &str) -> bool {
    text.chars().any(|c| is_private(u32::from(c)))
        || text
            .match_indices("\\u")
            .any(|(at, _)| escaped(&text[at..]).is_some_and(is_private))
}

/// The first two digits of the escape of a half that `text` starts with; none where only one of them is a capital.
fn leading_digits(text: &str) -> Option<(char, u32)> {
    let mut digits = text.get(2..4)?.chars();
    let (first, second) = (digits.next()?, digits.next()?);
    let alike = second.is_ascii_digit() || first.is_uppercase() == second.is_uppercase();
    second
        .to_digit(16)
        .filter(|_| alike)
        .map(|second| (first, second))
}

/// The number in the escape `\u0000` that `text` starts with.
fn escaped(text: &str) -> Option<u32> {
    let digits = text.strip_prefix("\\u")?.get(..4)?;
    let hexadecimal = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    u32::from_str_radix(digits, 16).ok().filter(|_| hexadecimal)
}
