//! The value of one entry of frontmatter that is not valid YAML.

use std::ops::Range;
use std::sync::Arc;

use crate::diagnostics::code::Code;
use crate::diagnostics::source::Source;
use crate::diagnostics::span::Span;
use crate::diagnostics::{Diagnostic, Report, Severity};
use crate::frontmatter::known_keys::is_prose;
use crate::frontmatter::repair_fold::{fold, joined, without_comment};
use crate::text::lines::{Line, common_indent, unindented};
use crate::yaml;
use crate::yaml::node::{Node, Value};

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
}

impl Written<'_> {
    /// The place of the value, without the blank at its end.
    fn span(&self) -> Span {
        let last = self
            .rest
            .iter()
            .rev()
            .find(|line| !line.text.trim().is_empty());
        let last = last.unwrap_or(&self.first);
        Span::new(self.first.start, last.start + last.text.trim_end().len())
    }

    /// The place of the whole entry.
    fn range(&self) -> Range<usize> {
        let end = self.rest.last().unwrap_or(&self.first).next;
        self.key_span.start..end
    }

    /// `value`, at the place of the written value.
    fn node(&self, value: Value) -> Node {
        Node {
            value,
            span: self.span(),
        }
    }

    /// Whether there is something in the value that YAML may take for a comment.
    fn has_hash(&self) -> bool {
        let mut lines = [&self.first].into_iter().chain(&self.rest);
        lines.any(|line| {
            without_comment(line.text).len() < line.text.len() || line.text.starts_with('#')
        })
    }

    fn has_rest(&self) -> bool {
        self.rest.iter().any(|line| !line.text.trim().is_empty())
    }
}

/// The value of the entry `written`.
pub fn read(written: &Written<'_>, report: &mut Report) -> Node {
    let first = written.first.text.trim();
    let text = |text: String| written.node(Value::String(text));
    let prose = is_prose(&written.key);
    match first.chars().next() {
        None if !written.has_rest() => Node {
            value: Value::Null,
            span: Span::new(written.first.start, written.first.start),
        },
        None => strict(written, report)
            .or_else(|| list_of_lines(written, report))
            .unwrap_or_else(|| text(folded(written))),
        Some(style @ ('|' | '>')) if is_block_header(first) => {
            strict(written, report).unwrap_or_else(|| text(block(written, style)))
        }
        Some(quote @ ('"' | '\'')) => strict(written, report)
            .or_else(|| indented(written))
            .unwrap_or_else(|| text(between_quotes(written, quote))),
        Some('[' | '{') => strict(written, report)
            .or_else(|| flow_list(written))
            .unwrap_or_else(|| {
                if prose {
                    text(folded(written))
                } else {
                    scalar(written)
                }
            }),
        Some(_) if prose && written.has_hash() => text(folded(written)),
        Some(_) if prose => strict(written, report).unwrap_or_else(|| text(folded(written))),
        Some(_) => strict(written, report).unwrap_or_else(|| scalar(written)),
    }
}

/// The value as strict YAML has it, if the entry is strict YAML by itself.
///
/// Warnings of strict YAML are reported here too, and so are errors: values nested too deeply, and
/// anchors, aliases and tags in structure. In a value that starts on the key's own line, they are its text.
fn strict(written: &Written<'_>, report: &mut Report) -> Option<Node> {
    let (node, diagnostics) = parse_aside(written.range(), report);
    let structure = written.first.text.trim().is_empty();
    for diagnostic in diagnostics {
        let is_reported = match diagnostic.code {
            Code::AnchorOrTag => structure,
            Code::TooDeep => true,
            _ => node.is_some(),
        };
        if let Some(span) = diagnostic.span.filter(|_| is_reported) {
            let again = match diagnostic.severity {
                Severity::Error => report.error(diagnostic.code, span, diagnostic.message),
                Severity::Warning => report.warning(diagnostic.code, span, diagnostic.message),
                Severity::Note => report.note(diagnostic.code, span, diagnostic.message),
            };
            again.help = diagnostic.help;
            again.subjects = diagnostic.subjects;
        }
    }
    let Value::Map(mut entries) = node?.value else {
        return None;
    };
    let entry = entries.pop().filter(|entry| entry.key == written.key)?;
    entries.is_empty().then_some(entry.value)
}

fn parse_aside(range: Range<usize>, report: &Report) -> (Option<Node>, Vec<Diagnostic>) {
    let mut aside = Report::new(report.source());
    let node = yaml::parse(range, &mut aside).ok();
    (node, aside.into_diagnostics())
}

/// The value of the YAML `text`, which is not in the source.
fn parse_text(text: String) -> Option<Value> {
    let length = text.len();
    let mut aside = Report::new(&Arc::new(Source::new("", text)));
    let node = yaml::parse(0..length, &mut aside).ok()?;
    Some(node.value)
}

fn is_block_header(first: &str) -> bool {
    let header = first[1..].split(" #").next().unwrap_or("").trim();
    header.len() <= 2
        && header
            .bytes()
            .all(|byte| matches!(byte, b'+' | b'-' | b'1'..=b'9'))
}

/// A block scalar whose lines are not indented as YAML wants them: as far as the first one, or less.
fn block(written: &Written<'_>, style: char) -> String {
    let header = written.first.text.trim();
    let header = header.split(" #").next().unwrap_or(header);
    let chomping = header.find(['+', '-']).map_or("", |at| &header[at..=at]);
    let width = header.bytes().find(u8::is_ascii_digit);
    let spaces = " ".repeat(width.map_or(0, |digit| usize::from(digit - b'0')));
    let mut filled = written.rest.iter().map(|line| line.text);
    let indent = match filled.find(|line| !line.trim().is_empty()) {
        Some(first) if width.is_none() => common_indent([first].into_iter()),
        _ => &spaces,
    };
    let lines: Vec<&str> = written
        .rest
        .iter()
        .map(|line| unindented(line.text, indent))
        .collect();
    let again: String = lines.iter().map(|line| format!("  {line}\n")).collect();
    match parse_text(format!("{style}2{chomping}\n{again}")) {
        Some(Value::String(text)) => text,
        _ if style == '>' => fold(&lines),
        _ => lines.join("\n").trim_end().to_owned(),
    }
}

/// A quoted value whose further lines are not indented.
fn indented(written: &Written<'_>) -> Option<Node> {
    let mut text = written.first.text.to_owned();
    for line in &written.rest {
        text.push_str("\n ");
        text.push_str(line.text);
    }
    let value = parse_text(text)?;
    matches!(value, Value::String(_)).then(|| written.node(value))
}

/// The text between the outer quotes, where the inner ones are not escaped or the last one is missing.
fn between_quotes(written: &Written<'_>, quote: char) -> String {
    let whole = folded(written);
    let inner = whole.strip_prefix(quote).unwrap_or(&whole);
    let inner = inner.strip_suffix(quote).unwrap_or(inner);
    inner.to_owned()
}

/// A list in brackets that YAML can't read: its parts between commas. The brackets may lack their end, but
/// they must not close before the value does.
fn flow_list(written: &Written<'_>) -> Option<Node> {
    let whole = folded_without_comments(written);
    let inner = whole.strip_prefix('[')?;
    let mut items = Vec::new();
    let mut depth = 0_usize;
    let mut start = 0;
    let mut end = inner.len();
    for (index, c) in inner.char_indices() {
        match c {
            ']' if depth == 0 && index + 1 == inner.len() => end = index,
            ']' if depth == 0 => return None,
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                items.push(&inner[start..index]);
                start = index + 1;
            }
            _ => {}
        }
    }
    items.push(inner[start..end].trim_end());
    let items = items
        .into_iter()
        .map(|item| item.trim().trim_matches(['"', '\'']))
        .filter(|item| !item.is_empty())
        .map(|item| written.node(Value::String(item.to_owned())));
    Some(written.node(Value::List(items.collect())))
}

/// A list of `- ` items that YAML can't read as a whole: each item's scalar, or its text unchanged.
fn list_of_lines(written: &Written<'_>, report: &Report) -> Option<Node> {
    let mut items: Vec<(String, Range<usize>, usize)> = Vec::new();
    for line in written
        .rest
        .iter()
        .filter(|line| !line.text.trim().is_empty())
    {
        let trimmed = line.text.trim();
        let start = line.start + line.text.len() - line.text.trim_start().len();
        let end = start + trimmed.len();
        let item = trimmed
            .strip_prefix('-')
            .filter(|rest| rest.is_empty() || rest.starts_with([' ', '\t']));
        match item {
            Some(rest) => items.push((rest.trim().to_owned(), start..line.next, end)),
            None => {
                let (text, range, last) = items.last_mut()?;
                text.push(' ');
                text.push_str(trimmed);
                range.end = line.next;
                *last = end;
            }
        }
    }
    let items = items.into_iter().map(|(text, range, end)| {
        let span = Span::new(range.start, end);
        let alone = parse_aside(range, report)
            .0
            .and_then(|node| match node.value {
                Value::List(mut items) if items.len() == 1 => items.pop(),
                _ => None,
            });
        match alone {
            Some(node) if !matches!(node.value, Value::List(_) | Value::Map(_)) => node,
            _ => Node {
                value: Value::String(unquoted(&text).to_owned()),
                span,
            },
        }
    });
    Some(written.node(Value::List(items.collect())))
}

fn unquoted(text: &str) -> &str {
    for quote in ['"', '\''] {
        let inner = text
            .strip_prefix(quote)
            .and_then(|rest| rest.strip_suffix(quote));
        if let Some(inner) = inner {
            return inner;
        }
    }
    text
}

/// A short value: without the comment behind it, and resolved as YAML resolves scalars.
fn scalar(written: &Written<'_>) -> Node {
    let text = folded_without_comments(written);
    let value = match parse_text(text.clone()) {
        Some(value @ (Value::Null | Value::Bool(_) | Value::Number(_))) => value,
        _ => Value::String(text),
    };
    written.node(value)
}

/// The lines as one text.
fn folded(written: &Written<'_>) -> String {
    let rest: Vec<&str> = written.rest.iter().map(|line| line.text).collect();
    joined(written.first.text, &rest)
}

/// The same without what follows ` #` on each line.
fn folded_without_comments(written: &Written<'_>) -> String {
    let rest: Vec<&str> = written
        .rest
        .iter()
        .map(|line| without_comment(line.text))
        .collect();
    joined(without_comment(written.first.text), &rest)
}
