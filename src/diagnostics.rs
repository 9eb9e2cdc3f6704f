//! What was read ([`source::Source`], [`span::Span`]) and what there is to say about it ([`Diagnostic`], [`code::Code`]), many
//! of one kind as one ([`diagnostic_group::grouped`]).
//!
//! Invariant: only this folder turns a place into text (`file:line:column`). A message never repeats a secret or a control
//! character. It imports [`text`](crate::text).

pub mod code;
pub mod diagnostic_group;
pub mod source;
pub mod span;

#[cfg(test)]
mod diagnostic_group_tests;

use std::fmt;
use std::sync::Arc;

use agentgen_schema::vocabulary;

use crate::diagnostics::code::Code;
use crate::diagnostics::source::Source;
use crate::diagnostics::span::{Location, Span};

vocabulary! {
    /// How much a diagnostic weighs, the heaviest first.
    pub enum Severity {
        /// Nothing can be generated.
        Error = "error",
        /// Something is generated, and may not be what was meant.
        Warning = "warning",
        /// Good to know.
        Note = "note",
    }
}

/// One thing to say: what, where, and what to do about it.
#[derive(Debug, Clone)]
pub struct Diagnostic {
    /// How much it weighs.
    pub severity: Severity,
    /// What kind of thing it is.
    pub code: Code,
    /// The file, relative to the project and with `/` between its parts.
    pub path: String,
    /// The text of the file, where it could be read.
    pub source: Option<Arc<Source>>,
    /// The place in the text.
    pub span: Option<Span>,
    /// What is the matter: a fragment in lower case, without a full stop.
    pub message: String,
    /// What to do about it, likewise.
    pub help: Option<String>,
    /// What it is about, by name: tools, keys, formats. Many diagnostics of one code are summarised by these.
    pub subjects: Vec<String>,
    /// Other places that belong to it, such as the first of two that must not be the same.
    pub related: Vec<Related>,
}

/// A place that belongs to a diagnostic.
#[derive(Debug, Clone)]
pub struct Related {
    /// The text of its file.
    pub source: Arc<Source>,
    /// The place in the text.
    pub span: Span,
    /// What is there: a fragment in lower case, without a full stop.
    pub message: String,
}

impl Related {
    /// The place as line and column.
    pub fn location(&self) -> Location {
        self.source.location(self.span.start)
    }

    /// The end of the place, behind its last character.
    pub fn end_location(&self) -> Location {
        self.source.location(self.span.end)
    }
}

impl Diagnostic {
    /// An error about the file at `path`, without a place in it.
    pub fn error(code: Code, path: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            code,
            path: path.into(),
            source: None,
            span: None,
            message: message.into(),
            help: None,
            subjects: Vec::new(),
            related: Vec::new(),
        }
    }

    /// The same diagnostic with another weight.
    pub fn with_severity(mut self, severity: Severity) -> Self {
        self.severity = severity;
        self
    }

    /// The same diagnostic, placed in a source.
    pub fn at(mut self, source: &Arc<Source>, span: Span) -> Self {
        self.path = source.path().to_owned();
        self.source = Some(Arc::clone(source));
        self.span = Some(span);
        self
    }

    /// The same diagnostic with advice.
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The place as line and column, if there is one.
    pub fn location(&self) -> Option<Location> {
        Some(self.source.as_ref()?.location(self.span?.start))
    }

    /// The end of the place, behind its last character.
    pub fn end_location(&self) -> Option<Location> {
        Some(self.source.as_ref()?.location(self.span?.end))
    }
}

/// `path:line:column: severity[AG000]: message (help)`, on one line.
impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path)?;
        if let Some(Location { line, column }) = self.location() {
            write!(f, ":{line}:{column}")?;
        }
        write!(
            f,
            ": {}[{}]: {}",
            self.severity.as_str(),
            self.code,
            self.message
        )?;
        match &self.help {
            Some(help) => write!(f, " ({help})"),
            None => Ok(()),
        }
    }
}

/// Collects what there is to say about one source.
#[derive(Debug)]
pub struct Report {
    source: Arc<Source>,
    diagnostics: Vec<Diagnostic>,
}

impl Report {
    /// An empty report on `source`.
    pub fn new(source: &Arc<Source>) -> Self {
        Self {
            source: Arc::clone(source),
            diagnostics: Vec::new(),
        }
    }

    /// The source it reports on.
    pub fn source(&self) -> &Arc<Source> {
        &self.source
    }

    /// Adds an error; the answer takes the help text.
    pub fn error(&mut self, code: Code, span: Span, message: impl Into<String>) -> &mut Diagnostic {
        self.push(Severity::Error, code, span, message)
    }

    /// Adds a warning.
    pub fn warning(
        &mut self,
        code: Code,
        span: Span,
        message: impl Into<String>,
    ) -> &mut Diagnostic {
        self.push(Severity::Warning, code, span, message)
    }

    /// Adds a note.
    pub fn note(&mut self, code: Code, span: Span, message: impl Into<String>) -> &mut Diagnostic {
        self.push(Severity::Note, code, span, message)
    }

    /// Whether there is an error among the diagnostics.
    pub fn has_errors(&self) -> bool {
        has_errors(&self.diagnostics)
    }

    /// All diagnostics, in the order they were reported.
    pub fn into_diagnostics(self) -> Vec<Diagnostic> {
        self.diagnostics
    }

    fn push(
        &mut self,
        severity: Severity,
        code: Code,
        span: Span,
        message: impl Into<String>,
    ) -> &mut Diagnostic {
        let diagnostic = Diagnostic::error(code, "", message)
            .with_severity(severity)
            .at(&self.source, span);
        let index = self.diagnostics.len();
        self.diagnostics.push(diagnostic);
        &mut self.diagnostics[index]
    }
}

impl Diagnostic {
    /// Sets the advice in place; for use on what [`Report`] answers.
    pub fn advise(&mut self, help: impl Into<String>) {
        self.help = Some(help.into());
    }

    /// Adds in place another place that belongs to it; for use in front of [`advise`](Self::advise).
    pub fn relate(
        &mut self,
        source: &Arc<Source>,
        span: Span,
        message: impl Into<String>,
    ) -> &mut Self {
        self.related.push(Related {
            source: Arc::clone(source),
            span,
            message: message.into(),
        });
        self
    }

    /// Sets in place what it is about, by name; for use in front of [`advise`](Self::advise).
    pub fn about<T: Into<String>>(&mut self, subjects: impl IntoIterator<Item = T>) -> &mut Self {
        self.subjects = subjects.into_iter().map(Into::into).collect();
        self
    }
}

/// Whether an error is among `diagnostics`.
pub fn has_errors(diagnostics: &[Diagnostic]) -> bool {
    diagnostics
        .iter()
        .any(|diagnostic| diagnostic.severity == Severity::Error)
}
