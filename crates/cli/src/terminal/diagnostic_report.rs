//! Diagnostics for people: drawn on stderr, errors last.

use std::collections::{BTreeMap, BTreeSet};

use agentgen_build::inspect::printable;
use agentgen_build::{Diagnostic, Group, Grouped, Location, Severity, Source, Span, grouped};
use annotate_snippets::{AnnotationKind, Group as RenderedGroup, Level, Origin, Renderer, Snippet};
use clap::ValueEnum;

use crate::terminal::json_output::Document;
use crate::terminal::plural::Counts;
use crate::terminal::{Status, eprint_line, github_output, is_verbose, print, sarif_output};

/// What a command prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// One JSON document on stdout.
    Json,
}

/// What a command prints that reports on a project.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum ReportFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON document on stdout.
    Json,
    /// A SARIF 2.1.0 log on stdout, for code scanning services.
    Sarif,
    /// Workflow commands of GitHub Actions on stdout, which show each diagnostic beside its line.
    Github,
}

impl From<Format> for ReportFormat {
    fn from(format: Format) -> Self {
        match format {
            Format::Text => Self::Text,
            Format::Json => Self::Json,
        }
    }
}

impl ReportFormat {
    /// The one document that is printed and nothing besides; none where lines for people are printed.
    pub fn document(
        self,
        diagnostics: &[Diagnostic],
        document: impl FnOnce() -> Document,
    ) -> Option<String> {
        match self {
            Self::Json => Some(document().text()),
            Self::Sarif => Some(sarif_output::log(diagnostics)),
            Self::Text | Self::Github => None,
        }
    }
}

/// Reports the diagnostics for people, or for GitHub, which needs all of them.
///
/// # Errors
///
/// [`Status::Io`] where stdout can't be written.
pub fn report(diagnostics: &[Diagnostic], format: ReportFormat) -> Result<(), Status> {
    if format == ReportFormat::Github {
        return print(&github_output::commands(diagnostics));
    }
    draw(diagnostics);
    Ok(())
}

/// Removes repeated diagnostics.
pub fn deduplicate(diagnostics: &mut Vec<Diagnostic>) {
    let mut seen = BTreeSet::new();
    let is_first = diagnostics.iter().map(|diagnostic| {
        let place = (&diagnostic.path, diagnostic.span);
        let words = (&diagnostic.message, &diagnostic.help);
        seen.insert((place, diagnostic.severity, diagnostic.code, words))
    });
    let is_first: Vec<bool> = is_first.collect();
    let mut is_first = is_first.into_iter();
    diagnostics.retain(|_| is_first.next().unwrap_or(true));
}

/// Draws the diagnostics on stderr, errors last, then the command that explains the last one. Without `--verbose`, many of
/// one kind are drawn as one.
pub fn draw(diagnostics: &[Diagnostic]) {
    let renderer = Renderer::styled();
    let mut ordered = match is_verbose() {
        true => diagnostics.iter().map(Grouped::One).collect(),
        false => grouped(diagnostics),
    };
    ordered.sort_by_key(|shown| {
        std::cmp::Reverse(match shown {
            Grouped::One(diagnostic) => diagnostic.severity,
            Grouped::Group(group) => group.severity,
        })
    });
    let mut hidden = Vec::new();
    let mut drawn: BTreeMap<Severity, usize> = BTreeMap::new();
    let mut left_out = Vec::new();
    for shown in &ordered {
        if let Grouped::One(diagnostic) = shown {
            let count = drawn.entry(diagnostic.severity).or_default();
            *count += 1;
            if *count > DRAWN && !is_verbose() {
                left_out.push(diagnostic.severity);
                continue;
            }
        }
        match shown {
            Grouped::One(diagnostic) => {
                eprint_line(&format!("{}\n", render(&renderer, diagnostic)))
            }
            Grouped::Group(group) => {
                eprint_line(&format!("{}\n", render_group(&renderer, group)));
                hidden.extend(group.members.iter().map(|one| one.severity));
            }
        }
    }
    if !left_out.is_empty() {
        let words = Counts::of_severities(&left_out).words().unwrap_or_default();
        eprint_line(&format!("{words} more; `--verbose` shows each"));
    }
    if !hidden.is_empty() {
        let words = Counts::of_severities(&hidden).words().unwrap_or_default();
        eprint_line(&format!("{words} in groups; `--verbose` shows each"));
    }
    if let Some(last) = ordered.last() {
        let code = match last {
            Grouped::One(diagnostic) => diagnostic.code,
            Grouped::Group(group) => group.code,
        };
        eprint_line(&format!(
            "run `agentgen explain {code}` for an example and its fix"
        ));
    }
}

/// Reports errors that end a command before anything is written; returns `status`.
pub fn refuse(
    mut diagnostics: Vec<Diagnostic>,
    format: impl Into<ReportFormat>,
    status: Status,
) -> Status {
    deduplicate(&mut diagnostics);
    let document = || Document::new(&diagnostics, "refused");
    let words = Counts::of(&diagnostics).words().unwrap_or_default();
    refuse_as(&diagnostics, document, &words, format.into(), status)
}

/// Reports `diagnostics`, as the `document` or with `words` in the last line; returns `status`.
pub fn refuse_as(
    diagnostics: &[Diagnostic],
    document: impl FnOnce() -> Document,
    words: &str,
    format: ReportFormat,
    status: Status,
) -> Status {
    let printed = match format.document(diagnostics, document) {
        Some(text) => print(&text),
        None => report(diagnostics, format).map(|()| {
            eprint_line(&format!("{}: {words}; nothing was written", red("error")));
        }),
    };
    printed.err().unwrap_or(status)
}

/// A word in bold.
pub fn bold(word: &str) -> String {
    format!("\u{1b}[1m{word}\u{1b}[0m")
}

/// A word that matters less.
pub fn dim(word: &str) -> String {
    format!("\u{1b}[2m{word}\u{1b}[0m")
}

/// A word in bold red.
pub fn red(word: &str) -> String {
    format!("\u{1b}[1;31m{word}\u{1b}[0m")
}

/// A word in bold yellow.
pub fn yellow(word: &str) -> String {
    format!("\u{1b}[1;33m{word}\u{1b}[0m")
}

/// A group of notes is one line; one of warnings says where each is and what to do.
fn render_group(renderer: &Renderer, group: &Group<'_>) -> String {
    let places = || group.places().into_iter().map(|place| printable(&place));
    let mut names: Vec<String> = group.subjects().into_iter().map(printable).collect();
    let is_note = group.severity == Severity::Note;
    if names.is_empty() && is_note {
        names = places().collect();
    }
    let mut message = printable(&group.message());
    if !names.is_empty() {
        message.push_str(&format!(": {}", enumeration(&names, SUBJECTS)));
    }
    let title = level(group.severity)
        .primary_title(message)
        .id(group.code.as_str());
    let mut drawn = RenderedGroup::with_title(title);
    if !is_note {
        let list = wrapped(&enumeration(&places().collect::<Vec<_>>(), PLACES));
        drawn = drawn.element(Level::NOTE.with_name("in").message(list));
        if let Some(help) = group.help() {
            drawn = drawn.element(Level::HELP.message(printable(help)));
        }
    }
    renderer.render(&[drawn])
}

/// So many diagnostics of one severity are drawn without `--verbose`.
const DRAWN: usize = 200;

/// So many names are listed in the sentence of a group.
const SUBJECTS: usize = 10;

/// So many places are listed below the sentence of a group.
const PLACES: usize = 40;

/// `a, b, c`, and how many more there are than `limit`.
pub fn enumeration(names: &[String], limit: usize) -> String {
    // "and 1 more" would be no shorter than the last name.
    if names.len() <= limit + 1 {
        return names.join(", ");
    }
    let more = names.len() - limit;
    format!("{} and {more} more", names[..limit].join(", "))
}

/// The words of `text` in lines of at most 100 characters.
fn wrapped(text: &str) -> String {
    let mut lines = String::new();
    let mut width = 0;
    for word in text.split(' ') {
        let length = word.chars().count() + 1;
        if width > 0 {
            let fits = width + length <= 100;
            lines.push(if fits { ' ' } else { '\n' });
            width = if fits { width } else { 0 };
        }
        lines.push_str(word);
        width += length;
    }
    lines
}

fn level(severity: Severity) -> Level<'static> {
    match severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        Severity::Note => Level::NOTE,
    }
}

fn render(renderer: &Renderer, diagnostic: &Diagnostic) -> String {
    let title = level(diagnostic.severity)
        .primary_title(printable(&diagnostic.message))
        .id(diagnostic.code.as_str());
    let path = printable(&diagnostic.path);
    let mut group = RenderedGroup::with_title(title);
    let place = diagnostic.source.as_deref().zip(diagnostic.span);
    group = match place {
        None => group.element(Origin::path(path)),
        Some((source, span)) => {
            let kind = AnnotationKind::Primary;
            elements(group, source, span, kind, String::new())
        }
    };
    for related in &diagnostic.related {
        let label = printable(&related.message);
        let kind = AnnotationKind::Context;
        group = elements(group, &related.source, related.span, kind, label);
    }
    if let Some(help) = &diagnostic.help {
        group = group.element(Level::HELP.message(printable(help)));
    }
    renderer.render(&[group])
}

/// `group` with the line of a place and a mark below it. Only the first line of the place is drawn. The renderer itself cuts
/// long lines to the part around the mark, and reads all of a line for it: of a very long one, the words at the place are
/// quoted instead.
fn elements<'a>(
    group: RenderedGroup<'a>,
    source: &'a Source,
    span: Span,
    kind: AnnotationKind,
    label: String,
) -> RenderedGroup<'a> {
    let Location { line, column } = source.location(span.start);
    let text = source.line(line);
    let start = span
        .start
        .saturating_sub(source.offset(line, 1))
        .min(text.len());
    let path = printable(source.path());
    if text.len() > LONG_LINE {
        let origin = Origin::path(path).line(line).char_column(column);
        let quoted: String = text[start..].chars().take(QUOTED).collect();
        let name = match label.as_str() {
            "" => "here".to_owned(),
            label => label.to_owned(),
        };
        let quote = Level::NOTE.with_name(name).message(printable(&quoted));
        return group.element(origin).element(quote);
    }
    let mut end = (start + (span.end - span.start)).min(text.len());
    while !text.is_char_boundary(end) {
        end += 1;
    }
    let mark = kind.span(start..end);
    let mark = if label.is_empty() {
        mark
    } else {
        mark.label(label)
    };
    let snippet = Snippet::source(text).path(path).line_start(line);
    group.element(snippet.annotation(mark))
}

/// A line of more bytes is not drawn.
const LONG_LINE: usize = 2_000;

/// So many characters of it are quoted.
const QUOTED: usize = 80;
