//! Requests with an idempotency key whose process is killed: the retry learns what is known, and calls nobody again.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Child;
use std::time::Duration;

use serde_json::Value;
use sqlx::Connection;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::durability::wait_for_address;
use crate::process_kills::start;
use crate::store_fixture::{TestStore, postgres_store, sqlite_store};

/// The answer to a call of the agent `worker` with a key; `None` if the connection ends before.
async fn call(address: SocketAddr, key: &str, input: &str) -> Option<(u16, Value)> {
    let body = serde_json::json!({"input": input}).to_string();
    let length = body.len();
    let request = format!(
        "POST /v1/agents/worker/invoke HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nIdempotency-Key: {key}\r\n\
         Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Some((status, serde_json::from_str(body).unwrap()))
}

/// Lets the time of all requests under way be over.
async fn let_time_pass(url: &str) {
    let statement = "UPDATE idempotency_keys SET overdue_at = 0 WHERE completed_at IS NULL";
    let updated = if url.starts_with("sqlite:") {
        let mut connection = sqlx::SqliteConnection::connect(url).await.unwrap();
        let done = sqlx::raw_sql(statement).execute(&mut connection).await;
        done.unwrap().rows_affected()
    } else {
        let mut connection = sqlx::PgConnection::connect(url).await.unwrap();
        let done = sqlx::raw_sql(statement).execute(&mut connection).await;
        done.unwrap().rows_affected()
    };
    assert_eq!(updated, 1);
}

fn kill(mut child: Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

fn detail(problem: &Value) -> &str {
    problem["detail"].as_str().unwrap()
}

async fn retry_after_a_kill(test_store: TestStore) {
    let marks = std::env::temp_dir().join(format!("agentgen-marks-{}", uuid::Uuid::new_v4()));
    std::fs::write(&marks, "").unwrap();
    let calls = |marks: &Path| {
        let text = std::fs::read_to_string(marks).unwrap();
        let names = text.lines().map(|line| line.rsplit(' ').next().unwrap());
        names.map(str::to_owned).collect::<Vec<_>>()
    };
    let mut child = start(&test_store.url, &marks, &[]);
    let address = wait_for_address(&mut child);
    let (status, over) = call(address, "over", "mark over 1").await.unwrap();
    assert_eq!(status, 200, "{over}");
    let cut_off = tokio::spawn(call(address, "cut", "mark paid 60000"));
    for _ in 0..500 {
        if calls(&marks).len() == 2 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    kill(child);
    assert_eq!(cut_off.await.unwrap(), None);

    let mut child = start(&test_store.url, &marks, &[]);
    let address = wait_for_address(&mut child);
    // The answered request has its answer, also after the end of its process.
    let again = call(address, "over", "mark over 1").await;
    assert_eq!(again, Some((200, over)));
    // The other one may still be answered by some process, as far as this one knows ...
    let (status, problem) = call(address, "cut", "mark paid 60000").await.unwrap();
    assert_eq!(status, 409, "{problem}");
    assert!(
        detail(&problem).ends_with("is still being answered"),
        "{problem}"
    );
    // ... until its time is over. Nobody makes the call again without being told.
    let_time_pass(&test_store.url).await;
    for _ in 0..2 {
        let (status, problem) = call(address, "cut", "mark paid 60000").await.unwrap();
        assert_eq!(status, 409, "{problem}");
        assert!(
            detail(&problem).ends_with("what it did is not known"),
            "{problem}"
        );
    }
    assert_eq!(calls(&marks), ["over", "paid"]);
    let (status, next) = call(address, "next", "mark paid 1").await.unwrap();
    assert_eq!(status, 200, "{next}");
    kill(child);
    std::fs::remove_file(&marks).unwrap();
    test_store.remove().await;
}

#[tokio::test]
async fn a_request_is_not_made_twice_though_its_process_is_killed() {
    retry_after_a_kill(sqlite_store()).await;
    if let Some(test_store) = postgres_store().await {
        retry_after_a_kill(test_store).await;
    }
}
