//! Stdout, stderr, diagnostics and the exit status.
//!
//! Invariant: only this folder prints.

pub mod diagnostic_report;
pub mod explanation;
pub mod github_output;
pub mod json_output;
pub mod plural;
pub mod progress;
pub mod read_summary;
pub mod report_root;
pub mod sarif_output;
pub mod terminal_diff;
pub mod text_table;

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

use agentgen_build::{Code, Diagnostic, Severity};
use clap::{Args, ValueEnum};

/// The arguments of every command that say how it prints.
#[derive(Debug, Clone, Copy, Args)]
pub struct Appearance {
    /// Show each note and warning in full instead of many of one kind as one
    #[arg(long, short, global = true)]
    verbose: bool,
    /// When to print in colours; `auto` is on a terminal, and follows NO_COLOR and CLICOLOR_FORCE
    #[arg(long, value_enum, default_value_t, value_name = "WHEN", global = true)]
    color: Color,
}

/// When to print in colours.
#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum Color {
    /// On a terminal.
    #[default]
    Auto,
    /// Always, in pipes and files too.
    Always,
    /// Never.
    Never,
}

static VERBOSE: AtomicBool = AtomicBool::new(false);

impl Appearance {
    /// Prints like this from now on.
    pub fn apply(self) {
        VERBOSE.store(self.verbose, Ordering::Relaxed);
        match self.color {
            Color::Auto => anstream::ColorChoice::Auto,
            Color::Always => anstream::ColorChoice::AlwaysAnsi,
            Color::Never => anstream::ColorChoice::Never,
        }
        .write_global();
    }
}

/// Whether each diagnostic is to be shown in full.
pub fn is_verbose() -> bool {
    VERBOSE.load(Ordering::Relaxed)
}

/// The exit status of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    /// Success.
    Fine = 0,
    /// The agents have errors, the output is out of date, or no agent matches.
    Refused = 1,
    /// The arguments or `agentgen.toml` are wrong.
    Usage = 2,
    /// The system failed to read or write.
    Io = 3,
    /// Ctrl-C: 128 and the number of the signal, as shells have it.
    #[cfg(feature = "serve")]
    Interrupted = 130,
}

impl From<Status> for ExitCode {
    fn from(status: Status) -> Self {
        Self::from(status as u8)
    }
}

impl Status {
    /// The status for `diagnostics`: [`Status::Io`] takes precedence over [`Status::Refused`].
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

/// Writes data to stdout. A closed pipe is not an error.
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
            eprint_line(&format!("error: stdout can't be written: {error}"));
            Err(Status::Io)
        }
        _ => Ok(()),
    }
}

/// Asks a question on the terminal, and answers whether it was answered with yes. `None` where there is no terminal to ask on:
/// stdin and stderr have to be one.
pub fn confirm(question: &str) -> Option<bool> {
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return None;
    }
    let mut stderr = anstream::stderr().lock();
    let asked = write!(stderr, "{question} [y/N] ").and_then(|()| stderr.flush());
    let mut answer = String::new();
    asked
        .and_then(|()| io::stdin().read_line(&mut answer))
        .ok()?;
    Some(is_yes(&answer))
}

fn is_yes(answer: &str) -> bool {
    matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes")
}

/// Writes a line to stderr, without colours unless it is a terminal that supports them.
pub fn eprint_line(line: &str) {
    let mut stderr = anstream::stderr().lock();
    // Without stderr, nothing can be reported.
    let _ = writeln!(stderr, "{line}");
}

/// Writes `text` to stderr as it is, without a line end.
#[cfg(feature = "serve")]
pub fn eprint_text(text: &str) {
    let mut stderr = anstream::stderr().lock();
    let _ = write!(stderr, "{text}").and_then(|()| stderr.flush());
}

#[cfg(test)]
mod tests {
    use super::is_yes;

    #[test]
    fn only_yes_is_yes() {
        for answer in ["y\n", "Y\r\n", " yes \n", "YES"] {
            assert!(is_yes(answer), "{answer:?}");
        }
        for answer in ["", "\n", "n\n", "yeah\n", "yes please\n", "1\n"] {
            assert!(!is_yes(answer), "{answer:?}");
        }
    }
}
