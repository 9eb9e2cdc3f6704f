//! The stores in SQLite and PostgreSQL: every statement is written once, and `sql_database` runs it on either.
//!
//! Invariant: no statement is made from a caller's text. Moments are integers: milliseconds since 1970-01-01T00:00:00Z.

use crate::store::passage_cache::PassageCaches;
use crate::store::sql_database::Database;
#[cfg(feature = "sqlite")]
use crate::store::store_file_lock::StoreFileLock;

/// Sessions, refresh tokens, workflow runs and documents in one database.
#[derive(Debug)]
pub(crate) struct SqlStore {
    pub(super) database: Database,
    /// The passages of collections that were searched.
    pub(super) passage_caches: PassageCaches,
    /// Shows other processes that the file is open; `None` where files can't be locked.
    #[cfg(feature = "sqlite")]
    pub(super) _file_lock: Option<StoreFileLock>,
}
