//! Counts of diagnostics and of other things, in words.

use agentgen_build::{Diagnostic, Severity};

/// The number of diagnostics of each severity.
#[derive(Debug, Clone, Copy, Default)]
pub struct Counts {
    pub errors: usize,
    pub warnings: usize,
    pub notes: usize,
}

impl Counts {
    /// Counts `diagnostics`.
    pub fn of(diagnostics: &[Diagnostic]) -> Self {
        let severities = diagnostics.iter().map(|diagnostic| diagnostic.severity);
        Self::of_severities(&severities.collect::<Vec<_>>())
    }

    /// Counts `severities`.
    pub fn of_severities(severities: &[Severity]) -> Self {
        let count = |severity| severities.iter().filter(|one| **one == severity).count();
        Self {
            errors: count(Severity::Error),
            warnings: count(Severity::Warning),
            notes: count(Severity::Note),
        }
    }

    /// `2 errors, 1 warning`; nothing where there is nothing to count.
    pub fn words(self) -> Option<String> {
        let words: Vec<String> = [
            (self.errors, "error"),
            (self.warnings, "warning"),
            (self.notes, "note"),
        ]
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| plural(count, what))
        .collect();
        (!words.is_empty()).then(|| words.join(", "))
    }
}

/// `1 file`, `2 files`.
pub fn plural(count: usize, what: &str) -> String {
    let ending = if count == 1 { "" } else { "s" };
    format!("{count} {what}{ending}")
}
