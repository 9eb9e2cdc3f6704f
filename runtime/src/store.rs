//! What a service keeps beyond a request, opened by its URL.

use std::sync::Arc;

#[cfg(feature = "postgres")]
use crate::postgres::PostgresStore;
use crate::refresh_store::{MemoryRefreshTokens, RefreshTokens};
use crate::secret::Secret;
#[cfg(feature = "sqlite")]
use crate::sqlite::SqliteStore;
use crate::start::StartError;
use crate::store_url::StoreUrl;

/// The setting that names the store.
const SETTING: &str = "store.url";

/// What a service keeps beyond a request.
#[derive(Clone)]
pub struct Store {
    refresh_tokens: Arc<dyn RefreshTokens>,
}

impl Store {
    /// A store in memory: gone with the process.
    #[must_use]
    pub fn memory() -> Self {
        Self {
            refresh_tokens: Arc::new(MemoryRefreshTokens::default()),
        }
    }

    /// Opens `sqlite:PATH`, `postgres://…` or `memory:`, and brings the tables up to date. A file that isn't there is
    /// made, with its folder; on Unix nobody but its owner may read it. Several processes may use one store.
    ///
    /// # Errors
    /// A [`StartError::Setting`] for `store.url`, if it says none of these or the store can't be opened; a password in
    /// it is not told.
    pub async fn open(url: &Secret) -> Result<Self, StartError> {
        let wrong = |detail: String| StartError::setting(SETTING, detail);
        match StoreUrl::parse(url.expose()).map_err(wrong)? {
            StoreUrl::Memory => Ok(Self::memory()),
            #[cfg(feature = "sqlite")]
            StoreUrl::Sqlite(path) => {
                let opened = SqliteStore::open(&path).await;
                let place = path.display();
                let store = opened
                    .map_err(|error| wrong(format!("the file `{place}` can't be used: {error}")))?;
                Ok(Self::of(store))
            }
            #[cfg(feature = "postgres")]
            StoreUrl::Postgres(options) => {
                let place = format!("{}:{}", options.get_host(), options.get_port());
                let opened = PostgresStore::open(*options).await;
                let store = opened.map_err(|error| {
                    wrong(format!("the database at {place} can't be used: {error}"))
                })?;
                Ok(Self::of(store))
            }
        }
    }

    #[cfg(any(feature = "sqlite", feature = "postgres"))]
    fn of(store: impl RefreshTokens) -> Self {
        let store = Arc::new(store);
        Self {
            refresh_tokens: store,
        }
    }

    /// Its refresh tokens.
    #[must_use]
    pub fn refresh_tokens(&self) -> Arc<dyn RefreshTokens> {
        Arc::clone(&self.refresh_tokens)
    }
}
