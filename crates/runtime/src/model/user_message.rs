//! From a request's JSON to the user message that a model is sent.

use std::fmt;

use serde::de::{Error, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::error::AgentError;
use crate::spec::endpoint_spec::{EndpointSpec, SessionUse};

/// The property of requests and answers that names a conversation.
const SESSION_ID: &str = "session_id";

/// The text under `property` of a request, which passages are searched for. Empty if it is missing or no text.
pub(crate) fn retrieval_query(request: &str, property: &str) -> Result<String, AgentError> {
    let request = serde_json::from_str::<Value>(request).map_err(AgentError::internal)?;
    let query = request.get(property).and_then(Value::as_str);
    Ok(query.unwrap_or_default().to_owned())
}

/// The message for the model, and the conversation that the request names. A request with a single text field becomes
/// that text, as in `{"question": "Where?"}`; any other becomes its JSON.
pub(crate) fn user_message(endpoint: &EndpointSpec, request: String) -> (String, Option<String>) {
    let (request, session_id) = match endpoint.session {
        SessionUse::None => (request, None),
        SessionUse::Input | SessionUse::InputAndOutput => take_session_id(request),
    };
    match serde_json::from_str(&request) {
        Ok(SingleTextField(text)) => (text, session_id),
        Err(_) => (request, session_id),
    }
}

/// Sets the conversation's id in an answer.
pub(crate) fn insert_session_id(answer: &mut Value, id: &str) {
    if let Value::Object(answer) = answer {
        answer.insert(SESSION_ID.to_owned(), id.into());
    }
}

fn take_session_id(request: String) -> (String, Option<String>) {
    let Ok(Value::Object(mut fields)) = serde_json::from_str(&request) else {
        return (request, None);
    };
    match fields.shift_remove(SESSION_ID) {
        Some(Value::String(id)) => (Value::Object(fields).to_string(), Some(id)),
        _ => (request, None),
    }
}

/// The text of an object with one member, which is a text. Parsing stops at the first sign that it is another value.
struct SingleTextField(String);

impl<'de> Deserialize<'de> for SingleTextField {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct SingleTextVisitor;
        impl<'de> Visitor<'de> for SingleTextVisitor {
            type Value = SingleTextField;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object with one text")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<SingleTextField, A::Error> {
                let entry = map.next_entry::<IgnoredAny, String>()?;
                match (entry, map.next_key::<IgnoredAny>()?) {
                    (Some((_, text)), None) => Ok(SingleTextField(text)),
                    _ => Err(A::Error::custom("not exactly one member")),
                }
            }
        }
        deserializer.deserialize_map(SingleTextVisitor)
    }
}
