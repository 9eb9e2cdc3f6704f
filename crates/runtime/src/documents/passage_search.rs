//! Requests and answers of the endpoints that need no model: search and embed.
//!
//! Example: `{"query": "tides", "limit": 3, "language": "en"}` searches documents whose `language` is `en`.

use serde_json::{Map, Value};

use crate::documents::document_store::Condition;
use crate::documents::similarity::json;
use crate::documents::{DocumentHead, Passage};
use crate::embedding::Purpose;
use crate::error::AgentError;
use crate::schema::{DateTime, Schema};
use crate::spec::endpoint_spec::HitShape;

/// The highest number of hits, whatever the schema allows.
const MAX_LIMIT: u64 = 100;

/// A request of a search endpoint.
#[derive(Debug, PartialEq)]
pub(crate) struct SearchRequest {
    pub(crate) query: String,
    /// The greatest number of hits.
    pub(crate) limit: u32,
    /// One condition for each further property.
    pub(crate) filter: Vec<Condition>,
}

impl SearchRequest {
    /// Reads a request. A property that is null or an empty array sets no condition.
    ///
    /// # Errors
    /// [`AgentError::Invalid`] for an invalid date-time, an internal error for a request that no search endpoint accepts.
    pub(crate) fn read(shape: &HitShape, request: Value) -> Result<Self, AgentError> {
        let Value::Object(mut fields) = request else {
            return Err(contract_error("a search takes an object"));
        };
        let Some(Value::String(query)) = fields.shift_remove("query") else {
            return Err(contract_error("a search takes a `query`"));
        };
        let limit = match fields.shift_remove("limit") {
            None | Some(Value::Null) => u64::from(shape.default_limit),
            Some(limit) => limit.as_u64().unwrap_or(0),
        };
        let filter = fields
            .into_iter()
            .filter_map(|(name, value)| condition(name, value).transpose())
            .collect::<Result<_, _>>()?;
        Ok(Self {
            query,
            limit: limit.min(MAX_LIMIT) as u32,
            filter,
        })
    }
}

fn condition(name: String, value: Value) -> Result<Option<Condition>, AgentError> {
    let date_time = |value: &Value| {
        let date_time = value
            .as_str()
            .and_then(|text| text.parse::<DateTime>().ok());
        date_time.ok_or_else(|| AgentError::invalid(format!("/{name}"), "must be a date-time"))
    };
    Ok(Some(match (&*name, value) {
        (_, Value::Null) => return Ok(None),
        ("updated_after", value) => Condition::UpdatedAfter(date_time(&value)?),
        ("updated_before", value) => Condition::UpdatedBefore(date_time(&value)?),
        (_, Value::Array(values)) if values.is_empty() => return Ok(None),
        (_, Value::Array(values)) => Condition::OneOf(name, values),
        (_, value) => Condition::OneOf(name, vec![value]),
    }))
}

/// The hit for a passage: the properties of `shape` that the passage has. Metadata that is not valid under `hit_schema` is
/// left out, since documents may have any.
pub(crate) fn hit(shape: &HitShape, hit_schema: &Schema, passage: &Passage) -> Value {
    let mut hit = Map::new();
    for name in shape.properties {
        let is_valid = |value: &Value| {
            let schema = hit_schema.property(name);
            schema.is_none_or(|schema| schema.is_valid(value))
        };
        if let Some(value) = property(passage, name).filter(is_valid) {
            hit.insert((*name).to_owned(), value);
        }
    }
    hit.into()
}

/// The answer of a search endpoint.
pub(crate) fn search_answer(
    shape: &HitShape,
    hits: Vec<Value>,
    total: Option<u64>,
    model: &str,
) -> Value {
    let mut answer = Map::new();
    answer.insert("hits".to_owned(), hits.into());
    if let Some(total) = total.filter(|_| shape.total) {
        answer.insert("total".to_owned(), total.into());
    }
    if shape.model {
        answer.insert("model".to_owned(), model.into());
    }
    answer.into()
}

fn property(passage: &Passage, name: &str) -> Option<Value> {
    let DocumentHead {
        id,
        title,
        language,
        updated_at,
        metadata,
    } = &passage.document;
    let heading = &passage.title;
    match name {
        "id" => Some(passage.id().into()),
        "score" => Some(passage.score.into()),
        "text" => Some(passage.text.as_str().into()),
        "title" => title.as_deref().or(heading.as_deref()).map(Value::from),
        "heading" => heading.as_deref().map(Value::from),
        "document" => Some(id.as_str().into()),
        "language" => language.as_deref().map(Value::from),
        "updated_at" => updated_at.map(|date_time| date_time.to_string().into()),
        _ => metadata.get(name).cloned(),
    }
}

/// A request of an embed endpoint: `{"texts": [..]}` or `{"text": ".."}`.
#[derive(Debug, PartialEq)]
pub(crate) struct EmbedRequest {
    pub(crate) texts: Vec<String>,
    pub(crate) purpose: Purpose,
    /// Whether the request has `text`, so that the answer has `vector`.
    is_single: bool,
}

impl EmbedRequest {
    /// Reads a request.
    ///
    /// # Errors
    /// An internal error for a request that no embed endpoint accepts.
    pub(crate) fn read(request: &Value) -> Result<Self, AgentError> {
        let text = |text: &Value| text.as_str().map(str::to_owned);
        let (texts, is_single) = match (&request["texts"], &request["text"]) {
            (Value::Array(texts), _) => (texts.iter().map(text).collect::<Option<_>>(), false),
            (_, single) => (text(single).map(|text| vec![text]), true),
        };
        Ok(Self {
            texts: texts.ok_or_else(|| contract_error("an embedding takes `texts` or a `text`"))?,
            purpose: match request["purpose"].as_str() {
                Some("query") => Purpose::Query,
                _ => Purpose::Document,
            },
            is_single,
        })
    }

    /// The answer, with `model` and `dimensions` if the output schema has them.
    pub(crate) fn answer(
        &self,
        output_schema: &Schema,
        vectors: &[Vec<f32>],
        model: &str,
    ) -> Value {
        let has = |name: &str| output_schema.property(name).is_some();
        let mut answer = Map::new();
        match vectors.first() {
            Some(vector) if self.is_single => answer.insert("vector".to_owned(), json(vector)),
            _ => answer.insert(
                "vectors".to_owned(),
                vectors.iter().map(|vector| json(vector)).collect(),
            ),
        };
        if has("model") {
            answer.insert("model".to_owned(), model.into());
        }
        if has("dimensions") {
            let dimensions = vectors.first().map_or(0, Vec::len);
            answer.insert("dimensions".to_owned(), dimensions.into());
        }
        answer.into()
    }
}

/// The generator checks the contracts of search and embed endpoints, so that only other code can get here.
fn contract_error(detail: &str) -> AgentError {
    AgentError::internal(format!(
        "{detail}: the generated code does not fit the runtime"
    ))
}
