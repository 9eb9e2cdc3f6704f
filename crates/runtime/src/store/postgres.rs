//! A store in a PostgreSQL database. The tables are in the first schema of the connection's `search_path`.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use sqlx::migrate::MigrateError;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions};
use sqlx::{ConnectOptions, Connection};

use crate::future::BoxFuture;
use crate::store::sql_database::Database;
use crate::store::sql_store::SqlStore;
use crate::store::sql_values::{WAIT_TIMEOUT, migrator};

/// The size of the connection pool.
const CONNECTIONS: u32 = 10;
/// An idle connection is tested after this time before it is used.
const TESTED_AFTER: Duration = Duration::from_secs(1);

/// The code of a write on a standby, or on a primary that has become one.
pub(super) const READ_ONLY: &str = "25006";
/// When a write last failed with [`READ_ONLY`]. Connections from before are not used again: after a failover, a new one finds
/// the new primary. Of all pools, since an error does not tell its connection; nothing but new connections comes of that.
static READ_ONLY_AT: Mutex<Option<Instant>> = Mutex::new(None);
/// The shortest time between two rounds of new connections.
const RECONNECT_INTERVAL: Duration = Duration::from_secs(1);

const MIGRATIONS: &[(i64, &str, &str)] = &[
    (
        1,
        "refresh tokens",
        include_str!("../../migrations/postgres/0001_refresh_tokens.sql"),
    ),
    (
        2,
        "sessions",
        include_str!("../../migrations/postgres/0002_sessions.sql"),
    ),
    (
        3,
        "workflow runs",
        include_str!("../../migrations/postgres/0003_workflow_runs.sql"),
    ),
    (
        4,
        "documents",
        include_str!("../../migrations/postgres/0004_documents.sql"),
    ),
    (
        5,
        "workflow run keys",
        include_str!("../../migrations/postgres/0005_workflow_run_keys.sql"),
    ),
    (
        6,
        "workflow changes",
        include_str!("../../migrations/postgres/0006_workflow_changes.sql"),
    ),
    (
        7,
        "idempotency keys",
        include_str!("../../migrations/postgres/0007_idempotency_keys.sql"),
    ),
    (
        8,
        "workflow rounds",
        include_str!("../../migrations/postgres/0008_workflow_rounds.sql"),
    ),
    (
        9,
        "workflow runs by subject",
        include_str!("../../migrations/postgres/0009_workflow_runs_by_subject.sql"),
    ),
    (
        10,
        "interrupted turns",
        include_str!("../../migrations/postgres/0010_interrupted_turns.sql"),
    ),
    (
        11,
        "write probes",
        include_str!("../../migrations/postgres/0011_write_probes.sql"),
    ),
    (
        12,
        "waiting runs",
        include_str!("../../migrations/postgres/0012_waiting_runs.sql"),
    ),
    (
        13,
        "operated runs",
        include_str!("../../migrations/postgres/0013_operated_runs.sql"),
    ),
    (
        14,
        "child runs",
        include_str!("../../migrations/postgres/0014_child_runs.sql"),
    ),
    (
        15,
        "waiting runs stay",
        include_str!("../../migrations/postgres/0015_waiting_runs_stay.sql"),
    ),
    (
        16,
        "turns",
        include_str!("../../migrations/postgres/0016_turns.sql"),
    ),
    (
        17,
        "question answerers",
        include_str!("../../migrations/postgres/0017_question_answerers.sql"),
    ),
];

/// Connects and migrates. Of several processes that start at once, one migrates and the others wait for it.
///
/// # Errors
/// What the network or PostgreSQL says.
pub(crate) async fn open(options: PgConnectOptions) -> Result<SqlStore, sqlx::Error> {
    let options = options.disable_statement_logging();
    // A pool retries until its timeout and then reports only that; one connection says what is wrong.
    let probe = tokio::time::timeout(WAIT_TIMEOUT, PgConnection::connect_with(&options));
    let timed_out = |_| sqlx::Error::Io(std::io::ErrorKind::TimedOut.into());
    probe.await.map_err(timed_out)??.close().await?;
    let pool = PgPoolOptions::new()
        .max_connections(CONNECTIONS)
        .acquire_timeout(WAIT_TIMEOUT)
        // One that was just used needs no test. If the server has gone since, the statement fails instead.
        .test_before_acquire(false)
        .before_acquire(|connection, meta| {
            Box::pin(async move {
                if meta.idle_for > TESTED_AFTER {
                    connection.ping().await?;
                }
                Ok(is_after_read_only(meta.age))
            })
        })
        .connect_with(options)
        .await?;
    migrate(pool.clone()).await?;
    Ok(SqlStore {
        database: Database::Postgres(pool),
        passage_caches: Default::default(),
        #[cfg(feature = "sqlite")]
        _file_lock: None,
    })
}

/// Boxed, because the compiler can't prove otherwise that the future is `Send`.
fn migrate(pool: PgPool) -> BoxFuture<'static, Result<(), MigrateError>> {
    Box::pin(async move { migrator(MIGRATIONS).run(&pool).await })
}

/// Has the next statements connect anew.
pub(super) fn mark_read_only() {
    let mut at = READ_ONLY_AT.lock().unwrap_or_else(PoisonError::into_inner);
    if at.is_none_or(|at| at.elapsed() >= RECONNECT_INTERVAL) {
        *at = Some(Instant::now());
    }
}

/// Whether a connection of this age was made after the last [`mark_read_only`].
fn is_after_read_only(age: Duration) -> bool {
    let at = READ_ONLY_AT.lock().unwrap_or_else(PoisonError::into_inner);
    at.is_none_or(|at| at.elapsed() > age)
}
