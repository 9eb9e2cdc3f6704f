//! Documents in a database: the same statements for SQLite and PostgreSQL. They are searched in memory; a search asks
//! the database only what has changed since the last one, so that several processes see each other's documents.

use futures_util::TryStreamExt;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sqlx::Transaction;

use crate::documents::document_store::{DocumentStore, PassageQuery, SearchResult};
use crate::documents::similarity::{Entry, Index};
use crate::documents::{
    Document, DocumentHead, DocumentSummary, EmbeddedDocument, EmbeddedPassage,
};
use crate::error::AgentError;
use crate::session::session_store::Stored;
#[cfg(feature = "postgres")]
use crate::store::sql::postgres::PostgresStore;
#[cfg(feature = "sqlite")]
use crate::store::sql::sqlite::SqliteStore;
use crate::store::sql::{failed, from_bytes, to_bytes};

/// Locks the collection until the end of the change, so that its versions come one after the other.
const CHANGE: &str = "INSERT INTO document_collections (name, version) VALUES ($1, 1) \
     ON CONFLICT (name) DO UPDATE SET version = document_collections.version + 1 RETURNING version";
const VERSION: &str = "SELECT version FROM document_collections WHERE name = $1";
const PUT: &str = "INSERT INTO documents (collection, id, version, head, body, model, passages) \
     VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (collection, id) DO UPDATE \
     SET version = excluded.version, head = excluded.head, body = excluded.body, \
     model = excluded.model, passages = excluded.passages";
const CLEAR: &str = "DELETE FROM document_passages WHERE collection = $1 AND document = $2";
const PASSAGE: &str = "INSERT INTO document_passages (collection, document, number, body, vector) \
     VALUES ($1, $2, $3, $4, $5)";
const REMOVE: &str = "UPDATE documents SET version = $3, head = NULL, body = NULL, passages = 0 \
     WHERE collection = $1 AND id = $2 AND head IS NOT NULL";
const DOCUMENT: &str = "SELECT head, body, passages FROM documents \
     WHERE collection = $1 AND id = $2 AND head IS NOT NULL";
const LIST: &str = "SELECT head, passages FROM documents \
     WHERE collection = $1 AND id > $2 AND head IS NOT NULL ORDER BY id LIMIT $3";
/// One statement, so that it is of one moment.
const NEWS: &str = "SELECT documents.id, documents.head, documents.model, \
     document_passages.body, document_passages.vector \
     FROM documents LEFT JOIN document_passages \
     ON document_passages.collection = documents.collection \
     AND document_passages.document = documents.id \
     WHERE documents.collection = $1 AND documents.version > $2 \
     ORDER BY documents.id, document_passages.number";
const OTHERS: &str = "SELECT 1 FROM documents \
     WHERE collection = $1 AND model <> $2 AND head IS NOT NULL LIMIT 1";

/// A document that changed, with one of its passages: id, head (none once it is removed), model, passage and vector.
type News = (
    String,
    Option<String>,
    String,
    Option<String>,
    Option<Vec<u8>>,
);

/// A passage as it stands in a table.
#[derive(Serialize, Deserialize)]
struct Body {
    title: Option<String>,
    text: String,
}

/// Takes over what changed in a collection. The lines of one document follow each other.
fn take_over(index: &mut Index, news: Vec<News>) -> Result<(), AgentError> {
    let mut lines = news.into_iter().peekable();
    while let Some((id, head, model, mut body, mut vector)) = lines.next() {
        let mut passages = Vec::new();
        while let (Some(json), Some(bytes)) = (body.take(), vector.take()) {
            let Body { title, text } = read(&json)?;
            passages.push(EmbeddedPassage {
                title,
                text,
                vector: from_bytes(&bytes),
            });
            if let Some((.., next, bytes)) = lines.next_if(|(next, ..)| *next == id) {
                (body, vector) = (next, bytes);
            }
        }
        match head {
            Some(head) => index.put(Entry {
                head: read::<DocumentHead>(&head)?,
                model,
                passages,
            }),
            None => {
                index.remove(&id);
            }
        }
    }
    Ok(())
}

fn read<T: DeserializeOwned>(json: &str) -> Result<T, AgentError> {
    serde_json::from_str(json).map_err(AgentError::internal)
}

fn written(value: &impl Serialize) -> Result<String, AgentError> {
    serde_json::to_string(value).map_err(AgentError::internal)
}

fn count(passages: i64) -> u32 {
    u32::try_from(passages).unwrap_or(0)
}

macro_rules! documents {
    ($store:ty, $database:ty) => {
        impl $store {
            /// Begins a change of a collection, whose next version it makes. Dropped before its commit, it leaves
            /// nothing behind.
            async fn change_documents(
                &self,
                collection: &str,
            ) -> Result<(Transaction<'static, $database>, i64), AgentError> {
                let mut change = self.begin().await.map_err(failed)?;
                let version = sqlx::query_scalar(CHANGE)
                    .bind(collection)
                    .fetch_one(&mut *change)
                    .await
                    .map_err(failed)?;
                Ok((change, version))
            }
        }

        impl DocumentStore for $store {
            fn put<'a>(
                &'a self,
                collection: &'a str,
                documents: Vec<EmbeddedDocument>,
            ) -> Stored<'a, ()> {
                Box::pin(async move {
                    let (mut change, version) = self.change_documents(collection).await?;
                    for embedded in &documents {
                        let Document { head, text } = &embedded.document;
                        sqlx::query(PUT)
                            .bind(collection)
                            .bind(&head.id)
                            .bind(version)
                            .bind(written(head)?)
                            .bind(written(text)?)
                            .bind(&embedded.model)
                            .bind(i64::try_from(embedded.passages.len()).unwrap_or(i64::MAX))
                            .execute(&mut *change)
                            .await
                            .map_err(failed)?;
                        sqlx::query(CLEAR)
                            .bind(collection)
                            .bind(&head.id)
                            .execute(&mut *change)
                            .await
                            .map_err(failed)?;
                        for (number, passage) in (0_i64..).zip(&embedded.passages) {
                            let EmbeddedPassage {
                                title,
                                text,
                                vector,
                            } = passage;
                            let (title, text) = (title.clone(), text.clone());
                            sqlx::query(PASSAGE)
                                .bind(collection)
                                .bind(&head.id)
                                .bind(number)
                                .bind(written(&Body { title, text })?)
                                .bind(to_bytes(vector))
                                .execute(&mut *change)
                                .await
                                .map_err(failed)?;
                        }
                    }
                    change.commit().await.map_err(failed)
                })
            }

            fn document<'a>(
                &'a self,
                collection: &'a str,
                id: &'a str,
            ) -> Stored<'a, Option<(Document, u32)>> {
                Box::pin(async move {
                    let found = sqlx::query_as::<_, (String, String, i64)>(DOCUMENT)
                        .bind(collection)
                        .bind(id)
                        .fetch_optional(&self.read)
                        .await
                        .map_err(failed)?;
                    let Some((head, text, passages)) = found else {
                        return Ok(None);
                    };
                    let (head, text) = (read(&head)?, read(&text)?);
                    Ok(Some((Document { head, text }, count(passages))))
                })
            }

            fn list<'a>(
                &'a self,
                collection: &'a str,
                after: Option<&'a str>,
                limit: u32,
            ) -> Stored<'a, Vec<DocumentSummary>> {
                Box::pin(async move {
                    let found = sqlx::query_as::<_, (String, i64)>(LIST)
                        .bind(collection)
                        .bind(after.unwrap_or_default())
                        .bind(i64::from(limit))
                        .fetch_all(&self.read)
                        .await
                        .map_err(failed)?;
                    let facts = |(head, passages): &(String, i64)| {
                        Ok(DocumentSummary {
                            head: read(head)?,
                            passages: count(*passages),
                        })
                    };
                    found.iter().map(facts).collect()
                })
            }

            fn delete<'a>(&'a self, collection: &'a str, id: &'a str) -> Stored<'a, bool> {
                Box::pin(async move {
                    let (mut change, version) = self.change_documents(collection).await?;
                    let removed = sqlx::query(REMOVE)
                        .bind(collection)
                        .bind(id)
                        .bind(version)
                        .execute(&mut *change)
                        .await
                        .map_err(failed)?;
                    if removed.rows_affected() == 0 {
                        return Ok(false);
                    }
                    sqlx::query(CLEAR)
                        .bind(collection)
                        .bind(id)
                        .execute(&mut *change)
                        .await
                        .map_err(failed)?;
                    change.commit().await.map_err(failed)?;
                    Ok(true)
                })
            }

            fn search<'a>(
                &'a self,
                collection: &'a str,
                query: &'a PassageQuery,
            ) -> Stored<'a, SearchResult> {
                Box::pin(async move {
                    let mirror = self.mirrors.of(collection);
                    let mut known = mirror.version.lock().await;
                    let version = sqlx::query_scalar::<_, i64>(VERSION)
                        .bind(collection)
                        .fetch_optional(&self.read)
                        .await
                        .map_err(failed)?
                        .unwrap_or(0);
                    if version > *known {
                        let news = sqlx::query_as::<_, News>(NEWS)
                            .bind(collection)
                            .bind(*known)
                            .fetch(&self.read)
                            .try_collect::<Vec<_>>()
                            .await
                            .map_err(failed)?;
                        mirror.change(|index| take_over(index, news))?;
                        // What came after that version was asked for may be among it, and is taken over again.
                        *known = version;
                    }
                    drop(known);
                    mirror.search(query.clone()).await
                })
            }

            fn has_others<'a>(&'a self, collection: &'a str, model: &'a str) -> Stored<'a, bool> {
                Box::pin(async move {
                    let other = sqlx::query_scalar::<_, i32>(OTHERS)
                        .bind(collection)
                        .bind(model)
                        .fetch_optional(&self.read)
                        .await
                        .map_err(failed)?;
                    Ok(other.is_some())
                })
            }
        }
    };
}

#[cfg(feature = "sqlite")]
documents!(SqliteStore, sqlx::Sqlite);
#[cfg(feature = "postgres")]
documents!(PostgresStore, sqlx::Postgres);
