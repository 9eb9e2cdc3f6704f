//! A store, opened by its URL: `sqlite:`, `postgres:` or `memory:`. It holds sessions, journal, documents and refresh tokens.

#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod passage_cache;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod sql_database;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod sql_documents;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod sql_idempotency_keys;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod sql_journal;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod sql_refresh_tokens;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod sql_sessions;
#[cfg(all(test, any(feature = "sqlite", feature = "postgres")))]
mod sql_sessions_tests;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod sql_store;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod sql_values;
#[cfg(feature = "sqlite")]
mod sqlite;
#[cfg(feature = "sqlite")]
mod store_file_lock;
pub(crate) mod store_url;

use std::sync::Arc;
use std::time::Duration;

use crate::auth::refresh_tokens::{MemoryRefreshTokens, RefreshTokens};
use crate::documents::document_store::DocumentStore;
use crate::documents::memory_documents::MemoryDocuments;
use crate::error::start_error::{SettingError, StartError};
use crate::error::store_error::StoreError;
use crate::future::BoxFuture;
use crate::run::idempotency_keys::IdempotencyKeys;
use crate::run::memory_idempotency_keys::MemoryIdempotencyKeys;
use crate::secret::Secret;
use crate::session::memory_sessions::MemorySessions;
use crate::session::session_store::SessionStore;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
use crate::store::sql_store::SqlStore;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
use crate::store::store_url::SETTING;
use crate::store::store_url::StoreUrl;
use crate::workflow::journal::Journal;
use crate::workflow::journal::memory_journal::MemoryJournal;

/// The pause between two purges.
const PURGE_INTERVAL: Duration = Duration::from_secs(60);
/// How many rows one statement deletes at most, and the pause before the next one, in which others can write.
const PURGE_LIMIT: u32 = 500;
const PURGE_PAUSE: Duration = Duration::from_millis(50);

/// Everything a service stores beyond a request: conversations, refresh tokens, workflow runs, documents and idempotency keys.
#[derive(Clone)]
pub struct Store {
    sessions: Arc<dyn SessionStore>,
    refresh_tokens: Arc<dyn RefreshTokens>,
    journal: Arc<dyn Journal>,
    documents: Arc<dyn DocumentStore>,
    idempotency_keys: Arc<dyn IdempotencyKeys>,
    is_shared: bool,
}

impl Store {
    /// A store in memory, which ends with the process.
    #[must_use]
    pub fn memory() -> Self {
        Self {
            sessions: Arc::new(MemorySessions::default()),
            refresh_tokens: Arc::new(MemoryRefreshTokens::default()),
            journal: Arc::new(MemoryJournal::default()),
            documents: Arc::new(MemoryDocuments::default()),
            idempotency_keys: Arc::new(MemoryIdempotencyKeys::default()),
            is_shared: false,
        }
    }

    /// Opens `sqlite:PATH`, `postgres://…` or `memory:`, and migrates the tables. A file that does not exist is created,
    /// with its folder; on Unix only its owner can read it. Several processes may use one store.
    ///
    /// # Errors
    /// A [`StartError::Setting`] for `store.url`, if the URL is none of these or the store can't be opened. The error
    /// never shows a password.
    pub fn open(url: &Secret) -> impl Future<Output = Result<Self, StartError>> + Send + use<> {
        Self::open_at(StoreUrl::parse(url.expose()))
    }

    async fn open_at(url: Result<StoreUrl, SettingError>) -> Result<Self, StartError> {
        #[cfg(any(feature = "sqlite", feature = "postgres"))]
        let wrong = |detail: String| StartError::setting(SETTING, detail);
        match url? {
            StoreUrl::Memory => Ok(Self::memory()),
            #[cfg(feature = "sqlite")]
            StoreUrl::Sqlite(path) => {
                let opened = sqlite::open(&path).await;
                let place = || format!("the file `{}`", path.display());
                let store = opened.map_err(|error| wrong(unusable(&place(), &error)))?;
                Ok(Self::from_sql(store))
            }
            #[cfg(feature = "postgres")]
            StoreUrl::Postgres(options) => {
                let place = format!(
                    "the database at {}:{}",
                    options.get_host(),
                    options.get_port()
                );
                let opened = postgres::open(*options).await;
                let store = opened.map_err(|error| wrong(unusable(&place, &error)))?;
                let is_shared = true;
                Ok(Self {
                    is_shared,
                    ..Self::from_sql(store)
                })
            }
        }
    }

    #[cfg(any(feature = "sqlite", feature = "postgres"))]
    fn from_sql(store: SqlStore) -> Self {
        let store = Arc::new(store);
        let sessions: Arc<dyn SessionStore> = store.clone();
        Self {
            sessions,
            refresh_tokens: store.clone(),
            journal: store.clone(),
            documents: store.clone(),
            idempotency_keys: store,
            is_shared: false,
        }
    }

    /// Replaces the store of sessions.
    #[must_use]
    pub fn with_sessions(mut self, sessions: Arc<dyn SessionStore>) -> Self {
        self.sessions = sessions;
        self
    }

    /// Replaces the store of documents.
    #[must_use]
    pub fn with_documents(mut self, documents: Arc<dyn DocumentStore>) -> Self {
        self.documents = documents;
        self
    }

    /// The store of sessions.
    #[must_use]
    pub fn sessions(&self) -> Arc<dyn SessionStore> {
        Arc::clone(&self.sessions)
    }

    /// The store of refresh tokens.
    #[must_use]
    pub fn refresh_tokens(&self) -> Arc<dyn RefreshTokens> {
        Arc::clone(&self.refresh_tokens)
    }

    /// The store of workflow runs.
    #[must_use]
    pub fn journal(&self) -> Arc<dyn Journal> {
        Arc::clone(&self.journal)
    }

    /// The store of documents.
    #[must_use]
    pub fn documents(&self) -> Arc<dyn DocumentStore> {
        Arc::clone(&self.documents)
    }

    /// The store of idempotency keys.
    pub(crate) fn idempotency_keys(&self) -> Arc<dyn IdempotencyKeys> {
        Arc::clone(&self.idempotency_keys)
    }

    /// Whether processes on several machines can use it.
    pub(crate) fn is_shared(&self) -> bool {
        self.is_shared
    }

    /// Deletes what has expired, once a minute, for as long as the future is polled.
    pub(crate) async fn purge_forever(self) -> std::convert::Infallible {
        loop {
            tokio::time::sleep(PURGE_INTERVAL).await;
            self.purge_expired().await;
        }
    }

    async fn purge_expired(&self) {
        tokio::join!(
            purge_all("conversations", || self.sessions.purge(PURGE_LIMIT)),
            purge_all("refresh tokens", || {
                self.refresh_tokens.purge_tokens(PURGE_LIMIT)
            }),
            purge_all("workflow runs", || self.journal.purge_runs(PURGE_LIMIT)),
            purge_all("idempotency keys", || {
                self.idempotency_keys.purge_keys(PURGE_LIMIT)
            }),
        );
    }
}

/// Purges until nothing is left, or a purge fails.
async fn purge_all<'a>(what: &str, purge: impl Fn() -> BoxFuture<'a, Result<u64, StoreError>>) {
    loop {
        match purge().await {
            Ok(purged) if purged >= u64::from(PURGE_LIMIT) => {
                tokio::time::sleep(PURGE_PAUSE).await;
            }
            Ok(_) => return,
            Err(error) => {
                return tracing::warn!(%error, what, "what has expired can't be deleted from the store");
            }
        }
    }
}

/// The error of the operating system or the database, without the prefix that sqlx adds.
#[cfg(any(feature = "sqlite", feature = "postgres"))]
fn unusable(place: &str, error: &sqlx::Error) -> String {
    let why = match error {
        sqlx::Error::Io(error) => error.to_string(),
        sqlx::Error::Database(error) => error.message().to_owned(),
        error => error.to_string(),
    };
    format!("{place} can't be used: {why}")
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::Duration;

    use super::{PURGE_LIMIT, Store, purge_all};
    use crate::error::store_error::StoreError;
    use crate::future::boxed_ready;
    use crate::schema::{new_uuid_v4, new_uuid_v7};
    use crate::workflow::journal::{Change, NewRun, RunLease, RunState, Start};
    use crate::workflow::run_report::RunStatus;
    use crate::workflow::workflow_event::WorkflowEvent;

    #[tokio::test(start_paused = true)]
    async fn a_purge_goes_on_until_nothing_is_left() {
        let left = AtomicU64::new(60_000);
        let batch = || {
            let now = left.load(Ordering::Relaxed).min(u64::from(PURGE_LIMIT));
            left.fetch_sub(now, Ordering::Relaxed);
            boxed_ready(Ok(now))
        };
        let began = tokio::time::Instant::now();
        purge_all("runs", batch).await;
        assert_eq!(left.into_inner(), 0);
        assert!(began.elapsed() < Duration::from_secs(60), "1,000 a second");
        purge_all("runs", || boxed_ready(Err(StoreError::unavailable("gone")))).await;
    }

    #[tokio::test(start_paused = true)]
    async fn all_expired_runs_are_purged_at_once() {
        let store = Store::memory();
        let journal = store.journal();
        let lease = RunLease {
            owner: "ann".to_owned(),
            ttl: Duration::from_secs(60),
        };
        let mut runs = Vec::new();
        for _ in 0..3 * PURGE_LIMIT {
            let id = new_uuid_v7();
            let run = NewRun {
                parent: None,
                id,
                workflow: "play".to_owned(),
                definition: String::new(),
                subject: "ann".to_owned(),
                roles: None,
                input: serde_json::Value::Null,
                idempotency_key: None,
                restarted_from: None,
            };
            let leased = Start::Leased(&lease);
            journal.create(&run, leased).await.unwrap();
            let status = RunStatus::Completed;
            let end = Change {
                id: new_uuid_v4(),
                run: id,
                owner: lease.owner.clone(),
                first_event: 1,
                events: vec![WorkflowEvent::Finished {
                    run_id: id,
                    status,
                    error: None,
                }],
                state: Some(RunState {
                    status,
                    error: None,
                    resumptions: 0,
                    keep: Some(Duration::ZERO),
                }),
            };
            assert!(journal.write(&end).await.unwrap());
            runs.push(id);
        }
        store.purge_expired().await;
        for id in runs {
            assert_eq!(journal.run(id, "ann").await.unwrap(), None);
        }
    }
}
