//! A store in a PostgreSQL database. The tables are in the first schema of the connection's `search_path`.

use sqlx::migrate::MigrateError;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions};
use sqlx::{ConnectOptions, Connection};

use crate::future::BoxFuture;
use crate::store::sql_database::Database;
use crate::store::sql_store::SqlStore;
use crate::store::sql_values::{WAIT_TIMEOUT, migrator};

/// The size of the connection pool.
const CONNECTIONS: u32 = 10;

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
