//! The document of one agent, which says what is the agent's own.
//!
//! What all agents have in common is in the document of the service in full; in that of an agent it is short: the service's problems
//! are one response for `4XX` and `5XX`, and a stream is text. The document is valid on its own.

use serde_json::{Map, Value as Json, json};

use crate::targets::openapi::runtime_contract::components;

/// The component that stands for every problem of the service itself.
const PROBLEM: &str = "#/components/responses/ServiceProblem";
/// Where the references to responses lead.
const RESPONSES: &str = "#/components/responses/";
/// The component of the events of a run.
const STREAM: &str = "#/components/schemas/AgentEventStream";

/// The `document` of an agent with short forms of what it has in common with others.
pub fn shortened(mut document: Json) -> Json {
    let own = document
        .pointer("/components/responses")
        .and_then(Json::as_object)
        .cloned();
    let is_of_service = |response: &Json| {
        let name = response["$ref"]
            .as_str()
            .and_then(|target| target.strip_prefix(RESPONSES));
        let is_own = |name: &str| own.as_ref().is_some_and(|own| own.contains_key(name));
        name.is_some_and(|name| !is_own(name) && components()["responses"].get(name).is_some())
    };
    let paths = document["paths"].as_object_mut().into_iter().flatten();
    let operations = paths.flat_map(|(_, item)| item.as_object_mut().into_iter().flatten());
    for (_, operation) in operations {
        if let Some(responses) = operation.get_mut("responses").and_then(Json::as_object_mut) {
            shorten(responses, is_of_service);
        }
    }
    document
}

/// Puts one response for each class of statuses in the place of those that are the service's.
fn shorten(responses: &mut Map<String, Json>, is_of_service: impl Fn(&Json) -> bool) {
    for class in ["4", "5"] {
        let before = responses.len();
        responses
            .retain(|status, response| !(status.starts_with(class) && is_of_service(response)));
        if responses.len() < before {
            responses.insert(format!("{class}XX"), json!({ "$ref": PROBLEM }));
        }
    }
    for response in responses.values_mut() {
        let stream = response.pointer_mut("/content/text~1event-stream/schema");
        if let Some(schema) = stream.filter(|schema| schema["$ref"] == STREAM) {
            *schema = json!({
                "type": "string",
                "description": "Server-sent events. The `data` of each is an AgentEvent, as the document of the service describes it.",
            });
        }
    }
}
