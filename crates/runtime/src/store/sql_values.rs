//! Values, migrations and errors as both databases have them.

use std::borrow::Cow;
use std::time::{Duration, SystemTime};

use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::SqlSafeStr;
use sqlx::migrate::{Migration, MigrationType, Migrator};

use crate::error::store_error::StoreError;
use crate::unix_time::{duration_millis, to_millis};

/// How long a statement waits for a connection or a lock.
pub(super) const WAIT_TIMEOUT: Duration = Duration::from_secs(5);

/// The current time as it is stored.
pub(super) fn now() -> i64 {
    to_millis(SystemTime::now())
}

/// When a lease of `ttl` that is taken now expires, as it is stored.
pub(super) fn expires_after(ttl: Duration) -> i64 {
    now().saturating_add(duration_millis(ttl))
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
    let is_unavailable = match &error {
        sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed => true,
        sqlx::Error::Database(error) => is_temporary(error.code().as_deref().unwrap_or_default()),
        _ => false,
    };
    if is_unavailable {
        tracing::warn!(%error, "the store is unavailable");
        StoreError::unavailable("the store can't be used now")
    } else {
        StoreError::internal(format!("the store: {error}"))
    }
}

/// Whether the code is SQLite's for a locked database (5, 6), or PostgreSQL's for a lost connection, a rolled back
/// transaction, too few resources or a shutdown (<https://www.postgresql.org/docs/current/errcodes-appendix.html>).
pub(super) fn is_temporary(code: &str) -> bool {
    let is_sqlite_busy = code
        .parse::<u32>()
        .is_ok_and(|code| code < 10_000 && matches!(code & 0xff, 5 | 6));
    is_sqlite_busy
        || ["08", "40", "53", "57"]
            .iter()
            .any(|class| code.len() == 5 && code.starts_with(class))
}
