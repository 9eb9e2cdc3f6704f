//! Lines of a text with their places, and their indentation.

use std::ops::Range;

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
