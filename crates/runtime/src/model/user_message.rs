//! From a request's JSON to what is said to a model.

use std::fmt;

use serde::de::{Error, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::schema::Schema;
use crate::spec::endpoint_spec::EndpointSpec;

/// The property that names a conversation.
const SESSION: &str = "session_id";

/// What a request has under the name that passages are looked for by.
pub(crate) fn query(request: &str, property: &str) -> String {
    let request = serde_json::from_str::<Value>(request).unwrap_or_default();
    let query = request.get(property).and_then(Value::as_str);
    query.unwrap_or_default().to_owned()
}

/// What of a request is said to the model, and the session it names. A request with one text in it is that text;
/// any other is its JSON.
pub(crate) fn user_message(endpoint: &EndpointSpec, request: String) -> (String, Option<String>) {
    let (request, session_id) = match endpoint.input_schema.contains("\"session_id\"") {
        true => take_session_id(request),
        false => (request, None),
    };
    match serde_json::from_str(&request) {
        Ok(SingleTextField(text)) => (text, session_id),
        Err(_) => (request, session_id),
    }
}

/// Whether an endpoint takes the id of a conversation and answers with it.
pub(crate) fn returns_session_id(endpoint: &EndpointSpec, output_schema: &Schema) -> bool {
    let id = output_schema.property(SESSION);
    endpoint.input_schema.contains("\"session_id\"")
        && id.is_some_and(|id| id.resolved().source()["type"] == "string")
}

/// Puts the id of its conversation into an answer.
pub(crate) fn insert_session_id(answer: &mut Value, id: &str) {
    if let Value::Object(answer) = answer {
        answer.insert(SESSION.to_owned(), id.into());
    }
}

/// Takes the session out of a request.
fn take_session_id(request: String) -> (String, Option<String>) {
    let Ok(Value::Object(mut fields)) = serde_json::from_str(&request) else {
        return (request, None);
    };
    match fields.shift_remove(SESSION) {
        Some(Value::String(id)) => (Value::Object(fields).to_string(), Some(id)),
        _ => (request, None),
    }
}

/// The text in an object that holds one text and nothing else. Reading stops where that is over.
struct SingleTextField(String);

impl<'de> Deserialize<'de> for SingleTextField {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = SingleTextField;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object with one text")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<SingleTextField, A::Error> {
                let entry = map.next_entry::<IgnoredAny, String>()?;
                match (entry, map.next_key::<IgnoredAny>()?) {
                    (Some((_, text)), None) => Ok(SingleTextField(text)),
                    _ => Err(A::Error::custom("there is not one member")),
                }
            }
        }
        deserializer.deserialize_map(Reader)
    }
}
