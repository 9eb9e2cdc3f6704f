//! What goes wrong: problem documents of the service (RFC 9457), and what happens on the way there and back.

use std::fmt;

use reqwest::StatusCode;
use serde::{Deserialize, Serialize};

use super::events::Usage;
use super::reports::RunReport;
use super::values::{JsonValue, Uuid};

/// The most characters of an answer that is no problem document that are shown.
const LONGEST_EXCERPT: usize = 300;

/// One place where a value does not fit its schema.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Violation {
    /// What is wrong.
    pub detail: String,
    /// Where: a JSON Pointer (RFC 6901).
    pub pointer: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.pointer.is_empty() {
            f.write_str(&self.detail)
        } else {
            write!(f, "{}: {}", self.pointer, self.detail)
        }
    }
}

/// What went wrong, as RFC 9457 problem details.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// Identifies the kind of problem: `about:blank` where the status says it all.
    #[serde(default = "about_blank", rename = "type")]
    pub kind: String,
    /// The kind of problem in words.
    #[serde(default)]
    pub title: String,
    /// The HTTP status code.
    #[serde(default)]
    pub status: u16,
    /// This occurrence, explained.
    #[serde(default)]
    pub detail: String,
    /// The path of the request.
    #[serde(default)]
    pub instance: String,
    /// Each part of the request that was refused.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<Violation>,
    /// For the endpoints that issue tokens: the code of RFC 6749, section 5.2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The request's id, as in the header X-Request-Id.
    #[serde(default, rename = "requestId")]
    pub request_id: String,
    /// Identifies the kind of problem among those that the operation declares.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// What a declared error has besides.
    #[serde(flatten)]
    pub members: serde_json::Map<String, JsonValue>,
    /// After how many seconds another attempt makes sense: the header `Retry-After`.
    #[serde(skip)]
    pub retry_after: Option<u64>,
    /// The run that failed; none where none began.
    #[serde(skip)]
    pub run: Option<FailedRun>,
}

/// A run that failed while its events were sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedRun {
    /// Identifies the run.
    pub run_id: Uuid,
    /// What the run used, as far as that is reported.
    pub usage: Usage,
}

fn about_blank() -> String {
    "about:blank".to_owned()
}

impl Problem {
    /// The problem that a response of `status` with this body means. What stands between service and client may answer
    /// with something else than a problem document: it becomes the detail.
    pub(crate) fn read(status: StatusCode, retry_after: Option<u64>, body: &str) -> Self {
        let read = serde_json::from_str(body);
        let mut problem: Self = read.unwrap_or_else(|_| Self {
            kind: about_blank(),
            title: String::new(),
            status: 0,
            detail: body.trim().chars().take(LONGEST_EXCERPT).collect(),
            instance: String::new(),
            errors: Vec::new(),
            error: None,
            request_id: String::new(),
            code: None,
            members: serde_json::Map::new(),
            retry_after: None,
            run: None,
        });
        if problem.title.is_empty() {
            problem.title = status.canonical_reason().unwrap_or("Error").to_owned();
        }
        problem.status = status.as_u16();
        problem.retry_after = retry_after;
        problem
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.status, self.title)?;
        if !self.detail.is_empty() {
            write!(f, ": {}", self.detail)?;
        }
        for violation in &self.errors {
            write!(f, "; {violation}")?;
        }
        Ok(())
    }
}

/// The errors that an operation declares, as one type.
pub trait DeclaredError: Sized {
    /// The declared error that `problem` is.
    fn read(problem: &Problem) -> Option<Self>;
}

/// The errors of an operation that declares none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoDeclaredError {}

impl DeclaredError for NoDeclaredError {
    fn read(_: &Problem) -> Option<Self> {
        None
    }
}

impl fmt::Display for NoDeclaredError {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {}
    }
}

/// Why a call has no answer. `E` has the errors that the operation declares.
#[non_exhaustive]
#[derive(Debug)]
pub enum ClientError<E = NoDeclaredError> {
    /// The service answered with an error that the operation declares.
    Declared {
        /// Which one, with its members.
        error: E,
        /// The problem document it was read from.
        problem: Box<Problem>,
    },
    /// The service answered with any other problem.
    Problem(Box<Problem>),
    /// There is no answer yet: it has to wait for a person, or the call said `Prefer: respond-async`. The report says what for, and
    /// `Client::run` has the answer later.
    Waiting(Box<RunReport>),
    /// The request can't be sent as it is.
    Request(String),
    /// The service can't be reached, or the connection broke.
    Transport(reqwest::Error),
    /// The time that the client was given was over.
    TimedOut,
    /// The answer is not what the client was generated for.
    Answer {
        /// The status of the answer.
        status: u16,
        /// What is wrong with it.
        detail: String,
    },
    /// A stream ended before its last event.
    Interrupted,
}

impl<E> ClientError<E> {
    /// The problem document that the service sent, if it did.
    pub fn problem(&self) -> Option<&Problem> {
        match self {
            Self::Declared { problem, .. } | Self::Problem(problem) => Some(problem),
            _ => None,
        }
    }

    /// The HTTP status of the answer, if there was one.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Answer { status, .. } => Some(*status),
            Self::Waiting(_) => Some(202),
            _ => self.problem().map(|problem| problem.status),
        }
    }
}

impl<E: DeclaredError> ClientError<E> {
    pub(crate) fn of(problem: Problem) -> Self {
        let problem = Box::new(problem);
        match E::read(&problem) {
            Some(error) => Self::Declared { error, problem },
            None => Self::Problem(problem),
        }
    }
}

impl<E> From<reqwest::Error> for ClientError<E> {
    fn from(error: reqwest::Error) -> Self {
        if error.is_timeout() {
            Self::TimedOut
        } else {
            Self::Transport(error)
        }
    }
}

impl<E> fmt::Display for ClientError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Declared { problem, .. } | Self::Problem(problem) => problem.fmt(f),
            Self::Waiting(report) => write!(f, "the run {} waits", report.run_id),
            Self::Request(detail) => write!(f, "the request can't be sent: {detail}"),
            Self::Transport(error) => write!(f, "the service can't be reached: {error}"),
            Self::TimedOut => f.write_str("the service did not answer in time"),
            Self::Answer { status, detail } => {
                write!(f, "the answer ({status}) can't be read: {detail}")
            }
            Self::Interrupted => f.write_str("the stream ended before its last event"),
        }
    }
}

impl<E: fmt::Debug> std::error::Error for ClientError<E> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Transport(error) => Some(error),
            _ => None,
        }
    }
}
