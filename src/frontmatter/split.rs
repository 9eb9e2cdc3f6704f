//! Where the frontmatter of a file ends and its body starts.

use std::ops::Range;

use crate::diagnostics::span::Span;
use crate::text::lines::{Line, lines, unindented};
use crate::yaml::yaml_line;

/// The parts of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Split {
    /// Frontmatter and body, without the lines that enclose the frontmatter.
    Parts {
        /// The place of the frontmatter in the source.
        yaml: Range<usize>,
        /// The place of the body in the source.
        body: Range<usize>,
        /// The closing line, where it is not `---`.
        odd: Option<Span>,
    },
    /// The file does not start with `---`.
    NoFrontmatter,
    /// There is frontmatter at this byte, behind a comment or other text, or indented.
    Late(usize),
    /// The frontmatter that starts at this byte has no end.
    Unclosed(usize),
}

/// Splits `text`. Blank lines may come first, and a code fence may enclose the whole.
pub fn split(text: &str) -> Split {
    let range = unfenced(text).unwrap_or(0..text.len());
    let mut lines = lines(text, range.clone()).skip_while(|line| line.text.trim().is_empty());
    let Some(open) = lines.next().filter(|line| line.text.trim_end() == "---") else {
        return late(text).map_or(Split::NoFrontmatter, Split::Late);
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

/// How many lines may be above frontmatter that starts too late.
const LINES_ABOVE: usize = 40;

/// The line `---` of frontmatter that is not at the start of `text`: behind comments or prose, or indented. What is in a
/// code fence, in a comment or indented below prose is an example of frontmatter and does not count.
fn late(text: &str) -> Option<usize> {
    let all: Vec<Line<'_>> = lines(text, 0..text.len()).collect();
    let (mut fenced, mut comment, mut prose) = (false, false, false);
    for (index, line) in all.iter().enumerate().take(LINES_ABOVE) {
        let indent = yaml_line::indent(line.text);
        let filled = line.text[indent.len()..].trim_end();
        let is_text = fenced || comment || (prose && !indent.is_empty());
        if filled == "---" && !is_text && is_frontmatter(&all[index + 1..], indent) {
            return Some(line.start);
        }
        if !comment && (filled.starts_with("```") || filled.starts_with("~~~")) {
            fenced = !fenced;
        } else if comment || filled.starts_with("<!--") {
            comment = !filled.contains("-->");
        } else {
            prose |= !filled.is_empty();
        }
    }
    None
}

/// Whether the lines behind a line `---` with this indentation are frontmatter: keys, a name or description among them, and
/// an end.
fn is_frontmatter(below: &[Line<'_>], indent: &str) -> bool {
    let line = |line: &Line<'_>| unindented(line.text, indent).trim_end().to_owned();
    let filled = || below.iter().map(line).filter(|line| !line.is_empty());
    let starts = filled().next().is_some_and(|line| yaml_line::is_key(&line));
    let names = |line: &String| line.starts_with("name:") || line.starts_with("description:");
    starts
        && filled().any(|line| line == "---")
        && filled()
            .take_while(|line| line != "---")
            .any(|line| names(&line))
}

/// The content of the code fence that encloses the whole of `text`, if one does.
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
