//! A store in one file.

use std::path::Path;
use std::time::Duration;

use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{ConnectOptions, Sqlite, Transaction};

use crate::sql::{PATIENCE, migrator};

/// How many may read at a time.
const READERS: u32 = 4;
/// How often the file is tried that another process is setting up, and the pause between.
const TRIES: u32 = 50;
const PAUSE: Duration = Duration::from_millis(100);

const MIGRATIONS: &[(i64, &str, &str)] = &[(
    1,
    "refresh tokens",
    include_str!("../migrations/sqlite/0001_refresh_tokens.sql"),
)];

/// A SQLite file. Its writers stand in line here instead of at the file, where they would have to poll.
#[derive(Debug)]
pub(crate) struct SqliteStore {
    /// For what only reads.
    pub(crate) read: SqlitePool,
    /// The one connection that writes.
    pub(crate) write: SqlitePool,
}

impl SqliteStore {
    /// Opens the file, which is made together with its folder if it isn't there, and brings it up to date.
    ///
    /// # Errors
    /// What the operating system or SQLite says.
    pub(crate) async fn open(path: &Path) -> Result<Self, sqlx::Error> {
        create(path).map_err(sqlx::Error::Io)?;
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
                // SQLite doesn't wait where it suspects a deadlock, as when two processes turn the log on.
                Err(error) if is_locked(&error) && tries < TRIES => {
                    tries += 1;
                    tokio::time::sleep(PAUSE).await;
                }
                opened => break opened?,
            }
        };
        let read = pool(READERS).connect_lazy_with(options);
        Ok(Self { read, write })
    }

    /// Begins a change: everything up to its commit, or nothing.
    pub(crate) async fn begin(&self) -> Result<Transaction<'static, Sqlite>, sqlx::Error> {
        self.write.begin_with("BEGIN IMMEDIATE").await
    }
}

async fn set_up(
    pool: SqlitePoolOptions,
    options: SqliteConnectOptions,
) -> Result<SqlitePool, sqlx::Error> {
    let pool = pool.connect_with(options).await?;
    // Of two processes one migrates, and the other one finds it done.
    let mut change = pool.begin_with("BEGIN IMMEDIATE").await?;
    migrator(MIGRATIONS).run(&mut *change).await?;
    change.commit().await?;
    Ok(pool)
}

fn is_locked(error: &sqlx::Error) -> bool {
    let sqlx::Error::Database(error) = error else {
        return false;
    };
    let code = error.code().and_then(|code| code.parse::<u32>().ok());
    code.is_some_and(|code| matches!(code & 0xff, 5 | 6))
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
