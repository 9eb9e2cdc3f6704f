//! An error that an endpoint declares in its contract.

use serde::Serialize;
use serde_json::{Map, Value};

use crate::spec::endpoint_spec::ErrorSpec;

/// An error that an endpoint declares: its kind, and what the problem document says of this occurrence.
///
/// Generated code has an enum for the errors of each endpoint, from which this is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeclaredError {
    /// What all errors of this kind have in common.
    pub(crate) spec: &'static ErrorSpec,
    /// The additional members.
    pub(crate) members: Map<String, Value>,
    detail: Option<String>,
}

impl DeclaredError {
    /// An error of the kind `spec`. What is in `members`, which become JSON, is in the problem document too; `()` adds
    /// none.
    pub fn new(spec: &'static ErrorSpec, members: &impl Serialize) -> Self {
        let members = match serde_json::to_value(members) {
            Ok(Value::Object(members)) => members,
            Ok(_) => Map::new(),
            Err(error) => {
                tracing::error!(code = spec.code, %error, "the members of an error can't be written as JSON");
                Map::new()
            }
        };
        Self {
            spec,
            members,
            detail: None,
        }
    }

    /// The same error with `detail`, which the caller reads, in place of the usual one.
    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// The text for the caller.
    pub(crate) fn detail(&self) -> &str {
        self.detail.as_deref().unwrap_or(self.spec.detail)
    }
}
