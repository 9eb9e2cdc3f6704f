//! What a workflow run costs the database: rows written, and bytes of write-ahead log.

use std::io::Write;
use std::time::Duration;

use agentgen_runtime::Settings;
use sqlx::{Connection, PgConnection, Row};

use crate::store_fixture::postgres_store;
use crate::workflow_fixture::{WorkflowApp, step, workflow};

const RUNS: i64 = 20;
const IDS: &[&str] = &["a", "b", "c", "d", "e", "f"];
const STEPS: i64 = IDS.len() as i64;

/// The rows inserted and updated in the tables of workflow runs since the schema was created.
async fn written_rows(connection: &mut PgConnection) -> (i64, i64) {
    let sql = "SELECT COALESCE(SUM(n_tup_ins), 0)::bigint, COALESCE(SUM(n_tup_upd), 0)::bigint \
               FROM pg_stat_user_tables WHERE schemaname = current_schema() AND relname LIKE 'workflow_%'";
    let row = sqlx::query(sql).fetch_one(connection).await.unwrap();
    (row.get(0), row.get(1))
}

async fn log_position(connection: &mut PgConnection) -> i64 {
    let sql = "SELECT (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::bigint";
    sqlx::query_scalar(sql).fetch_one(connection).await.unwrap()
}

#[tokio::test]
async fn a_step_costs_at_most_two_writes() {
    let Some(test_store) = postgres_store().await else {
        return;
    };
    let steps = IDS.iter().enumerate().map(|(index, id)| {
        let needs = &IDS[index.saturating_sub(1)..index];
        step(id, needs, "so")
    });
    let store = test_store.open().await;
    let service = WorkflowApp::with_store(workflow(steps.collect()), store, Settings::default());
    let mut connection = PgConnection::connect(&test_store.url).await.unwrap();
    let before = log_position(&mut connection).await;
    for _ in 0..RUNS {
        assert_eq!(service.run_to_end().await["status"], "completed");
    }
    let bytes = log_position(&mut connection).await - before;
    drop(service);
    // A connection reports what it wrote at the latest when it is closed.
    let mut rows = (0, 0);
    for _ in 0..100 {
        tokio::time::sleep(Duration::from_millis(50)).await;
        let now = written_rows(&mut connection).await;
        if now.0 >= RUNS * (STEPS + 1) && now == rows {
            break;
        }
        rows = now;
    }
    let steps = (RUNS * STEPS) as f64;
    let message = format!(
        "per step: {:.2} inserts, {:.2} updates, {:.0} bytes of log (of the whole server)\n",
        rows.0 as f64 / steps,
        rows.1 as f64 / steps,
        bytes as f64 / steps,
    );
    std::io::stdout().write_all(message.as_bytes()).unwrap();
    assert!((rows.0 + rows.1) <= RUNS * STEPS * 2, "{message}");
    connection.close().await.unwrap();
    test_store.remove().await;
}
