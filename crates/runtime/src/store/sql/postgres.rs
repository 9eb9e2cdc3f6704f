//! A store in a PostgreSQL database.

use std::pin::Pin;

use sqlx::migrate::MigrateError;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions};
use sqlx::{ConnectOptions, Connection, Postgres, Transaction};

use crate::store::sql::passage_cache::Mirrors;
use crate::store::sql::{PATIENCE, migrator};

/// How many connections a service opens at most.
const CONNECTIONS: u32 = 10;

const MIGRATIONS: &[(i64, &str, &str)] = &[
    (
        1,
        "refresh tokens",
        include_str!("../../../migrations/postgres/0001_refresh_tokens.sql"),
    ),
    (
        2,
        "sessions",
        include_str!("../../../migrations/postgres/0002_sessions.sql"),
    ),
    (
        3,
        "workflow runs",
        include_str!("../../../migrations/postgres/0003_workflow_runs.sql"),
    ),
    (
        4,
        "documents",
        include_str!("../../../migrations/postgres/0004_documents.sql"),
    ),
    (
        5,
        "workflow run keys",
        include_str!("../../../migrations/postgres/0005_workflow_run_keys.sql"),
    ),
];

/// A PostgreSQL database. The tables are in the first schema of the connection's `search_path`.
#[derive(Debug)]
pub(crate) struct PostgresStore {
    /// For what only reads.
    pub(crate) read: PgPool,
    /// For what writes: the same connections.
    pub(crate) write: PgPool,
    /// The passages of its documents, as far as somebody searched them.
    pub(crate) mirrors: Mirrors,
}

impl PostgresStore {
    /// Connects, and brings the database up to date. Of several processes at once one does, the others wait for it.
    ///
    /// # Errors
    /// What the network or PostgreSQL says.
    pub(crate) async fn open(options: PgConnectOptions) -> Result<Self, sqlx::Error> {
        let options = options.disable_statement_logging();
        // A pool would try again and again, and then not say why it failed.
        let first = tokio::time::timeout(PATIENCE, PgConnection::connect_with(&options));
        let late = |_| sqlx::Error::Io(std::io::ErrorKind::TimedOut.into());
        first.await.map_err(late)??.close().await?;
        let write = PgPoolOptions::new()
            .max_connections(CONNECTIONS)
            .acquire_timeout(PATIENCE)
            .connect_with(options)
            .await?;
        migrate(write.clone()).await?;
        let read = write.clone();
        let mirrors = Mirrors::default();
        Ok(Self {
            read,
            write,
            mirrors,
        })
    }

    /// Begins a change: everything up to its commit, or nothing.
    pub(crate) async fn begin(&self) -> Result<Transaction<'static, Postgres>, sqlx::Error> {
        self.write.begin().await
    }
}

/// Boxed, because the compiler can't see otherwise that it may be sent to another thread.
fn migrate(pool: PgPool) -> Pin<Box<dyn Future<Output = Result<(), MigrateError>> + Send>> {
    Box::pin(async move { migrator(MIGRATIONS).run(&pool).await })
}
