//! The lines of a file that fit a pattern, with those around them.

use std::collections::VecDeque;
use std::ops::ControlFlow;

use regex::bytes::Regex;

/// After so many lines the search asks whether it is over.
const LINES_AT_ONCE: usize = 256;

/// A line of a file.
pub(super) struct Line<'a> {
    /// From 1.
    pub(super) number: usize,
    /// Without its end.
    pub(super) text: &'a [u8],
    /// Whether the pattern fits it, and not one of its neighbours.
    pub(super) is_match: bool,
    /// Whether lines between the one before and this one are left out.
    pub(super) is_gap: bool,
}

/// How many lines around a line that fits are shown.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Around {
    pub(super) before: usize,
    pub(super) after: usize,
}

/// Shows `visit` the lines of `bytes` that `pattern` fits, and those `around` them, until it breaks. With `multiline`, all lines of a fitting
/// text fit. `is_over` is asked now and then, and ends the search.
pub(super) fn search<'a>(
    bytes: &'a [u8],
    pattern: &Regex,
    multiline: bool,
    around: Around,
    is_over: &dyn Fn() -> bool,
    visit: &mut dyn FnMut(Line<'a>) -> ControlFlow<()>,
) -> ControlFlow<()> {
    let mut found = pattern.find_iter(bytes).peekable();
    let mut fits = |start: usize, end: usize, text: &[u8]| {
        if !multiline {
            return pattern.is_match(text);
        }
        // A text that ends with the end of a line is not in the next line.
        while found
            .next_if(|found| found.end() <= start && (found.end() < start || !found.is_empty()))
            .is_some()
        {}
        found.peek().is_some_and(|found| found.start() <= end)
    };
    let mut before: VecDeque<(usize, &[u8])> = VecDeque::new();
    let mut after = 0;
    let mut last = None;
    let mut start = 0;
    for (index, line) in bytes.split_inclusive(|byte| *byte == b'\n').enumerate() {
        if index % LINES_AT_ONCE == 0 && is_over() {
            return ControlFlow::Break(());
        }
        let number = index + 1;
        let text = line.strip_suffix(b"\n").unwrap_or(line);
        let end = start + text.len();
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        let mut show = |number: usize, text: &'a [u8], is_match| {
            let is_gap = last.is_some_and(|last| last + 1 < number);
            last = Some(number);
            visit(Line {
                number,
                text,
                is_match,
                is_gap,
            })
        };
        if fits(start, end, text) {
            for (number, text) in before.drain(..) {
                show(number, text, false)?;
            }
            show(number, text, true)?;
            after = around.after;
        } else if after > 0 {
            show(number, text, false)?;
            after -= 1;
        } else if around.before > 0 {
            if before.len() == around.before {
                before.pop_front();
            }
            before.push_back((number, text));
        }
        start += line.len();
    }
    ControlFlow::Continue(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::ops::ControlFlow;

    use regex::bytes::RegexBuilder;

    use super::{Around, Line, search};

    fn lines(text: &str, pattern: &str, multiline: bool, before: usize, after: usize) -> String {
        let pattern = RegexBuilder::new(pattern)
            .multi_line(true)
            .crlf(true)
            .dot_matches_new_line(multiline)
            .build()
            .unwrap();
        let mut shown = String::new();
        let around = Around { before, after };
        let mut show = |line: Line<'_>| {
            shown += if line.is_gap { " --" } else { "" };
            let mark = if line.is_match { ':' } else { '-' };
            let text = String::from_utf8_lossy(line.text);
            shown += &format!(" {}{mark}{text}", line.number);
            ControlFlow::Continue(())
        };
        let done = search(
            text.as_bytes(),
            &pattern,
            multiline,
            around,
            &|| false,
            &mut show,
        );
        assert!(done.is_continue());
        shown
    }

    #[test]
    fn lines_that_fit_are_shown_once_with_those_around_them() {
        let text = "a\nb\r\nc\nb\ne\nf\nb";
        for (pattern, multiline, before, after, wanted) in [
            ("b", false, 0, 0, " 2:b -- 4:b -- 7:b"),
            ("^b$", false, 1, 0, " 1-a 2:b 3-c 4:b -- 6-f 7:b"),
            ("b", false, 0, 1, " 2:b 3-c 4:b 5-e -- 7:b"),
            ("c\nb", true, 0, 0, " 3:c 4:b"),
            ("c\nb\n", true, 0, 0, " 3:c 4:b"),
            ("c.*f", true, 1, 1, " 2-b 3:c 4:b 5:e 6:f 7-b"),
            ("c\nb", false, 0, 0, ""),
            ("x", true, 3, 3, ""),
            ("$", true, 0, 0, " 1:a 2:b 3:c 4:b 5:e 6:f 7:b"),
        ] {
            assert_eq!(
                lines(text, pattern, multiline, before, after),
                wanted,
                "{pattern}"
            );
        }
    }
}
