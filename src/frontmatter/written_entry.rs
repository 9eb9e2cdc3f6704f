//! An entry of frontmatter as it is written, before its value is read.

use std::ops::Range;

use crate::diagnostics::span::Span;
use crate::frontmatter::repair_fold::without_comment;
use crate::text::lines::Line;
use crate::yaml::node::{Node, Value};
use crate::yaml::yaml_fault::Fault;

/// An entry as it is written.
#[derive(Debug)]
pub struct Written<'a> {
    /// The key.
    pub key: String,
    /// The place of the key in the source.
    pub key_span: Span,
    /// The text behind the colon.
    pub first: Line<'a>,
    /// The lines that continue it.
    pub rest: Vec<Line<'a>>,
    /// The first of them that looks like a key of its own.
    pub swallowed: Option<Swallowed<'a>>,
}

impl Written<'_> {
    /// The place of the value, without the blank at its end.
    pub fn span(&self) -> Span {
        let last = self
            .rest
            .iter()
            .rev()
            .find(|line| !line.text.trim().is_empty());
        let last = last.unwrap_or(&self.first);
        Span::new(self.first.start, last.start + last.text.trim_end().len())
    }

    /// The place of the whole entry.
    pub fn range(&self) -> Range<usize> {
        let end = self.rest.last().unwrap_or(&self.first).next;
        self.key_span.start..end
    }

    /// The same without the blank lines at its end.
    pub fn filled_range(&self) -> Range<usize> {
        let filled = |line: &&Line<'_>| !line.text.trim().is_empty();
        let last = self.rest.iter().rev().find(filled);
        self.key_span.start..last.unwrap_or(&self.first).next
    }

    /// `value`, at the place of the written value.
    pub fn node(&self, value: Value) -> Node {
        Node {
            value,
            span: self.span(),
        }
    }

    /// Whether there is something in the value that YAML may take for a comment.
    pub fn has_hash(&self) -> bool {
        let mut lines = [&self.first].into_iter().chain(&self.rest);
        lines.any(|line| {
            without_comment(line.text).len() < line.text.len() || line.text.starts_with('#')
        })
    }

    /// Whether there is more than the first line.
    pub fn has_rest(&self) -> bool {
        self.rest.iter().any(|line| !line.text.trim().is_empty())
    }
}

/// A line that looks like a key of its own and would become part of the value above it.
#[derive(Debug, Clone)]
pub struct Swallowed<'a> {
    /// The key.
    pub key: String,
    /// Its place in the source.
    pub key_span: Span,
    /// The line.
    pub line: Line<'a>,
    /// What the line starts with.
    pub indent: &'a str,
    /// What else is odd about it.
    pub odd: Option<Fault>,
}

impl Swallowed<'_> {
    /// Whether there is no value behind the key.
    pub fn is_bare(&self) -> bool {
        self.is_lower() && self.line.text.trim_end().ends_with(':')
    }

    /// Whether the key is a small word, as the keys of mappings are.
    pub fn is_lower(&self) -> bool {
        self.key.starts_with(|c: char| c.is_ascii_lowercase())
    }
}
