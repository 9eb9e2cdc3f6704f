//! A store in one SQLite file, and the lock that shows other processes that the file is open.

use std::io;
use std::path::Path;
use std::time::Duration;

use sqlx::ConnectOptions;
use sqlx::migrate::MigrateError;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};

use crate::future::BoxFuture;
use crate::store::sql_database::Database;
use crate::store::sql_store::SqlStore;
use crate::store::sql_values::{WAIT_TIMEOUT, migrator};
use crate::store::store_file_lock::StoreFileLock;
use crate::store::store_file_lock::open_private;

/// The size of the pool that reads.
const READERS: u32 = 4;
/// How often opening is retried while another process sets the file up, and the pause between.
const SETUP_RETRIES: u32 = 50;
const SETUP_PAUSE: Duration = Duration::from_millis(100);

/// Ends all leases. Only for a file that no other process has open: their owners are gone.
const RELEASE_LEASES: &str = "UPDATE workflow_runs SET owner = NULL, lease_expires_at = NULL \
     WHERE ended_at IS NULL AND owner IS NOT NULL; DELETE FROM session_leases";

const MIGRATIONS: &[(i64, &str, &str)] = &[
    (
        1,
        "refresh tokens",
        include_str!("../../migrations/sqlite/0001_refresh_tokens.sql"),
    ),
    (
        2,
        "sessions",
        include_str!("../../migrations/sqlite/0002_sessions.sql"),
    ),
    (
        3,
        "workflow runs",
        include_str!("../../migrations/sqlite/0003_workflow_runs.sql"),
    ),
    (
        4,
        "documents",
        include_str!("../../migrations/sqlite/0004_documents.sql"),
    ),
    (
        5,
        "workflow run keys",
        include_str!("../../migrations/sqlite/0005_workflow_run_keys.sql"),
    ),
];

/// Opens the file and migrates it. A file that is not there is created, with its folder, readable by its owner alone.
///
/// # Errors
/// What the operating system or SQLite says.
pub(crate) async fn open(path: &Path) -> Result<SqlStore, sqlx::Error> {
    create(path).map_err(sqlx::Error::Io)?;
    let mut file_lock = StoreFileLock::acquire(path)
        .inspect_err(|error| tracing::debug!(%error, "the store's file can't be locked"))
        .ok();
    // A commit survives the end of the process. A power failure may undo the last ones.
    let options = SqliteConnectOptions::new()
        .filename(path)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Normal)
        .foreign_keys(true)
        .busy_timeout(WAIT_TIMEOUT)
        .disable_statement_logging();
    let pool = |connections| {
        SqlitePoolOptions::new()
            .max_connections(connections)
            .acquire_timeout(WAIT_TIMEOUT)
    };
    let mut retries = 0;
    let writer = loop {
        match connect(pool(1), options.clone()).await {
            Err(error) if is_being_set_up(&error) && retries < SETUP_RETRIES => {
                retries += 1;
                tokio::time::sleep(SETUP_PAUSE).await;
            }
            connected => break connected?,
        }
    };
    if let Some(file_lock) = &mut file_lock {
        if file_lock.is_exclusive {
            sqlx::raw_sql(RELEASE_LEASES).execute(&writer).await?;
        }
        file_lock.downgrade().await.map_err(sqlx::Error::Io)?;
    }
    let readers = pool(READERS).connect_lazy_with(options);
    Ok(SqlStore {
        database: Database::Sqlite { readers, writer },
        passage_caches: Default::default(),
        _file_lock: file_lock,
    })
}

async fn connect(
    pool: SqlitePoolOptions,
    options: SqliteConnectOptions,
) -> Result<SqlitePool, sqlx::Error> {
    let pool = pool.connect_with(options).await?;
    migrate(pool.clone()).await?;
    Ok(pool)
}

/// Boxed, because the compiler can't prove otherwise that the future is `Send`.
fn migrate(pool: SqlitePool) -> BoxFuture<'static, Result<(), MigrateError>> {
    Box::pin(async move { migrator(MIGRATIONS).run(&pool).await })
}

/// Whether another process may be migrating the file: it is locked (5, 6), or a migration that was missing has been
/// applied by the time it is this process's turn (1, 19).
fn is_being_set_up(error: &sqlx::Error) -> bool {
    let mut cause = Some(error as &(dyn std::error::Error + 'static));
    while let Some(error) = cause {
        if let Some(sqlx::Error::Database(error)) = error.downcast_ref() {
            let code = error.code().and_then(|code| code.parse::<u32>().ok());
            return code.is_some_and(|code| matches!(code & 0xff, 1 | 5 | 6 | 19));
        }
        cause = error.source();
    }
    false
}

/// Creates the file before SQLite does, for its owner alone. SQLite gives its log the same permissions.
fn create(path: &Path) -> io::Result<()> {
    if let Some(folder) = path.parent().filter(|folder| *folder != Path::new("")) {
        std::fs::create_dir_all(folder)?;
    }
    open_private(path).map(|_| ())
}
