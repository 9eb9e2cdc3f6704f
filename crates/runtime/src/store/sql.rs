//! What SQLite and PostgreSQL have in common: times, migrations, and what an error means to a caller.
//!
//! Invariant: a statement is the same for both databases or stands beside its twin; no statement is made from a caller's text.

#[cfg(feature = "sqlite")]
pub(crate) mod file_lock;
pub(crate) mod passage_cache;
#[cfg(feature = "postgres")]
pub(crate) mod postgres;
pub(crate) mod run_row;
pub(crate) mod sql_documents;
pub(crate) mod sql_journal;
pub(crate) mod sql_refresh_tokens;
pub(crate) mod sql_sessions;
#[cfg(feature = "sqlite")]
pub(crate) mod sqlite;

use std::borrow::Cow;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sqlx::SqlSafeStr;
use sqlx::migrate::{Migration, MigrationType, Migrator};

use crate::error::AgentError;

/// How long a statement waits for its turn.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);

/// A moment as it stands in a table: milliseconds since 1970-01-01T00:00:00Z.
pub(crate) fn millis(moment: SystemTime) -> i64 {
    let since = moment.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// The moment that stands in a table.
pub(crate) fn moment(millis: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(u64::try_from(millis).unwrap_or(0))
}

/// This moment.
pub(crate) fn now() -> i64 {
    millis(SystemTime::now())
}

/// `text` as PostgreSQL takes it, which knows no U+0000.
pub(crate) fn plain(text: &str) -> Cow<'_, str> {
    match text.contains(['\0', '%']) {
        true => Cow::Owned(text.replace('%', "%25").replace('\0', "%00")),
        false => Cow::Borrowed(text),
    }
}

/// The text that was made [`plain`].
pub(crate) fn unplain(text: &str) -> String {
    text.replace("%00", "\0").replace("%25", "%")
}

/// A vector as it stands in a table: its numbers one after the other, four bytes each, the lowest byte first.
pub(crate) fn to_bytes(vector: &[f32]) -> Vec<u8> {
    vector.iter().flat_map(|x| x.to_le_bytes()).collect()
}

/// The vector that stands in a table.
pub(crate) fn from_bytes(bytes: &[u8]) -> Vec<f32> {
    let (numbers, _) = bytes.as_chunks::<4>();
    numbers
        .iter()
        .map(|four| f32::from_le_bytes(*four))
        .collect()
}

/// What brings a database up to date: `(version, name, statements)` in order. A program may be older than its
/// database, as while a new version takes over: steps that it doesn't know are not its business.
pub(crate) fn migrator(steps: &[(i64, &'static str, &'static str)]) -> Migrator {
    let migration = |&(version, name, sql): &(i64, &'static str, &'static str)| {
        let kind = MigrationType::Simple;
        Migration::new(version, name.into(), kind, sql.into_sql_str(), false)
    };
    let mut migrator = Migrator::with_migrations(steps.iter().map(migration).collect());
    migrator.set_ignore_missing(true);
    migrator
}

/// 503 where the database can't be reached or has too much to do, 500 for the rest; the cause is logged.
pub(crate) fn failed(error: sqlx::Error) -> AgentError {
    let is_passing = match &error {
        sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed => true,
        sqlx::Error::Database(error) => is_passing(error.code().as_deref().unwrap_or_default()),
        _ => false,
    };
    if is_passing {
        tracing::warn!(%error, "the store can't be used now");
        return AgentError::unavailable("the store can't be used now");
    }
    AgentError::internal(format!("the store: {error}"))
}

/// Has `statement` remove at most `most` rows that have expired by now, and gives how many it were. A macro, since the
/// two databases have no type in common.
macro_rules! purged {
    ($store:expr, $statement:expr, $most:expr) => {
        sqlx::query($statement)
            .bind($crate::store::sql::now())
            .bind(i64::from($most))
            .execute(&$store.write)
            .await
            .map(|gone| gone.rows_affected())
            .map_err($crate::store::sql::failed)
    };
}
pub(crate) use purged;

/// SQLite's codes for a database that is locked, and PostgreSQL's for one that is short of something, stopping, or
/// undid the change for another one's sake (<https://www.postgresql.org/docs/current/errcodes-appendix.html>).
fn is_passing(code: &str) -> bool {
    let is_sqlite_busy = code
        .parse::<u32>()
        .is_ok_and(|code| code < 10_000 && matches!(code & 0xff, 5 | 6));
    is_sqlite_busy
        || ["08", "40", "53", "57"]
            .iter()
            .any(|class| code.len() == 5 && code.starts_with(class))
}
