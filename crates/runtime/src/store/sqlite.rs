//! A store in one SQLite file, and the lock that shows other processes that the file is open.

use std::future::ready;
use std::io;
use std::path::Path;
use std::time::Duration;

use sqlx::migrate::MigrateError;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{ConnectOptions, Connection};

use crate::future::BoxFuture;
use crate::store::sql_database::Database;
use crate::store::sql_sessions::write_group::WriteGroup;
use crate::store::sql_store::SqlStore;
use crate::store::sql_values::{WAIT_TIMEOUT, migrator};
use crate::store::store_file_lock::StoreFileLock;
use crate::store::store_file_lock::open_private;

/// The size of the pool that reads.
const READERS: u32 = 4;
/// How often opening is retried while another process sets the file up, and the pause between.
const SETUP_RETRIES: u32 = 50;
const SETUP_PAUSE: Duration = Duration::from_millis(100);

/// Ends all leases. Only for a file that no other process has open: their owners died, which their runs remember.
const EXPIRE_LEASES: &str = "UPDATE workflow_runs SET lease_expires_at = 0 \
     WHERE ended_at IS NULL AND lease_owner IS NOT NULL; \
     UPDATE session_leases SET expires_at = 0";

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
    (
        6,
        "workflow changes",
        include_str!("../../migrations/sqlite/0006_workflow_changes.sql"),
    ),
    (
        7,
        "idempotency keys",
        include_str!("../../migrations/sqlite/0007_idempotency_keys.sql"),
    ),
    (
        8,
        "workflow rounds",
        include_str!("../../migrations/sqlite/0008_workflow_rounds.sql"),
    ),
    (
        9,
        "workflow runs by subject",
        include_str!("../../migrations/sqlite/0009_workflow_runs_by_subject.sql"),
    ),
    (
        10,
        "interrupted turns",
        include_str!("../../migrations/sqlite/0010_interrupted_turns.sql"),
    ),
    (
        11,
        "write probes",
        include_str!("../../migrations/sqlite/0011_write_probes.sql"),
    ),
    (
        12,
        "waiting runs",
        include_str!("../../migrations/sqlite/0012_waiting_runs.sql"),
    ),
    (
        13,
        "operated runs",
        include_str!("../../migrations/sqlite/0013_operated_runs.sql"),
    ),
    (
        14,
        "child runs",
        include_str!("../../migrations/sqlite/0014_child_runs.sql"),
    ),
    (
        15,
        "waiting runs stay",
        include_str!("../../migrations/sqlite/0015_waiting_runs_stay.sql"),
    ),
    (
        16,
        "turns",
        include_str!("../../migrations/sqlite/0016_turns.sql"),
    ),
    (
        17,
        "question answerers",
        include_str!("../../migrations/sqlite/0017_question_answerers.sql"),
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
    // A full disk ends a transaction within SQLite, and then sqlx can't roll it back: the connection begins no other one.
    let pool = |connections| {
        SqlitePoolOptions::new()
            .max_connections(connections)
            .acquire_timeout(WAIT_TIMEOUT)
            // A file does not hang up.
            .test_before_acquire(false)
            .before_acquire(|connection, _| Box::pin(ready(Ok(!connection.is_in_transaction()))))
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
            sqlx::raw_sql(EXPIRE_LEASES).execute(&writer).await?;
        }
        file_lock.downgrade().await.map_err(sqlx::Error::Io)?;
    }
    let readers = pool(READERS).connect_lazy_with(options);
    Ok(SqlStore {
        database: Database::Sqlite {
            readers,
            writer,
            turns: WriteGroup::default(),
        },
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::open;
    use crate::error::store_error::StoreError;
    use crate::schema::{new_uuid_v4, new_uuid_v7};
    use crate::store::sql_database::query;
    use crate::workflow::journal::{Journal, NewRun, Start};

    /// The failures are those of a read-only file (8) and of a full disk (13): a store's one writer keeps its settings.
    #[tokio::test]
    async fn a_file_that_can_not_be_written_to_is_unavailable() {
        let folder = std::env::temp_dir().join(format!("agentgen-{}", new_uuid_v4()));
        let store = open(&folder.join("test.db")).await.unwrap();
        let run = |size| NewRun {
            id: new_uuid_v7(),
            parent: None,
            workflow: "play".to_owned(),
            definition: String::new(),
            subject: "ann".to_owned(),
            roles: None,
            input: json!("x".repeat(size)),
            idempotency_key: None,
            restarted_from: None,
        };
        let set = async |pragma: &'static str| {
            let executor = store.database.write();
            query(pragma).fetch_all(executor).await.unwrap();
        };
        store.check().await.unwrap();
        set("PRAGMA query_only = 1").await;
        let refused = [
            store.check().await,
            store
                .create(&run(1), Start::Waiting { limit: 10 })
                .await
                .map(|_| ()),
        ];
        for refused in refused {
            assert!(
                matches!(refused, Err(StoreError::Unavailable(_))),
                "{refused:?}"
            );
        }
        set("PRAGMA query_only = 0").await;
        set("PRAGMA max_page_count = 1").await;
        let refused = store
            .create(&run(1_000_000), Start::Waiting { limit: 10 })
            .await;
        assert!(
            matches!(refused, Err(StoreError::Unavailable(_))),
            "{refused:?}"
        );
        drop(store);
        std::fs::remove_dir_all(folder).unwrap();
    }
}
