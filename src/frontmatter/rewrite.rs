//! Frontmatter that had to be repaired, written again as valid YAML.

use std::sync::Arc;

use crate::diagnostics::Report;
use crate::diagnostics::code::Code;
use crate::diagnostics::source::Source;
use crate::diagnostics::span::Span;
use crate::frontmatter::repair::Rewrite;
use crate::frontmatter::{self, Document, Reading};
use crate::yaml::node::Node;
use crate::yaml::yaml_line::UNUSUAL_LINE_BREAKS;

/// The whole text of the file with its frontmatter as valid YAML. `document` is what was read of `source`.
///
/// Only the entries that are not valid YAML are written again; all values and their order stay, and so do the other lines
/// and every byte of the body. What is around them is written plainly: nothing in front of the first `---`, no code fence
/// around the file, lines that end as the first one does. Where that is not enough, all entries are written again, and
/// comments between them go.
///
/// `None` where the frontmatter is valid already, where the new text would not be read the same, or where it would lose one of the
/// values of a key that is there twice.
pub fn fix(source: &Arc<Source>, document: &Document) -> Option<String> {
    if !document.repaired {
        return None;
    }
    let text = source.text();
    let body = &text[document.body.clone()];
    let line_end = line_end(text);
    let whole = |yaml: &str| {
        let fixed = format!("---{line_end}{yaml}---{line_end}{body}");
        reads_the_same(source.path(), &fixed, &document.frontmatter, body).then_some(fixed)
    };
    entries_again(text, document, line_end)
        .and_then(|yaml| whole(&yaml))
        .or_else(|| {
            if has_duplicates(source) {
                return None;
            }
            let all = document.frontmatter.to_json();
            whole(&written(all.as_object()?)?.replace('\n', line_end))
        })
}

/// Whether a key is twice in a mapping of the frontmatter.
fn has_duplicates(source: &Arc<Source>) -> bool {
    let mut report = Report::new(source);
    frontmatter::read(&mut report, false);
    let mut diagnostics = report.into_diagnostics().into_iter();
    diagnostics.any(|diagnostic| diagnostic.code == Code::DuplicateKey)
}

/// The frontmatter with the entries that are not valid YAML written again.
fn entries_again(text: &str, document: &Document, line_end: &str) -> Option<String> {
    let Span { mut start, end } = document.frontmatter.span;
    let mut yaml = String::new();
    for Rewrite { key, range, value } in &document.rewrites {
        // Of two entries with one key, the frontmatter holds the value of the last; each keeps its own text.
        let read = document.frontmatter.get(key)?;
        let value = if read.span == value.span { read } else { value };
        let entry = serde_json::Map::from_iter([(key.clone(), value.to_json())]);
        yaml.push_str(text.get(start..range.start)?);
        yaml.push_str(&written(&entry)?.replace('\n', line_end));
        start = range.end;
    }
    yaml.push_str(text.get(start..end)?);
    Some(yaml)
}

/// These entries as YAML that every reader reads the same: readers differ in whether U+0085, U+2028 and U+2029 end a line.
fn written(entries: &serde_json::Map<String, serde_json::Value>) -> Option<String> {
    let mut yaml = String::new();
    for (key, value) in entries {
        let entry = serde_json::Map::from_iter([(key.clone(), value.clone())]);
        let plain = serde_yaml::to_string(&entry).ok()?;
        if plain.contains(UNUSUAL_LINE_BREAKS) {
            // JSON is YAML; its escapes are too.
            let key = serde_json::to_string(key).ok()?;
            let line = format!("{key}: {}\n", serde_json::to_string(value).ok()?);
            yaml.extend(
                line.chars()
                    .map(|c| match UNUSUAL_LINE_BREAKS.contains(&c) {
                        true => format!("\\u{:04x}", u32::from(c)),
                        false => c.to_string(),
                    }),
            );
        } else {
            yaml.push_str(&plain);
        }
    }
    Some(yaml)
}

fn line_end(text: &str) -> &'static str {
    match text.find(['\n', '\r']) {
        Some(at) if text[at..].starts_with("\r\n") => "\r\n",
        Some(at) if text[at..].starts_with('\r') => "\r",
        _ => "\n",
    }
}

fn reads_the_same(path: &str, fixed: &str, frontmatter: &Node, body: &str) -> bool {
    let source = Arc::new(Source::new(path, fixed.to_owned()));
    match frontmatter::read(&mut Report::new(&source), true) {
        Reading::Agent(again) => {
            !again.repaired
                && fixed[again.body.clone()] == *body
                && again.frontmatter.is_same(frontmatter)
        }
        Reading::NoFrontmatter | Reading::Unreadable => false,
    }
}
