//! Inserts proposed lines into the text of a service block.

use crate::suggest::proposal::Proposal;
use crate::suggest::yaml_lines::{self, YamlLine, header};
use agentgen_build::inspect::{Entry, Node, Value, lines};

/// Lines to be put in front of the byte at an offset; `inside` a line, text.
pub struct Insertion {
    offset: usize,
    lines: Vec<String>,
    inside: bool,
}

impl Insertion {
    /// The lines of `branches`.
    pub fn of(offset: usize, branches: &[YamlLine], indent: usize) -> Self {
        Self {
            offset,
            lines: yaml_lines::lines(branches, indent),
            inside: false,
        }
    }
}

/// What adds `proposal` to the service block in `entry`, which is written in lines and ends before `limit`.
pub fn into_service(
    text: &str,
    entry: &Entry,
    limit: usize,
    proposal: &Proposal,
) -> Option<Vec<Insertion>> {
    let own = column(text, entry.key_span.start)?;
    let end = block_end(text, entry.key_span.start, own, limit);
    into_map(text, &entry.value, own + 2, end, proposal)
}

/// What adds `proposal` to the service block in `node`, which ends at `end`. `indent` is that of its keys where it
/// has none.
pub fn into_map(
    text: &str,
    node: &Node,
    indent: usize,
    end: usize,
    proposal: &Proposal,
) -> Option<Vec<Insertion>> {
    let entries = node.entries()?;
    let indent = match entries.first() {
        Some(first) => column(text, first.key_span.start)?,
        None => indent,
    };
    let mut insertions = Vec::new();
    let mut added = Vec::new();
    for (key, branches) in proposal.parts() {
        if branches.is_empty() {
            continue;
        }
        match node.entry(key) {
            Some(entry) => insertions.push(into_entry(text, entry, end, branches)?),
            None => added.push(header(key, branches.to_vec())),
        }
    }
    // What ends where the block ends comes before what is added to the block.
    if !added.is_empty() {
        insertions.push(Insertion::of(end, &added, indent));
    }
    Some(insertions)
}

/// What adds `branches` to the mapping or the list in `entry`.
fn into_entry(text: &str, entry: &Entry, limit: usize, branches: &[YamlLine]) -> Option<Insertion> {
    let key = column(text, entry.key_span.start)?;
    match &entry.value.value {
        Value::Map(entries) => {
            let indent = column(text, entries.first()?.key_span.start)?;
            let end = block_end(text, entry.key_span.start, key, limit);
            Some(Insertion::of(end, branches, indent))
        }
        Value::List(items) => {
            let last = items.last()?.span;
            let start = line_start(text, last.start);
            let before = text.get(start..last.start)?;
            // In `[one, two]` there is no place for comments.
            if before.trim() != "-" {
                let enabled = branches.iter().filter(|line| line.enabled);
                let names: String = enabled
                    .filter_map(|line| line.text.strip_prefix("- "))
                    .map(|name| format!(", {name}"))
                    .collect();
                return Some(Insertion {
                    offset: last.end,
                    lines: vec![names],
                    inside: true,
                });
            }
            let indent = before.find('-')?;
            let end = lines(text, start..limit).next()?.next;
            Some(Insertion::of(end, branches, indent))
        }
        _ => None,
    }
}

fn line_start(text: &str, offset: usize) -> usize {
    text[..offset].rfind(['\n', '\r']).map_or(0, |at| at + 1)
}

/// The column of `offset`, from 0, if only blanks precede it on its line.
fn column(text: &str, offset: usize) -> Option<usize> {
    let before = text.get(line_start(text, offset)..offset)?;
    before
        .bytes()
        .all(|byte| byte == b' ')
        .then_some(before.len())
}

/// The end of the block whose key is at `key`, in the column `indent`.
fn block_end(text: &str, key: usize, indent: usize, limit: usize) -> usize {
    let mut below = lines(text, line_start(text, key)..limit);
    let mut end = below.next().map_or(limit, |line| line.next);
    for line in below {
        let filled = line.text.trim_start_matches(' ');
        if filled.trim().is_empty() {
            continue;
        }
        if line.text.len() - filled.len() <= indent {
            break;
        }
        end = line.next;
    }
    end
}

/// `text` with the insertions, whose lines end as its first one does.
pub fn inserted(text: &str, mut insertions: Vec<Insertion>) -> String {
    let line_end = match text.find(['\n', '\r']) {
        Some(at) if text[at..].starts_with("\r\n") => "\r\n",
        Some(at) if text[at..].starts_with('\r') => "\r",
        _ => "\n",
    };
    insertions.sort_by_key(|insertion| insertion.offset);
    let mut new = String::with_capacity(text.len() * 2);
    let mut written = 0;
    for Insertion {
        offset,
        lines,
        inside,
    } in insertions
    {
        new.push_str(&text[written..offset]);
        written = offset;
        if inside {
            new.push_str(&lines.concat());
            continue;
        }
        let open = !new.is_empty() && !new.ends_with(['\n', '\r']);
        if open {
            new.push_str(line_end);
        }
        new.push_str(&lines.join(line_end));
        if !open {
            new.push_str(line_end);
        }
    }
    new.push_str(&text[written..]);
    new
}
