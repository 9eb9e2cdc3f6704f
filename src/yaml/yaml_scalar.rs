//! Places inside of YAML texts.

use std::ops::Range;

use crate::diagnostics::source::Source;
use crate::diagnostics::span::Span;
use crate::yaml::node::Node;
use crate::yaml::surrogate_pairs;

/// The text of a YAML scalar, with the place of each of its bytes in the source.
#[derive(Debug)]
pub struct Scalar<'a> {
    text: &'a str,
    whole: Span,
    /// The place of every byte and of the end; none where the text can't be found in the source again.
    places: Option<Vec<usize>>,
}

impl<'a> Scalar<'a> {
    /// The text of `node`, which was read from `source`; none where it is no text.
    pub fn new(node: &'a Node, source: &Source) -> Option<Self> {
        let text = node.as_str()?;
        let written = source.text().get(node.span.start..node.span.end);
        Some(Self {
            text,
            whole: node.span,
            places: written.and_then(|written| places(text, written, node.span.start)),
        })
    }

    /// The text, without quotes and escapes.
    pub fn text(&self) -> &'a str {
        self.text
    }

    /// Where the bytes `range` of the text are in the source; the whole scalar where that is unknown.
    pub fn span(&self, range: Range<usize>) -> Span {
        let place = |index: usize| self.places.as_ref()?.get(index).copied();
        match (place(range.start), place(range.end)) {
            (Some(start), Some(end)) => Span::new(start, end),
            _ => self.whole,
        }
    }
}

/// The place of every byte of `text`, which is in the source as `written` from byte `start` on.
fn places(text: &str, written: &str, start: usize) -> Option<Vec<usize>> {
    let style = written.chars().next()?;
    let mut at = match style {
        '"' | '\'' => 1,
        '|' | '>' => {
            let line = written.find('\n')? + 1;
            line + blank(&written[line..])
        }
        _ => 0,
    };
    let mut places = Vec::with_capacity(text.len() + 1);
    for character in text.chars() {
        let rest = written.get(at..)?;
        places.extend(std::iter::repeat_n(start + at, character.len_utf8()));
        let gap = blank(rest);
        at += match rest.chars().next() {
            Some('\\') if style == '"' => escape(rest)?,
            Some('\'') if style == '\'' => 2,
            Some(same) if same == character && !rest[..gap].contains('\n') => same.len_utf8(),
            // A line break and the indentation behind it are read as one space or for one or more line breaks.
            _ if character.is_whitespace() => gap,
            // Spaces of a text in quotes that go before a line break are left out.
            Some(_) if gap > 0 && rest[gap..].starts_with(character) => gap + character.len_utf8(),
            _ => return None,
        };
    }
    places.push(start + at);
    Some(places)
}

/// The bytes of the white space that `text` starts with.
fn blank(text: &str) -> usize {
    text.len() - text.trim_start().len()
}

/// The length in bytes of the escape at the start of `text`, for escapes of one character.
fn escape(text: &str) -> Option<usize> {
    let length = match text.as_bytes().get(1)? {
        b'x' => 4,
        b'u' if surrogate_pairs::is_pair(text) => surrogate_pairs::LENGTH,
        b'u' => 6,
        b'U' => 10,
        b'\n' | b'\r' => return None,
        _ => 2,
    };
    Some(length)
}
