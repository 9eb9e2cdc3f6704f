//! Where the frontmatter of a file ends and its body starts.

use std::ops::Range;

use crate::diagnostics::span::Span;

/// The parts of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Split {
    /// Frontmatter and body, without the lines that enclose the frontmatter.
    Parts {
        /// Where the frontmatter stands.
        yaml: Range<usize>,
        /// Where the body stands.
        body: Range<usize>,
        /// The closing line, where it is not `---`.
        odd: Option<Span>,
    },
    /// The file does not start with `---`.
    NoFrontmatter,
    /// The frontmatter that starts at this byte has no end.
    Unclosed(usize),
}

/// A line: where it starts, where its text ends, and where the next one starts.
#[derive(Debug, Clone, Copy)]
pub struct Line<'a> {
    /// Its first byte.
    pub start: usize,
    /// Its text without the line end.
    pub text: &'a str,
    /// The byte behind its line end.
    pub next: usize,
}

/// The lines of the bytes `range` of `text`; they end with LF, CRLF or CR.
pub fn lines(text: &str, range: Range<usize>) -> impl Iterator<Item = Line<'_>> {
    let mut start = range.start;
    std::iter::from_fn(move || {
        if start >= range.end {
            return None;
        }
        let rest = &text[start..range.end];
        let length = rest.find(['\n', '\r']).unwrap_or(rest.len());
        let end = if rest[length..].starts_with("\r\n") {
            2
        } else {
            usize::from(length < rest.len())
        };
        let line = Line {
            start,
            text: &rest[..length],
            next: start + length + end,
        };
        start = line.next;
        Some(line)
    })
}

/// Splits `text`. Blank lines may stand in front, and a code fence may enclose the whole.
pub fn split(text: &str) -> Split {
    let range = unfenced(text).unwrap_or(0..text.len());
    let mut lines = lines(text, range.clone()).skip_while(|line| line.text.trim().is_empty());
    let Some(open) = lines.next().filter(|line| line.text.trim_end() == "---") else {
        return Split::NoFrontmatter;
    };
    for line in lines {
        let closing = line.text.trim_end();
        let dashes = closing.len() >= 3 && closing.bytes().all(|byte| byte == b'-');
        if dashes || closing == "..." {
            return Split::Parts {
                yaml: open.next..line.start,
                body: line.next..range.end,
                odd: (closing != "---").then(|| Span::new(line.start, line.start + closing.len())),
            };
        }
    }
    Split::Unclosed(open.start)
}

/// The blanks and tabs that all filled lines start with.
pub fn common_indent<'a>(lines: impl Iterator<Item = &'a str>) -> &'a str {
    let mut common: Option<&str> = None;
    for line in lines.filter(|line| !line.trim().is_empty()) {
        let indent = &line[..line.len() - line.trim_start_matches([' ', '\t']).len()];
        let shared = common.map_or(indent.len(), |common| {
            let pairs = common.bytes().zip(indent.bytes());
            pairs.take_while(|(left, right)| left == right).count()
        });
        common = Some(&indent[..shared]);
    }
    common.unwrap_or_default()
}

/// `line` without `indent` at its start, or without what it has of it.
pub fn unindented<'a>(line: &'a str, indent: &str) -> &'a str {
    let pairs = line.bytes().zip(indent.bytes());
    &line[pairs.take_while(|(left, right)| left == right).count()..]
}

/// What stands in the code fence that encloses the whole of `text`, if one does.
fn unfenced(text: &str) -> Option<Range<usize>> {
    let mut filled = lines(text, 0..text.len()).filter(|line| !line.text.trim().is_empty());
    let open = filled.next()?;
    let mark = open.text.trim_end();
    let fence = mark
        .bytes()
        .next()
        .filter(|byte| matches!(byte, b'`' | b'~'))?;
    let length = mark.bytes().take_while(|byte| *byte == fence).count();
    if length < 3 || filled.next()?.text.trim_end() != "---" {
        return None;
    }
    let close = filled.last()?;
    let mark = close.text.trim();
    let closes = mark.len() >= length && mark.bytes().all(|byte| byte == fence);
    closes.then_some(open.next..close.start)
}
