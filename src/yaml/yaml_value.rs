//! How one value of YAML starts, and where its quotes and brackets end.

use crate::diagnostics::span::Span;
use crate::text::lines::Line;
use crate::yaml::surrogate_pairs;
use crate::yaml::yaml_fault::{Fault, colon_fault};

/// What a value starts with.
#[derive(Debug)]
pub enum Start {
    /// There is none on this line.
    Nothing,
    /// The header of a block of text.
    Block,
    /// Text without quotes.
    Plain,
    /// A value in quotes or brackets that ends on this line.
    Complete,
    /// One that does not.
    Open(Open),
}

/// A value in quotes or brackets whose end is not reached yet.
#[derive(Debug, Clone, Copy)]
pub struct Open {
    first: char,
    start: usize,
    depth: usize,
    quote: Option<char>,
}

/// Reads the start of the value at the byte `at` of the line.
pub fn start(line: Line<'_>, at: usize) -> Result<Start, Fault> {
    let behind = &line.text[at..];
    let value = behind.trim_start_matches([' ', '\t']);
    let at = at + behind.len() - value.len();
    let place = line.start + at;
    let whole = Span::new(place, place + value.trim_end().len());
    let Some(first) = value.chars().next().filter(|c| *c != '#') else {
        return Ok(Start::Nothing);
    };
    let needs_quotes = |what: &str| {
        Err(Fault::of_value(
            whole,
            match what {
                "`" => "a value that starts with a backtick needs quotes".to_owned(),
                _ => format!("a value that starts with `{what}` needs quotes"),
            },
            "put the whole value in quotes",
        ))
    };
    match first {
        '|' | '>' if is_block_header(value) => Ok(Start::Block),
        '|' | '>' => needs_quotes(&first.to_string()),
        '{' if value.starts_with("{{") => needs_quotes("{{"),
        '@' | '`' | '%' | '*' | '&' | '!' | ',' | ']' | '}' => needs_quotes(&first.to_string()),
        '?' if value[1..].starts_with([' ', '\t']) => needs_quotes("?"),
        '-' if value.starts_with("- ") => Err(Fault::of_layout(
            whole,
            "a list can't start on the line of its key",
            "put each `- ` on a line of its own below the key, or the value in quotes if it is text",
        )),
        '"' | '\'' | '[' | '{' => {
            let mut open = Open {
                first,
                start: place,
                depth: 0,
                quote: None,
            };
            Ok(match open.go_on(line, at)? {
                true => Start::Complete,
                false => Start::Open(open),
            })
        }
        _ => match colon(value) {
            Some(colon) => Err(colon_fault(Span::new(place + colon, place + colon + 2))),
            None => Ok(Start::Plain),
        },
    }
}

/// The first colon in a value without quotes that YAML takes for the end of a key.
pub fn colon(value: &str) -> Option<usize> {
    let end = value
        .match_indices('#')
        .find(|(at, _)| value[..*at].ends_with([' ', '\t']))
        .map_or(value.len(), |(at, _)| at);
    let text = value[..end].trim_end();
    text.match_indices(':')
        .map(|(at, _)| at)
        .find(|at| matches!(text[at + 1..].chars().next(), None | Some(' ' | '\t')))
}

fn is_block_header(value: &str) -> bool {
    let header = value[1..].split(" #").next().unwrap_or("").trim();
    header.len() <= 2
        && header
            .bytes()
            .all(|byte| matches!(byte, b'+' | b'-' | b'1'..=b'9'))
}

impl Open {
    /// Reads the line from the byte `at` on, and says whether the value ends in it.
    pub fn go_on(&mut self, line: Line<'_>, at: usize) -> Result<bool, Fault> {
        let mut rest = line.text[at..].char_indices().peekable();
        while let Some((index, c)) = rest.next() {
            let place = line.start + at + index;
            match (self.quote, c) {
                (Some('"'), '\\') => {
                    for _ in 1..escape(&line.text[at + index..], place)? {
                        rest.next();
                    }
                }
                (Some('\''), '\'') if matches!(rest.peek(), Some((_, '\''))) => {
                    rest.next();
                }
                (Some(quote), _) if c == quote => {
                    self.quote = None;
                    if self.depth == 0 {
                        return self.ends(line, at + index + 1);
                    }
                    if let Some(fault) = behind_quote(quote, line, at + index + 1) {
                        return Err(fault);
                    }
                }
                (Some(_), _) => {}
                (None, '[' | '{') => self.depth += 1,
                (None, ']' | '}') => {
                    self.depth = self.depth.saturating_sub(1);
                    if self.depth == 0 {
                        return self.ends(line, at + index + 1);
                    }
                }
                (None, '"' | '\'') if starts_value(&line.text[at..at + index]) => {
                    self.quote = Some(c);
                }
                (None, '#') if line.text[..at + index].ends_with([' ', '\t']) => return Ok(false),
                (None, _) => {}
            }
        }
        Ok(false)
    }

    /// What is wrong when the end is never reached.
    pub fn unclosed(&self) -> Fault {
        let (what, end) = match self.first {
            '[' => ("bracket", "]"),
            '{' => ("brace", "}"),
            '"' => ("quote", "\""),
            _ => ("quote", "'"),
        };
        Fault::of_value(
            Span::new(self.start, self.start + 1),
            format!("the {what} that opens here is never closed"),
            format!("close it with `{end}`"),
        )
    }

    /// Checks that nothing but a comment is behind the end of the value.
    fn ends(&self, line: Line<'_>, at: usize) -> Result<bool, Fault> {
        let behind = &line.text[at..];
        let text = behind.trim_start_matches([' ', '\t']);
        if text.is_empty() || (text.starts_with('#') && text.len() < behind.len()) {
            return Ok(true);
        }
        let place = line.start + line.text.len() - text.len();
        let span = Span::new(place, place + text.trim_end().len());
        Err(match self.first {
            quote @ ('"' | '\'') => {
                let indent = line.text.len() - line.text.trim_start_matches([' ', '\t']).len();
                let is_first = self.start == line.start + indent;
                let is_key = is_first && colon(text).is_some();
                goes_on(span, if is_key { "key" } else { "value" }, quote)
            }
            _ => Fault::of_value(
                span,
                "the value continues after its closing bracket",
                "put the whole value in quotes if it is text",
            ),
        })
    }
}

/// The fault of a key or a value that does not end with its `quote`: what follows is at `span`.
fn goes_on(span: Span, noun: &str, quote: char) -> Fault {
    let inside = if quote == '"' { "\\\"" } else { "''" };
    Fault::of_value(
        span,
        format!("the {noun} continues after its closing quote"),
        format!("put all of it in quotes, and write `{inside}` for a quote inside"),
    )
}

/// What is wrong behind the closing `quote` of a key, or of a value inside of brackets; `at` is the byte behind it.
pub fn behind_quote(quote: char, line: Line<'_>, at: usize) -> Option<Fault> {
    let text = line.text[at..].trim_start_matches([' ', '\t']);
    let place = line.start + line.text.len() - text.len();
    if text.is_empty() || text.starts_with([',', ':', ']', '}', '#']) {
        return None;
    }
    let length = text
        .find([',', ':', ']', '}', '"', '\''])
        .unwrap_or(text.len());
    let span = Span::new(place, place + text[..length].trim_end().len().max(1));
    let noun = if text[length..].starts_with(':') {
        "key"
    } else {
        "value"
    };
    Some(goes_on(span, noun, quote))
}

/// Whether a quote behind `before` opens a value inside of brackets.
fn starts_value(before: &str) -> bool {
    let before = before.trim_end();
    before.is_empty() || before.ends_with(['[', '{', ',', ':'])
}

/// The characters of the escape that `text` starts with, in double quotes. Refuses a backslash that starts none.
fn escape(text: &str, place: usize) -> Result<usize, Fault> {
    let Some(c) = text[1..].chars().next() else {
        return Ok(1);
    };
    let digits = |count: usize| {
        let digits = text.get(2..2 + count);
        digits.is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
    };
    let sound = match c {
        'x' => digits(2),
        'u' => digits(4),
        'U' => digits(8),
        _ => "0abtnvfre \"/\\N_LP\t".contains(c),
    };
    let span = Span::new(place, place + 1 + c.len_utf8());
    if !sound {
        return Err(Fault::of_value(
            span,
            format!("`\\{c}` means nothing inside double quotes"),
            format!("write `\\\\{c}`, or put the value in single quotes"),
        ));
    }
    match surrogate_pairs::half(text) {
        Some(_) if surrogate_pairs::is_pair(text) => Ok(surrogate_pairs::LENGTH),
        Some(_) => Err(Fault::of_value(
            span,
            format!("`{}` is half of a character", &text[..6]),
            "write both halves, or the character itself",
        )),
        None => Ok(2),
    }
}
