//! Clients that read slowly or never: they don't hold the place of others for ever.

use std::net::SocketAddr;
use std::time::Duration;

use agentgen_runtime::event::{StopReason, Usage};
use agentgen_runtime::model::{Chunk, ChunkStream, ModelRequest, Provider};
use agentgen_runtime::{Settings, serve_on};
use futures_util::stream;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use crate::desk_service::registry;

/// A provider with more text than the buffers between it and its reader hold.
struct LongAnswer;

impl Provider for LongAnswer {
    fn model(&self, _: Option<&str>) -> String {
        "talks".to_owned()
    }

    fn answer(&self, _: &ModelRequest) -> ChunkStream {
        let texts = (0..2_000).map(|_| Ok(Chunk::Text("x".repeat(10_000))));
        let done = Ok(Chunk::Done {
            stop_reason: StopReason::EndTurn,
            usage: Usage::default(),
        });
        Box::pin(stream::iter(texts.chain([done])))
    }
}

async fn invoke(address: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4_096).unwrap();
    let mut stream = socket.connect(address).await.unwrap();
    let body = r#"{"input":"hi"}"#;
    let text = format!(
        "POST /v1/agents/desk/invoke HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(text.as_bytes()).await.unwrap();
    stream
}

async fn status(stream: &mut TcpStream) -> String {
    let mut head = [0; 12];
    stream.read_exact(&mut head).await.unwrap();
    String::from_utf8(head.to_vec()).unwrap()
}

/// Starts a service with a long answer; returns its address.
async fn serve(settings: Settings) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let registry = registry().provider(LongAnswer);
    tokio::spawn(serve_on(
        listener,
        registry,
        settings,
        std::future::pending(),
    ));
    address
}

#[tokio::test]
async fn a_client_that_never_reads_loses_its_slot() {
    let settings = Settings {
        concurrency: 1,
        write: Duration::from_millis(700),
        ..Settings::default()
    };
    let address = serve(settings).await;
    let mut unread = invoke(address).await;
    assert_eq!(status(&mut unread).await, "HTTP/1.1 200");
    // From here on it reads nothing, and it has the only slot.
    assert_eq!(status(&mut invoke(address).await).await, "HTTP/1.1 503");
    let mut tries = 0;
    while status(&mut invoke(address).await).await != "HTTP/1.1 200" {
        tries += 1;
        assert!(tries < 100, "the slot is never free");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn a_client_that_reads_slowly_keeps_its_stream() {
    let settings = Settings {
        write: Duration::from_millis(600),
        ..Settings::default()
    };
    let address = serve(settings).await;
    let mut slow = invoke(address).await;
    // Longer than the deadline in all, never that long in one piece.
    for _ in 0..8 {
        let mut piece = vec![0; 400_000];
        slow.read_exact(&mut piece).await.unwrap();
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}
