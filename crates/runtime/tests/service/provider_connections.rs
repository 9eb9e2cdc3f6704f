//! Connections that a provider's server closes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use agentgen_runtime::model::ProviderKind;
use agentgen_runtime::spec::Policy;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use crate::mock_model::{agent_app, desk_with, invoke, unreachable_provider};

/// How many requests a server read, and how many connections it accepted.
#[derive(Default)]
struct Counts {
    requests: AtomicUsize,
    connections: AtomicUsize,
}

/// Starts a server that answers `answers` requests of each connection and closes it at the next one. Its responses do not
/// say so, as those of llama.cpp don't.
async fn closing_server(answers: usize) -> (String, Arc<Counts>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let counts = Arc::new(Counts::default());
    let shared = Arc::clone(&counts);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            shared.connections.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(serve(stream, answers, Arc::clone(&shared)));
        }
    });
    (url, counts)
}

async fn serve(stream: TcpStream, answers: usize, counts: Arc<Counts>) {
    let mut stream = BufReader::new(stream);
    for number in 0.. {
        let mut length = 0;
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).await.unwrap() == 0 {
                return;
            }
            let line = line.trim().to_ascii_lowercase();
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            if line.is_empty() {
                break;
            }
        }
        stream.read_exact(&mut vec![0; length]).await.unwrap();
        counts.requests.fetch_add(1, Ordering::SeqCst);
        if number == answers {
            return;
        }
        let body = r#"{"choices":[{"index":0,"message":{"role":"assistant","content":"Hello."},"finish_reason":"stop"}]}"#;
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(body.as_bytes()).await.unwrap();
    }
}

/// A service whose policy asks no model a second time.
async fn app(url: String) -> agentgen_runtime::axum::Router {
    let mut settings = unreachable_provider(ProviderKind::OpenAi).await;
    settings.providers.get_mut("mock").unwrap().base_url = Some(url);
    let policy = Policy {
        retry_attempts: 1,
        ..Policy::DEFAULT
    };
    agent_app(desk_with(policy), settings)
}

#[tokio::test]
async fn a_request_on_a_connection_that_was_closed_is_sent_again() {
    let (url, counts) = closing_server(1).await;
    let app = app(url).await;
    for _ in 0..3 {
        let answer = invoke(&app, "Hello?").await;
        assert_eq!(answer.status, 200, "{}", answer.text);
    }
    // The second and the third answer each took a request that nobody answered.
    assert_eq!(counts.requests.load(Ordering::SeqCst), 5);
    assert_eq!(counts.connections.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn a_server_that_closes_every_connection_is_asked_twice() {
    let (url, counts) = closing_server(0).await;
    let answer = invoke(&app(url).await, "Hello?").await;
    assert_eq!(answer.status, 502, "{}", answer.text);
    assert!(answer.text.contains("breaks off"), "{}", answer.text);
    assert_eq!(counts.requests.load(Ordering::SeqCst), 2);
}
