//! The document store in memory.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, PoisonError, RwLock};

use crate::documents::document_store::{DocumentStore, PassageQuery, SearchResult};
use crate::documents::similarity::{Entry, Index};
use crate::documents::{Document, DocumentSummary, EmbeddedDocument};
use crate::error::store_error::StoreError;
use crate::future::{BoxFuture, boxed_ready, off_worker};

/// A [`DocumentStore`] in memory; its documents are lost when the process ends.
#[derive(Debug, Default)]
pub struct MemoryDocuments {
    collections: Arc<RwLock<BTreeMap<String, Collection>>>,
}

#[derive(Debug, Default)]
struct Collection {
    index: Index,
    texts: BTreeMap<String, String>,
}

impl MemoryDocuments {
    /// The default for a collection that does not exist.
    fn read<T: Default>(&self, collection: &str, read: impl FnOnce(&Collection) -> T) -> T {
        let collections = self
            .collections
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        collections.get(collection).map(read).unwrap_or_default()
    }

    fn change<T>(&self, collection: &str, change: impl FnOnce(&mut Collection) -> T) -> T {
        let mut collections = self
            .collections
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        change(collections.entry(collection.to_owned()).or_default())
    }
}

fn at_once<'a, T: Send + 'a>(value: T) -> BoxFuture<'a, Result<T, StoreError>> {
    boxed_ready(Ok(value))
}

fn count(entry: &Entry) -> u32 {
    u32::try_from(entry.passages.len()).unwrap_or(u32::MAX)
}

impl DocumentStore for MemoryDocuments {
    fn put<'a>(
        &'a self,
        collection: &'a str,
        documents: Vec<EmbeddedDocument>,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        self.change(collection, |collection| {
            for EmbeddedDocument {
                document: Document { head, text },
                model,
                passages,
            } in documents
            {
                collection.texts.insert(head.id.clone(), text);
                collection.index.put(Entry {
                    head,
                    model,
                    passages,
                });
            }
        });
        at_once(())
    }

    fn document<'a>(
        &'a self,
        collection: &'a str,
        id: &'a str,
    ) -> BoxFuture<'a, Result<Option<(Document, u32)>, StoreError>> {
        at_once(self.read(collection, |collection| {
            let entry = collection.index.get(id)?;
            let (head, text) = (entry.head.clone(), collection.texts.get(id)?.clone());
            Some((Document { head, text }, count(entry)))
        }))
    }

    fn list<'a>(
        &'a self,
        collection: &'a str,
        after: Option<&'a str>,
        limit: u32,
    ) -> BoxFuture<'a, Result<Vec<DocumentSummary>, StoreError>> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        at_once(self.read(collection, |collection| {
            let ids = collection.texts.range::<str, _>((from, Bound::Unbounded));
            let listed = ids.take(limit as usize).filter_map(|(id, _)| {
                let entry = collection.index.get(id)?;
                Some(DocumentSummary {
                    head: entry.head.clone(),
                    passages: count(entry),
                })
            });
            listed.collect()
        }))
    }

    fn delete<'a>(
        &'a self,
        collection: &'a str,
        id: &'a str,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        at_once(self.change(collection, |collection| {
            collection.texts.remove(id);
            collection.index.remove(id)
        }))
    }

    fn search<'a>(
        &'a self,
        collection: &'a str,
        query: &'a PassageQuery,
    ) -> BoxFuture<'a, Result<SearchResult, StoreError>> {
        let own = Self {
            collections: Arc::clone(&self.collections),
        };
        let (collection, query) = (collection.to_owned(), query.clone());
        let search = move || {
            let found = own.read(&collection, |collection| {
                Some(collection.index.search(&query))
            });
            Ok(found.unwrap_or_else(|| Index::default().search(&query)))
        };
        // A search takes as long as the collection is large.
        Box::pin(off_worker(usize::MAX, search))
    }
}
