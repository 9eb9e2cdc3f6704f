//! Runs one turn of a conversation on a provider.

use futures_util::StreamExt;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::endpoint::EndpointSpec;
use crate::error::AgentError;
use crate::event::{Event, StopReason, Usage};
use crate::provider::{Chunk, ModelRequest, Provider};
use crate::sink::Sink;
use crate::validate::{Validate, check};

/// A model's whole answer.
#[derive(Debug, Clone)]
pub(crate) struct Turn {
    /// What it said.
    pub(crate) text: String,
    /// Which model it was.
    pub(crate) model: String,
    /// What it took.
    pub(crate) usage: Usage,
    /// Why it stopped.
    pub(crate) stop_reason: StopReason,
}

/// Has `provider` answer; the text goes to `sink` as it comes, if there is one.
/// A failure before the first chunk leaves no event behind.
pub(crate) async fn turn(
    provider: &dyn Provider,
    request: ModelRequest,
    sink: Option<&Sink>,
) -> Result<Turn, AgentError> {
    let model = provider.model(request.agent.model);
    let mut chunks = provider.answer(request);
    let mut text = String::new();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk?;
        if let Some(sink) = sink {
            sink.started(&model).await;
        }
        match chunk {
            Chunk::Text(delta) => {
                text.push_str(&delta);
                if let Some(sink) = sink {
                    sink.send(Event::Delta { text: delta }).await;
                }
            }
            Chunk::Done { stop_reason, usage } => {
                return Ok(Turn {
                    text,
                    model,
                    usage,
                    stop_reason,
                });
            }
        }
    }
    Err(AgentError::BadAnswer(
        "the model's answer ends too early".to_owned(),
    ))
}

/// Reads a model's answer as what the endpoint's output schema promises.
pub(crate) fn typed<T: DeserializeOwned + Validate>(
    endpoint: &EndpointSpec,
    text: &str,
) -> Result<T, AgentError> {
    // What a model said is not for the log, and a reader's errors repeat it.
    let wrong = |why: &'static str| {
        let endpoint = endpoint.operation_id;
        tracing::warn!(
            endpoint,
            why,
            "the model's answer does not fit the output schema"
        );
        AgentError::BadAnswer("the model's answer does not fit the output schema".to_owned())
    };
    let json = match serde_json::from_str(text) {
        Ok(json) => json,
        // A model that is to answer with a text may leave out the quotation marks.
        Err(_) if is_text(endpoint) => Value::String(text.to_owned()),
        Err(_) => return Err(wrong("it is not JSON")),
    };
    let value = serde_json::from_value(json).map_err(|_| wrong("its types are others"))?;
    check(&value).map_err(|_| wrong("it breaks a rule"))?;
    Ok(value)
}

fn is_text(endpoint: &EndpointSpec) -> bool {
    serde_json::from_str::<Value>(endpoint.output_schema)
        .is_ok_and(|schema| schema.get("type").and_then(Value::as_str) == Some("string"))
}
