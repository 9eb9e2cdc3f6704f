//! A provider without a model, for development: it repeats the request.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use futures_util::stream;
use serde_json::Value;

use crate::event::agent_event::{StopReason, Usage};
use crate::model::user_message::insert_session_id;
use crate::model::{Chunk, ChunkStream, ModelRequest, Provider, estimated_tokens};
use crate::schema::Schema;
use crate::spec::endpoint_spec::EndpointSpec;

/// How much of a request is repeated, in characters.
const MAX_ECHO_CHARS: usize = 200;
const MIN_CHUNK_BYTES: usize = 32;

/// Answers without a model: `[echo] desk received 4 characters: Hi!?`. With an output schema, it answers with the endpoint's
/// example, puts this text into the first property that accepts any text, and cites the passages of the request. The same
/// request always gets the same answer. Token counts are estimates.
#[derive(Debug, Clone, Copy, Default)]
pub struct Echo;

impl Provider for Echo {
    fn model(&self, _: Option<&str>) -> String {
        "echo".to_owned()
    }

    fn answer(&self, request: &ModelRequest) -> ChunkStream {
        let last = request.messages.last();
        let input = match &request.grounding {
            Some(grounding) => &grounding.question,
            None => last.map_or("", |message| message.text.as_str()),
        };
        let text = echo(request.agent.slug, input);
        let text = match (request.endpoint, &request.output_schema) {
            (Some(endpoint), Some(schema)) => {
                complete(request, example_with(endpoint, schema, &text))
            }
            _ => text,
        };
        let read = request
            .messages
            .iter()
            .map(|message| message.text.len())
            .sum::<usize>();
        let usage = Usage {
            input_tokens: estimated_tokens(request.agent.prompt.len() + read),
            output_tokens: estimated_tokens(text.len()),
            ..Usage::default()
        };
        let done = Chunk::Done {
            stop_reason: StopReason::EndTurn,
            usage,
        };
        let texts = pieces(&text).map(|piece| Chunk::Text(piece.to_owned()));
        let chunks = texts.chain([done]).map(Ok);
        Box::pin(stream::iter(chunks.collect::<Vec<_>>()))
    }
}

fn echo(agent: &str, input: &str) -> String {
    let count = input.chars().count();
    let noun = if count == 1 {
        "character"
    } else {
        "characters"
    };
    format!(
        "[echo] {agent} received {count} {noun}: {}",
        clipped(input, MAX_ECHO_CHARS)
    )
}

/// The first `max` characters of a text; the last one is an ellipsis if the text is longer.
fn clipped(text: &str, max: usize) -> Cow<'_, str> {
    // A text never has more characters than bytes.
    if text.len() <= max || text.chars().count() <= max {
        return Cow::Borrowed(text);
    }
    let start = text.chars().take(max.saturating_sub(1));
    start.chain((max > 0).then_some('…')).collect()
}

/// The answer with citations of the request's passages, and with the conversation's id.
fn complete(request: &ModelRequest, answer: String) -> String {
    if request.grounding.is_none() && request.session_id.is_none() {
        return answer;
    }
    match serde_json::from_str(&answer) {
        Ok(mut json) => {
            if let Some(grounding) = &request.grounding {
                grounding.cite(&mut json);
            }
            if let Some(id) = &request.session_id {
                insert_session_id(&mut json, id);
            }
            json.to_string()
        }
        Err(_) => answer,
    }
}

/// The endpoint's example, with `text` in the first property that accepts any text.
fn example_with(endpoint: &'static EndpointSpec, schema: &Schema, text: &str) -> String {
    /// By the address of the endpoint, which is a static.
    static EXAMPLES: RwLock<BTreeMap<usize, Arc<Example>>> = RwLock::new(BTreeMap::new());
    let key = std::ptr::from_ref(endpoint) as usize;
    let cached = EXAMPLES
        .read()
        .unwrap_or_else(PoisonError::into_inner)
        .get(&key)
        .cloned();
    let example = cached.unwrap_or_else(|| {
        let example = Arc::new(Example::of(endpoint, schema));
        let mut examples = EXAMPLES.write().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(examples.entry(key).or_insert(example))
    });
    example.with(text)
}

/// An example answer, and the slot in it where any text fits.
struct Example {
    json: String,
    slot: Option<Slot>,
}

/// A string in a JSON text: the JSON before and after it, and the limits of its length in characters.
struct Slot {
    before: String,
    after: String,
    min: usize,
    max: usize,
}

impl Example {
    fn of(endpoint: &EndpointSpec, schema: &Schema) -> Self {
        Self {
            json: endpoint.output_example.to_owned(),
            slot: Slot::of(endpoint, schema),
        }
    }

    fn with(&self, text: &str) -> String {
        let Some(slot) = &self.slot else {
            return self.json.clone();
        };
        let text = clipped(text, slot.max);
        if slot.min > 0 && text.chars().count() < slot.min {
            return self.json.clone();
        }
        // Twice as fast as formatting the whole JSON value.
        let text = serde_json::to_string(&text).unwrap_or_default();
        [&*slot.before, &text, &slot.after].concat()
    }
}

impl Slot {
    /// The answer itself, or the first of its properties that accepts any text.
    fn of(endpoint: &EndpointSpec, schema: &Schema) -> Option<Self> {
        if let Some((min, max)) = free_text(schema) {
            return Some(Self {
                before: String::new(),
                after: String::new(),
                min,
                max,
            });
        }
        let example = serde_json::from_str::<Value>(endpoint.output_example).ok()?;
        let (key, (min, max)) = schema.property_names().into_iter().find_map(|key| {
            let limits = free_text(&schema.property(&key)?)?;
            Some((key, limits))
        })?;
        let mut fields = example.as_object()?.clone();
        fields.shift_remove(&key);
        let rest = Value::Object(fields).to_string();
        let others = rest.strip_prefix('{')?.strip_suffix('}')?;
        let comma = if others.is_empty() { "" } else { "," };
        Some(Self {
            before: format!("{{{}:", Value::from(key.as_str())),
            after: format!("{comma}{others}}}"),
            min,
            max,
        })
    }
}

/// The least and the greatest length in characters, if `schema` accepts any text.
fn free_text(schema: &Schema) -> Option<(usize, usize)> {
    let resolved = schema.resolved();
    let schema = resolved.source().as_object()?;
    let is_restricted = [
        "enum", "const", "format", "pattern", "$ref", "allOf", "anyOf", "oneOf", "not",
    ]
    .iter()
    .any(|keyword| schema.contains_key(*keyword));
    if is_restricted || schema.get("type")?.as_str()? != "string" {
        return None;
    }
    let limit = |keyword| {
        let limit = schema.get(keyword).and_then(Value::as_u64);
        limit.map(|limit| usize::try_from(limit).unwrap_or(usize::MAX))
    };
    Some((
        limit("minLength").unwrap_or(0),
        limit("maxLength").unwrap_or(usize::MAX),
    ))
}

/// `text`, split after spaces into pieces of at least [`MIN_CHUNK_BYTES`] bytes.
fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let later = rest.as_bytes().get(MIN_CHUNK_BYTES - 1..);
        let space = later.and_then(|later| later.iter().position(|byte| *byte == b' '));
        let end = space.map_or(rest.len(), |space| space + MIN_CHUNK_BYTES);
        let (piece, after) = rest.split_at(end);
        rest = after;
        (!piece.is_empty()).then_some(piece)
    })
}
