//! From the text that a model answers with to the value that it should be.

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error::AgentError;
use crate::model::ModelRequest;
use crate::model::user_message::tell_session;
use crate::schema::validate::{Validate, check};
use crate::spec::endpoint_spec::EndpointSpec;

/// Reads a model's answer as what the endpoint's output schema promises, with citations of nothing but what it was given
/// in `request`, and with the id of the conversation; the error is for the model.
pub(crate) fn typed<T: DeserializeOwned + Validate>(
    endpoint: &EndpointSpec,
    request: &ModelRequest,
    text: &str,
) -> Result<T, String> {
    let unfenced = unfenced(text);
    // The detour over untyped JSON knows the place of what is wrong.
    let is_whole = request.retrieved.is_none() && request.session_id.is_none();
    if is_whole
        && let Ok(value) = serde_json::from_str::<T>(unfenced)
        && check(&value).is_ok()
    {
        return Ok(value);
    }
    let mut json = match serde_json::from_str(unfenced) {
        Ok(json) => json,
        // A model that is to answer with a text may leave out the quotation marks.
        Err(_) if is_text(endpoint) => Value::String(text.to_owned()),
        Err(error) => return Err(format!("it is not JSON: {error}")),
    };
    if let Some(retrieved) = &request.retrieved {
        retrieved.settle(&mut json)?;
    }
    if let Some(id) = &request.session_id {
        tell_session(&mut json, id);
    }
    let value = serde_path_to_error::deserialize(json).map_err(|error| error.to_string())?;
    check(&value).map_err(|violations| AgentError::Invalid(violations).to_string())?;
    Ok(value)
}

/// Without the fence of a Markdown code block, if the whole text stands in one.
fn unfenced(text: &str) -> &str {
    let trimmed = text.trim();
    let inner = trimmed
        .strip_prefix("```")
        .and_then(|rest| rest.strip_suffix("```"));
    match inner.and_then(|inner| inner.split_once('\n')) {
        Some((_, inside)) => inside,
        None => trimmed,
    }
}

fn is_text(endpoint: &EndpointSpec) -> bool {
    serde_json::from_str::<Value>(endpoint.output_schema)
        .is_ok_and(|schema| schema.get("type").and_then(Value::as_str) == Some("string"))
}
