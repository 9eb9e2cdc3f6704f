//! Why a store failed: stores know neither HTTP nor agents.

use std::error::Error;
use std::fmt;

use crate::error::AgentError;

/// Why a call of a store failed. Requests and runs that end with it fail as [`AgentError`] says.
#[derive(Debug)]
#[non_exhaustive]
pub enum StoreError {
    /// The store can't be reached or is overloaded: the same call may succeed later. Callers are sent the text.
    Unavailable(String),
    /// Another writer was first. Callers are sent the text.
    Conflict(String),
    /// Everything else, such as a row that can't be read. The cause is logged and never sent.
    Internal(Box<dyn Error + Send + Sync>),
}

impl StoreError {
    /// [`StoreError::Unavailable`], because of `detail`.
    pub fn unavailable(detail: impl Into<String>) -> Self {
        Self::Unavailable(detail.into())
    }

    /// [`StoreError::Conflict`], because of `detail`.
    pub fn conflict(detail: impl Into<String>) -> Self {
        Self::Conflict(detail.into())
    }

    /// [`StoreError::Internal`], with an error or a text as its cause.
    pub fn internal(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Internal(cause.into())
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unavailable(detail) | Self::Conflict(detail) => f.write_str(detail),
            Self::Internal(cause) => cause.fmt(f),
        }
    }
}

impl Error for StoreError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Internal(cause) => Some(&**cause),
            _ => None,
        }
    }
}

/// The one place where a store's error becomes that of a run or a request.
impl From<StoreError> for AgentError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(detail) => Self::unavailable(detail),
            StoreError::Conflict(detail) => Self::conflict(detail),
            StoreError::Internal(cause) => Self::internal(cause),
        }
    }
}
