//! Values, migrations and errors as both databases have them.

use std::borrow::Cow;
use std::time::{Duration, SystemTime};

use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::SqlSafeStr;
use sqlx::migrate::{Migration, MigrationType, Migrator};

use crate::error::store_error::StoreError;
use crate::unix_time::to_millis;

/// How long a statement waits for a connection or a lock.
pub(super) const WAIT_TIMEOUT: Duration = Duration::from_secs(5);

/// The current time as it is stored.
pub(super) fn now() -> i64 {
    to_millis(SystemTime::now())
}

/// A count as it is stored. SQL has no unsigned integers.
pub(super) fn signed(count: impl TryInto<i64>) -> i64 {
    count.try_into().unwrap_or(i64::MAX)
}

/// A stored count. The schema has no negative ones.
pub(super) fn unsigned(count: i64) -> u64 {
    u64::try_from(count).unwrap_or(0)
}

/// Reads a column of JSON.
pub(super) fn from_json<T: DeserializeOwned>(json: &str) -> Result<T, StoreError> {
    serde_json::from_str(json).map_err(StoreError::internal)
}

/// Writes a column of JSON.
pub(super) fn to_json(value: &impl Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(StoreError::internal)
}

/// Writes U+0000, which a text in PostgreSQL can't hold, as `%00`.
pub(super) fn escape_nul(text: &str) -> Cow<'_, str> {
    if text.contains(['\0', '%']) {
        Cow::Owned(text.replace('%', "%25").replace('\0', "%00"))
    } else {
        Cow::Borrowed(text)
    }
}

/// The inverse of [`escape_nul`].
pub(super) fn unescape_nul(text: &str) -> String {
    text.replace("%00", "\0").replace("%25", "%")
}

/// The migrations `(version, name, SQL)` in order. A program may be older than its database, as during a rolling
/// update: migrations that it doesn't know are ignored.
pub(super) fn migrator(steps: &[(i64, &'static str, &'static str)]) -> Migrator {
    let migration = |&(version, name, sql): &(i64, &'static str, &'static str)| {
        let kind = MigrationType::Simple;
        Migration::new(version, name.into(), kind, sql.into_sql_str(), false)
    };
    let mut migrator = Migrator::with_migrations(steps.iter().map(migration).collect());
    migrator.set_ignore_missing(true);
    migrator
}

/// What an error of the database means to who uses the store. The cause of an unavailable store is logged here, since
/// callers must not see it.
pub(super) fn store_error(error: sqlx::Error) -> StoreError {
    if error
        .as_database_error()
        .is_some_and(|error| error.is_unique_violation())
    {
        return StoreError::conflict("another writer was first");
    }
    let is_external = match &error {
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => true,
        sqlx::Error::Database(error) => {
            let code = error.code();
            let code = code.as_deref().unwrap_or_default();
            #[cfg(feature = "postgres")]
            if code == crate::store::postgres::READ_ONLY {
                crate::store::postgres::mark_read_only();
            }
            is_external(code)
        }
        _ => false,
    };
    if is_external {
        tracing::warn!(%error, "the store is unavailable");
        StoreError::unavailable("the store can't be used now")
    } else {
        StoreError::internal(format!("the store: {error}"))
    }
}

/// Whether the database, and no statement of this crate, is the cause. For SQLite (<https://www.sqlite.org/rescode.html>):
/// permissions (3), locks (5, 6, 15), memory (7), a read-only file (8), an interrupt (9), the disk (10, 13, 14), a damaged
/// file (11, 26). For PostgreSQL (<https://www.postgresql.org/docs/current/errcodes-appendix.html>): connections, who may log
/// in and do what, a database that is gone, a standby, rolled back transactions, resources, locks, a shutdown, the disk,
/// damaged data.
fn is_external(code: &str) -> bool {
    const SQLITE: [u32; 12] = [3, 5, 6, 7, 8, 9, 10, 11, 13, 14, 15, 26];
    const POSTGRES: [&str; 11] = [
        "08", "25006", "28", "3D", "40", "42501", "53", "55", "57", "58", "XX",
    ];
    // A code of PostgreSQL has five characters. One of SQLite is a number of four digits at most, with an extension in its
    // upper byte.
    if code.len() == 5 {
        return POSTGRES.iter().any(|class| code.starts_with(class));
    }
    code.parse::<u32>()
        .is_ok_and(|code| SQLITE.contains(&(code & 0xff)))
}
