//! Text of limited size, line by line.

use std::ops::ControlFlow;

/// Lines for the model, of which there are no more bytes than allowed.
pub(super) struct LimitedText {
    text: String,
    max_bytes: usize,
    /// How many lines at the beginning are left out.
    skip: usize,
    /// How many more lines there may be.
    left: usize,
    is_cut: bool,
}

impl LimitedText {
    /// No lines yet; at most `max_lines` follow, and at most `max_bytes` of them.
    pub(super) fn new(max_bytes: usize, skip: usize, max_lines: usize) -> Self {
        Self {
            text: String::new(),
            max_bytes,
            skip,
            left: max_lines,
            is_cut: false,
        }
    }

    /// Adds a line, unless the limit is reached.
    pub(super) fn line(&mut self, line: &str) -> ControlFlow<()> {
        if self.skip > 0 {
            self.skip -= 1;
            return ControlFlow::Continue(());
        }
        if self.left == 0 || self.text.len() + line.len() >= self.max_bytes {
            self.is_cut = true;
            return ControlFlow::Break(());
        }
        self.left -= 1;
        self.text.push_str(line);
        self.text.push('\n');
        ControlFlow::Continue(())
    }

    /// Whether a line was left out at the end.
    pub(super) fn is_cut(&self) -> bool {
        self.is_cut
    }

    /// The lines, and `notes` in brackets behind them; `nothing` where there are none.
    pub(super) fn finish(mut self, nothing: &str, notes: &[String]) -> String {
        if self.text.is_empty() && !self.is_cut {
            self.text.push_str(nothing);
            self.text.push('\n');
        }
        for note in notes {
            self.text.push('[');
            self.text.push_str(note);
            self.text.push_str("]\n");
        }
        self.text.pop();
        self.text
    }
}

/// `text` cut off at `max` bytes, between two characters.
pub(super) fn cut(text: &str, max: usize) -> &str {
    &text[..text.floor_char_boundary(max)]
}
