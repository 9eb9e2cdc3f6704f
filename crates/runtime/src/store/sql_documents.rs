//! Documents in a database. Passages are searched in memory: a search first reads from the database what has changed
//! since the last one, so that several processes see each other's documents.

use std::sync::Arc;

use crate::documents::document_store::{DocumentStore, PassageQuery, SearchResult};
use crate::documents::{Document, DocumentSummary, EmbeddedDocument};
use crate::error::store_error::StoreError;
use crate::future::{BoxFuture, off_worker};
use crate::store::passage_cache::{PassageBody, PassageCache};
use crate::store::sql_database::{Database, Row, Transaction, query};
use crate::store::sql_store::SqlStore;
use crate::store::sql_values::{from_json, signed, to_json};

/// Locks the collection until the transaction ends, so that its versions follow each other.
const NEXT_VERSION: &str = "INSERT INTO document_collections (name, version) VALUES ($1, 1) \
     ON CONFLICT (name) DO UPDATE SET version = document_collections.version + 1 RETURNING version";
const VERSION: &str = "SELECT version FROM document_collections WHERE name = $1";
const PUT: &str = "INSERT INTO documents (collection, id, version, head, body, model, passages) \
     VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (collection, id) DO UPDATE \
     SET version = excluded.version, head = excluded.head, body = excluded.body, \
     model = excluded.model, passages = excluded.passages";
const DELETE_PASSAGES: &str =
    "DELETE FROM document_passages WHERE collection = $1 AND document = $2";
const ADD_PASSAGE: &str = "INSERT INTO document_passages (collection, document, number, body, vector) \
     VALUES ($1, $2, $3, $4, $5)";
/// The row stays without a head: other processes see by its version that the document was deleted.
const DELETE: &str = "UPDATE documents SET version = $3, head = NULL, body = NULL, passages = 0 \
     WHERE collection = $1 AND id = $2 AND head IS NOT NULL";
const DOCUMENT: &str = "SELECT head, body, passages FROM documents \
     WHERE collection = $1 AND id = $2 AND head IS NOT NULL";
const LIST: &str = "SELECT head, passages FROM documents \
     WHERE collection = $1 AND id > $2 AND head IS NOT NULL ORDER BY id LIMIT $3";
/// The documents that changed after a version, one row for each passage, the rows of a document together. One
/// statement, so that all rows are of one moment.
const CHANGES: &str = "SELECT documents.id AS id, documents.head AS head, documents.model AS model, \
     document_passages.body AS body, document_passages.vector AS vector \
     FROM documents LEFT JOIN document_passages \
     ON document_passages.collection = documents.collection \
     AND document_passages.document = documents.id \
     WHERE documents.collection = $1 AND documents.version > $2 \
     ORDER BY documents.id, document_passages.number";

/// A vector as it is stored: four bytes for each number, little-endian.
fn vector_to_bytes(vector: &[f32]) -> Vec<u8> {
    vector.iter().flat_map(|x| x.to_le_bytes()).collect()
}

fn passage_count(row: &Row) -> Result<u32, StoreError> {
    u32::try_from(row.integer("passages")?).map_err(StoreError::internal)
}

impl SqlStore {
    /// Begins a transaction that changes a collection; gives its next version.
    async fn begin_collection_change(
        &self,
        collection: &str,
    ) -> Result<(Transaction, i64), StoreError> {
        let mut transaction = self.database.begin().await?;
        let row = query(NEXT_VERSION)
            .bind(collection)
            .fetch_optional(transaction.executor())
            .await?;
        let no_row = || StoreError::internal("the collection has no version");
        let version = row.ok_or_else(no_row)?.integer("version")?;
        Ok((transaction, version))
    }

    /// Brings the cache of a collection up to date.
    async fn refresh(&self, collection: &str, cache: &Arc<PassageCache>) -> Result<(), StoreError> {
        if current_version(&self.database, collection).await? <= *cache.version.lock().await {
            return Ok(());
        }
        let load = load(
            self.database.clone(),
            collection.to_owned(),
            Arc::clone(cache),
        );
        // In a task of its own: if the caller leaves, what was read is there for the next one.
        tokio::spawn(load).await.map_err(StoreError::internal)?
    }
}

async fn current_version(database: &Database, collection: &str) -> Result<i64, StoreError> {
    let row = query(VERSION)
        .bind(collection)
        .fetch_optional(database.read())
        .await?;
    row.map_or(Ok(0), |row| row.integer("version"))
}

/// Reads into `cache` what changed in a collection.
async fn load(
    database: Database,
    collection: String,
    cache: Arc<PassageCache>,
) -> Result<(), StoreError> {
    let mut cached = cache.version.lock().await;
    let version = current_version(&database, &collection).await?;
    if version > *cached {
        let rows = query(CHANGES)
            .bind(&collection)
            .bind(*cached)
            .fetch_all(database.read())
            .await?;
        let filled = Arc::clone(&cache);
        off_worker(usize::MAX, move || filled.apply(&rows)).await?;
        // The rows may include changes after `version`; the next load applies those again.
        *cached = version;
    }
    Ok(())
}

impl DocumentStore for SqlStore {
    fn put<'a>(
        &'a self,
        collection: &'a str,
        documents: Vec<EmbeddedDocument>,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            let (mut transaction, version) = self.begin_collection_change(collection).await?;
            for embedded in &documents {
                let Document { head, text } = &embedded.document;
                query(PUT)
                    .bind(collection)
                    .bind(&head.id)
                    .bind(version)
                    .bind(to_json(head)?)
                    .bind(to_json(text)?)
                    .bind(&embedded.model)
                    .bind(signed(embedded.passages.len()))
                    .execute(transaction.executor())
                    .await?;
                query(DELETE_PASSAGES)
                    .bind(collection)
                    .bind(&head.id)
                    .execute(transaction.executor())
                    .await?;
                for (number, passage) in (0_i64..).zip(&embedded.passages) {
                    let body = PassageBody {
                        title: passage.title.as_deref().map(Into::into),
                        text: (&*passage.text).into(),
                    };
                    query(ADD_PASSAGE)
                        .bind(collection)
                        .bind(&head.id)
                        .bind(number)
                        .bind(to_json(&body)?)
                        .bind(vector_to_bytes(&passage.vector))
                        .execute(transaction.executor())
                        .await?;
                }
            }
            transaction.commit().await
        })
    }

    fn document<'a>(
        &'a self,
        collection: &'a str,
        id: &'a str,
    ) -> BoxFuture<'a, Result<Option<(Document, u32)>, StoreError>> {
        Box::pin(async move {
            let row = query(DOCUMENT)
                .bind(collection)
                .bind(id)
                .fetch_optional(self.database.read())
                .await?;
            let Some(row) = row else {
                return Ok(None);
            };
            let head = from_json(&row.text("head")?)?;
            let text = from_json(&row.text("body")?)?;
            Ok(Some((Document { head, text }, passage_count(&row)?)))
        })
    }

    fn list<'a>(
        &'a self,
        collection: &'a str,
        after: Option<&'a str>,
        limit: u32,
    ) -> BoxFuture<'a, Result<Vec<DocumentSummary>, StoreError>> {
        Box::pin(async move {
            let rows = query(LIST)
                .bind(collection)
                // No id is empty.
                .bind(after.unwrap_or_default())
                .bind(limit)
                .fetch_all(self.database.read())
                .await?;
            let summary = |row: &Row| {
                Ok(DocumentSummary {
                    head: from_json(&row.text("head")?)?,
                    passages: passage_count(row)?,
                })
            };
            rows.iter().map(summary).collect()
        })
    }

    fn delete<'a>(
        &'a self,
        collection: &'a str,
        id: &'a str,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(async move {
            let (mut transaction, version) = self.begin_collection_change(collection).await?;
            let deleted = query(DELETE)
                .bind(collection)
                .bind(id)
                .bind(version)
                .execute(transaction.executor())
                .await?;
            if deleted == 0 {
                return Ok(false);
            }
            query(DELETE_PASSAGES)
                .bind(collection)
                .bind(id)
                .execute(transaction.executor())
                .await?;
            transaction.commit().await?;
            Ok(true)
        })
    }

    fn search<'a>(
        &'a self,
        collection: &'a str,
        query: &'a PassageQuery,
    ) -> BoxFuture<'a, Result<SearchResult, StoreError>> {
        Box::pin(async move {
            let cache = self.passage_caches.get(collection);
            self.refresh(collection, &cache).await?;
            cache.search(query.clone()).await
        })
    }
}
