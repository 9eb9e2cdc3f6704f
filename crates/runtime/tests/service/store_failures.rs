//! Stores that can be read and not written to, or not reached: the service says that it is not ready, and requests get 503.

use std::time::{Duration, Instant};

use agentgen_runtime::axum::Router;
use agentgen_runtime::{Secret, Settings, Store};
use serde_json::json;
use sqlx::{AssertSqlSafe, Connection};

use crate::desk_service::registry;
use crate::durability::{http_request, start_with, wait_for_address};
use crate::http_client::{TestResponse, get, post};
use crate::journal_outages::{InterruptibleProxy, host_and_port};
use crate::store_fixture::{TestStore, execute, postgres_store, sqlite_store};

const INVOKE: &str = "/v1/agents/desk/invoke";

/// The service with everything in `store`.
fn app(store: Store) -> Router {
    let registry = registry().store(store);
    registry.into_router(Settings::default()).unwrap()
}

async fn invoke(app: &Router) -> TestResponse {
    post(app, INVOKE, r#"{"input":"hi"}"#).await
}

/// A request that writes gets 503, and so does `/readyz`, which takes a second at most.
async fn assert_unavailable(app: &Router) {
    // Not the result of the last second.
    tokio::time::sleep(Duration::from_millis(1_050)).await;
    let began = Instant::now();
    let unready = get(app, "/readyz").await;
    let took = began.elapsed().as_millis();
    assert!(took < 1_500, "{took} ms");
    let check = &unready.problem(503)["checks"][0];
    assert_eq!(
        (&check["name"], &check["status"]),
        (&json!("store"), &json!("failed"))
    );
    assert_eq!(unready.header("retry-after"), "5");
    let refused = invoke(app).await;
    refused.problem(503);
    assert_eq!(refused.header("retry-after"), "5");
    assert_eq!(get(app, "/livez").await.status, 200);
}

/// The service is ready within some seconds, and then a request is answered.
async fn assert_recovers(app: &Router) {
    let began = Instant::now();
    while get(app, "/readyz").await.status != 200 {
        assert!(began.elapsed() < Duration::from_secs(15), "not ready again");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert_eq!(invoke(app).await.status, 200);
}

#[tokio::test]
async fn a_locked_file_is_not_ready() {
    let test_store = sqlite_store();
    let app = app(test_store.open().await);
    assert_eq!(get(&app, "/readyz").await.json()["status"], "ready");
    let other = sqlx::SqliteConnection::connect(&test_store.url).await;
    let mut other = other.unwrap();
    sqlx::raw_sql("BEGIN IMMEDIATE")
        .execute(&mut other)
        .await
        .unwrap();
    assert_unavailable(&app).await;
    sqlx::raw_sql("ROLLBACK").execute(&mut other).await.unwrap();
    assert_recovers(&app).await;
    other.close().await.unwrap();
    drop(app);
    test_store.remove().await;
}

/// A limit of the size of files has the same effect as a full disk: a file can't grow.
#[cfg(unix)]
#[tokio::test]
async fn a_full_disk_is_not_ready() {
    let test_store = sqlite_store();
    // The tables are there before the limit.
    drop(test_store.open().await);
    tokio::time::sleep(Duration::from_millis(200)).await;
    let folder = std::env::temp_dir();
    // Of 512 bytes, or of 1024 in some shells.
    let mut child = start_with(
        "trap '' XFSZ; ulimit -f 2000; exec",
        &folder,
        Some(&test_store.url),
    );
    let address = wait_for_address(&mut child);
    let mut refused = false;
    for size in [100_000, 100_000, 2_000] {
        let body = json!({ "input": "x".repeat(size) }).to_string();
        for _ in 0..100 {
            let (status, answer) = http_request(address, "POST", INVOKE, &body).await;
            match status {
                200 => {}
                503 => {
                    assert_eq!(answer["detail"], "the store can't be used now");
                    refused = true;
                    break;
                }
                status => panic!("{status}: {answer}"),
            }
        }
    }
    assert!(refused, "the limit was not reached");
    let began = Instant::now();
    while http_request(address, "GET", "/readyz", "").await.0 != 503 {
        assert!(began.elapsed() < Duration::from_secs(30), "still ready");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert_eq!(http_request(address, "GET", "/livez", "").await.0, 200);
    child.kill().unwrap();
    child.wait().unwrap();
    test_store.remove().await;
}

#[tokio::test]
async fn a_database_that_can_not_be_reached_is_not_ready() {
    let Some(test_store) = postgres_store().await else {
        return;
    };
    let upstream = host_and_port(&test_store.url).to_owned();
    let mut proxy = InterruptibleProxy::start(upstream.clone()).await;
    let url = test_store
        .url
        .replacen(&upstream, &proxy.here.to_string(), 1);
    let app = app(Store::open(&Secret::new(url)).await.unwrap());
    assert_eq!(get(&app, "/readyz").await.status, 200);
    proxy.interrupt().await;
    assert_unavailable(&app).await;
    proxy.restore().await;
    assert_recovers(&app).await;
    test_store.remove().await;
}

/// As after a failover: first all connections lead to a server that only reads, then new ones lead to one that writes.
#[tokio::test]
async fn a_database_that_only_reads_is_not_ready() {
    let Some(test_store) = postgres_store().await else {
        return;
    };
    let TestStore { url, .. } = &test_store;
    let (owner_url, schema) = test_store.schema.clone().unwrap();
    let role = format!("role_{schema}");
    let admin = async |sql: String| execute(&owner_url, sql).await;
    admin(format!("CREATE ROLE {role} LOGIN SUPERUSER")).await;
    let (scheme, rest) = url.split_once("://").unwrap();
    let (_, rest) = rest.split_once('@').unwrap();
    let url = format!("{scheme}://{role}@{rest}");
    let app = app(Store::open(&Secret::new(url)).await.unwrap());
    assert_eq!(get(&app, "/readyz").await.status, 200);

    admin(format!(
        "ALTER ROLE {role} SET default_transaction_read_only = on"
    ))
    .await;
    let terminate = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename =";
    admin(format!("{terminate} '{role}'")).await;
    assert_unavailable(&app).await;
    assert_eq!(
        get(&app, "/v1/agents/desk/sessions").await.status,
        200,
        "it reads"
    );

    admin(format!(
        "ALTER ROLE {role} RESET default_transaction_read_only"
    ))
    .await;
    assert_recovers(&app).await;
    // All connections were replaced.
    for _ in 0..20 {
        assert_eq!(invoke(&app).await.status, 200);
    }
    drop(app);
    admin(format!("{terminate} '{role}'")).await;
    admin(format!("REASSIGN OWNED BY {role} TO CURRENT_USER")).await;
    admin(format!("DROP ROLE {role}")).await;
    test_store.remove().await;
}

/// An expired refresh token is found by an index.
#[tokio::test]
async fn purging_refresh_tokens_does_not_read_all_of_them() {
    let test_store = sqlite_store();
    drop(test_store.open().await);
    let mut database = sqlx::SqliteConnection::connect(&test_store.url)
        .await
        .unwrap();
    let sql = "EXPLAIN QUERY PLAN SELECT hash FROM refresh_tokens WHERE expires_at <= 5 LIMIT 1";
    let plan = sqlx::query(AssertSqlSafe(sql)).fetch_all(&mut database);
    let plan = plan.await.unwrap();
    let detail: String = sqlx::Row::get(&plan[0], "detail");
    assert!(detail.contains("refresh_tokens_by_end"), "{detail}");
    database.close().await.unwrap();
    test_store.remove().await;
}
