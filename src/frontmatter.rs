//! Splits an agent file into frontmatter and body, and reads the frontmatter. [`repair`] reads frontmatter that is not YAML.
//!
//! Invariant: where strict YAML succeeds, the repair reader gives the same value. The body is never changed.

pub mod known_keys;
pub mod misplaced_keys;
pub mod repair;
pub mod repair_fault;
pub mod repair_fold;
pub mod repair_value;
pub mod rewrite;
pub mod split;
pub mod written_entry;

#[cfg(test)]
mod frontmatter_property_tests;
#[cfg(test)]
mod frontmatter_tests;
#[cfg(test)]
mod layout_tests;
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
use crate::frontmatter::repair::{Repair, Rewrite};
use crate::frontmatter::split::Split;
use crate::text::lines::lines;
use crate::text::printable::printable;
use crate::yaml::node::{Node, Value};
use crate::yaml::{self, Once, YamlError, yaml_fault, yaml_line};

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
    /// The entries that are not valid YAML.
    pub rewrites: Vec<Rewrite>,
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

/// Reads the Markdown file in the report's source. YAML that is not valid is repaired where its meaning is certain, with a
/// warning; if `strict`, that is an error. Where it is not certain, that is an error too.
pub fn read(report: &mut Report, strict: bool) -> Reading {
    let source = Arc::clone(report.source());
    let (yaml, body, odd) = match split::split(source.text()) {
        Split::Parts { yaml, body, odd } => (yaml, body, odd),
        Split::NoFrontmatter => return Reading::NoFrontmatter,
        Split::Late(offset) => {
            warn_of_late_start(&source, offset, report);
            return Reading::Unreadable;
        }
        Split::Unclosed(offset) => {
            if let Some((number, span)) = indented_end(&source, offset) {
                report
                    .error(
                        Code::UnclosedFrontmatter,
                        span,
                        format!("the frontmatter has no end: `---` in line {number} is indented"),
                    )
                    .advise("remove what is in front of it");
                return Reading::Unreadable;
            }
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
    let node = match yaml::parse(yaml.clone(), known_keys::ONCE, report) {
        Ok(_) if report.has_errors() => return Reading::Unreadable,
        Ok(node) if matches!(node.value, Value::Map(_)) => Ok((node, Vec::new())),
        Ok(node) if node.value == Value::Null => Ok((empty(&yaml), Vec::new())),
        Ok(node) if matches!(node.value, Value::List(_)) => {
            report
                .error(Code::Unreadable, node.span, "the frontmatter is a list")
                .advise("write `key: value` lines");
            return Reading::Unreadable;
        }
        Ok(node) => Err(node.span),
        Err(YamlError::Refused) => return Reading::Unreadable,
        Err(YamlError::Syntax(span)) => Err(span),
    };
    let repaired = node.is_err();
    let node = match node {
        Ok(node) => Some(node),
        Err(stop) => mend(yaml, stop, strict, report),
    };
    let Some((mut frontmatter, rewrites)) = node else {
        return Reading::Unreadable;
    };
    if misplaced_keys::refuse(&frontmatter, report) {
        return Reading::Unreadable;
    }
    if !repaired {
        warn_of_cuts(&source, &frontmatter, report);
    }
    break_lines(&mut frontmatter, report);
    Reading::Agent(Document {
        frontmatter,
        body,
        repaired,
        rewrites,
    })
}

/// Reads the file of YAML in the report's source: an agent with a key `prompt`.
pub fn read_yaml_agent(report: &mut Report) -> Option<Node> {
    read_whole(known_keys::ONCE, report)
}

/// Reads the file of YAML in the report's source: a service block beside an agent.
pub fn read_yaml(report: &mut Report) -> Option<Node> {
    read_whole(Once::Everything, report)
}

fn read_whole(once: Once, report: &mut Report) -> Option<Node> {
    let length = report.source().text().len();
    let node = match yaml::parse(0..length, once, report) {
        Ok(node) => node,
        Err(YamlError::Refused) => return None,
        Err(YamlError::Syntax(stop)) => {
            let fault = yaml_fault::find(report.source(), 0..length, stop);
            report
                .error(fault.code, fault.span, fault.message)
                .advise(fault.help);
            return None;
        }
    };
    match node.value {
        Value::Map(_) => (!misplaced_keys::refuse(&node, report)).then_some(node),
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

/// Reads as it was meant what is not valid YAML; a parser stopped at `stop`.
fn mend(
    yaml: Range<usize>,
    stop: Span,
    strict: bool,
    report: &mut Report,
) -> Option<(Node, Vec<Rewrite>)> {
    let source = Arc::clone(report.source());
    let Repair {
        node,
        rewrites,
        fault,
    } = match repair::read(yaml.clone(), stop, report) {
        // What is refused in strict YAML is refused here too.
        _ if report.has_errors() => return None,
        Ok(repair) => repair,
        Err(fault) => {
            report
                .error(fault.code, fault.span, fault.message)
                .advise(fault.help);
            return None;
        }
    };
    let (fault, was_read) = match fault {
        Some((key, fault)) => {
            let value = node
                .get(&key)
                .map_or_else(String::new, repair_fault::in_words);
            (fault, format!("`{key}` was read as {value}"))
        }
        None => (
            yaml_fault::find(&source, yaml, stop),
            "it was read line by line".to_owned(),
        ),
    };
    if strict {
        report
            .error(Code::Repaired, fault.span, fault.message)
            .advise(fault.help);
        return None;
    }
    let message = format!("{}; {was_read}", fault.message);
    report
        .warning(Code::Repaired, fault.span, message)
        .advise("`agentgen check --fix` writes it as valid YAML with the same values");
    Some((node, rewrites))
}

/// The first line behind `offset` that would end the frontmatter if it were not indented, and its place.
fn indented_end(source: &Source, offset: usize) -> Option<(usize, Span)> {
    let text = source.text();
    let line = lines(text, offset..text.len()).find(|line| {
        let indent = yaml_line::indent(line.text);
        !indent.is_empty() && line.text[indent.len()..].trim_end() == "---"
    })?;
    let span = Span::new(line.start, line.start + line.text.trim_end().len());
    Some((source.location(line.start).line, span))
}

/// Warns of frontmatter that starts at `offset` and not at the start of the file: the agent is lost.
fn warn_of_late_start(source: &Source, offset: usize, report: &mut Report) {
    let line = source.location(offset).line;
    let text = source.line(line);
    let indent = yaml_line::indent(text);
    let opening = text[indent.len()..].trim_end();
    let span = Span::new(offset, offset + indent.len() + opening.len());
    if opening == "+++" {
        report
            .warning(
                Code::NoFrontmatter,
                span,
                "the frontmatter is TOML, which is not read",
            )
            .advise("write it as `key: value` lines between two lines `---`; until then the file is left out");
        return;
    }
    if split::is_odd_opening(opening) {
        let message = format!(
            "the frontmatter starts with the line `{}`; it must be `---` alone",
            printable(opening)
        );
        report
            .warning(Code::NoFrontmatter, span, message)
            .advise("write `---` in its place; until then the file is left out");
        return;
    }
    let start = indent.chars().find(|c| yaml_line::is_odd_space(*c));
    let (message, help) = if !indent.is_empty() && start.is_none() {
        (
            format!(
                "the frontmatter starts at line {line} and is indented; it must start in the first column"
            ),
            "remove the spaces in front of the line `---` and of the lines below it; until then the file is left out",
        )
    } else if let Some(c) = start {
        (
            format!(
                "{} is in front of the frontmatter, which must be the first thing in the file",
                yaml_line::named(c)
            ),
            "delete it; until then the file is left out",
        )
    } else {
        (
            format!(
                "the frontmatter starts at line {line}; it must be the first thing in the file"
            ),
            "move what is above it into the text below it; until then the file is left out",
        )
    };
    report
        .warning(Code::NoFrontmatter, span, message)
        .advise(help);
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
