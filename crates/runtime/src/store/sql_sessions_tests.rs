//! What a turn of a long conversation costs, on both databases.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::time::{Duration, Instant};

use sqlx::AssertSqlSafe;

use crate::session::session_store::{SessionKey, SessionLease, SessionStore, Turn};
use crate::store::sql_database::{Database, query};
use crate::store::sql_sessions::query_by_key;
use crate::store::sql_sessions::session_statements::LATEST_MESSAGES;
use crate::store::sql_store::SqlStore;

const MESSAGES: i64 = 100_000;

fn key(id: &str) -> SessionKey {
    SessionKey {
        subject: "ada".to_owned(),
        agent: "desk".to_owned(),
        id: id.to_owned(),
    }
}

fn turn() -> Turn {
    Turn {
        lease: SessionLease {
            owner: "p".to_owned(),
            turn: "t".to_owned(),
            ttl: Duration::from_secs(60),
        },
        question: "Which books are overdue?".to_owned(),
        history_tokens: 1_000,
        ttl: Duration::from_secs(60 * 60),
    }
}

async fn execute(store: &SqlStore, sql: String) {
    query(AssertSqlSafe(sql))
        .execute(store.database.write())
        .await
        .unwrap();
}

/// How the database executes a statement that takes a session's key and `numbers`.
async fn plan(store: &SqlStore, statement: &str, numbers: &[i64]) -> String {
    let (explain, column) = match store.database {
        #[cfg(feature = "sqlite")]
        Database::Sqlite { .. } => ("EXPLAIN QUERY PLAN", "detail"),
        #[cfg(feature = "postgres")]
        Database::Postgres(_) => ("EXPLAIN", "QUERY PLAN"),
    };
    let statement = query_by_key(
        &store.database,
        &format!("{explain} {statement}"),
        &key("long"),
    );
    let statement = numbers
        .iter()
        .fold(statement, |all, number| all.bind(*number));
    let rows = statement.fetch_all(store.database.write()).await.unwrap();
    let lines = rows.iter().map(|row| row.text(column).unwrap());
    lines.collect::<Vec<_>>().join("\n")
}

/// The shortest time of a turn of a conversation, of a hundred, which make a history as long as the model gets.
async fn turn_time(store: &SqlStore, id: &str) -> Duration {
    let mut shortest = Duration::MAX;
    for _ in 0..100 {
        let began = Instant::now();
        store.begin(&key(id), &turn()).await.unwrap();
        store.commit(&key(id), &turn(), "Three.").await.unwrap();
        shortest = shortest.min(began.elapsed());
    }
    shortest
}

/// A turn reads the same number of rows however long its conversation is.
async fn check(store: &SqlStore) {
    let first = turn_time(store, "short").await;
    turn_time(store, "long").await;
    execute(
        store,
        format!(
            "INSERT INTO session_messages (session, number, body, tokens, created_at) \
             WITH RECURSIVE numbers(n) AS (SELECT 201 UNION ALL SELECT n + 1 FROM numbers WHERE n < {MESSAGES}) \
             SELECT (SELECT number FROM sessions WHERE id = 'long'), n, \
             CASE WHEN n % 2 = 1 THEN '{{\"role\":\"user\",\"text\":\"Which books are overdue?\"}}' \
             ELSE '{{\"role\":\"assistant\",\"text\":\"Three.\"}}' END, 6, 0 FROM numbers"
        ),
    )
    .await;
    let counted = format!("UPDATE sessions SET message_count = {MESSAGES} WHERE id = 'long'");
    execute(store, counted).await;
    execute(store, "ANALYZE session_messages".to_owned()).await;

    let latest = plan(store, LATEST_MESSAGES, &[i64::MAX, 32]).await;
    for scan in [
        "Sort",
        "Seq Scan on session_messages",
        "TEMP B-TREE",
        "SCAN ",
    ] {
        assert!(!latest.contains(scan), "{latest}");
    }
    assert!(
        latest.contains("Index Scan Backward using session_messages_pkey")
            || latest
                .contains("SEARCH session_messages USING PRIMARY KEY (session=? AND number<?)"),
        "{latest}"
    );
    let history = store.begin(&key("long"), &turn()).await.unwrap();
    let tokens = history.iter().map(|message| message.text.len().div_ceil(4));
    assert!((990..=1000).contains(&tokens.sum::<usize>()));
    let last = turn_time(store, "long").await;
    assert!(
        last < first * 3 + Duration::from_millis(10),
        "first {first:?}, last {last:?}"
    );
}

#[cfg(feature = "sqlite")]
#[tokio::test]
async fn a_turn_of_a_long_conversation_costs_what_the_first_ones_cost_in_sqlite() {
    let folder = std::env::temp_dir().join(format!("agentgen-{}", crate::schema::new_uuid_v4()));
    let store = crate::store::sqlite::open(&folder.join("long.db"))
        .await
        .unwrap();
    check(&store).await;
    drop(store);
    std::fs::remove_dir_all(folder).unwrap();
}

/// Like the tests of `tests/service`, it needs `AGENTGEN_TEST_POSTGRES` or `CI=true`.
#[cfg(feature = "postgres")]
#[tokio::test]
async fn a_turn_of_a_long_conversation_costs_what_the_first_ones_cost_in_postgresql() {
    let url = match (std::env::var("AGENTGEN_TEST_POSTGRES"), std::env::var("CI")) {
        (Ok(url), _) => url,
        (_, Ok(ci)) if ci == "true" => "postgres://postgres@127.0.0.1:5432/test".to_owned(),
        _ => return,
    };
    let schema = format!("test_{}", crate::schema::new_uuid_v4()).replace('-', "");
    let options: sqlx::postgres::PgConnectOptions = url.parse().unwrap();
    let pool = sqlx::PgPool::connect_with(options.clone()).await.unwrap();
    let run = async |sql: String| {
        sqlx::raw_sql(AssertSqlSafe(sql))
            .execute(&pool)
            .await
            .unwrap()
    };
    run(format!("CREATE SCHEMA {schema}")).await;
    let options = options.options([("search_path", &schema)]);
    let store = crate::store::postgres::open(options).await.unwrap();
    check(&store).await;
    run(format!("DROP SCHEMA {schema} CASCADE")).await;
}
