//! A store, opened by its URL: `sqlite:`, `postgres:` or `memory:`. It holds sessions, journal, documents and refresh tokens.

#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub(crate) mod sql;
pub(crate) mod store_url;

use std::sync::Arc;
use std::time::Duration;

use crate::auth::refresh_tokens::{MemoryRefreshTokens, RefreshTokens};
use crate::documents::document_store::DocumentStore;
use crate::documents::memory_documents::MemoryDocuments;
use crate::error::AgentError;
use crate::error::start_error::StartError;
use crate::secret::Secret;
use crate::session::memory_sessions::MemorySessions;
use crate::session::session_store::SessionStore;
#[cfg(feature = "postgres")]
use crate::store::sql::postgres::PostgresStore;
#[cfg(feature = "sqlite")]
use crate::store::sql::sqlite::SqliteStore;
use crate::store::store_url::{SETTING, StoreUrl};
use crate::workflow::journal::Journal;
use crate::workflow::memory_journal::MemoryJournal;

/// How long after a round of cleaning the next one comes.
const CLEANS_EVERY: Duration = Duration::from_secs(60);
/// How much a statement of a round removes at most, and how many of them a round has.
const AT_ONCE: u32 = 500;
const ROUNDS: usize = 20;

/// What a service keeps beyond a request: conversations, the refresh tokens that it issued, the runs of workflows, and
/// documents.
#[derive(Clone)]
pub struct Store {
    sessions: Arc<dyn SessionStore>,
    refresh_tokens: Arc<dyn RefreshTokens>,
    journal: Arc<dyn Journal>,
    documents: Arc<dyn DocumentStore>,
    is_shared: bool,
}

impl Store {
    /// A store in memory: gone with the process.
    #[must_use]
    pub fn memory() -> Self {
        Self {
            sessions: Arc::new(MemorySessions::default()),
            refresh_tokens: Arc::new(MemoryRefreshTokens::default()),
            journal: Arc::new(MemoryJournal::default()),
            documents: Arc::new(MemoryDocuments::default()),
            is_shared: false,
        }
    }

    /// Opens `sqlite:PATH`, `postgres://…` or `memory:`, and brings the tables up to date. A file that isn't there is
    /// made, with its folder; on Unix nobody but its owner may read it. Several processes may use one store.
    ///
    /// # Errors
    /// A [`StartError::Setting`] for `store.url`, if it says none of these or the store can't be opened; a password in
    /// it is not told.
    pub fn open(url: &Secret) -> impl Future<Output = Result<Self, StartError>> + Send + use<> {
        Self::open_at(StoreUrl::parse(url.expose()))
    }

    async fn open_at(url: Result<StoreUrl, String>) -> Result<Self, StartError> {
        let wrong = |detail: String| StartError::setting(SETTING, detail);
        match url.map_err(wrong)? {
            StoreUrl::Memory => Ok(Self::memory()),
            #[cfg(feature = "sqlite")]
            StoreUrl::Sqlite(path) => {
                let opened = SqliteStore::open(&path).await;
                let place = || format!("the file `{}`", path.display());
                let store = opened.map_err(|error| wrong(unusable(&place(), &error)))?;
                Ok(Self::of(store))
            }
            #[cfg(feature = "postgres")]
            StoreUrl::Postgres(options) => {
                let place = format!(
                    "the database at {}:{}",
                    options.get_host(),
                    options.get_port()
                );
                let opened = PostgresStore::open(*options).await;
                let store = opened.map_err(|error| wrong(unusable(&place, &error)))?;
                let is_shared = true;
                Ok(Self {
                    is_shared,
                    ..Self::of(store)
                })
            }
        }
    }

    #[cfg(any(feature = "sqlite", feature = "postgres"))]
    fn of(store: impl SessionStore + RefreshTokens + Journal + DocumentStore) -> Self {
        let store = Arc::new(store);
        let sessions: Arc<dyn SessionStore> = store.clone();
        Self {
            sessions,
            refresh_tokens: store.clone(),
            journal: store.clone(),
            documents: store,
            is_shared: false,
        }
    }

    /// With the sessions kept elsewhere.
    #[must_use]
    pub fn with_sessions(mut self, sessions: Arc<dyn SessionStore>) -> Self {
        self.sessions = sessions;
        self
    }

    /// With the documents kept elsewhere.
    #[must_use]
    pub fn with_documents(mut self, documents: Arc<dyn DocumentStore>) -> Self {
        self.documents = documents;
        self
    }

    /// Its sessions.
    #[must_use]
    pub fn sessions(&self) -> Arc<dyn SessionStore> {
        Arc::clone(&self.sessions)
    }

    /// Its refresh tokens.
    #[must_use]
    pub fn refresh_tokens(&self) -> Arc<dyn RefreshTokens> {
        Arc::clone(&self.refresh_tokens)
    }

    /// Its runs of workflows.
    #[must_use]
    pub fn journal(&self) -> Arc<dyn Journal> {
        Arc::clone(&self.journal)
    }

    /// Its documents.
    #[must_use]
    pub fn documents(&self) -> Arc<dyn DocumentStore> {
        Arc::clone(&self.documents)
    }

    /// Whether processes on several machines can use it.
    pub(crate) fn is_shared(&self) -> bool {
        self.is_shared
    }

    /// Removes what has expired, from time to time, for as long as the future is polled.
    pub(crate) async fn stay_clean(self) -> std::convert::Infallible {
        loop {
            tokio::time::sleep(CLEANS_EVERY).await;
            if let Err(error) = self.clean().await {
                tracing::warn!(%error, "what has expired can't be removed from the store");
            }
        }
    }

    async fn clean(&self) -> Result<(), AgentError> {
        for _ in 0..ROUNDS {
            let sessions = self.sessions.purge(AT_ONCE).await?;
            let tokens = self.refresh_tokens.purge_tokens(AT_ONCE).await?;
            let runs = self.journal.purge_runs(AT_ONCE).await?;
            if sessions.max(tokens).max(runs) < u64::from(AT_ONCE) {
                break;
            }
        }
        Ok(())
    }
}

/// What the operating system or the database says, without what sqlx says before it.
#[cfg(any(feature = "sqlite", feature = "postgres"))]
fn unusable(place: &str, error: &sqlx::Error) -> String {
    let why = match error {
        sqlx::Error::Io(error) => error.to_string(),
        sqlx::Error::Database(error) => error.message().to_owned(),
        error => error.to_string(),
    };
    format!("{place} can't be used: {why}")
}
