//! What was read of a project, in one line.

use std::sync::Arc;

use agentgen_build::inspect::printable;
use agentgen_build::{Agent, Diagnostic, ReadCounts, Source};

use crate::terminal::diagnostic_report::{
    ReportFormat, deduplicate, enumeration, red, refuse_as, yellow,
};
use crate::terminal::json_output::Document;
use crate::terminal::plural::{Counts, plural};
use crate::terminal::{Status, eprint_line};

/// What was read of a project.
#[derive(Debug, Clone, Default)]
pub struct ReadSummary(ReadCounts);

/// So many files are listed for one reason.
const FILES: usize = 10;

impl From<ReadCounts> for ReadSummary {
    fn from(counts: ReadCounts) -> Self {
        Self(counts)
    }
}

impl ReadSummary {
    /// What became of `sources`: `agents` were read from them, and `diagnostics` say why not more.
    pub fn new(sources: &[Arc<Source>], agents: &[Agent], diagnostics: &[Diagnostic]) -> Self {
        Self(ReadCounts::new(sources, agents, diagnostics))
    }

    /// How many agents.
    pub fn agents(&self) -> usize {
        self.0.agents
    }

    /// How many of them had frontmatter that is not valid YAML.
    pub fn repaired(&self) -> usize {
        self.0.repaired
    }

    /// The files that are no agents, sorted by path, and why in a few words.
    pub fn skipped(&self) -> &[(String, String)] {
        &self.0.skipped
    }

    /// Prints the last line of a command that reports: what was read, then how many diagnostics there are.
    pub fn print(&self, diagnostics: &[Diagnostic]) {
        let counts = Counts::of(diagnostics);
        let line = self.line(&counts);
        eprint_line(&match counts {
            Counts { errors: 1.., .. } => format!("{}: {line}", red("error")),
            Counts { warnings: 1.., .. } => format!("{}: {line}", yellow("warning")),
            _ => line,
        });
    }

    /// Reports errors that end a command before anything is written, like `diagnostic_report::refuse`, and what was read.
    pub fn refuse(
        &self,
        mut diagnostics: Vec<Diagnostic>,
        format: impl Into<ReportFormat>,
    ) -> Status {
        deduplicate(&mut diagnostics);
        let status = Status::of(&diagnostics);
        let document = || Document::new(&diagnostics, "refused").with_reading(self);
        let line = self.line(&Counts::of(&diagnostics));
        refuse_as(&diagnostics, document, &line, format.into(), status)
    }

    /// Prints the last line of a command that wrote nothing because of errors.
    pub fn print_refused(&self, diagnostics: &[Diagnostic]) {
        let line = self.line(&Counts::of(diagnostics));
        eprint_line(&format!("{}: {line}; nothing was written", red("error")));
    }

    fn line(&self, counts: &Counts) -> String {
        let found = counts.words();
        let found = found.as_deref().unwrap_or("no errors, no warnings");
        format!("{}; {found}", self.words())
    }

    /// `36 agents read, 4 of them repaired; 3 files skipped (no frontmatter): README.md, ...`
    fn words(&self) -> String {
        let mut words = format!("{} read", plural(self.agents(), "agent"));
        if self.repaired() > 0 {
            words.push_str(&format!(", {} of them repaired", self.repaired()));
        }
        for reason in ["no frontmatter", "left out", "with errors"] {
            let files = self.skipped().iter().filter(|(_, why)| why == reason);
            let files: Vec<String> = files.map(|(path, _)| printable(path)).collect();
            if !files.is_empty() {
                let count = plural(files.len(), "file");
                let list = enumeration(&files, FILES);
                words.push_str(&format!("; {count} skipped ({reason}): {list}"));
            }
        }
        words
    }
}
