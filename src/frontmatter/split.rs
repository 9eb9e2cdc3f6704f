//! Where the frontmatter of a file ends and its body starts.

use std::ops::Range;

use crate::diagnostics::span::Span;
use crate::frontmatter::known_keys;
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
    /// There is frontmatter whose first line starts at this byte: behind a comment or other text, indented, or not `---`.
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

/// How many lines, not counting comments, may be above frontmatter that starts too late.
const LINES_ABOVE: usize = 40;

/// The first line of frontmatter that is not at the start of `text`: behind comments or prose, or indented; or that starts with
/// another line than `---`. What is in a code fence, in a comment or indented below prose is an example of frontmatter and
/// does not count.
fn late(text: &str) -> Option<usize> {
    let all: Vec<Line<'_>> = lines(text, 0..text.len()).collect();
    let (mut fenced, mut comment, mut prose) = (false, false, false);
    let mut above = 0;
    for (index, line) in all.iter().enumerate() {
        let indent = yaml_line::indent(line.text);
        let filled = line.text[indent.len()..].trim_end();
        let is_text = fenced || comment || (prose && !indent.is_empty());
        let opens = filled == "---" || (!prose && is_odd_opening(filled));
        if opens && !is_text && is_frontmatter(&all[index + 1..], indent, filled, prose) {
            return Some(line.start);
        }
        if !comment && (filled.starts_with("```") || filled.starts_with("~~~")) {
            fenced = !fenced;
        } else if comment || filled.starts_with("<!--") {
            comment = !filled.contains("-->");
        } else {
            prose |= !filled.is_empty();
            above += 1;
        }
        if above >= LINES_ABOVE {
            break;
        }
    }
    None
}

/// Whether a line is meant as the first one of frontmatter and is not `---`: `--- # agent`, `---yaml`, `—`, or `+++` of TOML.
pub fn is_odd_opening(line: &str) -> bool {
    let dashes = |c: char| matches!(c, '-' | '\u{2010}'..='\u{2015}' | '\u{2212}');
    line != "---"
        && (line.starts_with("---")
            || line == "+++"
            || (!line.is_empty() && line.chars().all(dashes)))
}

/// Whether the lines behind a line `opening` with this indentation are frontmatter: keys, and an end. Below prose, a name or
/// description has to be among the keys; else any key that is known.
fn is_frontmatter(below: &[Line<'_>], indent: &str, opening: &str, prose: bool) -> bool {
    let line = |line: &Line<'_>| unindented(line.text, indent).trim_end().to_owned();
    let filled = || below.iter().map(line).filter(|line| !line.is_empty());
    let sign = if opening == "+++" { '=' } else { ':' };
    let starts = filled()
        .next()
        .is_some_and(|line| sign == '=' || yaml_line::is_key(&line));
    let is_end = |line: &String| line == "---" || line == opening;
    let names = |line: &String| {
        let key = line.split_once(sign).map_or("", |(key, _)| key.trim_end());
        match prose {
            true => matches!(key, "name" | "description"),
            false => known_keys::is_known(key),
        }
    };
    starts
        && filled().any(|line| is_end(&line))
        && filled()
            .take_while(|line| !is_end(line))
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
