//! Documents in Qdrant, a vector database: <https://qdrant.tech/documentation/>.
//!
//! A passage is a point. What puts documents goes in batches, whose parts Qdrant takes one after the other: it is no
//! transaction, and who searches meanwhile may find old and new passages of one document.

use reqwest::header::HeaderMap;
use reqwest::{Method, Url};
use serde_json::{Value, json};

use crate::client;
use crate::documents::document_store::{DocumentStore, Found, PassageQuery};
use crate::documents::passage_filter::Condition;
use crate::documents::qdrant_wire::{
    KEY, MOST_POINTS, Wire, first_passages, head, of_others, operations, passage, passages_from,
    point_id, score, searched,
};
use crate::documents::similarity;
use crate::documents::{Document, DocumentFacts, EmbeddedDocument};
use crate::error::AgentError;
use crate::error::start_error::StartError;
use crate::secret::Secret;
use crate::session::session_store::Stored;

/// The settings.
pub(crate) const URL: &str = "documents.url";
pub(crate) const API_KEY: &str = "documents.api_key";
/// What a search is narrowed by, and what kind it is: those get an index.
const INDEXED: [(&str, &str); 5] = [
    ("document", "keyword"),
    ("number", "integer"),
    ("model", "keyword"),
    ("head.language", "keyword"),
    ("head.updated_at", "datetime"),
];

/// A server that keeps documents: Qdrant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentsSettings {
    /// Where it is, as in `http://127.0.0.1:6333`.
    pub url: String,
    /// What it wants to be shown.
    pub api_key: Option<Secret>,
}

/// A [`DocumentStore`] in Qdrant.
pub struct Qdrant(Wire);

impl Qdrant {
    /// The server in `settings`; nothing is sent to it yet. A collection is made when something is put into it.
    ///
    /// # Errors
    /// A [`StartError::Setting`] for an address that is none, or a key that can't be sent.
    pub fn open(settings: &DocumentsSettings) -> Result<Self, StartError> {
        Self::new(settings).map_err(|(key, detail)| StartError::setting(key, detail))
    }

    /// As [`Qdrant::open`].
    ///
    /// # Errors
    /// The setting that is wrong, and why; never a key.
    pub(crate) fn new(settings: &DocumentsSettings) -> Result<Self, (&'static str, String)> {
        let wrong = |detail: &str| (URL, detail.to_owned());
        let url = Url::parse(&settings.url).ok();
        let base = url.filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        let base = base.ok_or_else(|| wrong("is no address such as http://127.0.0.1:6333"))?;
        if base.password().is_some() || !base.username().is_empty() {
            return Err(wrong(
                "must hold no name or password: documents.api_key is for the key",
            ));
        }
        if base.query().is_some() || base.fragment().is_some() {
            return Err(wrong("must hold nothing behind its path"));
        }
        let mut headers = HeaderMap::new();
        if let Some(key) = &settings.api_key {
            let value = client::sensitive(key.expose());
            let value = value.ok_or((API_KEY, "holds what no HTTP header can".to_owned()))?;
            headers.insert(KEY, value);
        }
        let client = client::client();
        let client = client.map_err(|error| (URL, format!("no client can be made: {error}")))?;
        Ok(Self(Wire {
            client,
            base,
            headers,
        }))
    }

    async fn post(
        &self,
        collection: &str,
        operation: &[&str],
        body: Value,
    ) -> Result<Option<Value>, AgentError> {
        let path = [&["collections", collection, "points"], operation].concat();
        self.0.ask(Method::POST, &path, Some(body)).await
    }

    /// Makes the collection if it isn't there.
    ///
    /// # Errors
    /// 500 if it is there and takes other vectors.
    async fn ensure(&self, collection: &str, size: usize) -> Result<(), AgentError> {
        if self.is_there(collection, size).await? {
            return Ok(());
        }
        let path = ["collections", collection];
        let body = json!({ "vectors": { "size": size, "distance": "Cosine" } });
        let made = self.0.ask(Method::PUT, &path, Some(body)).await;
        // Somebody else may have made it in between.
        if made.is_err() && self.is_there(collection, size).await? {
            return Ok(());
        }
        made?;
        for (name, kind) in INDEXED {
            let path = ["collections", collection, "index"];
            let body = json!({ "field_name": name, "field_schema": kind });
            self.0.ask(Method::PUT, &path, Some(body)).await?;
        }
        Ok(())
    }

    async fn is_there(&self, collection: &str, size: usize) -> Result<bool, AgentError> {
        let path = ["collections", collection];
        let Some(facts) = self.0.ask(Method::GET, &path, None).await? else {
            return Ok(false);
        };
        let vectors = &facts["config"]["params"]["vectors"];
        let (has, distance) = (vectors["size"].as_u64(), vectors["distance"].as_str());
        if has == Some(size as u64) && distance == Some("Cosine") {
            return Ok(true);
        }
        let has = match (has, distance) {
            (Some(size), Some(distance)) => format!("{size} dimensions and distance {distance}"),
            _ => "vectors of another kind".to_owned(),
        };
        Err(AgentError::Internal(format!(
            "the collection `{collection}` in the document store has {has}, and embeddings.model gives vectors of \
             {size} dimensions for distance Cosine: remove the collection and put its documents again, or set \
             embeddings.model and embeddings.dimensions to what it has"
        )))
    }

    /// The nearest points, as Qdrant tells them; nothing if there is no such collection.
    async fn nearest(
        &self,
        collection: &str,
        query: &PassageQuery,
        limit: u64,
        with_payload: Value,
    ) -> Result<Vec<Value>, AgentError> {
        let body = json!({
            "query": similarity::json(&query.vector),
            "filter": searched(&query.model, &query.filter),
            "limit": limit,
            "with_payload": with_payload,
            "params": { "exact": true },
        });
        let answer = match self.post(collection, &["query"], body).await {
            Err(error @ AgentError::Internal(_)) => {
                // It may be refused because of its size, which is said better than Qdrant does.
                self.is_there(collection, query.vector.len()).await?;
                return Err(error);
            }
            answer => answer?,
        };
        Ok(listed(answer.unwrap_or_default()["points"].take()))
    }

    async fn change(&self, collection: &str, operations: Vec<Value>) -> Result<(), AgentError> {
        let body = json!({ "operations": operations });
        match self.post(collection, &["batch"], body).await? {
            Some(_) => Ok(()),
            None => Err(AgentError::unavailable("the collection was just removed")),
        }
    }

    async fn count(&self, collection: &str, filter: Value) -> Result<u64, AgentError> {
        let body = json!({ "filter": filter, "exact": true });
        let answer = self.post(collection, &["count"], body).await?;
        Ok(answer.unwrap_or_default()["count"].as_u64().unwrap_or(0))
    }

    async fn find(&self, collection: &str, query: &PassageQuery) -> Result<Found, AgentError> {
        let is_any = |condition: &Condition| matches!(condition, Condition::OneOf(_, values) if values.is_empty());
        if query.filter.iter().any(is_any) || query.limit == 0 && !query.count {
            let total = query.count.then_some(0);
            return Ok(Found {
                total,
                ..Found::default()
            });
        }
        let limit = u64::from(query.limit.max(1));
        let fields = json!({ "exclude": ["body"] });
        let mut nearest = self.nearest(collection, query, limit, fields).await?;
        let is_all = (nearest.len() as u64) < limit;
        let passages = nearest
            .iter_mut()
            .filter_map(|point| passage(point, query.min_score).transpose());
        let mut passages = passages.collect::<Result<Vec<_>, _>>()?;
        let total = match query.count {
            false => None,
            true if is_all || passages.len() < nearest.len() => Some(passages.len() as u64),
            true => {
                let filter = searched(&query.model, &query.filter);
                let most = self.count(collection, filter).await?.max(1);
                let all = self.nearest(collection, query, most, false.into()).await?;
                let scored = all
                    .iter()
                    .filter(|point| score(point, query.min_score).is_some());
                Some(scored.count() as u64)
            }
        };
        passages.sort_by(|a, b| {
            let by_place = || (&a.document.id, a.number).cmp(&(&b.document.id, b.number));
            b.score.total_cmp(&a.score).then_with(by_place)
        });
        passages.truncate(query.limit as usize);
        Ok(Found { passages, total })
    }
}

fn listed(points: Value) -> Vec<Value> {
    match points {
        Value::Array(points) => points,
        _ => Vec::new(),
    }
}

impl DocumentStore for Qdrant {
    fn put<'a>(&'a self, collection: &'a str, documents: Vec<EmbeddedDocument>) -> Stored<'a, ()> {
        Box::pin(async move {
            let passages = documents.iter().flat_map(|embedded| &embedded.passages);
            let sizes = passages.map(|passage| passage.vector.len());
            let Some(size) = sizes.max() else {
                return Ok(());
            };
            self.ensure(collection, size).await?;
            let (mut batch, mut size) = (Vec::new(), 0);
            for (points, operation) in documents.iter().flat_map(operations) {
                if size + points > MOST_POINTS {
                    self.change(collection, std::mem::take(&mut batch)).await?;
                    size = 0;
                }
                batch.push(operation);
                size += points;
            }
            self.change(collection, batch).await
        })
    }

    fn document<'a>(
        &'a self,
        collection: &'a str,
        id: &'a str,
    ) -> Stored<'a, Option<(Document, u32)>> {
        Box::pin(async move {
            let body = json!({ "ids": [point_id(id, 0)], "with_payload": true });
            let found = self.post(collection, &[], body).await?;
            let Some(mut point) = found.map(listed).and_then(|mut found| found.pop()) else {
                return Ok(None);
            };
            let payload = &mut point["payload"];
            let (head, passages) = head(payload)?;
            let text = payload["body"].as_str().unwrap_or_default().to_owned();
            Ok(Some((Document { head, text }, passages)))
        })
    }

    fn list<'a>(
        &'a self,
        collection: &'a str,
        after: Option<&'a str>,
        limit: u32,
    ) -> Stored<'a, Vec<DocumentFacts>> {
        Box::pin(async move {
            // The order is that of the points, and the place where to go on is a part of it.
            let last = after.map(|id| point_id(id, 0));
            let body = json!({
                "filter": first_passages(),
                "limit": limit.saturating_add(1),
                "offset": last,
                "with_payload": ["head", "passages"],
            });
            let page = self.post(collection, &["scroll"], body).await?;
            let points = listed(page.unwrap_or_default()["points"].take());
            let points = points
                .into_iter()
                .filter(|point| last.is_none() || point["id"].as_str() != last.as_deref());
            let facts = points.take(limit as usize).map(|mut point| {
                let (head, passages) = head(&mut point["payload"])?;
                Ok(DocumentFacts { head, passages })
            });
            facts.collect()
        })
    }

    fn delete<'a>(&'a self, collection: &'a str, id: &'a str) -> Stored<'a, bool> {
        Box::pin(async move {
            let all = passages_from(id, 0);
            let count = self.count(collection, all.clone()).await?;
            if count > 0 {
                let body = json!({ "filter": all });
                self.post(collection, &["delete"], body).await?;
            }
            Ok(count > 0)
        })
    }

    fn search<'a>(&'a self, collection: &'a str, query: &'a PassageQuery) -> Stored<'a, Found> {
        Box::pin(self.find(collection, query))
    }

    fn has_others<'a>(&'a self, collection: &'a str, model: &'a str) -> Stored<'a, bool> {
        Box::pin(async move { Ok(self.count(collection, of_others(model)).await? > 0) })
    }

    fn check(&self) -> Stored<'_, ()> {
        Box::pin(async move {
            self.0.ask(Method::GET, &["collections"], None).await?;
            Ok(())
        })
    }
}
