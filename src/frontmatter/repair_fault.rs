//! Where an entry of frontmatter is not valid YAML, and what is wrong there.

use crate::diagnostics::source::Source;
use crate::diagnostics::span::Span;
use crate::frontmatter::misplaced_keys;
use crate::frontmatter::written_entry::{Swallowed, Written};
use crate::text::printable::printable;
use crate::yaml::node::{Node, Value};
use crate::yaml::yaml_fault::{self, Fault, colon_fault};
use crate::yaml::yaml_value;

/// How much of a value a message repeats, in characters.
const SHOWN: usize = 50;

/// The fault of a text that was read as it was plainly meant.
pub fn of_text(source: &Source, written: &Written<'_>) -> Fault {
    let found = of_entry(source, written);
    let line = |at: usize| source.location(at).line;
    if line(found.span.start) == line(written.first.start) {
        return found;
    }
    for next in written
        .rest
        .iter()
        .filter(|line| !line.text.trim().is_empty())
    {
        let place = next.start + next.text.len() - next.text.trim_start().len();
        let span = Span::new(place, next.start + next.text.trim_end().len());
        if !next.text.starts_with([' ', '\t']) {
            let message = format!(
                "the text of `{}` continues in line {} without indentation",
                written.key,
                line(next.start)
            );
            return Fault::of_layout(span, message, "indent it by two spaces");
        }
        if let Some(colon) = yaml_value::colon(next.text) {
            return colon_fault(Span::new(next.start + colon, next.start + colon + 2));
        }
    }
    found
}

/// The fault of an entry that can't be read.
pub fn of_entry(source: &Source, written: &Written<'_>) -> Fault {
    let range = written.range();
    yaml_fault::find(source, range, written.span())
}

/// The fault of a value that would swallow the line of another key.
pub fn of_swallowed(
    source: &Source,
    written: &Written<'_>,
    swallowed: &Swallowed<'_>,
    has_service: bool,
) -> Fault {
    let key = &swallowed.key;
    if misplaced_keys::is_service_key(key) {
        return misplaced_keys::service_fault(
            swallowed.key_span,
            key,
            swallowed.indent.len(),
            has_service,
        );
    }
    if let Some(odd) = &swallowed.odd {
        return odd.clone();
    }
    if let Some(fault) = yaml_fault::indentation_fault(source, swallowed.line, swallowed.indent) {
        return fault;
    }
    let help = format!(
        "start it in the same column as `{}`; put the value of `{}` in quotes if it is part of it",
        written.key, written.key
    );
    yaml_fault::spaces_fault(swallowed.key_span, key, swallowed.indent.len(), 0, help)
}

/// A value in a few words, for messages.
pub fn in_words(node: &Node) -> String {
    match &node.value {
        Value::String(text) => {
            let mut shown: String = text.chars().take(SHOWN).collect();
            if shown.len() < text.len() {
                shown.push('…');
            }
            format!("the text “{}”", printable(&shown))
        }
        Value::List(items) if items.len() == 1 => "a list of one item".to_owned(),
        Value::List(items) => format!("a list of {} items", items.len()),
        _ => node.kind().to_owned(),
    }
}
