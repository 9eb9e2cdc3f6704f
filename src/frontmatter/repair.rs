//! Reads frontmatter that is not valid YAML as its author plainly meant it.
//!
//! The frontmatter is cut into entries, line by line, and each entry's value is read on its own: by the
//! rules of YAML where it is structure or short, and unchanged where it is prose.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use crate::diagnostics::Report;
use crate::diagnostics::span::Span;
use crate::frontmatter::known_keys;
use crate::frontmatter::repair_value::{self, Written};
use crate::text::lines::{Line, common_indent, lines, unindented};
use crate::yaml;
use crate::yaml::node::{Entry, Node, Value};

/// The mapping in the bytes `range` of the report's source.
///
/// # Errors
///
/// The place of the first line that belongs to no key.
pub fn read(range: Range<usize>, report: &mut Report) -> Result<Node, Span> {
    let source = std::sync::Arc::clone(report.source());
    let text = source.text();
    let entries = entries(text, range.clone())?;
    let mut map: Vec<Entry> = Vec::new();
    let mut positions = BTreeMap::new();
    for written in entries {
        let entry = Entry {
            key: written.key.clone(),
            key_span: written.key_span,
            value: repair_value::read(&written, report),
        };
        match positions.get(&entry.key) {
            Some(index) => {
                yaml::warn_of_duplicate(&entry.key, entry.key_span, report);
                map[*index] = entry;
            }
            None => {
                positions.insert(entry.key.clone(), map.len());
                map.push(entry);
            }
        }
    }
    Ok(Node {
        value: Value::Map(map),
        span: Span::new(range.start, range.end),
    })
}

/// Cuts the frontmatter into entries.
fn entries(text: &str, range: Range<usize>) -> Result<Vec<Written<'_>>, Span> {
    let mut all: Vec<Line<'_>> = lines(text, range.clone()).collect();
    let indent = common_indent(all.iter().map(|line| line.text));
    for line in &mut all {
        let rest = unindented(line.text, indent);
        line.start += line.text.len() - rest.len();
        line.text = rest;
    }
    let between = between_entries(&all);
    let mut entries: Vec<Written<'_>> = Vec::new();
    let mut tags = Tags::new(&text[range]);
    let mut prose_seen = false;
    for (line, between) in all.into_iter().zip(between) {
        let blank = line.text.trim().is_empty();
        let head = key_at(line)
            .filter(|(key, ..)| (tags.open.is_empty() && !prose_seen) || known_keys::is_known(key));
        if let Some((key, key_span, value_start)) = head {
            let first = Line {
                start: value_start,
                text: &line.text[value_start - line.start..],
                next: line.next,
            };
            tags.open.clear();
            tags.count(first.text);
            prose_seen = false;
            entries.push(Written {
                key,
                key_span,
                first,
                rest: Vec::new(),
            });
            continue;
        }
        let comment = line.text.starts_with('#');
        match entries.last_mut() {
            Some(_) if comment && between && tags.open.is_empty() => {}
            Some(entry) => {
                prose_seen |= !blank && !line.text.starts_with([' ', '\t', '-']);
                tags.count(line.text);
                entry.rest.push(line);
            }
            None if blank || comment => {}
            None => return Err(Span::new(line.start, line.start + line.text.len())),
        }
    }
    Ok(entries)
}

/// For each line, whether the lines behind it go on with a new entry, or not at all.
fn between_entries(lines: &[Line<'_>]) -> Vec<bool> {
    let mut between = vec![true; lines.len()];
    let mut ahead = true;
    for (line, between) in lines.iter().zip(&mut between).rev() {
        *between = ahead;
        if !line.text.trim().is_empty() && !line.text.starts_with('#') {
            ahead = key_at(*line).is_some();
        }
    }
    between
}

/// The key that `line` starts with, its place, and where its value starts.
fn key_at(line: Line<'_>) -> Option<(String, Span, usize)> {
    let (key, length) = match line.text.chars().next()? {
        quote @ ('"' | '\'') => {
            let end = line.text[1..].find(quote)? + 1;
            (&line.text[1..end], end + 1)
        }
        c if c.is_alphanumeric() || c == '_' => {
            let end = line.text.find(|c: char| {
                !(c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '/' | '$' | '@'))
            })?;
            (&line.text[..end], end)
        }
        _ => return None,
    };
    let behind = &line.text[length..];
    let gap = behind.len() - behind.trim_start().len();
    let value = behind[gap..].strip_prefix(':')?;
    if key.is_empty() || !(value.is_empty() || value.starts_with([' ', '\t'])) {
        return None;
    }
    let start = line.start + line.text.len() - value.trim_start().len();
    let span = Span::new(line.start, line.start + length);
    Some((key.to_owned(), span, start))
}

/// The tags that are open and enclose text.
struct Tags<'a> {
    open: Vec<&'a str>,
    closed: BTreeSet<&'a str>,
}

impl<'a> Tags<'a> {
    /// No open tags. A tag encloses text where `text` closes it anywhere.
    fn new(text: &'a str) -> Self {
        let closed = tags(text).filter(|(_, closing)| *closing);
        Self {
            open: Vec::new(),
            closed: closed.map(|(name, _)| name).collect(),
        }
    }

    /// Keeps account of the tags that `piece` opens and closes.
    fn count(&mut self, piece: &'a str) {
        for (name, closing) in tags(piece) {
            if closing {
                if let Some(index) = self.open.iter().rposition(|open| *open == name) {
                    self.open.truncate(index);
                }
            } else if matches!(name, "example" | "examples") || self.closed.contains(name) {
                self.open.push(name);
            }
        }
    }
}

/// The names of the tags in `text`, and whether each is a closing one.
fn tags(text: &str) -> impl Iterator<Item = (&str, bool)> {
    text.split('<').skip(1).filter_map(|behind| {
        let (closing, behind) = match behind.strip_prefix('/') {
            Some(behind) => (true, behind),
            None => (false, behind),
        };
        let length = behind.find(|c: char| !(c.is_ascii_lowercase() || matches!(c, '_' | '-')))?;
        let tag = length > 0 && behind[length..].starts_with('>');
        tag.then(|| (&behind[..length], closing))
    })
}
