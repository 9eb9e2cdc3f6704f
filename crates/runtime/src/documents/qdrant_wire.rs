//! What is said to Qdrant, over its REST API: <https://api.qdrant.tech/api-reference>.

use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use reqwest::header::{HeaderMap, HeaderName};
use reqwest::{Client, Method, StatusCode, Url};
use serde_json::{Value, json};

use crate::documents::passage_filter::Condition;
use crate::documents::similarity;
use crate::documents::{Document, DocumentHead, EmbeddedDocument, Passage};
use crate::error::AgentError;

/// How long the server may take for an answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// How many points are sent at a time, so that even the largest vectors stay below the 32 MB that Qdrant takes.
pub(crate) const MOST_POINTS: usize = 256;
/// How much of an error's text is logged, in characters.
const LONGEST_MESSAGE: usize = 300;

/// A server, and how it is asked.
pub(crate) struct Wire {
    /// The client, which keeps its connections.
    pub(crate) client: Client,
    /// Where the server is.
    pub(crate) base: Url,
    /// What it is shown.
    pub(crate) headers: HeaderMap,
}

/// The header that a key stands in.
pub(crate) const KEY: HeaderName = HeaderName::from_static("api-key");

impl Wire {
    /// What the server answers: its `result`, or nothing if there is no such collection.
    ///
    /// # Errors
    /// 503 if the server can't be reached or has too much to do, 500 for what it refuses.
    pub(crate) async fn ask(
        &self,
        method: Method,
        path: &[&str],
        body: Option<Value>,
    ) -> Result<Option<Value>, AgentError> {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        if method != Method::GET && path.contains(&"points") {
            // What was answered is there for the next who asks.
            url.set_query(Some("wait=true"));
        }
        let mut request = self.client.request(method, url);
        request = request.headers(self.headers.clone());
        if let Some(body) = body {
            request = request
                .header(reqwest::header::CONTENT_TYPE, "application/json")
                .body(body.to_string());
        }
        let answered = tokio::time::timeout(PATIENCE, async {
            let response = request.send().await?;
            Ok((response.status(), response.bytes().await?))
        });
        let answered = answered.await.map_err(|late| unreachable(&late))?;
        let (status, bytes) = answered.map_err(|error: reqwest::Error| unreachable(&error))?;
        let mut answer = serde_json::from_slice::<Value>(&bytes).unwrap_or_default();
        match status {
            StatusCode::NOT_FOUND => Ok(None),
            status if status.is_success() => Ok(Some(answer["result"].take())),
            StatusCode::TOO_MANY_REQUESTS => Err(unreachable(&status)),
            status if status.is_server_error() => Err(unreachable(&status)),
            status => {
                let message = answer["status"]["error"].as_str().unwrap_or_default();
                let message = message.chars().take(LONGEST_MESSAGE).collect::<String>();
                let hint = match status {
                    StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                        ": look at documents.api_key"
                    }
                    _ => "",
                };
                let cause = format!("the document store refuses: {status}{hint} {message}");
                Err(AgentError::Internal(cause))
            }
        }
    }
}

fn unreachable(why: &dyn std::fmt::Display) -> AgentError {
    tracing::warn!(error = %why, "the document store can't be used now");
    AgentError::unavailable("the document store can't be used now")
}

/// The id of a passage's point. Points have numbers or UUIDs, so that it is a hash of the passage's own id.
pub(crate) fn point_id(document: &str, number: usize) -> String {
    let hash = digest(&SHA256, format!("{document}#{number}").as_bytes());
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash.as_ref()[..16]);
    uuid::Builder::from_custom_bytes(bytes)
        .into_uuid()
        .to_string()
}

/// What puts a document in the place of the one that has its id, in parts that are sent at a time, each with its count
/// of points.
pub(crate) fn operations(embedded: &EmbeddedDocument) -> Vec<(usize, Value)> {
    let points = points(embedded);
    let upserts = points.chunks(MOST_POINTS).map(|points| {
        let upsert = json!({ "upsert": { "points": points } });
        (points.len(), upsert)
    });
    let rest = passages_from(&embedded.document.head.id, points.len());
    let rest = (0, json!({ "delete": { "filter": rest } }));
    upserts.chain([rest]).collect()
}

/// The points of a document: one for each passage. The first one holds the whole text too.
fn points(embedded: &EmbeddedDocument) -> Vec<Value> {
    let Document { head, text } = &embedded.document;
    let count = embedded.passages.len();
    let points = embedded.passages.iter().enumerate();
    let points = points.map(|(number, passage)| {
        let mut payload = json!({
            "document": head.id,
            "number": number,
            "passages": count,
            "model": embedded.model,
            "head": head,
            "title": passage.title,
            "text": passage.text,
        });
        if number == 0 {
            payload["body"] = text.as_str().into();
        }
        json!({
            "id": point_id(&head.id, number),
            "vector": similarity::json(&passage.vector),
            "payload": payload,
        })
    });
    points.collect()
}

/// The points of a document's passages from this number on.
pub(crate) fn passages_from(document: &str, number: usize) -> Value {
    json!({ "must": [is("document", document), { "key": "number", "range": { "gte": number } }] })
}

/// The first passages of all documents.
pub(crate) fn first_passages() -> Value {
    json!({ "must": [is("number", 0)] })
}

/// The passages that a search may find.
pub(crate) fn searched(model: &str, filter: &[Condition]) -> Value {
    let mut must = vec![is("model", model)];
    must.extend(filter.iter().map(condition));
    json!({ "must": must })
}

/// The passages that another model embedded.
pub(crate) fn of_others(model: &str) -> Value {
    json!({ "must_not": [is("model", model)] })
}

fn is(key: &str, value: impl Into<Value>) -> Value {
    json!({ "key": key, "match": { "value": value.into() } })
}

fn condition(condition: &Condition) -> Value {
    match condition {
        Condition::UpdatedAfter(moment) => {
            json!({ "key": "head.updated_at", "range": { "gt": moment } })
        }
        Condition::UpdatedBefore(moment) => {
            json!({ "key": "head.updated_at", "range": { "lt": moment } })
        }
        Condition::OneOf(name, values) => {
            let key = match name.as_str() {
                "document" => name.clone(),
                "title" | "language" => format!("head.{name}"),
                // In quotes, a dot in the name is one.
                _ => format!("head.metadata.\"{name}\""),
            };
            let values = values.iter().map(|value| match value.as_f64() {
                // What is matched has no fraction.
                Some(number) => json!({ "key": key, "range": { "gte": number, "lte": number } }),
                None => is(&key, value.clone()),
            });
            json!({ "should": values.collect::<Vec<_>>() })
        }
    }
}

/// The document that a point's payload tells of, and how many passages it has.
pub(crate) fn head(payload: &mut Value) -> Result<(DocumentHead, u32), AgentError> {
    let passages = payload["passages"].as_u64().unwrap_or_default();
    let head = serde_json::from_value(payload["head"].take()).map_err(AgentError::internal)?;
    Ok((head, u32::try_from(passages).unwrap_or(u32::MAX)))
}

/// The score of a point; none if it is not above 0, or less than it is at least.
pub(crate) fn score(point: &Value, least: f64) -> Option<f64> {
    let score = point["score"].as_f64()?;
    (score > 0.0 && score >= least).then_some(score.min(1.0))
}

/// The passage that a point is, with its score; none if it has no such score.
pub(crate) fn passage(point: &mut Value, least: f64) -> Result<Option<Passage>, AgentError> {
    let Some(score) = score(point, least) else {
        return Ok(None);
    };
    let payload = &mut point["payload"];
    let (document, _) = head(payload)?;
    let number = payload["number"].as_u64().unwrap_or_default();
    Ok(Some(Passage {
        document,
        number: u32::try_from(number).unwrap_or(u32::MAX),
        title: payload["title"].as_str().map(str::to_owned),
        text: payload["text"].as_str().unwrap_or_default().to_owned(),
        score,
    }))
}
