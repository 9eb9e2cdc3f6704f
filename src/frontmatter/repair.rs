//! Reads frontmatter that is not valid YAML as its author plainly meant it.
//!
//! The frontmatter is cut into entries, line by line, and each entry's value is read on its own: by the
//! rules of YAML where it is structure or short, and unchanged where it is prose. What is not certain is refused.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use crate::diagnostics::Report;
use crate::diagnostics::span::Span;
use crate::frontmatter::known_keys;
use crate::frontmatter::repair_fault;
use crate::frontmatter::repair_value::{self, Validity};
use crate::frontmatter::written_entry::{Swallowed, Written};
use crate::text::lines::{Line, common_indent, lines, unindented};
use crate::yaml;
use crate::yaml::node::{Entry, Node, Value};
use crate::yaml::yaml_fault::{self, Fault};
use crate::yaml::yaml_line::{self, Item};

/// What was read of frontmatter that is not valid YAML.
#[derive(Debug)]
pub struct Repair {
    /// The mapping.
    pub node: Node,
    /// The entries that need another form to be valid YAML.
    pub rewrites: Vec<Rewrite>,
    /// What is wrong with the first entry that is not valid YAML, and its key.
    pub fault: Option<(String, Fault)>,
}

/// An entry that is not valid YAML, or would not be read the same by strict YAML.
#[derive(Debug, Clone)]
pub struct Rewrite {
    /// Its key.
    pub key: String,
    /// Its place in the source, from the key on.
    pub range: Range<usize>,
    /// Its value.
    pub value: Node,
}

/// The mapping in the bytes `range` of the report's source, where a parser stopped at `stop`.
///
/// Only what is certain is read. Text is: a description that needs quotes, or goes on without indentation. Structure is not:
/// where the lines of a mapping are indented wrongly, nobody but the author knows what belongs to what.
///
/// # Errors
///
/// What can't be read with certainty.
pub fn read(range: Range<usize>, stop: Span, report: &mut Report) -> Result<Repair, Fault> {
    let source = std::sync::Arc::clone(report.source());
    let text = source.text();
    let entries = entries(text, range.clone())
        .ok_or_else(|| yaml_fault::find(&source, range.clone(), stop))?;
    let has_service = entries.iter().any(|entry| entry.key == "service");
    let mut map: Vec<Entry> = Vec::new();
    let mut rewrites = Vec::new();
    let mut fault = None;
    let mut positions = BTreeMap::new();
    for written in entries {
        let (value, validity) = repair_value::read(&written, has_service, report)?;
        if validity == Validity::Invalid && fault.is_none() {
            fault = Some((
                written.key.clone(),
                repair_fault::of_text(&source, &written),
            ));
        }
        if validity != Validity::Valid {
            rewrites.push(Rewrite {
                key: written.key.clone(),
                range: written.filled_range(),
                value: value.clone(),
            });
        }
        let entry = Entry {
            key: written.key.clone(),
            key_span: written.key_span,
            value,
        };
        match positions.get(&entry.key) {
            Some(index) => {
                yaml::report_duplicate(&map[*index], &entry, known_keys::ONCE, report);
                map[*index] = entry;
            }
            None => {
                positions.insert(entry.key.clone(), map.len());
                map.push(entry);
            }
        }
    }
    let span = Span::new(range.start, range.end);
    let value = Value::Map(map);
    Ok(Repair {
        node: Node { value, span },
        rewrites,
        fault,
    })
}

/// Cuts the frontmatter into entries; `None` where a line belongs to no key.
fn entries(text: &str, range: Range<usize>) -> Option<Vec<Written<'_>>> {
    let mut all: Vec<Line<'_>> = lines(text, range.clone()).collect();
    let indent = common_indent(all.iter().map(|line| line.text));
    for line in &mut all {
        let rest = unindented(line.text, indent);
        line.start += line.text.len() - rest.len();
        line.text = rest;
    }
    let next = next_filled(&all);
    let between = between_entries(&all);
    let mut entries: Vec<Written<'_>> = Vec::new();
    let mut tags = Tags::new(&text[range]);
    let mut prose_seen = false;
    let mut above: Option<Swallowed<'_>> = None;
    for (index, line) in all.iter().copied().enumerate() {
        let blank = line.text.trim().is_empty();
        let next = next[index].map(|next| all[next]);
        let free = tags.open.is_empty() && !prose_seen;
        let head = match key_at(line) {
            Some(head) if known_keys::is_known(&head.0) => Some(head),
            Some(head) => {
                let example = || is_example(&head.0, next) && follows_prose(&entries);
                (free && !example()).then_some(head)
            }
            None => phrase_at(line).filter(|_| {
                let complete = entries.last().is_some_and(|entry| !entry.has_rest());
                free && complete && next.is_none_or(|next| key_at(next).is_some())
            }),
        };
        if let Some((key, key_span, value_start)) = head {
            let first = Line {
                start: value_start,
                text: &line.text[value_start - line.start..],
                next: line.next,
            };
            tags.open.clear();
            tags.count(first.text);
            prose_seen = false;
            above = None;
            entries.push(Written {
                key,
                key_span,
                first,
                rest: Vec::new(),
                swallowed: None,
            });
            continue;
        }
        let comment = line.text.starts_with('#');
        match entries.last_mut() {
            Some(_) if comment && between[index] && tags.open.is_empty() => {}
            Some(entry) => {
                if !blank && !tags.enclose() {
                    let found = looks_like_key(line);
                    entry.swallowed = entry.swallowed.take().or_else(|| swallowed(&found, &above));
                    above = found.filter(|found| found.is_bare());
                }
                prose_seen |= !blank && !line.text.starts_with([' ', '\t', '-']);
                tags.count(line.text);
                entry.rest.push(line);
            }
            None if blank || comment => {}
            None => return None,
        }
    }
    Some(entries)
}

/// The key that `line` starts with, behind whatever white space.
fn looks_like_key(line: Line<'_>) -> Option<Swallowed<'_>> {
    let indent = yaml_line::indent(line.text);
    let filled = &line.text[indent.len()..];
    let start = line.start + indent.len();
    let (key, odd) = match yaml_line::item(filled) {
        Item::Key { key, .. } => (key, None),
        Item::OddKey { at, c, key, side } => {
            let fault = yaml_fault::odd_key_fault(start + at, c, side, key);
            (key.trim_end_matches(':'), Some(fault))
        }
        Item::Text => {
            let (key, fault) = yaml_line::lookalike_colon(line, indent.len())?;
            (key, Some(fault))
        }
        Item::Dash(_) => return None,
    };
    Some(Swallowed {
        key: key.trim_matches(['"', '\'']).to_owned(),
        key_span: Span::new(start, start + key.len()),
        line,
        indent,
        odd,
    })
}

/// The key that must not become part of the value that `found` is in: one that harnesses know, or that of a mapping, which
/// starts in the line above.
fn swallowed<'a>(
    found: &Option<Swallowed<'a>>,
    above: &Option<Swallowed<'a>>,
) -> Option<Swallowed<'a>> {
    let found = found.as_ref()?;
    let apart = !found.indent.is_empty() || found.odd.is_some();
    if apart && known_keys::is_known(&found.key) {
        return Some(found.clone());
    }
    let above = above.as_ref()?;
    let deeper = found.indent.len() > above.indent.len() && found.is_lower();
    deeper.then(|| above.clone())
}

/// For each line, the next one that is not blank.
fn next_filled(lines: &[Line<'_>]) -> Vec<Option<usize>> {
    let mut next = vec![None; lines.len()];
    let mut ahead = None;
    for (index, line) in lines.iter().enumerate().rev() {
        next[index] = ahead;
        if !line.text.trim().is_empty() {
            ahead = Some(index);
        }
    }
    next
}

/// Whether the last entry is prose, which examples may be part of.
fn follows_prose(entries: &[Written<'_>]) -> bool {
    let last = entries.last();
    last.is_some_and(|entry| known_keys::is_prose(&entry.key))
}

/// Whether a line that starts with `label:` belongs to the examples of a description; `next` is the line behind it.
fn is_example(label: &str, next: Option<Line<'_>>) -> bool {
    let is_part = |label: &str| {
        ["context", "user", "assistant", "commentary"]
            .iter()
            .any(|part| label.eq_ignore_ascii_case(part))
    };
    let next = next.map_or("", |line| line.text.trim_start());
    let next_label = next.split(':').next().unwrap_or_default();
    let goes_on = next.starts_with('<') || (is_part(next_label) && next_label.len() < next.len());
    // `examples` is a key of its own.
    let leads_in = label.eq_ignore_ascii_case("example")
        || (label.eq_ignore_ascii_case("examples") && label != "examples");
    leads_in || (is_part(label) && goes_on)
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
    let gap = behind.len() - behind.trim_start_matches([' ', '\t']).len();
    let value = behind[gap..].strip_prefix(':')?;
    if key.is_empty() || !(value.is_empty() || value.starts_with([' ', '\t'])) {
        return None;
    }
    let start = line.start + line.text.len() - value.trim_start().len();
    let span = Span::new(line.start, line.start + length);
    Some((key.to_owned(), span, start))
}

/// The same for a key of several small words: `when to use: ...`.
fn phrase_at(line: Line<'_>) -> Option<(String, Span, usize)> {
    let at = line.text.find(':')?;
    let (phrase, value) = (&line.text[..at], &line.text[at + 1..]);
    let is_word = |word: &str| {
        word.starts_with(|c: char| c.is_ascii_lowercase())
            && word
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
    };
    let words = phrase.split(' ').count();
    if !(2..=4).contains(&words)
        || !phrase.split(' ').all(is_word)
        || !(value.is_empty() || value.starts_with([' ', '\t']))
    {
        return None;
    }
    let start = line.start + line.text.len() - value.trim_start().len();
    let span = Span::new(line.start, line.start + at);
    Some((phrase.to_owned(), span, start))
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

    /// Whether a tag is open that is closed somewhere: what is inside is text.
    fn enclose(&self) -> bool {
        self.open.iter().any(|name| self.closed.contains(name))
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
