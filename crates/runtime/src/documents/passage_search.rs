//! Endpoints that need no model: search and embed. What they take and give is as their schemas say.

use serde_json::{Map, Value};

use crate::documents::document_store::Condition;
use crate::documents::similarity::json;
use crate::documents::{DocumentHead, Passage};
use crate::embedding::Purpose;
use crate::error::AgentError;
use crate::schema::{DateTime, Schema};

/// How many hits there are if nobody says, and at most.
const USUAL_LIMIT: u64 = 10;
const HIGHEST_LIMIT: u64 = 100;

/// What a search endpoint is asked.
#[derive(Debug, PartialEq)]
pub(crate) struct SearchRequest {
    /// What the passages are to be about.
    pub(crate) query: String,
    /// How many at most.
    pub(crate) limit: u32,
    /// What their documents have to fulfil: a condition for each property besides.
    pub(crate) filter: Vec<Condition>,
}

impl SearchRequest {
    /// Reads a request under the input schema of its endpoint. A property that is null, or a list without entries, asks
    /// for nothing.
    ///
    /// # Errors
    /// 422 for a moment that is none, 500 for what no such endpoint takes.
    pub(crate) fn read(input_schema: &Schema, request: Value) -> Result<Self, AgentError> {
        let Value::Object(mut fields) = request else {
            return Err(broken("a search takes an object"));
        };
        let Some(Value::String(query)) = fields.shift_remove("query") else {
            return Err(broken("a search takes a `query`"));
        };
        let limit = match fields.shift_remove("limit") {
            None | Some(Value::Null) => usual_limit(input_schema),
            Some(limit) => limit.as_u64().unwrap_or(0),
        };
        let filter = fields
            .into_iter()
            .filter_map(|(name, value)| condition(name, value).transpose())
            .collect::<Result<_, _>>()?;
        Ok(Self {
            query,
            limit: limit.min(HIGHEST_LIMIT) as u32,
            filter,
        })
    }
}

fn usual_limit(input_schema: &Schema) -> u64 {
    let limit = input_schema.property("limit").map(|limit| {
        let limit = limit.resolved();
        let most = limit.source()["maximum"].as_u64().unwrap_or(HIGHEST_LIMIT);
        let usual = limit.source()["default"].as_u64().unwrap_or(USUAL_LIMIT);
        usual.min(most)
    });
    limit.unwrap_or(USUAL_LIMIT)
}

fn condition(name: String, value: Value) -> Result<Option<Condition>, AgentError> {
    let moment = |value: &Value| {
        let moment = value
            .as_str()
            .and_then(|text| text.parse::<DateTime>().ok());
        moment.ok_or_else(|| AgentError::invalid(format!("/{name}"), "must be a date-time"))
    };
    Ok(Some(match (&*name, value) {
        (_, Value::Null) => return Ok(None),
        ("updated_after", value) => Condition::UpdatedAfter(moment(&value)?),
        ("updated_before", value) => Condition::UpdatedBefore(moment(&value)?),
        (_, Value::Array(values)) if values.is_empty() => return Ok(None),
        (_, Value::Array(values)) => Condition::OneOf(name, values),
        (_, value) => Condition::OneOf(name, vec![value]),
    }))
}

/// How a search endpoint writes what it found.
pub(crate) struct HitForm {
    schema: Schema,
    /// The properties of a hit.
    properties: Vec<(String, Schema)>,
}

impl HitForm {
    /// The form that an output schema describes: an object with the array `hits`.
    pub(crate) fn new(schema: Schema) -> Self {
        let hit = schema.property("hits").and_then(|hits| hits.items());
        let properties = hit.iter().flat_map(|hit| {
            let names = hit.property_names().into_iter();
            names.filter_map(|name| Some((name.clone(), hit.property(&name)?)))
        });
        let properties = properties.collect();
        Self { schema, properties }
    }

    /// Whether an answer has room for this property.
    pub(crate) fn has(&self, property: &str) -> bool {
        self.schema.property(property).is_some()
    }

    /// A hit: its own properties, and those of the document's metadata that it has room for.
    pub(crate) fn hit(&self, passage: &Passage) -> Value {
        let mut hit = Map::new();
        for (name, schema) in &self.properties {
            let value = property(passage, name);
            if let Some(value) = value.filter(|value| schema.is_valid(value)) {
                hit.insert(name.clone(), value);
            }
        }
        hit.into()
    }

    /// An answer with these hits.
    pub(crate) fn answer(&self, hits: Vec<Value>, total: Option<u64>, model: &str) -> Value {
        let mut answer = Map::new();
        answer.insert("hits".to_owned(), hits.into());
        if let Some(total) = total.filter(|_| self.has("total")) {
            answer.insert("total".to_owned(), total.into());
        }
        if self.has("model") {
            answer.insert("model".to_owned(), model.into());
        }
        answer.into()
    }
}

/// What a passage has under a name.
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
        "updated_at" => updated_at.map(|moment| moment.to_string().into()),
        _ => metadata.get(name).cloned(),
    }
}

/// What an embed endpoint is asked.
#[derive(Debug, PartialEq)]
pub(crate) struct EmbedRequest {
    /// The texts.
    pub(crate) texts: Vec<String>,
    /// What they are embedded for.
    pub(crate) purpose: Purpose,
    /// Whether one was given, and not a list.
    is_one: bool,
}

impl EmbedRequest {
    /// Reads a request.
    ///
    /// # Errors
    /// 500 for what no such endpoint takes.
    pub(crate) fn read(request: &Value) -> Result<Self, AgentError> {
        let text = |text: &Value| text.as_str().map(str::to_owned);
        let (texts, is_one) = match (&request["texts"], &request["text"]) {
            (Value::Array(texts), _) => (texts.iter().map(text).collect::<Option<_>>(), false),
            (_, one) => (text(one).map(|one| vec![one]), true),
        };
        Ok(Self {
            texts: texts.ok_or_else(|| broken("an embedding takes `texts` or a `text`"))?,
            purpose: match request["purpose"].as_str() {
                Some("query") => Purpose::Query,
                _ => Purpose::Document,
            },
            is_one,
        })
    }

    /// The answer, with what the output schema has room for.
    pub(crate) fn answer(
        &self,
        output_schema: &Schema,
        vectors: &[Vec<f32>],
        model: &str,
    ) -> Value {
        let has = |name: &str| output_schema.property(name).is_some();
        let mut answer = Map::new();
        match vectors.first() {
            Some(vector) if self.is_one => answer.insert("vector".to_owned(), json(vector)),
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

/// The generator lets no other endpoint be one.
fn broken(what: &str) -> AgentError {
    AgentError::internal(format!(
        "{what}: the generated code does not fit the runtime"
    ))
}
