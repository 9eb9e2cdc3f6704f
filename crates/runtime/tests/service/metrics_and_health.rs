//! Endpoints for operators: metrics, health and documentation.

use std::net::SocketAddr;
use std::time::SystemTime;

use agentgen_runtime::auth::Auth;
use agentgen_runtime::axum::Router;
use agentgen_runtime::axum::extract::ConnectInfo;
use agentgen_runtime::axum::http::HeaderValue;
use agentgen_runtime::model::{Message, ProviderKind};
use agentgen_runtime::session::{
    MemorySessions, PastMessage, SessionFacts, SessionKey, SessionLease, SessionStore, Turn,
};
use agentgen_runtime::settings::Rates;
use agentgen_runtime::spec::{Policy, Rate};
use agentgen_runtime::testing::Script;
use agentgen_runtime::{BoxFuture, Settings, StoreError};
use serde_json::json;

use crate::desk_service::{app, app_on, registry};
use crate::http_client::{eventually, get, post, request, send};
use crate::mock_model::{NO_RETRIES, agent_app, desk_with, mock_server};
use crate::stub_providers::{FailingProvider, HangingProvider};

const INVOKE: &str = "/v1/agents/desk/invoke";

/// The value of a metric series, if present.
async fn metric(app: &Router, series: &str) -> Option<f64> {
    let answer = get(app, "/metrics").await;
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.header("content-type"),
        "text/plain; version=0.0.4; charset=utf-8"
    );
    answer.text.lines().find_map(|line| {
        let (name, value) = line.rsplit_once(' ')?;
        (name == series).then(|| value.parse().unwrap())
    })
}

#[tokio::test]
async fn requests_runs_and_tokens_are_counted() {
    let app = app();
    for _ in 0..2 {
        assert_eq!(post(&app, INVOKE, r#"{"input":"hi"}"#).await.status, 200);
    }
    post(&app, INVOKE, "{}").await.problem(422);
    get(&app, "/nothing/here").await.problem(404);
    let request = |status: u16| {
        format!("agentgen_requests_total{{agent=\"desk\",endpoint=\"invoke\",status=\"{status}\"}}")
    };
    assert_eq!(metric(&app, &request(200)).await, Some(2.0));
    assert_eq!(metric(&app, &request(422)).await, Some(1.0));
    for (series, value) in [
        (
            "agentgen_requests_total{agent=\"\",endpoint=\"\",status=\"404\"}",
            1.0,
        ),
        (
            "agentgen_request_duration_seconds_count{agent=\"desk\",endpoint=\"invoke\"}",
            3.0,
        ),
        (
            "agentgen_request_duration_seconds_bucket{agent=\"desk\",endpoint=\"invoke\",le=\"+Inf\"}",
            3.0,
        ),
        (
            "agentgen_runs_total{agent=\"desk\",endpoint=\"invoke\",outcome=\"completed\"}",
            2.0,
        ),
        ("agentgen_runs_in_flight{agent=\"desk\"}", 0.0),
    ] {
        assert_eq!(metric(&app, series).await, Some(value), "{series}");
    }
    for kind in ["input", "output"] {
        let series =
            format!("agentgen_tokens_total{{agent=\"desk\",kind=\"{kind}\",model=\"echo\"}}");
        assert!(metric(&app, &series).await.unwrap() > 0.0);
    }
    // Labels contain no values chosen by clients.
    let text = get(&app, "/metrics").await.text;
    assert!(!text.contains("nothing") && !text.contains("anonymous"));
}

#[tokio::test]
async fn each_service_has_its_own_metrics() {
    let (one, other) = (app(), app());
    post(&one, INVOKE, r#"{"input":"hi"}"#).await;
    let series = "agentgen_runs_total{agent=\"desk\",endpoint=\"invoke\",outcome=\"completed\"}";
    assert_eq!(metric(&one, series).await, Some(1.0));
    assert_eq!(metric(&other, series).await, Some(0.0));
}

#[tokio::test]
async fn failures_are_counted() {
    let app = app_on(FailingProvider(&[]));
    post(&app, INVOKE, r#"{"input":"hi"}"#).await.problem(503);
    for series in [
        "agentgen_provider_errors_total{agent=\"desk\",kind=\"unavailable\",model=\"fails\"}",
        "agentgen_runs_total{agent=\"desk\",endpoint=\"invoke\",outcome=\"failed\"}",
        "agentgen_requests_total{agent=\"desk\",endpoint=\"invoke\",status=\"503\"}",
    ] {
        assert_eq!(metric(&app, series).await, Some(1.0), "{series}");
    }
    let few = Rate {
        requests: 1,
        seconds: 60,
    };
    let limited = registry().into_router(Settings {
        rates: Rates {
            subject: Some(few),
            ..Rates::default()
        },
        ..Settings::default()
    });
    let limited = limited.unwrap();
    post(&limited, INVOKE, r#"{"input":"hi"}"#).await;
    post(&limited, INVOKE, r#"{"input":"hi"}"#)
        .await
        .problem(429);
    let series = "agentgen_rate_limited_total{limit=\"subject\"}";
    assert_eq!(metric(&limited, series).await, Some(1.0));
}

#[tokio::test]
async fn a_run_whose_client_disconnects_is_counted_as_cancelled() {
    let provider = HangingProvider::default();
    let app = app_on(provider.clone());
    let caller = tokio::spawn({
        let app = app.clone();
        async move { post(&app, INVOKE, r#"{"input":"hi"}"#).await }
    });
    assert!(eventually(|| provider.in_flight() == 1).await);
    let running = "agentgen_runs_in_flight{agent=\"desk\"}";
    assert_eq!(metric(&app, running).await, Some(1.0));
    caller.abort();
    assert!(eventually(|| provider.in_flight() == 0).await);
    assert_eq!(metric(&app, running).await, Some(0.0));
    let cancelled = "agentgen_runs_total{agent=\"desk\",endpoint=\"invoke\",outcome=\"cancelled\"}";
    assert_eq!(metric(&app, cancelled).await, Some(1.0));
}

#[tokio::test]
async fn metrics_require_a_loopback_address_or_a_token() {
    let settings = Settings {
        auth: Auth::hs256(&[b'x'; 32]),
        ..Settings::default()
    };
    let app = registry().into_router(settings).unwrap();
    let ask = async |address: &str, headers: &[(&str, &str)]| {
        let mut request = request("GET", "/metrics", headers, "");
        let address = address.parse::<SocketAddr>().unwrap();
        request.extensions_mut().insert(ConnectInfo(address));
        request
            .headers_mut()
            .entry("host")
            .or_insert(HeaderValue::from_static("localhost"));
        send(&app, request).await
    };
    assert_eq!(ask("127.0.0.1:1", &[]).await.status, 200);
    assert_eq!(ask("[::1]:1", &[("host", "[::1]:80")]).await.status, 200);
    ask("192.0.2.1:1", &[]).await.problem(401);
    // Forwarding headers mean a local proxy with remote clients.
    for header in ["x-forwarded-for", "forwarded", "via", "x-real-ip"] {
        ask(
            "127.0.0.1:1",
            &[("host", "localhost"), (header, "127.0.0.1")],
        )
        .await
        .problem(401);
    }
    // So does a name that is not this machine's.
    ask("127.0.0.1:1", &[("host", "api.example")])
        .await
        .problem(401);
    get(&app, "/metrics").await.problem(401);
    let claims = json!({"sub": "prometheus", "exp": jsonwebtoken::get_current_timestamp() + 60});
    let key = jsonwebtoken::EncodingKey::from_secret(&[b'x'; 32]);
    let token = jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key).unwrap();
    let bearer = format!("Bearer {token}");
    let response = ask("192.0.2.1:1", &[("authorization", &bearer)]).await;
    assert_eq!(response.status, 200);
}

#[tokio::test]
async fn metrics_and_docs_can_be_disabled() {
    let settings = Settings {
        metrics: false,
        docs: false,
        ..Settings::default()
    };
    let app = registry().into_router(settings).unwrap();
    for path in ["/metrics", "/docs", "/docs/app.js", "/docs/style.css"] {
        get(&app, path).await.problem(404);
    }
}

/// A store that fails or hangs.
enum Unusable {
    /// Fails with a message that contains a secret.
    FailingProvider,
    /// Never responds.
    Silent,
}

impl Unusable {
    fn answer<'a, T: Send + 'a>(&self) -> BoxFuture<'a, Result<T, StoreError>> {
        match self {
            Self::FailingProvider => {
                Box::pin(async { Err(StoreError::internal("password=hunter2")) })
            }
            Self::Silent => Box::pin(std::future::pending()),
        }
    }
}

impl SessionStore for Unusable {
    fn begin<'a>(
        &'a self,
        _: &'a SessionKey,
        _: &'a Turn,
    ) -> BoxFuture<'a, Result<Vec<Message>, StoreError>> {
        self.answer()
    }

    fn renew<'a>(
        &'a self,
        _: &'a SessionKey,
        _: &'a SessionLease,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        self.answer()
    }

    fn release<'a>(
        &'a self,
        _: &'a SessionKey,
        _: &'a SessionLease,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        self.answer()
    }

    fn release_all<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<(), StoreError>> {
        self.answer()
    }

    fn commit<'a>(
        &'a self,
        _: &'a SessionKey,
        _: &'a Turn,
        _: &'a str,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        self.answer()
    }

    fn facts<'a>(
        &'a self,
        _: &'a SessionKey,
    ) -> BoxFuture<'a, Result<Option<SessionFacts>, StoreError>> {
        self.answer()
    }

    fn list<'a>(
        &'a self,
        _: &'a str,
        _: &'a str,
        _: Option<(SystemTime, &'a str)>,
        _: u32,
    ) -> BoxFuture<'a, Result<Vec<SessionFacts>, StoreError>> {
        self.answer()
    }

    fn messages<'a>(
        &'a self,
        _: &'a SessionKey,
        _: u64,
        _: u32,
    ) -> BoxFuture<'a, Result<Option<Vec<PastMessage>>, StoreError>> {
        self.answer()
    }

    fn delete<'a>(
        &'a self,
        _: &'a SessionKey,
        _: &'a SessionLease,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        self.answer()
    }

    fn purge(&self, _: u32) -> BoxFuture<'_, Result<u64, StoreError>> {
        self.answer()
    }

    fn check(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        self.answer()
    }
}

/// The checks of a service whose store has this status, and whose models are these; `None` if all are well.
fn checks(store: &str, models: Option<&[&str]>) -> serde_json::Value {
    let store = match store {
        "ok" => json!({"name": "store", "status": "ok"}),
        status => {
            json!({"name": "store", "status": status, "detail": "the store can't be written to"})
        }
    };
    let mut checks = vec![
        store,
        json!({"name": "authentication", "status": "ok"}),
        json!({"name": "shutdown", "status": "ok"}),
    ];
    let model = |name: &&str| {
        json!({
            "name": "models", "model": name, "status": "degraded",
            "detail": "the model failed several times in a row",
        })
    };
    match models {
        None => checks.push(json!({"name": "models", "status": "ok"})),
        Some(models) => checks.extend(models.iter().map(model)),
    }
    json!(checks)
}

#[tokio::test]
async fn the_service_is_ready_when_its_dependencies_are() {
    let ready = get(&app(), "/readyz").await;
    assert_eq!(ready.status, 200);
    assert_eq!(
        ready.json(),
        json!({ "status": "ready", "checks": checks("ok", None) })
    );
    for path in ["/livez", "/healthz"] {
        assert_eq!(get(&app(), path).await.json(), json!({"status": "ok"}));
    }
}

#[tokio::test(start_paused = true)]
async fn a_failing_store_makes_the_service_live_but_not_ready() {
    for registry in
        [Unusable::FailingProvider, Unusable::Silent].map(|store| registry().sessions(store))
    {
        let app = registry.into_router(Settings::default()).unwrap();
        let start = tokio::time::Instant::now();
        let unready = get(&app, "/readyz").await;
        assert!(start.elapsed().as_millis() <= 1_010);
        let problem = unready.problem(503);
        assert_eq!(problem["detail"], "the service is not ready");
        assert_eq!(problem["checks"], checks("failed", None));
        assert_eq!(unready.header("retry-after"), "5");
        // For a second, nobody asks the store again.
        let start = tokio::time::Instant::now();
        get(&app, "/readyz").await.problem(503);
        assert!(start.elapsed().as_millis() <= 10);
        assert_eq!(get(&app, "/livez").await.status, 200);
    }
    let stored = registry().sessions(MemorySessions::default());
    let app = stored.into_router(Settings::default()).unwrap();
    assert_eq!(get(&app, "/readyz").await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn a_model_that_keeps_failing_makes_the_service_degraded() {
    let app = app_on(FailingProvider(&[]));
    let status = async || {
        let answer = get(&app, "/readyz").await;
        assert_eq!(answer.status, 200);
        (
            answer.json()["status"].clone(),
            answer.json()["checks"].clone(),
        )
    };
    for _ in 0..4 {
        post(&app, INVOKE, r#"{"input":"hi"}"#).await.problem(503);
        assert_eq!(status().await, (json!("ready"), checks("ok", None)));
    }
    post(&app, INVOKE, r#"{"input":"hi"}"#).await.problem(503);
    let down = checks("ok", Some(&["fails"]));
    assert_eq!(status().await, (json!("degraded"), down));
    tokio::time::sleep(std::time::Duration::from_secs(31)).await;
    assert_eq!(status().await, (json!("ready"), checks("ok", None)));
}

#[tokio::test]
async fn a_model_is_degraded_alone_and_while_its_circuit_breaker_is_open() {
    let server = mock_server([
        Script::error(500, "broken"),
        Script::text("Good day."),
        Script::error(500, "broken"),
    ])
    .await;
    let mut settings = server.settings(ProviderKind::OpenAi);
    let haiku = ("haiku".to_owned(), "mock:small".to_owned());
    settings.models.extend([haiku]);
    let breaker = Policy {
        fallbacks: &["haiku"],
        breaker_failures: 1,
        breaker_cooldown_ms: 400,
        ..NO_RETRIES
    };
    let app = agent_app(desk_with(breaker), settings);
    // The first model fails and the second one answers.
    assert_eq!(post(&app, INVOKE, r#"{"input":"hi"}"#).await.status, 200);
    let answer = get(&app, "/readyz").await;
    assert_eq!(answer.status, 200);
    let first = answer.json()["checks"][3]["model"].clone();
    let first = first.as_str().unwrap();
    assert!(
        first.starts_with("mock:") && first != "mock:small",
        "{first}"
    );
    assert_eq!(answer.json()["checks"], checks("ok", Some(&[first])));
    // Then both are left alone.
    post(&app, INVOKE, r#"{"input":"hi"}"#).await.problem(503);
    let both = get(&app, "/readyz").await.json();
    let mut names = [first, "mock:small"];
    names.sort_unstable();
    assert_eq!(both["checks"], checks("ok", Some(&names)));
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    assert_eq!(get(&app, "/readyz").await.json()["status"], "ready");
}

#[tokio::test]
async fn the_documentation_page_allows_only_its_own_scripts() {
    let app = app();
    let page = get(&app, "/docs").await;
    assert_eq!(page.status, 200);
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    let policy = page.header("content-security-policy");
    for part in [
        "default-src 'none'",
        "script-src 'self';",
        "connect-src 'self';",
        "frame-ancestors 'none'",
    ] {
        assert!(policy.contains(part), "{policy}");
    }
    assert!(!policy.contains("unsafe") && !policy.contains('*'));
    assert!(!page.text.contains("http://") && !page.text.contains("https://"));
    for (path, content_type) in [
        ("/docs/app.js", "text/javascript; charset=utf-8"),
        ("/docs/style.css", "text/css; charset=utf-8"),
    ] {
        assert!(page.text.contains(path));
        let file = get(&app, path).await;
        assert_eq!(file.header("content-type"), content_type);
        assert!(!file.text.contains("http://") && !file.text.contains("https://"));
        assert!(!file.text.contains("innerHTML"));
        // All other responses have the strictest content security policy.
        assert_eq!(
            file.header("content-security-policy"),
            "default-src 'none'; frame-ancestors 'none'"
        );
    }
}
