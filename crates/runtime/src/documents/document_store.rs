//! The document store's interface: [`DocumentStore`], its queries and filters.

use serde_json::Value;

use crate::documents::{Document, DocumentHead, DocumentSummary, EmbeddedDocument, Passage};
use crate::error::store_error::StoreError;
use crate::future::{BoxFuture, boxed_ready};
use crate::schema::DateTime;

/// Stores documents in collections and finds their passages. A collection exists while it has documents.
pub trait DocumentStore: Send + Sync + 'static {
    /// Stores documents, all of them or none, in this order. A document replaces the one with the same id, and all its
    /// passages.
    fn put<'a>(
        &'a self,
        collection: &'a str,
        documents: Vec<EmbeddedDocument>,
    ) -> BoxFuture<'a, Result<(), StoreError>>;

    /// The document with this id, and the number of its passages.
    fn document<'a>(
        &'a self,
        collection: &'a str,
        id: &'a str,
    ) -> BoxFuture<'a, Result<Option<(Document, u32)>, StoreError>>;

    /// At most `limit` documents after the one with the id `after`, which need not exist any more. The order is stable and
    /// up to the store.
    fn list<'a>(
        &'a self,
        collection: &'a str,
        after: Option<&'a str>,
        limit: u32,
    ) -> BoxFuture<'a, Result<Vec<DocumentSummary>, StoreError>>;

    /// Deletes the document with this id. Returns whether it existed.
    fn delete<'a>(
        &'a self,
        collection: &'a str,
        id: &'a str,
    ) -> BoxFuture<'a, Result<bool, StoreError>>;

    /// The passages that are most similar to a query.
    fn search<'a>(
        &'a self,
        collection: &'a str,
        query: &'a PassageQuery,
    ) -> BoxFuture<'a, Result<SearchResult, StoreError>>;

    /// A cheap request, for readiness: fails if the store can't be used.
    fn check(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        boxed_ready(Ok(()))
    }
}

/// An embedded query.
#[derive(Debug, Clone, PartialEq)]
pub struct PassageQuery {
    /// The model that embedded the query. Passages of other models are not found.
    pub model: String,
    /// The embedding of the query, of length 1.
    pub vector: Vec<f32>,
    /// Conditions on the documents, all of which must hold.
    pub filter: Vec<Condition>,
    /// The lowest score. Passages with a score of 0 or less are never found.
    pub min_score: f64,
    /// The greatest number of passages.
    pub limit: u32,
    /// Whether to count all matches, beyond the limit too.
    pub count: bool,
}

/// The result of a search.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SearchResult {
    /// The best passages first; equal scores are ordered by document id and number.
    pub passages: Vec<Passage>,
    /// The number of all matches, if [`PassageQuery::count`] is set.
    pub total: Option<u64>,
    /// Whether the collection has documents of an embedding model other than [`PassageQuery::model`], of this process or of another
    /// one, at the moment of the search. They were not searched.
    pub has_other_models: bool,
}

/// A condition on a document.
#[derive(Debug, Clone, PartialEq)]
pub enum Condition {
    /// `updated_at` is later. A document without it does not match.
    UpdatedAfter(DateTime),
    /// `updated_at` is earlier. A document without it does not match.
    UpdatedBefore(DateTime),
    /// The named property is one of these strings, numbers and booleans; of an array, one entry is. The names are
    /// `document` (the id), `title`, `language`, and those of the metadata.
    OneOf(String, Vec<Value>),
}

impl Condition {
    /// Whether `document` fulfils the condition.
    #[must_use]
    pub fn matches(&self, document: &DocumentHead) -> bool {
        match self {
            Self::UpdatedAfter(moment) => document.updated_at.is_some_and(|at| at > *moment),
            Self::UpdatedBefore(moment) => document.updated_at.is_some_and(|at| at < *moment),
            Self::OneOf(name, values) => {
                let has_text = |text: &str| values.iter().any(|value| value == text);
                match name.as_str() {
                    "document" => has_text(&document.id),
                    "title" => document.title.as_deref().is_some_and(has_text),
                    "language" => document.language.as_deref().is_some_and(has_text),
                    _ => document.metadata.get(name).is_some_and(|property| {
                        let entries = property
                            .as_array()
                            .map_or(std::slice::from_ref(property), Vec::as_slice);
                        entries
                            .iter()
                            .any(|entry| values.iter().any(|value| is_equal(entry, value)))
                    }),
                }
            }
        }
    }
}

/// Numbers are equal if their values are, as JSON Schema has it: 5 and 5.0.
fn is_equal(a: &Value, b: &Value) -> bool {
    match (a.as_f64(), b.as_f64()) {
        (Some(a), Some(b)) => a == b,
        _ => a == b,
    }
}
