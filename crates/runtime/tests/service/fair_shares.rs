//! What callers hold of the service besides running requests: connections, arriving bodies, event streams. Nobody can take
//! all of it, and none of it keeps others from being answered.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use agentgen_runtime::axum::Router;
use agentgen_runtime::axum::body::{Body, Bytes};
use agentgen_runtime::axum::http::Request;
use agentgen_runtime::settings::Rates;
use agentgen_runtime::spec::Rate;
use agentgen_runtime::{Registry, Settings, Store, serve_on};
use futures_util::{StreamExt, stream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tower::ServiceExt;

use crate::desk_service::registry;
use crate::http_client::{get, send};
use crate::workflow_fixture::{WorkflowApp, step, workflow};

const CHAT: &str = "POST /chat HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n";
const HEALTH: &str = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
const HI: &str = r#"{"message":"hi"}"#;

async fn serve(registry: Registry, settings: Settings) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(serve_on(
        listener,
        registry,
        settings,
        std::future::pending(),
    ));
    address
}

async fn connect(address: SocketAddr, text: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(text.as_bytes()).await.unwrap();
    stream
}

/// The status of the response on `stream`, within two seconds.
async fn status(stream: &mut TcpStream) -> u16 {
    let mut head = [0; 12];
    let read = tokio::time::timeout(Duration::from_secs(2), stream.read_exact(&mut head));
    read.await.expect("there is an answer").unwrap();
    std::str::from_utf8(&head[9..]).unwrap().parse().unwrap()
}

/// A request for `/chat` from `address`, as a proxy passes it on, with `sent` of its body.
fn chat(address: &str, sent: &str) -> String {
    let length = HI.len();
    format!("{CHAT}X-Forwarded-For: {address}\r\nContent-Length: {length}\r\n\r\n{sent}")
}

#[tokio::test]
async fn bodies_that_never_arrive_keep_nobody_from_being_answered() {
    let settings = Settings {
        concurrency: 2,
        bodies: 4,
        share: 1.0,
        ..Settings::default()
    };
    let address = serve(registry(), settings).await;
    let mut half = Vec::new();
    for _ in 0..6 {
        half.push(connect(address, &chat("192.0.2.1", "{")).await);
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
    // The two that came first gave way.
    for stream in &mut half[..2] {
        assert_eq!(status(stream).await, 503);
    }
    for _ in 0..8 {
        assert_eq!(
            status(&mut connect(address, &chat("192.0.2.1", HI)).await).await,
            200
        );
        // Head and body in packets of their own.
        let mut slow = connect(address, &chat("192.0.2.1", "")).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
        slow.write_all(HI.as_bytes()).await.unwrap();
        assert_eq!(status(&mut slow).await, 200);
    }
}

#[tokio::test]
async fn one_address_sends_its_share_of_bodies() {
    let settings = Settings {
        bodies: 4,
        share: 0.5,
        trusted_proxies: 1,
        ..Settings::default()
    };
    let address = serve(registry(), settings).await;
    let mut half = Vec::new();
    for _ in 0..3 {
        half.push(connect(address, &chat("192.0.2.1", "{")).await);
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
    assert_eq!(status(&mut half[0]).await, 429);
    // A body that comes at once needs no place, and another address has places of its own.
    let mut at_once = connect(address, &chat("192.0.2.1", HI)).await;
    assert_eq!(status(&mut at_once).await, 200);
    let mut other = connect(address, &chat("192.0.2.2", "")).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    other.write_all(HI.as_bytes()).await.unwrap();
    assert_eq!(status(&mut other).await, 200);
    for stream in &mut half[1..] {
        stream.write_all(&HI.as_bytes()[1..]).await.unwrap();
        assert_eq!(status(stream).await, 200);
    }
    let mut metrics = connect(
        address,
        "GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    )
    .await;
    let mut text = String::new();
    metrics.read_to_string(&mut text).await.unwrap();
    assert!(
        text.contains("agentgen_rejected_total{reason=\"bodies\"} 1"),
        "{text}"
    );
}

/// A request whose body arrives piece by piece, with a pause before each.
fn slow_body(length: Option<usize>, pieces: usize, pause: Duration) -> Request<Body> {
    let pieces = stream::iter(0..pieces).then(move |_| async move {
        tokio::time::sleep(pause).await;
        Ok::<_, std::io::Error>(Bytes::from(" ".repeat(40 * 1024)))
    });
    let end = stream::iter([Ok(Bytes::from(HI))]);
    let mut request = Request::post("/chat").header("content-type", "application/json");
    if let Some(length) = length {
        request = request.header("content-length", length);
    }
    request.body(Body::from_stream(pieces.chain(end))).unwrap()
}

#[tokio::test(start_paused = true)]
async fn the_deadline_of_a_body_follows_from_its_size() {
    let app: Router = registry().into_router(Settings::default()).unwrap();
    let began = tokio::time::Instant::now();
    let never = slow_body(None, 1, Duration::from_secs(60));
    send(&app, never).await.problem(408);
    assert_eq!(began.elapsed().as_secs(), 5);
    // 400 KiB, announced: 15 s.
    let announced = slow_body(Some(400 * 1024 + HI.len()), 1, Duration::from_secs(60));
    let began = tokio::time::Instant::now();
    send(&app, announced).await.problem(408);
    assert_eq!(began.elapsed().as_secs(), 15);
    // Not announced: each piece gives it the second more that it takes.
    let steady = slow_body(None, 10, Duration::from_secs(1));
    assert_eq!(send(&app, steady).await.status, 200);
}

#[tokio::test]
async fn followers_of_a_run_take_no_slot_and_have_a_share() {
    let settings = Settings {
        concurrency: 1,
        followers: 4,
        share: 0.5,
        trusted_proxies: 1,
        ..Settings::default()
    };
    let hang = workflow(vec![step("a", &[], "hang")]);
    let service = WorkflowApp::with_store(hang, Store::memory(), settings);
    let location = service.start_run().await;
    let follow = async |address: &str| {
        let mut request = Request::get(format!("{location}/events"))
            .header("host", "localhost")
            .header("x-forwarded-for", address)
            .body(Body::empty())
            .unwrap();
        let peer: SocketAddr = "127.0.0.1:1".parse().unwrap();
        let peer = agentgen_runtime::axum::extract::ConnectInfo(peer);
        request.extensions_mut().insert(peer);
        service.app.clone().oneshot(request).await.unwrap()
    };
    let first = follow("192.0.2.1").await;
    let second = follow("192.0.2.1").await;
    assert_eq!(
        (first.status().as_u16(), second.status().as_u16()),
        (200, 200)
    );
    assert_eq!(get(&service.app, &location).await.status, 200);
    let third = follow("192.0.2.1").await;
    assert_eq!(third.status(), 429);
    assert!(third.headers().contains_key("retry-after"));
    let others = [follow("192.0.2.2").await, follow("192.0.2.3").await];
    assert!(others.iter().all(|other| other.status() == 200));
    assert_eq!(follow("192.0.2.4").await.status(), 503);
    drop(first);
    assert_eq!(follow("192.0.2.1").await.status(), 200);
}

#[tokio::test]
async fn a_new_connection_has_to_send_a_request_soon() {
    let settings = Settings {
        head: Duration::from_millis(300),
        ..Settings::default()
    };
    let address = serve(registry(), settings).await;
    let mut used = connect(address, HEALTH).await;
    assert_eq!(status(&mut used).await, 200);
    let began = Instant::now();
    for sent in ["", "GET /livez HTTP/1.1\r\nHost: loc"] {
        let mut silent = connect(address, sent).await;
        let mut text = String::new();
        let _ = silent.read_to_string(&mut text).await;
        assert!(!text.contains(" 200 "), "{text}");
    }
    let took = began.elapsed().as_millis();
    assert!((600..3_000).contains(&took), "{took}");
    // Between two requests it may be silent for longer.
    used.write_all(HEALTH.as_bytes()).await.unwrap();
    let mut text = vec![0; 4_000];
    let mut found = false;
    while !found {
        let read = used.read(&mut text).await.unwrap();
        assert!(read > 0, "the connection is closed");
        found = String::from_utf8_lossy(&text[..read]).contains("HTTP/1.1 200");
    }
}

#[tokio::test]
async fn one_address_has_its_share_of_connections() {
    let settings = Settings {
        connections: 4,
        share: 0.5,
        ..Settings::default()
    };
    let address = serve(registry(), settings).await;
    let mut first = connect(address, HEALTH).await;
    let mut second = connect(address, HEALTH).await;
    assert_eq!(status(&mut first).await, 200);
    assert_eq!(status(&mut second).await, 200);
    let mut third = connect(address, "").await;
    let mut nothing = [0; 1];
    assert!(!matches!(third.read(&mut nothing).await, Ok(1..)));
    drop(first);
    let mut tries = 0;
    loop {
        let mut next = TcpStream::connect(address).await.unwrap();
        let mut head = [0; 12];
        let sent = next.write_all(HEALTH.as_bytes()).await;
        if sent.is_ok() && next.read_exact(&mut head).await.is_ok() {
            break;
        }
        tries += 1;
        assert!(tries < 100, "the place of a closed connection is not free");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn connections_that_send_nothing_give_way_to_those_that_do() {
    let settings = Settings {
        connections: 4,
        share: 1.0,
        ..Settings::default()
    };
    let address = serve(registry(), settings).await;
    let mut used = connect(address, HEALTH).await;
    assert_eq!(status(&mut used).await, 200);
    let mut open = Vec::new();
    for sent in ["", "GET /livez HTTP/1.1\r\nHost: loc", ""] {
        open.push(connect(address, sent).await);
    }
    let began = Instant::now();
    for _ in 0..3 {
        let mut next = connect(address, HEALTH).await;
        assert_eq!(status(&mut next).await, 200);
        // It stays open, so that each of the next ones takes another place.
        open.push(next);
    }
    assert!(began.elapsed() < Duration::from_secs(5));
    // One that has sent a request keeps its place.
    used.write_all(HEALTH.as_bytes()).await.unwrap();
    let mut more = [0; 64];
    assert!(used.read(&mut more).await.unwrap() > 0);
}

/// Sends all of a request before it reads, as many clients do. Returns all that comes.
async fn write_then_read(address: SocketAddr, head: &str, size: usize, is_chunked: bool) -> String {
    let framing = match is_chunked {
        true => "Transfer-Encoding: chunked".to_owned(),
        false => format!("Content-Length: {size}"),
    };
    let mut stream = connect(address, &format!("{head}{framing}\r\n\r\n")).await;
    let piece = " ".repeat(64 * 1024);
    for _ in 0..size / piece.len() {
        if is_chunked {
            let chunk = format!("{:x}\r\n{piece}\r\n", piece.len());
            stream.write_all(chunk.as_bytes()).await.unwrap();
        } else {
            stream.write_all(piece.as_bytes()).await.unwrap();
        }
    }
    if is_chunked {
        stream.write_all(b"0\r\n\r\n").await.unwrap();
    }
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    text
}

#[tokio::test]
async fn a_refusal_reaches_a_client_that_is_still_sending() {
    const LARGE: usize = 8 * 1024 * 1024;
    let address = serve(registry(), Settings::default()).await;
    for is_chunked in [false, true] {
        let text = write_then_read(address, CHAT, LARGE, is_chunked).await;
        assert!(text.starts_with("HTTP/1.1 413 "), "{text}");
        assert!(text.contains("\r\nconnection: close\r\n"), "{text}");
        assert!(
            text.ends_with('}') && text.contains("1048576 bytes"),
            "{text}"
        );
    }
    let wrong = CHAT.replace("application/json", "text/csv");
    let text = write_then_read(address, &wrong, LARGE, false).await;
    assert!(text.starts_with("HTTP/1.1 415 "), "{text}");

    let rate = Some(Rate {
        requests: 1,
        seconds: 60,
    });
    let settings = Settings {
        rates: Rates {
            address: rate,
            ..Rates::default()
        },
        ..Settings::default()
    };
    let address = serve(registry(), settings).await;
    let mut first = connect(
        address,
        "GET /v1/agents HTTP/1.1\r\nHost: localhost\r\n\r\n",
    )
    .await;
    assert_eq!(status(&mut first).await, 200);
    let text = write_then_read(address, CHAT, LARGE, false).await;
    assert!(text.starts_with("HTTP/1.1 429 "), "{text}");
    assert!(text.contains("\r\nretry-after: "), "{text}");
}

#[tokio::test]
async fn a_refused_small_body_leaves_its_connection_open() {
    let address = serve(registry(), Settings::default()).await;
    let wrong = CHAT.replace("application/json", "text/csv");
    let mut stream = connect(address, &format!("{wrong}Content-Length: 5\r\n\r\nhe")).await;
    assert_eq!(status(&mut stream).await, 415);
    stream.write_all(b"llo").await.unwrap();
    stream.write_all(HEALTH.as_bytes()).await.unwrap();
    let mut text = String::new();
    let mut piece = [0; 4096];
    while !text.contains("HTTP/1.1 200 OK") {
        let read = tokio::time::timeout(Duration::from_secs(2), stream.read(&mut piece)).await;
        let read = read.expect("there is a second answer").unwrap();
        assert!(read > 0, "{text}");
        text += &String::from_utf8_lossy(&piece[..read]);
    }
}
