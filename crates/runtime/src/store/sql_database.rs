//! One interface to both databases: connections, transactions, queries with their parameters, and rows.
//!
//! ```text
//! query("SELECT body FROM workflow_steps WHERE run = $1").bind(id).fetch_all(database.read()).await?
//! ```
//!
//! Both databases understand `$1`, so that every statement is written once. Where they differ, [`Database::query`] puts
//! in what each of them calls it.

use std::borrow::Cow;

#[cfg(feature = "postgres")]
use sqlx::postgres::{PgArguments, PgConnection, PgPool, PgRow, Postgres};
#[cfg(feature = "sqlite")]
use sqlx::sqlite::{Sqlite, SqliteArguments, SqliteConnection, SqlitePool, SqliteRow};
use sqlx::{AssertSqlSafe, Row as _, SqlSafeStr, SqlStr};

use crate::error::store_error::StoreError;
#[cfg(feature = "sqlite")]
use crate::store::sql_sessions::write_group::WriteGroup;
use crate::store::sql_values::store_error;

/// The connections to a database.
#[derive(Debug, Clone)]
pub(crate) enum Database {
    /// A file. It has one writer: a second one would have to poll SQLite's lock instead of waiting in line here.
    #[cfg(feature = "sqlite")]
    Sqlite {
        /// Connections that only read.
        readers: SqlitePool,
        /// The one connection that writes.
        writer: SqlitePool,
        /// What turns write, together.
        turns: WriteGroup,
    },
    /// A server.
    #[cfg(feature = "postgres")]
    Postgres(PgPool),
}

/// Everything up to its commit, or nothing: dropping it rolls back.
pub(crate) enum Transaction {
    /// In a file.
    #[cfg(feature = "sqlite")]
    Sqlite(sqlx::Transaction<'static, Sqlite>),
    /// On a server.
    #[cfg(feature = "postgres")]
    Postgres(sqlx::Transaction<'static, Postgres>),
}

/// What runs a statement: any connection of a pool, or that of a transaction.
pub(crate) enum Executor<'a> {
    #[cfg(feature = "sqlite")]
    SqlitePool(&'a SqlitePool),
    #[cfg(feature = "sqlite")]
    SqliteConnection(&'a mut SqliteConnection),
    #[cfg(feature = "postgres")]
    PgPool(&'a PgPool),
    #[cfg(feature = "postgres")]
    PgConnection(&'a mut PgConnection),
}

/// A statement and its parameters, in the order of `$1`, `$2`, ...
pub(crate) struct Query {
    sql: SqlStr,
    parameters: Vec<Parameter>,
}

/// A value for a parameter. The type is sent along with a NULL, since PostgreSQL wants to know it.
pub(crate) enum Parameter {
    Integer(Option<i64>),
    Text(Option<String>),
    Bytes(Vec<u8>),
}

/// A row of an answer. Columns are read by name.
pub(crate) enum Row {
    #[cfg(feature = "sqlite")]
    Sqlite(SqliteRow),
    #[cfg(feature = "postgres")]
    Postgres(PgRow),
}

/// A query without parameters. A statement is a constant: no caller's text is ever part of one.
pub(crate) fn query(sql: impl SqlSafeStr) -> Query {
    Query {
        sql: sql.into_sql_str(),
        parameters: Vec::new(),
    }
}

impl Database {
    /// For statements that only read.
    pub(crate) fn read(&self) -> Executor<'_> {
        match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite { readers, .. } => Executor::SqlitePool(readers),
            #[cfg(feature = "postgres")]
            Self::Postgres(pool) => Executor::PgPool(pool),
        }
    }

    /// For statements that write, or have to see what the last write did.
    pub(crate) fn write(&self) -> Executor<'_> {
        match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite { writer, .. } => Executor::SqlitePool(writer),
            #[cfg(feature = "postgres")]
            Self::Postgres(pool) => Executor::PgPool(pool),
        }
    }

    /// Whether `WITH` may hold statements that write. What would be a transaction is then one request.
    pub(crate) fn writes_in_queries(&self) -> bool {
        match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite { .. } => false,
            #[cfg(feature = "postgres")]
            Self::Postgres(_) => true,
        }
    }

    /// Begins a transaction that writes. SQLite takes its lock at once: one that reads first could not get it later.
    pub(crate) async fn begin(&self) -> Result<Transaction, StoreError> {
        let begun = match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite { writer, .. } => writer
                .begin_with("BEGIN IMMEDIATE")
                .await
                .map(Transaction::Sqlite),
            #[cfg(feature = "postgres")]
            Self::Postgres(pool) => pool.begin().await.map(Transaction::Postgres),
        };
        begun.map_err(store_error)
    }

    /// A query without parameters, in which `{now}` is the database's clock in milliseconds since 1970-01-01T00:00:00Z,
    /// `{lock}` locks the rows of a SELECT against writers, and `{skip_locked}` locks those that no one else has locked.
    ///
    /// A file is locked as a whole while it is written, and its clock is that of the machine.
    pub(crate) fn query(&self, sql: &str) -> Query {
        query(AssertSqlSafe(self.sql(sql)))
    }

    /// The text of a [`query`](Self::query).
    pub(crate) fn sql(&self, sql: &str) -> String {
        let (now, lock, skip_locked) = match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite { .. } => ("CAST(ROUND(unixepoch('subsec') * 1000) AS INTEGER)", "", ""),
            #[cfg(feature = "postgres")]
            Self::Postgres(_) => (
                // A query of its own is asked once, and its answer can be looked up in an index.
                "(SELECT FLOOR(EXTRACT(EPOCH FROM clock_timestamp()) * 1000)::BIGINT)",
                "FOR NO KEY UPDATE",
                "FOR NO KEY UPDATE SKIP LOCKED",
            ),
        };
        let sql = sql.replace("{now}", now);
        let sql = sql.replace("{lock}", lock);
        sql.replace("{skip_locked}", skip_locked)
    }

    /// Runs `sql`, whose parameter is how many rows it removes at most; says how many it removed.
    pub(crate) async fn purge(&self, sql: &'static str, limit: u32) -> Result<u64, StoreError> {
        let sql = self.limited_sql(sql, limit);
        query(AssertSqlSafe(sql)).execute(self.write()).await
    }

    /// The text of a statement that changes up to `$1` rows. The limit stands in it: a planner that does not know it expects a tenth of
    /// the table.
    pub(crate) fn limited_sql(&self, sql: &str, limit: u32) -> String {
        self.sql(sql).replace("$1", &limit.to_string())
    }
}

impl Transaction {
    /// Runs statements in the transaction.
    pub(crate) fn executor(&mut self) -> Executor<'_> {
        match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite(transaction) => Executor::SqliteConnection(&mut *transaction),
            #[cfg(feature = "postgres")]
            Self::Postgres(transaction) => Executor::PgConnection(&mut *transaction),
        }
    }

    /// Makes everything permanent.
    pub(crate) async fn commit(self) -> Result<(), StoreError> {
        let committed = match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite(transaction) => transaction.commit().await,
            #[cfg(feature = "postgres")]
            Self::Postgres(transaction) => transaction.commit().await,
        };
        committed.map_err(store_error)
    }
}

impl Query {
    /// Binds the next parameter.
    pub(crate) fn bind(mut self, value: impl Into<Parameter>) -> Self {
        self.parameters.push(value.into());
        self
    }

    /// Runs the statement; says how many rows it changed.
    pub(crate) async fn execute(self, executor: Executor<'_>) -> Result<u64, StoreError> {
        let executed = match executor {
            #[cfg(feature = "sqlite")]
            Executor::SqlitePool(pool) => {
                let done = self.for_sqlite().execute(pool).await;
                done.map(|done| done.rows_affected())
            }
            #[cfg(feature = "sqlite")]
            Executor::SqliteConnection(connection) => {
                let done = self.for_sqlite().execute(connection).await;
                done.map(|done| done.rows_affected())
            }
            #[cfg(feature = "postgres")]
            Executor::PgPool(pool) => {
                let done = self.for_postgres().execute(pool).await;
                done.map(|done| done.rows_affected())
            }
            #[cfg(feature = "postgres")]
            Executor::PgConnection(connection) => {
                let done = self.for_postgres().execute(connection).await;
                done.map(|done| done.rows_affected())
            }
        };
        executed.map_err(store_error)
    }

    /// Runs the statement; gives all rows of its answer.
    pub(crate) async fn fetch_all(self, executor: Executor<'_>) -> Result<Vec<Row>, StoreError> {
        let fetched = match executor {
            #[cfg(feature = "sqlite")]
            Executor::SqlitePool(pool) => self.for_sqlite().fetch_all(pool).await.map(sqlite_rows),
            #[cfg(feature = "sqlite")]
            Executor::SqliteConnection(connection) => {
                let rows = self.for_sqlite().fetch_all(connection).await;
                rows.map(sqlite_rows)
            }
            #[cfg(feature = "postgres")]
            Executor::PgPool(pool) => {
                let rows = self.for_postgres().fetch_all(pool).await;
                rows.map(postgres_rows)
            }
            #[cfg(feature = "postgres")]
            Executor::PgConnection(connection) => {
                let rows = self.for_postgres().fetch_all(connection).await;
                rows.map(postgres_rows)
            }
        };
        fetched.map_err(store_error)
    }

    /// Runs a statement whose answer has at most one row.
    pub(crate) async fn fetch_optional(
        self,
        executor: Executor<'_>,
    ) -> Result<Option<Row>, StoreError> {
        Ok(self.fetch_all(executor).await?.pop())
    }

    #[cfg(feature = "sqlite")]
    fn for_sqlite(self) -> sqlx::query::Query<'static, Sqlite, SqliteArguments> {
        let query = sqlx::query(self.sql);
        self.parameters
            .into_iter()
            .fold(query, |query, parameter| match parameter {
                Parameter::Integer(integer) => query.bind(integer),
                Parameter::Text(text) => query.bind(text),
                Parameter::Bytes(bytes) => query.bind(bytes),
            })
    }

    #[cfg(feature = "postgres")]
    fn for_postgres(self) -> sqlx::query::Query<'static, Postgres, PgArguments> {
        let query = sqlx::query(self.sql);
        self.parameters
            .into_iter()
            .fold(query, |query, parameter| match parameter {
                Parameter::Integer(integer) => query.bind(integer),
                Parameter::Text(text) => query.bind(text),
                Parameter::Bytes(bytes) => query.bind(bytes),
            })
    }
}

#[cfg(feature = "sqlite")]
fn sqlite_rows(rows: Vec<SqliteRow>) -> Vec<Row> {
    rows.into_iter().map(Row::Sqlite).collect()
}

#[cfg(feature = "postgres")]
fn postgres_rows(rows: Vec<PgRow>) -> Vec<Row> {
    rows.into_iter().map(Row::Postgres).collect()
}

impl Row {
    /// An integer column.
    pub(crate) fn integer(&self, column: &str) -> Result<i64, StoreError> {
        self.optional_integer(column)?
            .ok_or_else(|| unexpected_null(column))
    }

    /// An integer column that may be NULL.
    pub(crate) fn optional_integer(&self, column: &str) -> Result<Option<i64>, StoreError> {
        let value = match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite(row) => row.try_get(column),
            #[cfg(feature = "postgres")]
            Self::Postgres(row) => row.try_get(column),
        };
        value.map_err(store_error)
    }

    /// A text column.
    pub(crate) fn text(&self, column: &str) -> Result<String, StoreError> {
        self.optional_text(column)?
            .ok_or_else(|| unexpected_null(column))
    }

    /// A text column that may be NULL.
    pub(crate) fn optional_text(&self, column: &str) -> Result<Option<String>, StoreError> {
        let value = match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite(row) => row.try_get(column),
            #[cfg(feature = "postgres")]
            Self::Postgres(row) => row.try_get(column),
        };
        value.map_err(store_error)
    }

    /// A column of bytes that may be NULL.
    pub(crate) fn optional_bytes(&self, column: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let value = match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite(row) => row.try_get(column),
            #[cfg(feature = "postgres")]
            Self::Postgres(row) => row.try_get(column),
        };
        value.map_err(store_error)
    }
}

fn unexpected_null(column: &str) -> StoreError {
    StoreError::internal(format!("the column `{column}` is NULL"))
}

impl From<i64> for Parameter {
    fn from(integer: i64) -> Self {
        Self::Integer(Some(integer))
    }
}

impl From<u32> for Parameter {
    fn from(integer: u32) -> Self {
        Self::Integer(Some(i64::from(integer)))
    }
}

impl From<Option<i64>> for Parameter {
    fn from(integer: Option<i64>) -> Self {
        Self::Integer(integer)
    }
}

impl From<&str> for Parameter {
    fn from(text: &str) -> Self {
        Self::Text(Some(text.to_owned()))
    }
}

impl From<&String> for Parameter {
    fn from(text: &String) -> Self {
        Self::Text(Some(text.clone()))
    }
}

impl From<String> for Parameter {
    fn from(text: String) -> Self {
        Self::Text(Some(text))
    }
}

impl From<Cow<'_, str>> for Parameter {
    fn from(text: Cow<'_, str>) -> Self {
        Self::Text(Some(text.into_owned()))
    }
}

impl From<Option<&str>> for Parameter {
    fn from(text: Option<&str>) -> Self {
        Self::Text(text.map(str::to_owned))
    }
}

impl From<Vec<u8>> for Parameter {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes(bytes)
    }
}
