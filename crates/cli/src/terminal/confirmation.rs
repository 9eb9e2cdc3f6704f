//! Whether changes that were shown may be made.

use std::io::{self, BufRead, IsTerminal, Write};

/// The answer to a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Go on.
    Yes,
    /// Change nothing.
    No,
    /// There is nobody to ask.
    NoTerminal,
}

/// Asks `question` on stderr; `yes` answers it beforehand. Only `y` and `yes` mean yes.
pub fn confirm(question: &str, yes: bool) -> Answer {
    if yes {
        return Answer::Yes;
    }
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Answer::NoTerminal;
    }
    let mut stderr = anstream::stderr().lock();
    let asked = write!(stderr, "{question} [y/N] ").and_then(|()| stderr.flush());
    let mut line = String::new();
    if asked.is_err() || io::stdin().lock().read_line(&mut line).is_err() {
        return Answer::No;
    }
    match line.trim().to_lowercase().as_str() {
        "y" | "yes" => Answer::Yes,
        _ => Answer::No,
    }
}
