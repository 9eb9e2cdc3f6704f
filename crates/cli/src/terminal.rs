//! Stdout, stderr, diagnostics and the exit status.
//!
//! Invariant: only this folder prints.

pub mod diagnostic_report;
pub mod json_output;
pub mod plural;
pub mod terminal_diff;

use std::io::{self, Write};
use std::process::ExitCode;

use agentgen_build::diagnostics::code::Code;
use agentgen_build::diagnostics::{Diagnostic, Severity};

/// How a command ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    /// All is well.
    Fine = 0,
    /// The specs or the drift check say no.
    Refused = 1,
    /// The command or the settings are wrong.
    Usage = 2,
    /// The machine failed.
    Io = 3,
}

impl From<Status> for ExitCode {
    fn from(status: Status) -> Self {
        Self::from(status as u8)
    }
}

impl Status {
    /// The status that `diagnostics` lead to: a failure of the machine counts before anything else.
    pub fn of(diagnostics: &[Diagnostic]) -> Self {
        let mut errors = diagnostics
            .iter()
            .filter(|diagnostic| diagnostic.severity == Severity::Error)
            .peekable();
        if errors.peek().is_none() {
            Self::Fine
        } else if errors.any(|diagnostic| diagnostic.code == Code::Io) {
            Self::Io
        } else {
            Self::Refused
        }
    }
}

/// Writes data to stdout. A reader who has gone away is not an error.
///
/// # Errors
///
/// [`Status::Io`] where stdout can't be written; the reason is on stderr.
pub fn print(text: &str) -> Result<(), Status> {
    let mut stdout = anstream::stdout().lock();
    match stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush())
    {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            say(&format!("error: stdout can't be written: {error}"));
            Err(Status::Io)
        }
        _ => Ok(()),
    }
}

/// Writes a line to stderr, in colours only where that is a terminal that wants them.
pub fn say(line: &str) {
    let mut stderr = anstream::stderr().lock();
    // Where stderr is gone there is nothing left to tell it to.
    let _ = writeln!(stderr, "{line}");
}
