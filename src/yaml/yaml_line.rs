//! The parts of one line of YAML: indentation, dash, key.

use crate::diagnostics::span::Span;
use crate::text::lines::Line;
use crate::yaml::yaml_fault::Fault;

/// What a line, or the rest of one behind a dash, starts with.
#[derive(Debug, PartialEq, Eq)]
pub enum Item<'a> {
    /// A dash, and so many bytes up to what is behind it.
    Dash(usize),
    /// A key, and the byte behind its colon.
    Key {
        /// The key, in its quotes if it has some.
        key: &'a str,
        /// The byte behind the colon.
        value: usize,
    },
    /// A key beside a character that looks like a space and is none.
    OddKey {
        /// The byte of that character.
        at: usize,
        /// The character.
        c: char,
        /// The key.
        key: &'a str,
        /// Where it is: "in front of", "behind".
        side: &'static str,
    },
    /// Something else.
    Text,
}

/// Characters that some readers of YAML take for the end of a line, and others don't.
pub const UNUSUAL_LINE_BREAKS: [char; 3] = ['\u{85}', '\u{2028}', '\u{2029}'];

/// Whether `c` looks like a space, or like nothing, and is no space to YAML.
pub fn is_odd_space(c: char) -> bool {
    (c.is_whitespace() && !matches!(c, ' ' | '\t' | '\n' | '\r'))
        || matches!(
            c,
            '\u{ad}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}'
        )
}

/// A character in words: `a no-break space (U+00A0)`.
pub fn named(c: char) -> String {
    let name = match c {
        '\u{a0}' => "a no-break space",
        '\u{202f}' => "a narrow no-break space",
        '\u{3000}' => "an ideographic space",
        '\u{200b}' => "a zero-width space",
        '\u{200c}' => "a zero-width non-joiner",
        '\u{200d}' => "a zero-width joiner",
        '\u{2060}' => "a word joiner",
        '\u{feff}' => "a byte order mark",
        '\u{ad}' => "a soft hyphen",
        '\u{2028}' | '\u{2029}' | '\u{85}' | '\u{b}' | '\u{c}' => "an unusual line break",
        c if c.is_whitespace() => "an unusual space",
        _ => "an invisible character",
    };
    format!("{name} (U+{:04X})", u32::from(c))
}

/// The white space and invisible characters that `text` starts with.
pub fn indent(text: &str) -> &str {
    let filled = text.trim_start_matches(|c: char| matches!(c, ' ' | '\t') || is_odd_space(c));
    &text[..text.len() - filled.len()]
}

/// What `rest`, which does not start with white space, starts with.
pub fn item(rest: &str) -> Item<'_> {
    if let Some(behind) = rest.strip_prefix('-')
        && (behind.is_empty() || behind.starts_with([' ', '\t']))
    {
        return Item::Dash(rest.len() - behind.trim_start_matches([' ', '\t']).len());
    }
    if let Some(c) = rest.strip_prefix('-').and_then(|rest| rest.chars().next())
        && is_odd_space(c)
    {
        return Item::OddKey {
            at: 1,
            c,
            key: "-",
            side: "behind",
        };
    }
    let Some(length) = key_length(rest) else {
        return Item::Text;
    };
    let key = rest[..length].trim_end_matches([' ', '\t']);
    let name = key.trim_matches(is_odd_space);
    if let Some((at, c)) = key.char_indices().rev().find(|(_, c)| is_odd_space(*c))
        && name.len() < key.len()
    {
        let side = if key.starts_with(name) {
            "behind"
        } else {
            "in front of"
        };
        return Item::OddKey {
            at,
            c,
            key: name,
            side,
        };
    }
    match rest[length + 1..].chars().next() {
        Some(c) if is_odd_space(c) && is_name(name) => Item::OddKey {
            at: length + 1,
            c,
            key: &rest[..=length],
            side: "behind",
        },
        None | Some(' ' | '\t') if is_quoted(key) || is_name(name) => Item::Key {
            key,
            value: length + 1,
        },
        _ => Item::Text,
    }
}

/// Whether `rest` starts with a key, be it a sound one or not.
pub fn is_key(rest: &str) -> bool {
    matches!(item(rest), Item::Key { .. } | Item::OddKey { .. })
}

/// Whether `text` reads like the name of a key: no blanks but inside of brackets, as in `tags(array, all of them)`.
pub fn is_name(text: &str) -> bool {
    let mut depth = 0_usize;
    let name = text.chars().all(|c| {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth > 0
            || !(c.is_whitespace() || matches!(c, '"' | '\'' | '`' | '[' | '{' | ',' | '<' | '#'))
    });
    name && text.starts_with(|c: char| {
        c.is_alphanumeric() || matches!(c, '_' | '(' | '$' | '/' | '.' | '+' | '-')
    })
}

fn is_quoted(key: &str) -> bool {
    key.len() >= 2 && key.starts_with(['"', '\'']) && key.ends_with(&key[..1])
}

/// The bytes before the colon that may end a key.
fn key_length(rest: &str) -> Option<usize> {
    if let Some(quote) = rest.chars().next().filter(|c| matches!(c, '"' | '\'')) {
        let end = rest[1..].find(quote)? + 2;
        let gap = rest[end..].len() - rest[end..].trim_start_matches([' ', '\t']).len();
        return rest[end + gap..].starts_with(':').then_some(end + gap);
    }
    let ends = |at: usize| {
        let behind = rest[at + 1..].chars().next();
        behind.is_none_or(|c| matches!(c, ' ' | '\t') || is_odd_space(c))
    };
    rest.match_indices(':')
        .map(|(at, _)| at)
        .find(|at| ends(*at))
}

/// Refuses a line with a character that no YAML text may hold.
pub fn control_character(line: Line<'_>) -> Result<(), Fault> {
    let control = |c: char| c.is_control() && !matches!(c, '\t' | '\u{85}');
    let refused = |c: char| control(c) || matches!(c, '\u{fffe}' | '\u{ffff}');
    match line.text.char_indices().find(|(_, c)| refused(*c)) {
        Some((at, c)) => {
            let kind = if control(c) { "control " } else { "" };
            Err(Fault::of_value(
                Span::new(line.start + at, line.start + at + c.len_utf8()),
                format!(
                    "the {kind}character U+{:04X} can't be in YAML",
                    u32::from(c)
                ),
                "delete it",
            ))
        }
        None => Ok(()),
    }
}

/// The fault of an unusual line break in `line`.
pub fn unusual_break(line: Line<'_>) -> Option<Fault> {
    let (at, c) = line
        .text
        .char_indices()
        .find(|(_, c)| UNUSUAL_LINE_BREAKS.contains(c))?;
    Some(Fault::of_value(
        Span::new(line.start + at, line.start + at + c.len_utf8()),
        format!("{} is in the text; YAML may end the line there", named(c)),
        "delete it, or type a space in its place",
    ))
}

/// The key of a line like `name = x` or `name：x`, and what is wrong with it.
pub fn lookalike_colon<'a>(line: Line<'a>, at: usize) -> Option<(&'a str, Fault)> {
    let rest = &line.text[at..];
    let (sign, c) = rest
        .char_indices()
        .find(|(_, c)| matches!(c, ':' | '=') || LOOKALIKE_COLONS.contains(c))?;
    let key = rest[..sign].trim_end_matches([' ', '\t']);
    if c == ':' || !is_name(key) {
        return None;
    }
    let place = line.start + at + sign;
    let message = match c {
        '=' => format!("`=` is behind `{key}`; YAML needs a colon and a space"),
        _ => format!(
            "`{c}` (U+{:04X}) is behind `{key}`; it is no colon to YAML",
            u32::from(c)
        ),
    };
    let span = Span::new(place, place + c.len_utf8());
    Some((
        key,
        Fault::of_value(span, message, format!("write `{key}: ...`")),
    ))
}

/// Characters that look like a colon.
const LOOKALIKE_COLONS: [char; 5] = ['\u{ff1a}', '\u{fe55}', '\u{2236}', '\u{a789}', '\u{fe13}'];
