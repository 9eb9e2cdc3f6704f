//! Who reaches a service: web pages of other sites, requests without a host, and what a program replaces.

use std::net::SocketAddr;

use agentgen_runtime::{Settings, serve_on};

use crate::desk_service::registry;
use crate::server_lifecycle::{listener, read_to_end_of_stream, send_request};

/// The address of a service with `settings`.
async fn serve(settings: Settings) -> SocketAddr {
    let (listener, address) = listener("127.0.0.1:0").await;
    let forever = std::future::pending();
    tokio::spawn(serve_on(listener, registry(), settings, forever));
    address
}

/// Sends a request whose head is `head`, but for the end of the connection, and compares the status.
async fn assert_status(address: SocketAddr, head: &str, status: u16) {
    let head = format!("{head}\r\nConnection: close");
    let answer = read_to_end_of_stream(send_request(address, &head, "").await).await;
    assert!(
        answer.starts_with(&format!("HTTP/1.1 {status} ")),
        "{head}: {answer}"
    );
}

#[tokio::test]
async fn without_authentication_only_local_host_names_are_accepted() {
    let address = serve(Settings::default()).await;
    for (host, status) in [
        ("localhost:8080", 200),
        ("127.0.0.1", 200),
        ("[::1]:80", 200),
        ("evil.example", 421),
        ("localhost.evil.example:8080", 421),
        ("127.0.0.1.evil.example", 421),
    ] {
        let head = format!("GET /healthz HTTP/1.1\r\nHost: {host}");
        assert_status(address, &head, status).await;
    }
}

#[tokio::test]
async fn without_authentication_pages_of_other_sites_are_refused() {
    let settings = Settings {
        cors_origins: vec!["https://app.example".to_owned()],
        ..Settings::default()
    };
    let address = serve(settings).await;
    for (headers, status) in [
        ("", 200),
        ("Sec-Fetch-Site: none", 200),
        ("Sec-Fetch-Site: same-origin", 200),
        (
            "Sec-Fetch-Site: same-origin\r\nOrigin: http://localhost:8080",
            200,
        ),
        (
            "Sec-Fetch-Site: cross-site\r\nOrigin: https://app.example",
            200,
        ),
        ("Sec-Fetch-Site: cross-site", 403),
        ("Sec-Fetch-Site: same-site", 403),
        ("Origin: http://localhost:9090", 403),
        ("Origin: http://evil.example", 403),
        ("Origin: null", 403),
    ] {
        let head = format!("GET /v1/agents HTTP/1.1\r\nHost: localhost:8080\r\n{headers}");
        assert_status(address, head.trim_end(), status).await;
    }
}

#[tokio::test]
async fn a_request_has_exactly_one_valid_host() {
    let settings = Settings {
        auth: agentgen_runtime::auth::Auth::hs256(&[b'x'; 32]),
        ..Settings::default()
    };
    let address = serve(settings).await;
    for (head, status) in [
        ("HTTP/1.1\r\nHost: api.example:443", 200),
        ("HTTP/1.1\r\nHost: [::1]", 200),
        ("HTTP/1.1", 400),
        ("HTTP/1.1\r\nHost: localhost\r\nHost: localhost", 400),
        ("HTTP/1.1\r\nHost: ", 400),
        ("HTTP/1.1\r\nHost: user@localhost", 400),
        ("HTTP/1.1\r\nHost: local host", 400),
        ("HTTP/1.1\r\nHost: localhost/path", 400),
        ("HTTP/1.1\r\nHost: localhost:port", 400),
    ] {
        assert_status(address, &format!("GET /healthz {head}"), status).await;
    }
}

/// An address of this machine where nothing listens.
async fn free_address() -> SocketAddr {
    listener("127.0.0.1:0").await.1
}

#[tokio::test]
async fn metrics_can_have_an_address_of_their_own() {
    let metrics = free_address().await;
    let settings = Settings {
        auth: agentgen_runtime::auth::Auth::hs256(&[b'x'; 32]),
        metrics_address: Some(metrics.to_string()),
        ..Settings::default()
    };
    let address = serve(settings).await;
    // Once the service answers, both listen.
    assert_status(address, "GET /livez HTTP/1.1\r\nHost: localhost", 200).await;
    assert_status(address, "GET /metrics HTTP/1.1\r\nHost: localhost", 404).await;
    for (head, status) in [
        ("GET /metrics HTTP/1.1\r\nHost: localhost", 200),
        // Nobody is asked for a token, whatever came before.
        (
            "GET /metrics HTTP/1.1\r\nHost: localhost\r\nVia: 1.1 proxy",
            200,
        ),
        ("POST /metrics HTTP/1.1\r\nHost: localhost", 405),
        ("GET /v1/agents HTTP/1.1\r\nHost: localhost", 404),
        // A web page can't get there by DNS rebinding.
        ("GET /metrics HTTP/1.1\r\nHost: evil.example", 421),
    ] {
        assert_status(metrics, head, status).await;
    }
    let head = "GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close";
    let text = read_to_end_of_stream(send_request(metrics, head, "").await).await;
    assert!(text.contains("agentgen_requests_total"), "{text}");

    let taken = Settings {
        metrics_address: Some(metrics.to_string()),
        ..Settings::default()
    };
    let (listener, _) = listener("127.0.0.1:0").await;
    let error = serve_on(listener, registry(), taken.clone(), std::future::ready(()));
    let error = error.await.unwrap_err().to_string();
    assert!(error.starts_with("metrics.address: "), "{error}");
    let error = registry().into_router(taken).unwrap_err().to_string();
    assert!(error.starts_with("metrics.address: "), "{error}");
}

#[tokio::test]
async fn a_program_with_its_own_sessions_keeps_the_store_of_everything_else() {
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR"));
    let file = folder.join(format!("own-sessions-{}.db", std::process::id()));
    let (listener, _) = listener("127.0.0.1:0").await;
    let settings = Settings {
        store: agentgen_runtime::Secret::new(format!("sqlite:{}", file.display())),
        ..Settings::default()
    };
    let registry = registry().sessions(agentgen_runtime::session::MemorySessions::default());
    serve_on(listener, registry, settings, std::future::ready(()))
        .await
        .unwrap();
    assert!(file.is_file());
    std::fs::remove_file(file).unwrap();
}
