//! The document store in Qdrant, a vector database: <https://qdrant.tech/documentation/>.
//!
//! A passage is a point. Documents are stored in batches, whose operations Qdrant applies one after the other. It has no
//! transactions: a search meanwhile may find old and new passages of one document.

use reqwest::header::HeaderMap;
use reqwest::{Method, Url};
use serde_json::{Value, json};

use crate::client;
use crate::client::server_address;
use crate::documents::document_store::{Condition, DocumentStore, PassageQuery, SearchResult};
use crate::documents::documents_settings::{API_KEY, DocumentsSettings, URL};
use crate::documents::qdrant_wire::{
    API_KEY_HEADER, MAX_POINTS, QdrantClient, first_passages, head, operations, other_models,
    passage, passages_from, point_id, score, search_filter,
};
use crate::documents::similarity;
use crate::documents::{Document, DocumentSummary, EmbeddedDocument};
use crate::error::start_error::{SettingError, StartError};
use crate::error::store_error::StoreError;
use crate::future::BoxFuture;

/// The payload fields that are filtered by, with the kind of their index.
const INDEXED_FIELDS: [(&str, &str); 5] = [
    ("document", "keyword"),
    ("number", "integer"),
    ("model", "keyword"),
    ("head.language", "keyword"),
    ("head.updated_at", "datetime"),
];

/// A [`DocumentStore`] in Qdrant.
pub struct Qdrant(QdrantClient);

impl Qdrant {
    /// A store on the server of the settings. Nothing is sent yet. Collections are created when they are first used.
    ///
    /// # Errors
    /// A [`StartError::Setting`] for an invalid address or key.
    pub fn open(settings: &DocumentsSettings) -> Result<Self, StartError> {
        Self::new(settings).map_err(StartError::from)
    }

    /// As [`Qdrant::open`].
    ///
    /// # Errors
    /// The setting, and what is wrong with it; never a key.
    pub(crate) fn new(settings: &DocumentsSettings) -> Result<Self, SettingError> {
        let secret = (API_KEY, settings.api_key.is_some());
        let url = Url::parse(&settings.url).ok();
        let base = server_address::check(url, "http://127.0.0.1:6333", secret);
        let base = base.map_err(|detail| SettingError::new(URL, detail))?;
        if base.query().is_some() || base.fragment().is_some() {
            return Err(SettingError::new(URL, "must end with its path"));
        }
        let mut headers = HeaderMap::new();
        if let Some(key) = &settings.api_key {
            let value = client::sensitive(key.expose());
            let value = value.ok_or_else(|| {
                SettingError::new(API_KEY, "has characters that an HTTP header can't have")
            })?;
            headers.insert(API_KEY_HEADER, value);
        }
        let client = client::client();
        let client = client.map_err(|error| {
            SettingError::new(URL, format!("the HTTP client can't be created: {error}"))
        })?;
        Ok(Self(QdrantClient {
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
    ) -> Result<Option<Value>, StoreError> {
        let path = [&["collections", collection, "points"], operation].concat();
        self.0.request(Method::POST, &path, Some(body)).await
    }

    /// Creates the collection if it does not exist, and those of its indexes that it does not have: a process may have ended between
    /// the two.
    ///
    /// # Errors
    /// An internal error if it exists with vectors of another size or distance.
    async fn ensure_collection(&self, collection: &str, size: usize) -> Result<(), StoreError> {
        let mut info = self.collection(collection, size).await?;
        if info.is_none() {
            let path = ["collections", collection];
            let body = json!({ "vectors": { "size": size, "distance": "Cosine" } });
            let created = self.0.request(Method::PUT, &path, Some(body)).await;
            if created.is_err() {
                // Another process may have created it in between.
                info = self.collection(collection, size).await?;
            }
            if info.is_none() {
                created?;
            }
        }
        let indexes = info.unwrap_or_default()["payload_schema"].take();
        for (name, kind) in INDEXED_FIELDS {
            if indexes.get(name).is_none() {
                let path = ["collections", collection, "index"];
                let body = json!({ "field_name": name, "field_schema": kind });
                self.0.request(Method::PUT, &path, Some(body)).await?;
            }
        }
        Ok(())
    }

    /// What Qdrant says of the collection; `None` if it does not exist.
    async fn collection(&self, collection: &str, size: usize) -> Result<Option<Value>, StoreError> {
        let path = ["collections", collection];
        let Some(info) = self.0.request(Method::GET, &path, None).await? else {
            return Ok(None);
        };
        let vectors = &info["config"]["params"]["vectors"];
        let (actual_size, distance) = (vectors["size"].as_u64(), vectors["distance"].as_str());
        if actual_size == Some(size as u64) && distance == Some("Cosine") {
            return Ok(Some(info));
        }
        let actual = match (actual_size, distance) {
            (Some(size), Some(distance)) => format!("{size} dimensions and distance {distance}"),
            _ => "vectors of another kind".to_owned(),
        };
        Err(StoreError::internal(format!(
            "the collection `{collection}` in the document store has {actual}, and embeddings.model gives vectors of \
             {size} dimensions for distance Cosine: remove the collection and put its documents again, or set \
             embeddings.model and embeddings.dimensions to what it has"
        )))
    }

    /// The nearest points as JSON; none if the collection does not exist.
    async fn nearest(
        &self,
        collection: &str,
        query: &PassageQuery,
        limit: u64,
        with_payload: Value,
    ) -> Result<Vec<Value>, StoreError> {
        let body = json!({
            "query": similarity::json(&query.vector),
            "filter": search_filter(&query.model, &query.filter),
            "limit": limit,
            "with_payload": with_payload,
            "params": { "exact": true },
        });
        let answer = match self.post(collection, &["query"], body).await {
            Err(error @ StoreError::Internal(_)) => {
                // If the vector's size is wrong, this says so more clearly than Qdrant does.
                self.collection(collection, query.vector.len()).await?;
                return Err(error);
            }
            answer => answer?,
        };
        Ok(into_array(answer.unwrap_or_default()["points"].take()))
    }

    async fn apply(&self, collection: &str, operations: Vec<Value>) -> Result<(), StoreError> {
        let body = json!({ "operations": operations });
        match self.post(collection, &["batch"], body).await? {
            Some(_) => Ok(()),
            None => Err(StoreError::unavailable("the collection was just removed")),
        }
    }

    async fn count(&self, collection: &str, filter: Value) -> Result<u64, StoreError> {
        let body = json!({ "filter": filter, "exact": true });
        let answer = self.post(collection, &["count"], body).await?;
        Ok(answer.unwrap_or_default()["count"].as_u64().unwrap_or(0))
    }

    async fn find(
        &self,
        collection: &str,
        query: &PassageQuery,
    ) -> Result<SearchResult, StoreError> {
        let matches_nothing = |condition: &Condition| matches!(condition, Condition::OneOf(_, values) if values.is_empty());
        if query.filter.iter().any(matches_nothing) || query.limit == 0 && !query.count {
            let total = query.count.then_some(0);
            return Ok(SearchResult {
                total,
                ..SearchResult::default()
            });
        }
        let limit = u64::from(query.limit.max(1));
        let fields = json!({ "exclude": ["body"] });
        let mut nearest = self.nearest(collection, query, limit, fields).await?;
        let has_all = (nearest.len() as u64) < limit;
        let passages = nearest
            .iter_mut()
            .filter_map(|point| passage(point, query.min_score).transpose());
        let mut passages = passages.collect::<Result<Vec<_>, _>>()?;
        let total = match query.count {
            false => None,
            true if has_all || passages.len() < nearest.len() => Some(passages.len() as u64),
            true => {
                let filter = search_filter(&query.model, &query.filter);
                let max = self.count(collection, filter).await?.max(1);
                let all = self.nearest(collection, query, max, false.into()).await?;
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
        Ok(SearchResult {
            passages,
            total,
            has_other_models: false,
        })
    }
}

fn into_array(points: Value) -> Vec<Value> {
    match points {
        Value::Array(points) => points,
        _ => Vec::new(),
    }
}

impl DocumentStore for Qdrant {
    fn put<'a>(
        &'a self,
        collection: &'a str,
        documents: Vec<EmbeddedDocument>,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            let passages = documents.iter().flat_map(|embedded| &embedded.passages);
            let sizes = passages.map(|passage| passage.vector.len());
            let Some(size) = sizes.max() else {
                return Ok(());
            };
            self.ensure_collection(collection, size).await?;
            let (mut batch, mut size) = (Vec::new(), 0);
            for (points, operation) in documents.iter().flat_map(operations) {
                if size + points > MAX_POINTS {
                    self.apply(collection, std::mem::take(&mut batch)).await?;
                    size = 0;
                }
                batch.push(operation);
                size += points;
            }
            self.apply(collection, batch).await
        })
    }

    fn document<'a>(
        &'a self,
        collection: &'a str,
        id: &'a str,
    ) -> BoxFuture<'a, Result<Option<(Document, u32)>, StoreError>> {
        Box::pin(async move {
            let body = json!({ "ids": [point_id(id, 0)], "with_payload": true });
            let found = self.post(collection, &[], body).await?;
            let Some(mut point) = found.map(into_array).and_then(|mut found| found.pop()) else {
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
    ) -> BoxFuture<'a, Result<Vec<DocumentSummary>, StoreError>> {
        Box::pin(async move {
            // Qdrant orders by point id, and starts a page at `offset`.
            let last = after.map(|id| point_id(id, 0));
            let body = json!({
                "filter": first_passages(),
                "limit": limit.saturating_add(1),
                "offset": last,
                "with_payload": ["head", "passages"],
            });
            let page = self.post(collection, &["scroll"], body).await?;
            let points = into_array(page.unwrap_or_default()["points"].take());
            let points = points
                .into_iter()
                .filter(|point| last.is_none() || point["id"].as_str() != last.as_deref());
            let summaries = points.take(limit as usize).map(|mut point| {
                let (head, passages) = head(&mut point["payload"])?;
                Ok(DocumentSummary { head, passages })
            });
            summaries.collect()
        })
    }

    fn delete<'a>(
        &'a self,
        collection: &'a str,
        id: &'a str,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
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

    fn search<'a>(
        &'a self,
        collection: &'a str,
        query: &'a PassageQuery,
    ) -> BoxFuture<'a, Result<SearchResult, StoreError>> {
        Box::pin(async move {
            let others = self.count(collection, other_models(&query.model));
            let (found, others) = tokio::join!(self.find(collection, query), others);
            // A query of another size can't be answered, and that is said by the search.
            let mut found = found?;
            found.has_other_models = others? > 0;
            Ok(found)
        })
    }

    fn check(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move {
            self.0.request(Method::GET, &["collections"], None).await?;
            Ok(())
        })
    }
}
