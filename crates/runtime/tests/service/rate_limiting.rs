//! Rate limits per subject, address, agent and endpoint, and the limit of concurrent requests.

use std::net::SocketAddr;
use std::time::Duration;

use agentgen_runtime::Settings;
use agentgen_runtime::auth::Auth;
use agentgen_runtime::axum::Router;
use agentgen_runtime::axum::body::Body;
use agentgen_runtime::axum::extract::ConnectInfo;
use agentgen_runtime::axum::http::Request;
use agentgen_runtime::settings::Rates;
use agentgen_runtime::spec::Rate;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::json;

use crate::desk_service::registry;
use crate::http_client::{TestResponse, eventually, get, request, send};
use crate::stub_providers::HangingProvider;

const SECRET: &str = "0123456789abcdef0123456789abcdef";
const FEW: Option<Rate> = Some(Rate {
    requests: 2,
    seconds: 60,
});
const MANY: Option<Rate> = Some(Rate {
    requests: 100,
    seconds: 60,
});

fn service(rates: Rates, changes: impl FnOnce(&mut Settings)) -> Router {
    let mut settings = Settings {
        rates,
        ..Settings::default()
    };
    changes(&mut settings);
    registry().into_router(settings).unwrap()
}

fn guard(settings: &mut Settings) {
    settings.auth = Auth::hs256(SECRET.as_bytes());
}

fn bearer(subject: &str) -> String {
    let claims = json!({"sub": subject, "exp": jsonwebtoken::get_current_timestamp() + 60, "roles": ["user"]});
    let key = EncodingKey::from_secret(SECRET.as_bytes());
    let token = jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &key).unwrap();
    format!("Bearer {token}")
}

/// A chat request of a subject from an address.
fn chat(subject: &str, address: &str) -> Request<Body> {
    let bearer = bearer(subject);
    let headers = [
        ("content-type", "application/json"),
        ("authorization", &bearer),
    ];
    with_peer_address(
        request("POST", "/chat", &headers, r#"{"message":"hi"}"#),
        address,
    )
}

fn with_peer_address(mut request: Request<Body>, address: &str) -> Request<Body> {
    let address = address.parse::<SocketAddr>().unwrap();
    request.extensions_mut().insert(ConnectInfo(address));
    let host = "localhost".parse().unwrap();
    request.headers_mut().insert("host", host);
    request
}

#[track_caller]
fn refused(answer: &TestResponse, name: &str) {
    answer.problem(429);
    let wait = answer.header("retry-after").parse::<u64>().unwrap();
    assert!((1..=30).contains(&wait), "{wait}");
    assert_eq!(
        answer.header("ratelimit"),
        format!("\"{name}\";r=0;t={wait}")
    );
    assert_eq!(
        answer.header("ratelimit-policy"),
        format!("\"{name}\";q=2;w=60")
    );
}

#[tokio::test]
async fn a_subject_is_limited_across_addresses() {
    let rates = Rates {
        subject: FEW,
        ..Rates::default()
    };
    let app = service(rates, guard);
    for address in ["192.0.2.1:1", "192.0.2.2:1"] {
        assert_eq!(send(&app, chat("ada", address)).await.status, 200);
    }
    refused(&send(&app, chat("ada", "192.0.2.3:1")).await, "subject");
    assert_eq!(send(&app, chat("bob", "192.0.2.3:1")).await.status, 200);
}

#[tokio::test]
async fn session_requests_count_against_the_subject_limit() {
    const SESSIONS: &str = "/v1/agents/desk/sessions";
    let rates = Rates {
        subject: FEW,
        address: MANY,
        agent: None,
    };
    let app = service(rates, guard);
    let ask = async |method: &str, path: &str, subject: &str| {
        let bearer = bearer(subject);
        let headers = [("authorization", bearer.as_str())];
        send(
            &app,
            with_peer_address(request(method, path, &headers, ""), "192.0.2.1:1"),
        )
        .await
    };
    assert_eq!(send(&app, chat("ada", "192.0.2.1:1")).await.status, 200);
    let listed = ask("GET", SESSIONS, "ada").await;
    assert_eq!(listed.status, 200);
    assert!(
        listed.header("ratelimit").starts_with("\"subject\";r=0;"),
        "{}",
        listed.header("ratelimit")
    );
    let one = format!("{SESSIONS}/1");
    let messages_path = format!("{one}/messages");
    for (method, path) in [
        ("GET", SESSIONS),
        ("GET", &one),
        ("DELETE", &one),
        ("GET", &messages_path),
    ] {
        refused(&ask(method, path, "ada").await, "subject");
    }
    refused(&send(&app, chat("ada", "192.0.2.1:1")).await, "subject");
    assert_eq!(ask("OPTIONS", &one, "ada").await.status, 204);
    ask("GET", &one, "bob").await.problem(404);
    let counted = ask("GET", "/metrics", "bob").await.text;
    assert!(
        counted.contains("agentgen_rate_limited_total{limit=\"subject\"} 5"),
        "{counted}"
    );
}

#[tokio::test]
async fn an_address_is_limited_across_subjects_and_paths() {
    let rates = Rates {
        address: FEW,
        ..Rates::default()
    };
    let app = service(rates, guard);
    // Requests with an invalid token count too, which limits guessing.
    let wrong = request(
        "POST",
        "/chat",
        &[("authorization", "Bearer a.b.c")],
        r#"{"message":"hi"}"#,
    );
    let first = send(&app, with_peer_address(wrong, "192.0.2.1:1")).await;
    first.problem(401);
    assert!(
        first
            .header("ratelimit")
            .starts_with("\"address\";r=1;t=30"),
        "{}",
        first.header("ratelimit")
    );
    let agents = request(
        "GET",
        "/v1/agents",
        &[("authorization", &bearer("ada"))],
        "",
    );
    assert_eq!(
        send(&app, with_peer_address(agents, "192.0.2.1:2"))
            .await
            .status,
        200
    );
    refused(&send(&app, chat("bob", "192.0.2.1:3")).await, "address");
    assert_eq!(send(&app, chat("bob", "192.0.2.2:3")).await.status, 200);
    // Health endpoints are not limited.
    for path in ["/healthz", "/livez", "/readyz"] {
        let answer = send(
            &app,
            with_peer_address(request("GET", path, &[], ""), "192.0.2.1:1"),
        )
        .await;
        assert_eq!(answer.status, 200, "{path}");
        assert_eq!(answer.header("ratelimit"), "");
    }
}

#[tokio::test]
async fn an_ipv6_prefix_counts_as_one_address() {
    let rates = Rates {
        address: FEW,
        ..Rates::default()
    };
    let app = service(rates, |_| {});
    let search = |address| {
        let request = request("GET", "/v1/agents", &[], "");
        send(&app, with_peer_address(request, address))
    };
    assert_eq!(search("[2001:db8:1:2::1]:1").await.status, 200);
    assert_eq!(search("[2001:db8:1:2:ffff::9]:1").await.status, 200);
    search("[2001:db8:1:2::3]:1").await.problem(429);
    assert_eq!(search("[2001:db8:1:3::1]:1").await.status, 200);
}

#[tokio::test]
async fn forwarded_addresses_count_only_from_trusted_proxies() {
    let rates = Rates {
        address: FEW,
        ..Rates::default()
    };
    let ask = async |app: &Router, forwarded_for: &str| {
        let request = request(
            "GET",
            "/v1/agents",
            &[("x-forwarded-for", forwarded_for)],
            "",
        );
        send(app, with_peer_address(request, "192.0.2.1:1"))
            .await
            .status
            .as_u16()
    };
    let open = service(rates, |_| {});
    for (forwarded_for, status) in [
        ("198.51.100.1", 200),
        ("198.51.100.2", 200),
        ("198.51.100.3", 429),
    ] {
        assert_eq!(ask(&open, forwarded_for).await, status);
    }
    let behind = service(rates, |settings| settings.trusted_proxies = 1);
    // Entries to the left of the trusted proxy's are set by the client.
    for (forwarded_for, status) in [
        ("10.0.0.1, 198.51.100.1", 200),
        ("10.0.0.2, 198.51.100.1:4711", 200),
        ("10.0.0.3, 198.51.100.1", 429),
        ("10.0.0.3, 198.51.100.2", 200),
    ] {
        assert_eq!(ask(&behind, forwarded_for).await, status, "{forwarded_for}");
    }
}

#[tokio::test]
async fn an_agent_limit_is_shared_by_all_callers() {
    let rates = Rates {
        agent: FEW,
        subject: MANY,
        address: MANY,
    };
    let app = service(rates, guard);
    let first = send(&app, chat("ada", "192.0.2.1:1")).await;
    assert_eq!(first.status, 200);
    // The strictest limit is reported.
    assert!(first.header("ratelimit").starts_with("\"agent\";r=1;"));
    assert_eq!(send(&app, chat("bob", "192.0.2.2:1")).await.status, 200);
    refused(&send(&app, chat("eve", "192.0.2.3:1")).await, "agent");
}

#[tokio::test]
async fn an_endpoint_rate_applies_in_addition_to_others() {
    let rates = Rates {
        subject: MANY,
        agent: MANY,
        address: MANY,
    };
    let app = service(rates, |_| {});
    for left in ["2", "1", "0"] {
        let answer = get(&app, "/shelves/1/search?query=a").await;
        assert!(
            answer
                .header("ratelimit")
                .starts_with(&format!("\"default\";r={left};"))
        );
    }
    get(&app, "/shelves/1/search?query=a").await.problem(429);
}

#[tokio::test]
async fn rejected_requests_do_not_count_against_the_agent_limit() {
    let rates = Rates {
        subject: Some(Rate {
            requests: 1,
            seconds: 60,
        }),
        agent: FEW,
        address: None,
    };
    let app = service(rates, guard);
    assert_eq!(send(&app, chat("eve", "192.0.2.1:1")).await.status, 200);
    for _ in 0..10 {
        send(&app, chat("eve", "192.0.2.1:1")).await.problem(429);
    }
    assert_eq!(send(&app, chat("ada", "192.0.2.1:1")).await.status, 200);
}

#[tokio::test]
async fn a_request_over_the_concurrency_limit_is_rejected_with_retry_after() {
    let provider = HangingProvider::default();
    let app = registry()
        .provider(provider.clone())
        .into_router(Settings {
            concurrency: 2,
            ..Settings::default()
        })
        .unwrap();
    let talk = |accept: &str| {
        request(
            "POST",
            "/chat",
            &[("content-type", "application/json"), ("accept", accept)],
            r#"{"message":"hi"}"#,
        )
    };
    let waiting = tokio::spawn({
        let (app, request) = (app.clone(), talk("application/json"));
        async move { send(&app, request).await }
    });
    // A stream counts until it ends.
    let streaming = tower::ServiceExt::oneshot(app.clone(), talk("text/event-stream"))
        .await
        .unwrap();
    assert_eq!(streaming.status(), 200);
    assert!(eventually(|| provider.in_flight() == 2).await);
    let refused = tokio::time::timeout(Duration::from_secs(1), get(&app, "/v1/agents"))
        .await
        .unwrap();
    refused.problem(503);
    assert_eq!(refused.header("retry-after"), "5");
    for path in ["/healthz", "/livez", "/readyz", "/metrics"] {
        assert_eq!(get(&app, path).await.status, 200, "{path}");
    }
    drop(streaming);
    assert_eq!(get(&app, "/v1/agents").await.status, 200);
    waiting.abort();
    assert!(eventually(|| provider.in_flight() == 0).await);
    let text = get(&app, "/metrics").await.text;
    assert!(
        text.contains("agentgen_rejected_total{reason=\"concurrency\"} 1"),
        "{text}"
    );
}

#[tokio::test]
async fn a_limit_that_refuses_uses_up_none_of_the_others() {
    const THREE: Option<Rate> = Some(Rate {
        requests: 3,
        seconds: 600,
    });
    let rates = Rates {
        subject: THREE,
        agent: FEW,
        ..Rates::default()
    };
    let app = service(rates, guard);
    for _ in 0..2 {
        assert_eq!(send(&app, chat("ada", "10.0.0.1:1")).await.status, 200);
    }
    // The agent is busy. Asking again and again costs `ben` nothing of his own rate.
    for _ in 0..5 {
        refused(&send(&app, chat("ben", "10.0.0.2:1")).await, "agent");
    }
    let bearer = bearer("ben");
    let list = async || {
        let headers = [("authorization", bearer.as_str())];
        let listed = request("GET", "/v1/agents/desk/sessions", &headers, "");
        send(&app, with_peer_address(listed, "10.0.0.2:1")).await
    };
    for _ in 0..3 {
        assert_eq!(list().await.status, 200);
    }
    list().await.problem(429);
}
