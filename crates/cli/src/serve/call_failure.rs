//! Why a call of a service failed.

use std::fmt::Display;

use agentgen_build::inspect::printable;

use crate::terminal::{Status, eprint_line};

/// Why a call failed, in words, and the exit status that it means.
#[derive(Debug)]
pub struct Failure {
    pub words: String,
    pub status: Status,
}

impl Failure {
    /// A connection that broke off.
    pub fn broken(error: impl Display) -> Self {
        Self {
            words: format!("the service broke off: {error}"),
            status: Status::Io,
        }
    }

    /// Reports it.
    pub fn report(self) -> Status {
        eprint_line(&printable(&format!("error: {}", self.words)));
        self.status
    }
}
