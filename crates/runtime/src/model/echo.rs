//! The provider that stands in when no model is configured: it says what it was told.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use futures_util::stream;
use serde_json::Value;

use crate::event::agent_event::{StopReason, Usage};
use crate::model::user_message::tell_session;
use crate::model::{Chunk, ChunkStream, ModelRequest, Provider, estimated_tokens};
use crate::schema::shape::resolved;
use crate::spec::endpoint_spec::EndpointSpec;

/// How much of a text is said back, in characters.
const LONGEST_ECHO: usize = 200;
/// How long a chunk is at least, in bytes.
const CHUNK: usize = 32;

/// Answers without a model, always in the same way, and says so. Where an output schema is to be met, it answers
/// with the endpoint's example, puts its text into the first property that takes any text, and cites the passages it was
/// given. Its token counts are
/// estimates: a quarter of the bytes.
#[derive(Debug, Clone, Copy, Default)]
pub struct Echo;

impl Provider for Echo {
    fn model(&self, _: Option<&str>) -> String {
        "echo".to_owned()
    }

    fn answer(&self, request: &ModelRequest) -> ChunkStream {
        let last = request.messages.last();
        let said = match &request.retrieved {
            Some(retrieved) => &retrieved.question,
            None => last.map_or("", |message| message.text.as_str()),
        };
        let text = echo(request.agent.slug, said);
        let text = match request.endpoint {
            Some(endpoint) => completed(request, fitting(endpoint, &text)),
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
fn clipped(text: &str, most: usize) -> Cow<'_, str> {
    // No text has more characters than bytes.
    if text.len() <= most || text.chars().count() <= most {
        return Cow::Borrowed(text);
    }
    let kept = text.chars().take(most.saturating_sub(1));
    kept.chain((most > 0).then_some('…')).collect()
}

/// An answer with the citations of what the request has to be answered from, and the id of its conversation.
fn completed(request: &ModelRequest, answer: String) -> String {
    if request.retrieved.is_none() && request.session_id.is_none() {
        return answer;
    }
    match serde_json::from_str(&answer) {
        Ok(mut json) => {
            if let Some(retrieved) = &request.retrieved {
                retrieved.cite(&mut json);
            }
            if let Some(id) = &request.session_id {
                tell_session(&mut json, id);
            }
            json.to_string()
        }
        Err(_) => answer,
    }
}

/// The endpoint's example, with `text` in the first place that takes any text.
fn fitting(endpoint: &'static EndpointSpec, text: &str) -> String {
    static SHAPES: RwLock<BTreeMap<usize, Arc<Shape>>> = RwLock::new(BTreeMap::new());
    let place = std::ptr::from_ref(endpoint) as usize;
    let known = SHAPES
        .read()
        .unwrap_or_else(PoisonError::into_inner)
        .get(&place)
        .cloned();
    let shape = known.unwrap_or_else(|| {
        let shape = Arc::new(Shape::of(endpoint));
        let mut shapes = SHAPES.write().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(shapes.entry(place).or_insert(shape))
    });
    shape.with(text)
}

/// An answer as JSON; a text can be put into it where there is room for one.
struct Shape {
    example: String,
    room: Option<Room>,
}

/// Where any text may stand: what comes before and after it, and how many characters it may have.
struct Room {
    before: String,
    after: String,
    least: usize,
    most: usize,
}

impl Shape {
    fn of(endpoint: &EndpointSpec) -> Self {
        Self {
            example: endpoint.output_example.to_owned(),
            room: Room::of(endpoint),
        }
    }

    fn with(&self, text: &str) -> String {
        let Some(room) = &self.room else {
            return self.example.clone();
        };
        let text = clipped(text, room.most);
        if text.chars().count() < room.least {
            return self.example.clone();
        }
        // This is twice as fast as to format a JSON value.
        let text = serde_json::to_string(&text).unwrap_or_default();
        [&*room.before, &text, &room.after].concat()
    }
}

impl Room {
    /// The first place that takes any text: the answer itself, or one of its properties.
    fn of(endpoint: &EndpointSpec) -> Option<Self> {
        let schema = serde_json::from_str::<Value>(endpoint.output_schema).ok()?;
        let root = resolved(&schema, &schema);
        if let Some((least, most)) = free_text(root) {
            let (before, after) = Default::default();
            return Some(Self {
                before,
                after,
                least,
                most,
            });
        }
        let example = serde_json::from_str::<Value>(endpoint.output_example).ok()?;
        let properties = root.get("properties").and_then(Value::as_object)?;
        let (key, (least, most)) = properties
            .iter()
            .find_map(|(key, property)| Some((key, free_text(resolved(&schema, property))?)))?;
        let mut fields = example.as_object()?.clone();
        fields.shift_remove(key);
        let rest = Value::Object(fields).to_string();
        let others = rest.strip_prefix('{')?.strip_suffix('}')?;
        let comma = if others.is_empty() { "" } else { "," };
        Some(Self {
            before: format!("{{{}:", Value::from(key.as_str())),
            after: format!("{comma}{others}}}"),
            least,
            most,
        })
    }
}

/// How many characters a text may have at least and at most, if `schema` takes any text.
fn free_text(schema: &Value) -> Option<(usize, usize)> {
    let schema = schema.as_object()?;
    let is_bound = [
        "enum", "const", "format", "pattern", "$ref", "allOf", "anyOf", "oneOf", "not",
    ]
    .iter()
    .any(|keyword| schema.contains_key(*keyword));
    if is_bound || schema.get("type")?.as_str()? != "string" {
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
