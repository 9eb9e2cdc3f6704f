//! The passages of a database's collections in memory, to be searched there, each as of a version of its collection.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use crate::documents::document_store::{PassageQuery, SearchResult};
use crate::documents::similarity::Index;
use crate::error::AgentError;

/// The mirrors of a store, by collection.
#[derive(Debug, Default)]
pub(crate) struct Mirrors(Mutex<BTreeMap<String, Arc<Mirror>>>);

/// A collection in memory.
#[derive(Debug, Default)]
pub(crate) struct Mirror {
    /// The version it is at; held while it is brought up to the next one, so that one reader does that.
    pub(crate) version: tokio::sync::Mutex<i64>,
    /// What is in it.
    index: RwLock<Index>,
}

impl Mirrors {
    /// The mirror of a collection: an empty one at first, at version 0.
    pub(crate) fn of(&self, collection: &str) -> Arc<Mirror> {
        let mut mirrors = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mirror = mirrors.entry(collection.to_owned()).or_default();
        Arc::clone(mirror)
    }
}

impl Mirror {
    /// Changes what is in it.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut Index) -> T) -> T {
        change(&mut self.index.write().unwrap_or_else(PoisonError::into_inner))
    }

    /// Searches it, where nothing else has to wait for that.
    ///
    /// # Errors
    /// 500 if the search panicked.
    pub(crate) async fn search(
        self: Arc<Self>,
        query: PassageQuery,
    ) -> Result<SearchResult, AgentError> {
        let search = move || {
            let index = self.index.read().unwrap_or_else(PoisonError::into_inner);
            index.search(&query)
        };
        let searched = tokio::task::spawn_blocking(search).await;
        searched.map_err(AgentError::internal)
    }
}
