//! Parses a model's text as the JSON value that an endpoint's output schema promises.

use std::fmt;

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::documents::citations::CitationError;
use crate::error::AgentError;
use crate::model::ModelRequest;
use crate::model::user_message::insert_session_id;
use crate::schema::{Schema, Validate, Violation, check, remove_zero_fractions};

/// Why a model's text is not the value that was asked for. Its text goes back to the model, and may quote the answer.
#[derive(Debug)]
pub(crate) enum OutputMismatch {
    NotJson(serde_json::Error),
    Citation(CitationError),
    Type(serde_path_to_error::Error<serde_json::Error>),
    Constraints(Vec<Violation>),
}

/// Parses `text`, which must be valid under `schema`. Citations are checked against the passages of `request`, and the
/// conversation's id is filled in.
pub(crate) fn parse_structured_output<T: DeserializeOwned + Validate>(
    schema: &Schema,
    request: &ModelRequest,
    text: &str,
) -> Result<T, OutputMismatch> {
    let json_text = strip_code_fence(text);
    let mut json = match serde_json::from_str(json_text) {
        Ok(json) => json,
        // A model that has to answer with a JSON string often leaves out the quotation marks.
        Err(_) if is_text(schema) => Value::String(text.to_owned()),
        Err(error) => return Err(OutputMismatch::NotJson(error)),
    };
    if let Some(grounding) = &request.grounding {
        grounding
            .resolve_citations(&mut json)
            .map_err(OutputMismatch::Citation)?;
    }
    if let Some(id) = &request.session_id {
        insert_session_id(&mut json, id);
    }
    remove_zero_fractions(&mut json);
    let violations = schema.violations(&json);
    if !violations.is_empty() {
        return Err(OutputMismatch::Constraints(violations));
    }
    let value = serde_path_to_error::deserialize(json).map_err(OutputMismatch::Type)?;
    check(&value).map_err(OutputMismatch::Constraints)?;
    Ok(value)
}

/// The content of a Markdown code block, if the whole text is one; else the trimmed text.
fn strip_code_fence(text: &str) -> &str {
    let trimmed = text.trim();
    let inner = trimmed
        .strip_prefix("```")
        .and_then(|rest| rest.strip_suffix("```"));
    match inner.and_then(|inner| inner.split_once('\n')) {
        Some((_, content)) => content,
        None => trimmed,
    }
}

fn is_text(schema: &Schema) -> bool {
    schema.resolved().source()["type"] == "string"
}

impl fmt::Display for OutputMismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotJson(error) => write!(f, "it is not JSON: {error}"),
            Self::Citation(error) => error.fmt(f),
            Self::Type(error) => error.fmt(f),
            Self::Constraints(violations) => AgentError::Invalid(violations.clone()).fmt(f),
        }
    }
}
