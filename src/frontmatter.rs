//! Splits an agent file into frontmatter and body, and reads the frontmatter. [`repair`] reads frontmatter that is not YAML.
//!
//! Invariant: where strict YAML succeeds, the repair reader gives the same value. The body is never changed.

pub mod known_keys;
pub mod repair;
pub mod repair_fold;
pub mod repair_value;
pub mod rewrite;
pub mod split;

#[cfg(test)]
mod frontmatter_property_tests;
#[cfg(test)]
mod frontmatter_tests;
#[cfg(test)]
mod repair_tests;

#[cfg(test)]
mod corpus_tests;

use std::ops::Range;
use std::sync::Arc;

use crate::diagnostics::Report;
use crate::diagnostics::code::Code;
use crate::diagnostics::source::Source;
use crate::diagnostics::span::Span;
use crate::frontmatter::split::Split;
use crate::yaml::node::{Node, Value};
use crate::yaml::{self, YamlError};

/// The largest frontmatter that is read, in bytes.
pub const MAX_FRONTMATTER_BYTES: usize = 64 * 1024;

/// What a file says of its agent.
#[derive(Debug, Clone)]
pub struct Document {
    /// The frontmatter: always a mapping.
    pub frontmatter: Node,
    /// The place of the body in the source.
    pub body: Range<usize>,
    /// Whether the frontmatter is not valid YAML and was read as it was plainly meant.
    pub repaired: bool,
}

/// What came of reading a file.
#[derive(Debug, Clone)]
pub enum Reading {
    /// An agent.
    Agent(Document),
    /// The file starts without frontmatter: notes, or a page that lies beside agents.
    NoFrontmatter,
    /// There is frontmatter that can't be read; the report says why.
    Unreadable,
}

/// Reads the Markdown file in the report's source. YAML that is not valid is repaired, with a warning;
/// if `strict`, that is an error.
pub fn read(report: &mut Report, strict: bool) -> Reading {
    let source = Arc::clone(report.source());
    let (yaml, body, odd) = match split::split(source.text()) {
        Split::Parts { yaml, body, odd } => (yaml, body, odd),
        Split::NoFrontmatter => return Reading::NoFrontmatter,
        Split::Unclosed(offset) => {
            report
                .error(
                    Code::UnclosedFrontmatter,
                    Span::new(offset, offset + 3),
                    "the frontmatter has no end",
                )
                .advise("close it with a line `---`");
            return Reading::Unreadable;
        }
    };
    if yaml.len() > MAX_FRONTMATTER_BYTES {
        let message = format!("the frontmatter has {} bytes", yaml.len());
        report
            .error(Code::TooLarge, Span::new(yaml.start, yaml.start), message)
            .advise(format!(
                "keep it under {MAX_FRONTMATTER_BYTES}; long text belongs below it"
            ));
        return Reading::Unreadable;
    }
    if let Some(line) = odd {
        report
            .note(
                Code::OddClosing,
                line,
                "the frontmatter ends with an unusual line",
            )
            .advise("other tools expect `---`");
    }
    note_line_ends(&source, report);
    let (mut frontmatter, repaired) = match yaml::parse(yaml.clone(), report) {
        Ok(node) if matches!(node.value, Value::Map(_)) => (node, false),
        Ok(node) if node.value == Value::Null => (empty(&yaml), false),
        Ok(node) if matches!(node.value, Value::List(_)) => {
            report
                .error(Code::Unreadable, node.span, "the frontmatter is a list")
                .advise("write `key: value` lines");
            return Reading::Unreadable;
        }
        Ok(node) => match mend(yaml, "the frontmatter is text", node.span, strict, report) {
            Some(node) => (node, true),
            None => return Reading::Unreadable,
        },
        Err(YamlError::Refused) => return Reading::Unreadable,
        Err(YamlError::Syntax { message, span }) => {
            match mend(yaml, &message, span, strict, report) {
                Some(node) => (node, true),
                None => return Reading::Unreadable,
            }
        }
    };
    if !repaired {
        warn_of_cuts(&source, &frontmatter, report);
    }
    break_lines(&mut frontmatter, report);
    Reading::Agent(Document {
        frontmatter,
        body,
        repaired,
    })
}

/// Reads a whole file of YAML: an agent with a key `prompt`, or a service block beside an agent.
pub fn read_yaml(report: &mut Report) -> Option<Node> {
    let length = report.source().text().len();
    let node = match yaml::parse(0..length, report) {
        Ok(node) => node,
        Err(YamlError::Refused) => return None,
        Err(YamlError::Syntax { message, span }) => {
            report
                .error(
                    Code::Unreadable,
                    span,
                    format!("this is not YAML: {message}"),
                )
                .advise("text with `: ` or ` #` in it needs quotes");
            return None;
        }
    };
    match node.value {
        Value::Map(_) => Some(node),
        Value::Null => Some(empty(&(0..length))),
        _ => {
            report
                .error(
                    Code::Unreadable,
                    node.span,
                    format!("the file is {}", node.kind()),
                )
                .advise("write `key: value` lines");
            None
        }
    }
}

fn empty(range: &Range<usize>) -> Node {
    Node {
        value: Value::Map(Vec::new()),
        span: Span::new(range.start, range.end),
    }
}

/// Reads as it was meant what is not valid YAML.
fn mend(
    yaml: Range<usize>,
    reason: &str,
    span: Span,
    strict: bool,
    report: &mut Report,
) -> Option<Node> {
    match repair::read(yaml, report) {
        // What is refused in strict YAML is refused here too.
        Ok(_) if report.has_errors() => None,
        Ok(node) => {
            let message = format!("the frontmatter is not valid YAML: {reason}");
            let advice = "`agentgen check --fix` writes it as valid YAML with the same values";
            if strict {
                report.error(Code::Repaired, span, message).advise(advice);
                return None;
            }
            report
                .warning(
                    Code::Repaired,
                    span,
                    format!("{message}; it was read as written"),
                )
                .advise(advice);
            Some(node)
        }
        Err(place) => {
            report
                .error(
                    Code::Unreadable,
                    place,
                    format!("the frontmatter can't be read: {reason}"),
                )
                .advise("start each entry with `key:` at the start of a line");
            None
        }
    }
}

fn note_line_ends(source: &Source, report: &mut Report) {
    let text = source.text();
    if let Some(offset) = text.find('\r') {
        let bare = text
            .bytes()
            .zip(text.bytes().skip(1).chain([0]))
            .any(|(byte, next)| byte == b'\r' && next != b'\n');
        let what = if bare { "carriage returns" } else { "CRLF" };
        report
            .note(
                Code::LineEnds,
                Span::new(offset, offset + 1),
                format!("lines end with {what}"),
            )
            .advise("the prompt keeps them byte for byte");
    }
}

/// Warns of plain values that YAML ends at ` #`.
fn warn_of_cuts(source: &Source, frontmatter: &Node, report: &mut Report) {
    for entry in frontmatter.entries().unwrap_or_default() {
        let Value::String(text) = &entry.value.value else {
            continue;
        };
        let span = entry.value.span;
        let written = source.text().get(span.start..span.end).unwrap_or("");
        if !known_keys::is_prose(&entry.key) || written.starts_with(['"', '\'', '|', '>']) {
            continue;
        }
        let behind = source.text()[span.end..]
            .split(['\n', '\r'])
            .next()
            .unwrap_or("");
        if behind.trim_start().starts_with('#')
            && behind.starts_with([' ', '\t'])
            && !text.is_empty()
        {
            let at = span.end + behind.len() - behind.trim_start().len();
            report
                .warning(
                    Code::CutByComment,
                    Span::new(at, span.end + behind.len()),
                    format!("YAML ends `{}` at ` #`", entry.key),
                )
                .advise("put the value in quotes to keep what follows");
        }
    }
}

/// A literal `\n` in the description is a line break, as Claude Code reads it.
fn break_lines(frontmatter: &mut Node, report: &mut Report) {
    let Value::Map(entries) = &mut frontmatter.value else {
        return;
    };
    for entry in entries
        .iter_mut()
        .filter(|entry| entry.key == "description")
    {
        let Value::String(text) = &mut entry.value.value else {
            continue;
        };
        let count = text.matches("\\n").count();
        if count > 0 {
            *text = text.replace("\\n", "\n");
            report
                .note(
                    Code::LiteralLineBreaks,
                    entry.value.span,
                    format!("`\\n` is {count} times in the description as two characters"),
                )
                .advise("it is read as a line break");
        }
    }
}
