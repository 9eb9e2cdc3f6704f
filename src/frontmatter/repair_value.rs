//! The value of one entry of frontmatter that is not valid YAML.

use std::ops::Range;
use std::sync::Arc;

use crate::diagnostics::code::Code;
use crate::diagnostics::source::Source;
use crate::diagnostics::span::Span;
use crate::diagnostics::{Diagnostic, Report, Severity};
use crate::frontmatter::known_keys::{self, is_prose};
use crate::frontmatter::misplaced_keys;
use crate::frontmatter::repair_fault;
use crate::frontmatter::repair_fold::{fold, joined, without_comment};
use crate::frontmatter::written_entry::Written;
use crate::text::lines::{Line, common_indent, unindented};
use crate::yaml::node::{Node, Value};
use crate::yaml::yaml_fault::Fault;
use crate::yaml::{self, Once, yaml_line, yaml_value};

/// Whether strict YAML reads an entry the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Validity {
    /// It does.
    Valid,
    /// It ends the text at ` #`.
    Cut,
    /// It can't read the entry.
    Invalid,
}

/// The value of the entry `written`, and whether strict YAML reads the same. `has_service` tells whether the frontmatter
/// has a service block.
///
/// # Errors
///
/// What is wrong with a value that can't be read with certainty.
pub fn read(
    written: &Written<'_>,
    has_service: bool,
    report: &mut Report,
) -> Result<(Node, Validity), Fault> {
    let source = Arc::clone(report.source());
    let first = written.first.text.trim();
    if first.is_empty() && !written.has_rest() {
        let span = Span::new(written.first.start, written.first.start);
        let value = Value::Null;
        return Ok((Node { value, span }, Validity::Valid));
    }
    let prose = is_prose(&written.key);
    let is_plain = !first.starts_with(['"', '\'', '|', '>', '[', '{']) && !first.is_empty();
    let cut = prose && is_plain && written.has_hash();
    let strict = strict(written, report);
    if let Some(node) = &strict
        && !cut
    {
        return Ok((node.clone(), Validity::Valid));
    }
    if strict.is_none()
        && let Some(swallowed) = &written.swallowed
        && (prose || !first.is_empty() || misplaced_keys::is_service_key(&swallowed.key))
        && written.key != "service"
    {
        return Err(repair_fault::of_swallowed(
            &source,
            written,
            swallowed,
            has_service,
        ));
    }
    let read = match prose {
        true => Some(prose_text(written)),
        false => short_value(written, report),
    };
    let node = read.ok_or_else(|| repair_fault::of_entry(&source, written))?;
    let validity = match strict {
        Some(_) => Validity::Cut,
        None => Validity::Invalid,
    };
    Ok((node, validity))
}

/// The text of a description or the like.
fn prose_text(written: &Written<'_>) -> Node {
    let first = written.first.text.trim();
    let text = |text: String| written.node(Value::String(text));
    match first.chars().next() {
        Some(style @ ('|' | '>')) if is_block_header(first) => text(block(written, style)),
        Some(quote @ ('"' | '\'')) => {
            indented(written).unwrap_or_else(|| text(without_quotes(folded(written), quote)))
        }
        _ => text(folded(written)),
    }
}

/// A value that is no prose and no valid YAML: a list of texts, or a text on one line or in indented ones. `None` where it
/// may be anything else.
fn short_value(written: &Written<'_>, report: &Report) -> Option<Node> {
    let first = written.first.text.trim();
    let text = |text: String| written.node(Value::String(text));
    let mut rest = written
        .rest
        .iter()
        .filter(|line| !line.text.trim().is_empty());
    let node = match first.chars().next() {
        None => return list_of_lines(written, report),
        Some('{') => return None,
        Some('[') => match flow_items(written) {
            Some(items) => flow_list(written, &items)?,
            None => scalar(written),
        },
        Some(style @ ('|' | '>')) if is_block_header(first) => {
            let outside = |line: &Line<'_>| !line.text.starts_with([' ', '\t']);
            if rest.any(outside) {
                return None;
            }
            let value = block(written, style);
            let is_name = matches!(&*written.key, "name" | "model" | "color");
            return (!is_name || !value.trim_end().contains('\n')).then(|| text(value));
        }
        Some(quote @ ('"' | '\'')) if rest.clone().next().is_none() => {
            text(without_quotes(folded(written), quote))
        }
        Some('"' | '\'') => return indented(written),
        Some(_) => scalar(written),
    };
    let belongs = |line: &Line<'_>| {
        let filled = line.text.trim();
        let list = first.starts_with('[');
        (list || line.text.starts_with([' ', '\t']))
            && !yaml_line::is_key(filled)
            && !filled.starts_with("- ")
    };
    let one_line = node.as_str().is_none_or(|text| !text.contains('\n'));
    (one_line && rest.all(belongs)).then_some(node)
}

/// The value as strict YAML has it, if the entry is strict YAML by itself.
///
/// Warnings of strict YAML are reported here too, and so are errors: values nested too deeply, and
/// anchors, aliases and tags in structure. In a value that starts on the key's own line, they are its text.
fn strict(written: &Written<'_>, report: &mut Report) -> Option<Node> {
    // `key: a: b` is never valid; there is no need to ask the parser.
    let first = written.first.text.trim();
    let is_plain = first.starts_with(|c: char| c.is_alphanumeric());
    if is_plain && !written.has_rest() && yaml_value::colon(first).is_some() {
        return None;
    }
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
            again.related = diagnostic.related;
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
    let node = yaml::parse(range, known_keys::ONCE, &mut aside).ok();
    (node, aside.into_diagnostics())
}

/// The value of the YAML `text`, which is not in the source.
fn parse_text(text: String) -> Option<Value> {
    let length = text.len();
    let mut aside = Report::new(&Arc::new(Source::new("", text)));
    let node = yaml::parse(0..length, Once::Nothing, &mut aside).ok()?;
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

/// `whole`, which starts with `quote`, without the quotes around it.
///
/// The first quote goes where its partner is the last character, or where it has none. A value that only starts with a
/// quoted phrase keeps all its quotes.
fn without_quotes(whole: String, quote: char) -> String {
    let inner = whole.strip_prefix(quote).unwrap_or(&whole);
    let ends = inner.ends_with(quote) && !inner.ends_with(&format!("\\{quote}"));
    match partner(inner, quote) {
        // An apostrophe or a sign for inches looks like a partner too: then the last quote has no other one.
        Some(at) if at + 1 < inner.len() => {
            let whole_in_quotes = ends && !inner[at + 1..inner.len() - 1].contains(quote);
            match whole_in_quotes {
                true => inner[..inner.len() - 1].to_owned(),
                false => whole,
            }
        }
        Some(at) => inner[..at].to_owned(),
        None => inner.to_owned(),
    }
}

/// Where the quote that stands in front of `inner` is closed: quotes inside come in pairs.
fn partner(inner: &str, quote: char) -> Option<usize> {
    let mut depth = 1_usize;
    for (at, _) in inner.match_indices(quote) {
        let before = inner[..at].chars().next_back();
        let behind = inner[at + 1..].chars().next();
        let is_word = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
        if before == Some('\\') || (is_word(before) && is_word(behind)) {
            continue;
        }
        let opens = before.is_some_and(|c| c.is_whitespace() || "([{<—–-/=:\u{201c}".contains(c))
            && behind.is_some_and(|c| !c.is_whitespace());
        match opens {
            true => depth += 1,
            false => depth -= 1,
        }
        if depth == 0 {
            return Some(at);
        }
    }
    None
}

/// The parts between commas of a list in brackets that YAML can't read. The brackets may lack their end; `None` where they
/// close before the value does, which makes it text.
fn flow_items(written: &Written<'_>) -> Option<Vec<String>> {
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
        .map(str::trim)
        .filter(|item| !item.is_empty());
    Some(items.map(str::to_owned).collect())
}

/// The list of these texts; `None` where one of them is a list or a mapping of its own.
fn flow_list(written: &Written<'_>, items: &[String]) -> Option<Node> {
    let is_structure = |item: &String| {
        item.starts_with(['[', '{']) || (!takes_texts(&written.key) && yaml_line::is_key(item))
    };
    if items.iter().any(is_structure) {
        return None;
    }
    let items = items
        .iter()
        .map(|item| written.node(Value::String(unquoted(item))));
    Some(written.node(Value::List(items.collect())))
}

/// A list of `- ` items that YAML can't read as a whole: each item's value, or its text unchanged. `None` where an item
/// may be a mapping or a list of its own.
fn list_of_lines(written: &Written<'_>, report: &Report) -> Option<Node> {
    let mut items: Vec<(String, Range<usize>, usize)> = Vec::new();
    let mut indent = None;
    for line in written
        .rest
        .iter()
        .filter(|line| !line.text.trim().is_empty())
    {
        let trimmed = line.text.trim();
        let before = &line.text[..line.text.len() - line.text.trim_start().len()];
        let start = line.start + before.len();
        let end = start + trimmed.len();
        let item = trimmed
            .strip_prefix('-')
            .filter(|rest| rest.is_empty() || rest.starts_with([' ', '\t']));
        match item {
            Some(_) if *indent.get_or_insert(before) != before => return None,
            Some(rest) => items.push((rest.trim().to_owned(), start..line.next, end)),
            None if before.is_empty() || yaml_line::is_key(trimmed) => return None,
            None => {
                let (text, range, last) = items.last_mut()?;
                text.push(' ');
                text.push_str(trimmed);
                range.end = line.next;
                *last = end;
            }
        }
    }
    let mut nodes = Vec::new();
    for (text, range, end) in items {
        let span = Span::new(range.start, end);
        let alone = match parse_aside(range, report).0.map(|node| node.value) {
            Some(Value::List(mut items)) if items.len() == 1 => items.pop(),
            _ => None,
        };
        nodes.push(match alone {
            Some(node) => node,
            None if yaml_line::is_key(&text) && !takes_texts(&written.key) => return None,
            None => Node {
                value: Value::String(unquoted(&text)),
                span,
            },
        });
    }
    Some(written.node(Value::List(nodes)))
}

/// Whether the value of `key` is a list of texts, so that `: ` in one of them is a part of it.
fn takes_texts(key: &str) -> bool {
    let tools = key.to_ascii_lowercase().ends_with("tools");
    tools || ["capabilities", "examples", "skills", "tags", "triggers"].contains(&key)
}

/// An item of a list without the quotes around it.
fn unquoted(text: &str) -> String {
    match text.chars().next() {
        Some(quote @ ('"' | '\'')) => without_quotes(text.to_owned(), quote),
        _ => text.to_owned(),
    }
}

/// A short value: without the comment behind it, and resolved as YAML resolves scalars.
fn scalar(written: &Written<'_>) -> Node {
    let text = folded_without_comments(written);
    let short = yaml_value::colon(&text).is_none();
    let value = match short.then(|| parse_text(text.clone())).flatten() {
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
