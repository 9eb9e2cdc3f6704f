//! The passages of searched collections in memory. Reads only what changed since the last search.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use serde::{Deserialize, Serialize};

use crate::documents::EmbeddedPassage;
use crate::documents::document_store::{PassageQuery, SearchResult};
use crate::documents::similarity::{Entry, Index};
use crate::error::store_error::StoreError;
use crate::store::sql_database::Row;
use crate::store::sql_values::from_json;

/// The passages of collections in memory, by the collection's name.
#[derive(Debug, Default)]
pub(super) struct PassageCaches(Mutex<BTreeMap<String, Arc<PassageCache>>>);

/// The passages of one collection.
#[derive(Debug, Default)]
pub(super) struct PassageCache {
    /// The version of the collection that the index has. The lock is held while a reader brings it up to date.
    pub(super) version: tokio::sync::Mutex<i64>,
    index: RwLock<Index>,
}

impl PassageCaches {
    /// The cache of a collection; a new one is empty, at version 0.
    pub(super) fn get(&self, collection: &str) -> Arc<PassageCache> {
        let mut caches = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(caches.entry(collection.to_owned()).or_default())
    }
}

impl PassageCache {
    /// Takes over rows of [`CHANGES`].
    pub(super) fn apply(&self, rows: &[Row]) -> Result<(), StoreError> {
        let entries = read_entries(rows)?;
        let mut index = self.index.write().unwrap_or_else(PoisonError::into_inner);
        for (id, entry) in entries {
            match entry {
                Some(entry) => index.put(entry),
                None => {
                    index.remove(&id);
                }
            }
        }
        Ok(())
    }

    /// Searches on a thread for blocking work: a search takes as long as the collection is large.
    pub(super) async fn search(
        self: Arc<Self>,
        query: PassageQuery,
    ) -> Result<SearchResult, StoreError> {
        let search = move || {
            let index = self.index.read().unwrap_or_else(PoisonError::into_inner);
            index.search(&query)
        };
        tokio::task::spawn_blocking(search)
            .await
            .map_err(StoreError::internal)
    }
}

/// The documents in rows of [`CHANGES`], by id; `None` for one that was deleted.
fn read_entries(rows: &[Row]) -> Result<Vec<(String, Option<Entry>)>, StoreError> {
    let mut entries = Vec::<(String, Option<Entry>)>::new();
    for row in rows {
        let id = row.text("id")?;
        if entries.last().is_none_or(|(last, _)| *last != id) {
            let head = row.optional_text("head")?;
            let entry = head.map(|head| {
                Ok::<_, StoreError>(Entry {
                    head: from_json(&head)?,
                    model: row.text("model")?,
                    passages: Vec::new(),
                })
            });
            entries.push((id, entry.transpose()?));
        }
        // A document without passages has one row, whose passage columns are NULL.
        if let Some((_, Some(entry))) = entries.last_mut()
            && let Some(body) = row.optional_text("body")?
            && let Some(vector) = row.optional_bytes("vector")?
        {
            let PassageBody { title, text } = from_json(&body)?;
            entry.passages.push(EmbeddedPassage {
                title: title.map(Into::into),
                text: text.into(),
                vector: vector_from_bytes(&vector),
            });
        }
    }
    Ok(entries)
}

/// The JSON of a passage's column `body`.
#[derive(Serialize, Deserialize)]
pub(super) struct PassageBody<'a> {
    pub(super) title: Option<Cow<'a, str>>,
    pub(super) text: Cow<'a, str>,
}

/// The inverse of [`vector_to_bytes`].
fn vector_from_bytes(bytes: &[u8]) -> Vec<f32> {
    let (numbers, _) = bytes.as_chunks::<4>();
    numbers
        .iter()
        .map(|four| f32::from_le_bytes(*four))
        .collect()
}
