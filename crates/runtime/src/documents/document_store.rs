//! What keeps documents has to be able to do.

use std::future::ready;

use crate::documents::passage_filter::Condition;
use crate::documents::{Document, DocumentFacts, EmbeddedDocument, Passage};
use crate::session::session_store::Stored;

/// Keeps documents in collections, and finds their passages. A collection is there as soon as something is in it. All
/// methods fail with 503 if the store can't be reached, and with 500 for what should not happen.
pub trait DocumentStore: Send + Sync + 'static {
    /// Puts documents into a collection, all of them or none, as if one after the other. A document takes the place of
    /// the one that has its id, with all passages of it.
    fn put<'a>(&'a self, collection: &'a str, documents: Vec<EmbeddedDocument>) -> Stored<'a, ()>;

    /// The document of this id, and how many passages it has.
    fn document<'a>(
        &'a self,
        collection: &'a str,
        id: &'a str,
    ) -> Stored<'a, Option<(Document, u32)>>;

    /// At most `limit` documents in an order of the store's own, from behind the one with the id `after` on, whether
    /// that is still there or not.
    fn list<'a>(
        &'a self,
        collection: &'a str,
        after: Option<&'a str>,
        limit: u32,
    ) -> Stored<'a, Vec<DocumentFacts>>;

    /// Removes the document of this id, and says whether there was one.
    fn delete<'a>(&'a self, collection: &'a str, id: &'a str) -> Stored<'a, bool>;

    /// The passages that are nearest to a query.
    fn search<'a>(&'a self, collection: &'a str, query: &'a PassageQuery) -> Stored<'a, Found>;

    /// Whether there are documents in the collection that another model than this one embedded.
    fn has_others<'a>(&'a self, collection: &'a str, model: &'a str) -> Stored<'a, bool>;

    /// Whether the store can be used: asks it something that costs little.
    fn check(&self) -> Stored<'_, ()> {
        Box::pin(ready(Ok(())))
    }
}

/// What is looked for.
#[derive(Debug, Clone, PartialEq)]
pub struct PassageQuery {
    /// The model that embedded it. Passages that another one embedded are left out.
    pub model: String,
    /// Its embedding, of length 1.
    pub vector: Vec<f32>,
    /// What the documents have to fulfil, each of it.
    pub filter: Vec<Condition>,
    /// What a passage scores at least. One that does not score above 0 is never found.
    pub min_score: f64,
    /// How many passages are wanted at most.
    pub limit: u32,
    /// Whether all that there are have to be counted.
    pub count: bool,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Found {
    /// The passages that score enough, the nearest first; among equals by document and number.
    pub passages: Vec<Passage>,
    /// How many there are, those beyond the limit included, if they were to be counted.
    pub total: Option<u64>,
}
