//! Diagnostics for people: drawn on stderr, errors last.

use std::ops::Range;

use agentgen_build::inspect::printable;
use agentgen_build::{Diagnostic, Location, Severity};
use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};
use clap::ValueEnum;

use crate::terminal::json_output::Document;
use crate::terminal::plural::Counts;
use crate::terminal::{Status, eprint_line, print};

/// What a command prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// One JSON document on stdout.
    Json,
}

/// Removes repeated diagnostics.
pub fn deduplicate(diagnostics: &mut Vec<Diagnostic>) {
    let mut seen = std::collections::BTreeSet::new();
    diagnostics.retain(|diagnostic| seen.insert((diagnostic.to_string(), diagnostic.span)));
}

/// Draws the diagnostics on stderr, errors last, then the command that explains the last one.
pub fn draw(diagnostics: &[Diagnostic]) {
    let renderer = Renderer::styled();
    let mut ordered: Vec<&Diagnostic> = diagnostics.iter().collect();
    ordered.sort_by_key(|diagnostic| std::cmp::Reverse(diagnostic.severity));
    for diagnostic in &ordered {
        eprint_line(&format!("{}\n", render(&renderer, diagnostic)));
    }
    if let Some(last) = ordered.last() {
        eprint_line(&format!(
            "run `agentgen explain {}` for an example and its fix",
            last.code
        ));
    }
}

/// Reports errors that end a command before anything is written; returns `status`.
pub fn refuse(mut diagnostics: Vec<Diagnostic>, format: Format, status: Status) -> Status {
    deduplicate(&mut diagnostics);
    match format {
        Format::Json => {
            let document = Document::new(&diagnostics, "refused");
            if let Err(status) = print(&document.text()) {
                return status;
            }
        }
        Format::Text => {
            draw(&diagnostics);
            let words = Counts::of(&diagnostics).words().unwrap_or_default();
            eprint_line(&format!("{}: {words}; nothing was written", red("error")));
        }
    }
    status
}

/// A word in bold red.
pub fn red(word: &str) -> String {
    format!("\u{1b}[1;31m{word}\u{1b}[0m")
}

/// A word in bold yellow.
pub fn yellow(word: &str) -> String {
    format!("\u{1b}[1;33m{word}\u{1b}[0m")
}

fn render(renderer: &Renderer, diagnostic: &Diagnostic) -> String {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        Severity::Note => Level::NOTE,
    };
    let title = level
        .primary_title(printable(&diagnostic.message))
        .id(diagnostic.code.as_str());
    let path = printable(&diagnostic.path);
    let mut group = Group::with_title(title);
    group = match excerpt(diagnostic) {
        None => group.element(Origin::path(path)),
        Some(excerpt) => group.element(
            Snippet::source(excerpt.text)
                .path(path)
                .line_start(excerpt.line)
                .annotation(AnnotationKind::Primary.span(excerpt.mark)),
        ),
    };
    if let Some(help) = &diagnostic.help {
        group = group.element(Level::HELP.message(printable(help)));
    }
    renderer.render(&[group])
}

/// The line that a diagnostic is about, and what to mark in it, in bytes.
struct Excerpt<'a> {
    line: usize,
    text: &'a str,
    mark: Range<usize>,
}

/// Only the first line of the place is drawn. The renderer itself cuts long lines to the part around the mark.
fn excerpt(diagnostic: &Diagnostic) -> Option<Excerpt<'_>> {
    let source = diagnostic.source.as_ref()?;
    let span = diagnostic.span?;
    let Location { line, column } = source.location(span.start);
    let text = source.line(line);
    let start = text
        .char_indices()
        .nth(column - 1)
        .map_or(text.len(), |(index, _)| index);
    let mut end = (start + (span.end - span.start)).min(text.len());
    while !text.is_char_boundary(end) {
        end += 1;
    }
    Some(Excerpt {
        line,
        text,
        mark: start..end,
    })
}
