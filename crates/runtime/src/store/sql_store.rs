//! The stores in SQLite and PostgreSQL: every statement is written once, and `sql_database` runs it on either.
//!
//! Invariant: no statement is made from a caller's text. Moments are integers: milliseconds since 1970-01-01T00:00:00Z.

use crate::error::store_error::StoreError;
use crate::store::passage_cache::PassageCaches;
use crate::store::sql_database::Database;
#[cfg(feature = "sqlite")]
use crate::store::store_file_lock::StoreFileLock;

/// Takes a row that no other process writes at the moment.
const PROBE: &str = "WITH free AS MATERIALIZED (SELECT id FROM write_probes LIMIT 1 {skip_locked}) \
     UPDATE write_probes SET written_at = {now} WHERE id IN (SELECT id FROM free)";

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

impl SqlStore {
    /// Commits a small write: a full disk, a lock, a standby and a replica that nobody acknowledges all let reads through.
    pub(super) async fn probe_write(&self) -> Result<(), StoreError> {
        let probe = self.database.query(PROBE);
        match probe.execute(self.database.write()).await? {
            0 => Err(StoreError::unavailable("the store is locked")),
            _ => Ok(()),
        }
    }
}
