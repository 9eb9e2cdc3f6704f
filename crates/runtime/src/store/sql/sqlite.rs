//! A store in one file.

use std::path::Path;
use std::pin::Pin;
use std::time::Duration;

use sqlx::migrate::MigrateError;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{ConnectOptions, Sqlite, Transaction};

use crate::store::sql::file_lock::Presence;
use crate::store::sql::passage_cache::Mirrors;
use crate::store::sql::{PATIENCE, migrator};

/// How many may read at a time.
const READERS: u32 = 4;
/// How often the file is tried that another process is setting up, and the pause between.
const TRIES: u32 = 50;
const PAUSE: Duration = Duration::from_millis(100);

/// Gives back what processes held that are gone, so that nobody waits for the end of their leases.
const LEFT_BEHIND: &str = "UPDATE workflow_runs SET holder = NULL, held_until = NULL \
     WHERE ended_at IS NULL AND holder IS NOT NULL; DELETE FROM session_leases";

const MIGRATIONS: &[(i64, &str, &str)] = &[
    (
        1,
        "refresh tokens",
        include_str!("../../../migrations/sqlite/0001_refresh_tokens.sql"),
    ),
    (
        2,
        "sessions",
        include_str!("../../../migrations/sqlite/0002_sessions.sql"),
    ),
    (
        3,
        "workflow runs",
        include_str!("../../../migrations/sqlite/0003_workflow_runs.sql"),
    ),
    (
        4,
        "documents",
        include_str!("../../../migrations/sqlite/0004_documents.sql"),
    ),
    (
        5,
        "workflow run keys",
        include_str!("../../../migrations/sqlite/0005_workflow_run_keys.sql"),
    ),
];

/// A SQLite file. Its writers stand in line here instead of at the file, where they would have to poll.
#[derive(Debug)]
pub(crate) struct SqliteStore {
    /// For what only reads.
    pub(crate) read: SqlitePool,
    /// The one connection that writes.
    pub(crate) write: SqlitePool,
    /// The passages of its documents, as far as somebody searched them.
    pub(crate) mirrors: Mirrors,
    /// That it is open here, if others can be told.
    _presence: Option<Presence>,
}

impl SqliteStore {
    /// Opens the file, which is made together with its folder if it isn't there, and brings it up to date.
    ///
    /// # Errors
    /// What the operating system or SQLite says.
    pub(crate) async fn open(path: &Path) -> Result<Self, sqlx::Error> {
        create(path).map_err(sqlx::Error::Io)?;
        let mut presence = presence(path);
        // A commit is safe once it is in the log: the program may be killed. A power failure may take the last ones.
        let options = SqliteConnectOptions::new()
            .filename(path)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Normal)
            .foreign_keys(true)
            .busy_timeout(PATIENCE)
            .disable_statement_logging();
        let pool = |most| {
            SqlitePoolOptions::new()
                .max_connections(most)
                .acquire_timeout(PATIENCE)
        };
        let mut tries = 0;
        let write = loop {
            match set_up(pool(1), options.clone()).await {
                Err(error) if may_pass(&error) && tries < TRIES => {
                    tries += 1;
                    tokio::time::sleep(PAUSE).await;
                }
                opened => break opened?,
            }
        };
        if let Some(presence) = &mut presence {
            if presence.is_alone {
                sqlx::raw_sql(LEFT_BEHIND).execute(&write).await?;
            }
            presence.share().await.map_err(sqlx::Error::Io)?;
        }
        let read = pool(READERS).connect_lazy_with(options);
        let mirrors = Mirrors::default();
        Ok(Self {
            read,
            write,
            mirrors,
            _presence: presence,
        })
    }

    /// Begins a change: everything up to its commit, or nothing.
    pub(crate) async fn begin(&self) -> Result<Transaction<'static, Sqlite>, sqlx::Error> {
        self.write.begin_with("BEGIN IMMEDIATE").await
    }
}

/// Where files can't be locked, leases alone say who is gone.
fn presence(path: &Path) -> Option<Presence> {
    let presence = Presence::at(path);
    let told = |error: &std::io::Error| tracing::debug!(%error, "the store's file can't be locked");
    presence.inspect_err(told).ok()
}

async fn set_up(
    pool: SqlitePoolOptions,
    options: SqliteConnectOptions,
) -> Result<SqlitePool, sqlx::Error> {
    let pool = pool.connect_with(options).await?;
    migrate(pool.clone()).await?;
    Ok(pool)
}

/// Boxed, because the compiler can't see otherwise that it may be sent to another thread.
fn migrate(pool: SqlitePool) -> Pin<Box<dyn Future<Output = Result<(), MigrateError>> + Send>> {
    Box::pin(async move { migrator(MIGRATIONS).run(&pool).await })
}

/// Whether another process may be setting the file up: it is locked (5, 6), or a step that was missing is done when
/// it is this one's turn (1, 19).
fn may_pass(error: &sqlx::Error) -> bool {
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

/// Makes the file before SQLite does, for its owner alone; SQLite gives its log the same permissions.
fn create(path: &Path) -> std::io::Result<()> {
    if let Some(folder) = path.parent().filter(|folder| *folder != Path::new("")) {
        std::fs::create_dir_all(folder)?;
    }
    let mut options = std::fs::OpenOptions::new();
    options.create(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(|_| ())
}
