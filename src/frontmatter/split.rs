//! Where the frontmatter of a file ends and its body starts.

use std::ops::Range;

use crate::diagnostics::span::Span;
use crate::text::lines::lines;

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
    /// The frontmatter that starts at this byte has no end.
    Unclosed(usize),
}

/// Splits `text`. Blank lines may come first, and a code fence may enclose the whole.
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
