//! The provider that stands in when no model is configured: it says what it was told.

use futures_util::stream;
use serde_json::Value;

use crate::endpoint::EndpointSpec;
use crate::event::{StopReason, Usage};
use crate::provider::{Chunk, ChunkStream, ModelRequest, Provider, estimated_tokens};
use crate::schema::resolved;

/// How much of a text is said back, in characters.
const LONGEST_ECHO: usize = 200;
/// How long a chunk is at least, in bytes.
const CHUNK: usize = 16;

/// Answers without a model, always in the same way, and says so. Where an output schema is to be met, it answers
/// with the endpoint's example and puts its text into the first property that takes any text. Its token counts are
/// estimates: a quarter of the bytes.
#[derive(Debug, Clone, Copy, Default)]
pub struct Echo;

impl Provider for Echo {
    fn model(&self, _: Option<&str>) -> String {
        "echo".to_owned()
    }

    fn answer(&self, request: ModelRequest) -> ChunkStream {
        let said = request
            .messages
            .last()
            .map_or("", |message| message.text.as_str());
        let text = echo(request.agent.slug, said);
        let text = match request.endpoint {
            Some(endpoint) => fitting(endpoint, &text),
            None => text,
        };
        let read = request
            .messages
            .iter()
            .map(|message| message.text.len())
            .sum::<usize>();
        let usage = Usage {
            input_tokens: estimated_tokens(request.agent.prompt.len() + read),
            output_tokens: estimated_tokens(text.len()),
        };
        let done = Chunk::Done {
            stop_reason: StopReason::EndTurn,
            usage,
        };
        let chunks = pieces(&text)
            .into_iter()
            .map(Chunk::Text)
            .chain([done])
            .map(Ok);
        Box::pin(stream::iter(chunks.collect::<Vec<_>>()))
    }
}

fn echo(agent: &str, said: &str) -> String {
    let count = said.chars().count();
    let noun = if count == 1 {
        "character"
    } else {
        "characters"
    };
    format!(
        "[echo] {agent} received {count} {noun}: {}",
        clipped(said, LONGEST_ECHO)
    )
}

/// The first `most` characters of a text; an ellipsis stands for what is missing.
fn clipped(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let kept = text.chars().take(most.saturating_sub(1));
    kept.chain((most > 0).then_some('…')).collect()
}

/// The endpoint's example, with `text` in the first place that takes any text.
fn fitting(endpoint: &EndpointSpec, text: &str) -> String {
    let (Ok(schema), Ok(mut example)) = (
        serde_json::from_str::<Value>(endpoint.output_schema),
        serde_json::from_str::<Value>(endpoint.output_example),
    ) else {
        return endpoint.output_example.to_owned();
    };
    let root = resolved(&schema, &schema);
    if let Some(text) = free_text(root, text) {
        return Value::String(text).to_string();
    }
    let properties = root.get("properties").and_then(Value::as_object);
    let free = properties
        .into_iter()
        .flatten()
        .find_map(|(key, property)| {
            free_text(resolved(&schema, property), text).map(|text| (key.clone(), text))
        });
    if let (Some((key, text)), Some(fields)) = (free, example.as_object_mut()) {
        fields.insert(key, Value::String(text));
    }
    example.to_string()
}

/// `text` as a value of `schema`, if that takes any text of its length.
fn free_text(schema: &Value, text: &str) -> Option<String> {
    let schema = schema.as_object()?;
    let is_bound = [
        "enum", "const", "format", "pattern", "$ref", "allOf", "anyOf", "oneOf", "not",
    ]
    .iter()
    .any(|keyword| schema.contains_key(*keyword));
    if is_bound || schema.get("type")?.as_str()? != "string" {
        return None;
    }
    let limit = |keyword| schema.get(keyword).and_then(Value::as_u64);
    let most = limit("maxLength").map_or(usize::MAX, |most| most.try_into().unwrap_or(usize::MAX));
    let text = clipped(text, most);
    (text.chars().count() as u64 >= limit("minLength").unwrap_or(0)).then_some(text)
}

/// `text` cut behind spaces into pieces of at least [`CHUNK`] bytes.
fn pieces(text: &str) -> Vec<String> {
    let mut pieces = Vec::new();
    let mut piece = String::new();
    for word in text.split_inclusive(' ') {
        piece.push_str(word);
        if piece.len() >= CHUNK {
            pieces.push(std::mem::take(&mut piece));
        }
    }
    pieces.extend((!piece.is_empty()).then_some(piece));
    pieces
}
