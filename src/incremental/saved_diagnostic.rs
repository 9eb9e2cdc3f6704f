//! Diagnostics on the disk, with the lines that they are about.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::diagnostics::code::Code;
use crate::diagnostics::source::Source;
use crate::diagnostics::span::Span;
use crate::diagnostics::{Diagnostic, Related, Severity};
use crate::project::discover::read;

/// Diagnostics with those lines of files that are shown with them. Many say the same of different files: that is saved once.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct SavedDiagnostics {
    words: Vec<Words>,
    list: Vec<SavedDiagnostic>,
}

/// What a diagnostic says, wherever that is: severity, code, message, help and subjects.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Words(String, String, String, Option<String>, Vec<String>);

/// A diagnostic.
#[derive(Debug, Serialize, Deserialize)]
struct SavedDiagnostic {
    /// The place of its words.
    #[serde(rename = "w")]
    words: usize,
    #[serde(rename = "p")]
    path: String,
    /// None where its file could not be read.
    #[serde(rename = "t")]
    text: Option<SavedText>,
    #[serde(rename = "s")]
    span: Option<(usize, usize)>,
    #[serde(rename = "r")]
    related: Vec<(String, SavedText, (usize, usize), String)>,
}

/// The text of a file, as far as a diagnostic needs it.
#[derive(Debug, Clone, Serialize, Deserialize)]
enum SavedText {
    /// The lines of its place, and how many bytes and lines are before them.
    Lines(String, usize, usize),
    /// Long lines stay in their file, and are read again.
    InFile,
}

/// Longer lines are not saved, in bytes.
const LONGEST: usize = 1000;

impl SavedText {
    fn new(source: &Source, span: Span) -> Self {
        let (text, (bytes, lines)) = source.lines_of(span);
        match text.len() > LONGEST {
            true => Self::InFile,
            false => Self::Lines(text.to_owned(), bytes, lines),
        }
    }

    fn restored(&self, path: &str, texts: &mut Texts<'_>) -> Option<Arc<Source>> {
        match self {
            Self::Lines(text, bytes, lines) => Some(Arc::new(Source::excerpt(
                path,
                text.clone(),
                (*bytes, *lines),
            ))),
            Self::InFile => texts.read(path),
        }
    }
}

impl SavedDiagnostics {
    /// What is saved of `diagnostics`.
    pub fn new<'a>(diagnostics: impl IntoIterator<Item = &'a Diagnostic>) -> Self {
        let mut places: BTreeMap<Words, usize> = BTreeMap::new();
        let pair = |span: Span| (span.start, span.end);
        let list = diagnostics.into_iter().map(|diagnostic| {
            let words = Words(
                diagnostic.severity.as_str().to_owned(),
                diagnostic.code.as_str().to_owned(),
                diagnostic.message.clone(),
                diagnostic.help.clone(),
                diagnostic.subjects.clone(),
            );
            let next = places.len();
            let related = diagnostic.related.iter().map(|other| {
                let text = SavedText::new(&other.source, other.span);
                let path = other.source.path().to_owned();
                (path, text, pair(other.span), other.message.clone())
            });
            SavedDiagnostic {
                words: *places.entry(words).or_insert(next),
                path: diagnostic.path.clone(),
                text: diagnostic
                    .source
                    .as_deref()
                    .map(|source| SavedText::new(source, diagnostic.span.unwrap_or_default())),
                span: diagnostic.span.map(pair),
                related: related.collect(),
            }
        });
        let list = list.collect();
        let mut words: Vec<(Words, usize)> = places.into_iter().collect();
        words.sort_by_key(|(_, place)| *place);
        Self {
            words: words.into_iter().map(|(words, _)| words).collect(),
            list,
        }
    }

    /// The diagnostics; none where a text that is not saved can't be read.
    pub fn restored(&self, texts: &mut Texts<'_>) -> Option<Vec<Diagnostic>> {
        let list = self.list.iter();
        list.map(|saved| self.restored_one(saved, texts)).collect()
    }

    fn restored_one(&self, saved: &SavedDiagnostic, texts: &mut Texts<'_>) -> Option<Diagnostic> {
        let Words(severity, code, message, help, subjects) = self.words.get(saved.words)?;
        let span = |(start, end): (usize, usize)| Span::new(start, end);
        let source = match &saved.text {
            Some(text) => Some(text.restored(&saved.path, texts)?),
            None => None,
        };
        let related = saved.related.iter().map(|(path, text, place, message)| {
            Some(Related {
                source: text.restored(path, texts)?,
                span: span(*place),
                message: message.clone(),
            })
        });
        let related = related.collect::<Option<Vec<_>>>()?;
        let mut diagnostic =
            Diagnostic::error(Code::parse(code)?, saved.path.as_str(), message.as_str())
                .with_severity(Severity::parse(severity)?);
        diagnostic.source = source;
        diagnostic.span = saved.span.map(span);
        diagnostic.help.clone_from(help);
        diagnostic.subjects.clone_from(subjects);
        diagnostic.related = related;
        Some(diagnostic)
    }
}

/// The texts of files of a project, each read once.
pub struct Texts<'a> {
    root: &'a Path,
    read: BTreeMap<String, Option<Arc<Source>>>,
}

impl<'a> Texts<'a> {
    /// Those of the project at `root`; none is read yet.
    pub fn new(root: &'a Path) -> Self {
        Self {
            root,
            read: BTreeMap::new(),
        }
    }

    fn read(&mut self, name: &str) -> Option<Arc<Source>> {
        let known = self.read.entry(name.to_owned());
        let source = known.or_insert_with(|| read(&self.root.join(name), name).ok());
        source.clone()
    }
}
