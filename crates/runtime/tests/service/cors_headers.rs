//! CORS: allowed origins, preflight requests and response headers.

use agentgen_runtime::Settings;
use agentgen_runtime::auth::Auth;
use agentgen_runtime::axum::Router;

use crate::desk_service::{app, registry};
use crate::http_client::{request, send};

const PAGE: &str = "https://app.example";

fn open() -> Router {
    let settings = Settings {
        cors_origins: vec![PAGE.to_owned(), "http://localhost:3000".to_owned()],
        auth: Auth::hs256(&[b'x'; 32]),
        ..Settings::default()
    };
    registry().into_router(settings).unwrap()
}

fn preflight(
    path: &str,
    origin: &str,
) -> agentgen_runtime::axum::http::Request<agentgen_runtime::axum::body::Body> {
    let headers = [
        ("origin", origin),
        ("access-control-request-method", "POST"),
        (
            "access-control-request-headers",
            "authorization,content-type",
        ),
    ];
    request("OPTIONS", path, &headers, "")
}

#[tokio::test]
async fn without_allowed_origins_no_cors_headers_are_sent() {
    for request in [
        preflight("/chat", PAGE),
        request("GET", "/healthz", &[("origin", PAGE)], ""),
    ] {
        let answer = send(&app(), request).await;
        let names = answer.headers.keys().map(ToString::to_string);
        let names = names
            .filter(|name| name.starts_with("access-control") || name == "vary")
            .collect::<Vec<_>>();
        assert!(names.is_empty(), "{names:?}");
    }
}

#[tokio::test]
async fn a_preflight_of_an_allowed_origin_lists_methods_and_headers() {
    let app = open();
    let answer = send(&app, preflight("/chat", PAGE)).await;
    assert_eq!(answer.status, 204);
    assert_eq!(answer.header("access-control-allow-origin"), PAGE);
    assert_eq!(
        answer.header("access-control-allow-methods"),
        "POST, OPTIONS"
    );
    let headers = answer.header("access-control-allow-headers");
    for name in [
        "authorization",
        "content-type",
        "accept",
        "idempotency-key",
        "x-request-id",
        "last-event-id",
    ] {
        assert!(headers.split(", ").any(|other| other == name), "{name}");
    }
    assert_eq!(answer.header("access-control-allow-credentials"), "");
    assert_eq!(answer.header("vary"), "origin");
    let search = send(
        &app,
        preflight("/shelves/1/search", "http://localhost:3000"),
    )
    .await;
    assert_eq!(
        search.header("access-control-allow-methods"),
        "GET, HEAD, OPTIONS"
    );
}

#[tokio::test]
async fn other_origins_get_no_cors_headers() {
    let app = open();
    for origin in [
        "https://evil.example",
        "https://app.example.evil.example",
        "https://app.example:8443",
        "http://app.example",
        "null",
        "*",
    ] {
        for request in [
            preflight("/chat", origin),
            request("GET", "/healthz", &[("origin", origin)], ""),
        ] {
            let answer = send(&app, request).await;
            assert_eq!(answer.header("access-control-allow-origin"), "", "{origin}");
            assert_eq!(answer.header("access-control-allow-methods"), "");
            assert_eq!(answer.header("vary"), "origin");
        }
    }
}

#[tokio::test]
async fn error_responses_have_cors_headers() {
    let answer = send(
        &open(),
        request("POST", "/chat", &[("origin", PAGE)], r#"{"message":"hi"}"#),
    )
    .await;
    answer.problem(401);
    assert_eq!(answer.header("access-control-allow-origin"), PAGE);
    assert_eq!(
        answer.header("access-control-expose-headers"),
        "x-request-id, ratelimit, ratelimit-policy, retry-after"
    );
}

#[test]
fn an_invalid_origin_is_an_invalid_setting() {
    for bad in [
        "app.example",
        "https://app.example/",
        "https://app.example/path",
        "https://*.example",
        "https://user@app.example",
        "https://App.example",
        "https://app.example:443",
        "https://app.example:",
        "https://app.example:99999",
        "https://",
        "ftp://app.example",
        "*",
        "null",
    ] {
        let get = |name: &str| Ok((name == "AGENTGEN_CORS_ORIGINS").then(|| bad.to_owned()));
        let error = Settings::from_variables(get).unwrap_err().to_string();
        assert!(error.starts_with("AGENTGEN_CORS_ORIGINS: "), "{error}");
        let settings = Settings {
            cors_origins: vec![bad.to_owned()],
            ..Settings::default()
        };
        assert!(registry().into_router(settings).is_err(), "{bad}");
    }
    for good in [
        "https://app.example,http://localhost:3000",
        "http://127.0.0.1:8080",
        "http://[::1]:8080",
    ] {
        let get = |name: &str| Ok((name == "AGENTGEN_CORS_ORIGINS").then(|| good.to_owned()));
        Settings::from_variables(get).unwrap();
    }
}
