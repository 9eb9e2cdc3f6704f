//! Requests and payloads of Qdrant's REST API: <https://api.qdrant.tech/api-reference>.

use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use reqwest::header::{HeaderMap, HeaderName};
use reqwest::{Client, Method, StatusCode, Url};
use serde_json::{Value, json};

use crate::documents::document_store::Condition;
use crate::documents::similarity;
use crate::documents::{Document, DocumentHead, EmbeddedDocument, Passage};
use crate::error::store_error::StoreError;

const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// Points in one request. Even with the largest vectors, it stays below Qdrant's limit of 32 MB.
pub(crate) const MAX_POINTS: usize = 256;
/// In characters.
const MAX_LOGGED_MESSAGE: usize = 300;

/// An HTTP client for one server.
pub(crate) struct QdrantClient {
    pub(crate) client: Client,
    pub(crate) base: Url,
    /// Sent with every request; the key is among them.
    pub(crate) headers: HeaderMap,
}

pub(crate) const API_KEY_HEADER: HeaderName = HeaderName::from_static("api-key");

impl QdrantClient {
    /// The `result` of an operation; `None` if the collection does not exist.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if the server can't be reached or is overloaded, an internal error if it refuses the
    /// request.
    pub(crate) async fn request(
        &self,
        method: Method,
        path: &[&str],
        body: Option<Value>,
    ) -> Result<Option<Value>, StoreError> {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        if method != Method::GET && path.contains(&"points") {
            // Answer only when the change is visible to searches.
            url.set_query(Some("wait=true"));
        }
        let mut request = self.client.request(method, url);
        request = request.headers(self.headers.clone());
        if let Some(body) = body {
            request = request
                .header(reqwest::header::CONTENT_TYPE, "application/json")
                .body(body.to_string());
        }
        let response = tokio::time::timeout(REQUEST_TIMEOUT, async {
            let response = request.send().await?;
            Ok((response.status(), response.bytes().await?))
        });
        let response = response.await.map_err(|elapsed| unavailable(&elapsed))?;
        let (status, bytes) = response.map_err(|error: reqwest::Error| unavailable(&error))?;
        match status {
            StatusCode::NOT_FOUND => Ok(None),
            status if status.is_success() => {
                let answer = serde_json::from_slice::<Value>(&bytes);
                let mut answer = answer.map_err(|error| unavailable(&error))?;
                Ok(Some(answer["result"].take()))
            }
            StatusCode::TOO_MANY_REQUESTS => Err(unavailable(&status)),
            status if status.is_server_error() => Err(unavailable(&status)),
            status => {
                // The body of an error need not be JSON.
                let answer = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
                let message = answer["status"]["error"].as_str().unwrap_or_default();
                let message = message.chars().take(MAX_LOGGED_MESSAGE).collect::<String>();
                if matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
                    let cause = format!("{status}: check documents.api_key {message}");
                    return Err(unavailable(&cause));
                }
                let cause = format!("the document store refuses: {status} {message}");
                Err(StoreError::internal(cause))
            }
        }
    }
}

/// A failure that is no fault of the service. The cause is for the log alone.
fn unavailable(error: &dyn std::fmt::Display) -> StoreError {
    tracing::warn!(%error, "the document store can't be used now");
    StoreError::unavailable("the document store can't be used now")
}

/// The id of a passage's point: a UUID made of a hash of the passage's id, since Qdrant accepts only numbers and UUIDs.
pub(crate) fn point_id(document: &str, number: usize) -> String {
    let hash = digest(&SHA256, format!("{document}#{number}").as_bytes());
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash.as_ref()[..16]);
    uuid::Builder::from_custom_bytes(bytes)
        .into_uuid()
        .to_string()
}

/// The operations that store a document in place of an earlier one, each with the number of its points.
pub(crate) fn operations(embedded: &EmbeddedDocument) -> Vec<(usize, Value)> {
    let points = points(embedded);
    let upserts = points.chunks(MAX_POINTS).map(|points| {
        let upsert = json!({ "upsert": { "points": points } });
        (points.len(), upsert)
    });
    let stale = passages_from(&embedded.document.head.id, points.len());
    let delete = (0, json!({ "delete": { "filter": stale } }));
    upserts.chain([delete]).collect()
}

/// One point for each passage of a document. The first one also has the whole text, as `body`.
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

/// A filter for the passages of a document from `number` on.
pub(crate) fn passages_from(document: &str, number: usize) -> Value {
    json!({ "must": [equals("document", document), { "key": "number", "range": { "gte": number } }] })
}

/// A filter for the first passage of each document.
pub(crate) fn first_passages() -> Value {
    json!({ "must": [equals("number", 0)] })
}

/// A filter for the passages that a search may find.
pub(crate) fn search_filter(model: &str, filter: &[Condition]) -> Value {
    let mut must = vec![equals("model", model)];
    must.extend(filter.iter().map(condition));
    json!({ "must": must })
}

/// A filter for the passages of other embedding models.
pub(crate) fn other_models(model: &str) -> Value {
    json!({ "must_not": [equals("model", model)] })
}

fn equals(key: &str, value: impl Into<Value>) -> Value {
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
                // In quotes, a dot is part of the name.
                _ => format!("head.metadata.\"{name}\""),
            };
            let values = values.iter().map(|value| match value.as_f64() {
                // `match` accepts integers only.
                Some(number) => json!({ "key": key, "range": { "gte": number, "lte": number } }),
                None => equals(&key, value.clone()),
            });
            json!({ "should": values.collect::<Vec<_>>() })
        }
    }
}

/// The document of a point's payload, and the number of its passages.
pub(crate) fn head(payload: &mut Value) -> Result<(DocumentHead, u32), StoreError> {
    let passages = payload["passages"].as_u64().unwrap_or_default();
    let head = serde_json::from_value(payload["head"].take()).map_err(StoreError::internal)?;
    Ok((head, u32::try_from(passages).unwrap_or(u32::MAX)))
}

/// The score of a point; `None` if it is 0 or less, or below `min`.
pub(crate) fn score(point: &Value, min: f64) -> Option<f64> {
    let score = point["score"].as_f64()?;
    (score > 0.0 && score >= min).then_some(score.min(1.0))
}

/// The passage of a point; `None` if its score is too low.
pub(crate) fn passage(point: &mut Value, min: f64) -> Result<Option<Passage>, StoreError> {
    let Some(score) = score(point, min) else {
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
