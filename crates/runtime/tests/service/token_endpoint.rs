//! The token and refresh endpoints of a service that issues tokens.

use std::collections::BTreeMap;
use std::time::Duration;

use agentgen_runtime::auth::{Auth, TokenClient, Tokens};
use agentgen_runtime::axum::Router;
use agentgen_runtime::spec::Rate;
use agentgen_runtime::{Secret, Settings, StartError, Store};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::{Value, json};

use crate::desk_service::{app, registry};
use crate::http_client::{TestResponse, request, send};

const SECRET: &str = "0123456789abcdef0123456789abcdef";
const CLIENT_SECRET: &str = "web:secret+with%signs";

fn settings() -> Settings {
    let auth = Auth::hs256(SECRET.as_bytes()).unwrap();
    let client = |secret: &str, roles: &[&str]| TokenClient {
        secret: Secret::new(secret),
        roles: roles.iter().map(|role| (*role).to_owned()).collect(),
    };
    let clients = BTreeMap::from([
        ("web".to_owned(), client(CLIENT_SECRET, &["user"])),
        ("a b".to_owned(), client("another-secret-of-mine", &[])),
    ]);
    Settings {
        auth: Some(auth.issuer("me").audience("desk")),
        tokens: Some(Tokens {
            access_ttl: Duration::from_secs(900),
            refresh_ttl: Duration::from_secs(3600),
            clients,
        }),
        ..Settings::default()
    }
}

fn issuing() -> Router {
    registry().into_router(settings()).unwrap()
}

async fn ask(app: &Router, path: &str, headers: &[(&str, &str)], body: &str) -> TestResponse {
    let form = ("content-type", "application/x-www-form-urlencoded");
    let has_type = headers.iter().any(|(name, _)| *name == "content-type");
    let headers = match has_type {
        true => headers.to_vec(),
        false => [&[form], headers].concat(),
    };
    send(app, request("POST", path, &headers, body)).await
}

fn basic(name: &str, secret: &str) -> String {
    let encoded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let pair = format!("{}:{}", encoded(name), encoded(secret));
    format!("Basic {}", STANDARD.encode(pair))
}

const GRANT: &str = "grant_type=client_credentials";

async fn login(app: &Router) -> Value {
    let authorization = basic("web", CLIENT_SECRET);
    let answer = ask(
        app,
        "/auth/token",
        &[("authorization", &authorization)],
        GRANT,
    )
    .await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json()
}

async fn refresh(app: &Router, token: &Value) -> TestResponse {
    refresh_as(app, &basic("web", CLIENT_SECRET), token).await
}

async fn refresh_as(app: &Router, authorization: &str, token: &Value) -> TestResponse {
    let body = json!({ "refresh_token": token }).to_string();
    let headers = [
        ("content-type", "application/json"),
        ("authorization", authorization),
    ];
    ask(app, "/auth/refresh", &headers, &body).await
}

async fn chat(app: &Router, token: &Value) -> TestResponse {
    let bearer = format!("Bearer {}", token.as_str().unwrap());
    let headers = [
        ("authorization", bearer.as_str()),
        ("content-type", "application/json"),
    ];
    ask(app, "/chat", &headers, r#"{"message":"hi"}"#).await
}

#[track_caller]
fn refused(answer: &TestResponse, status: u16, code: &str) {
    let problem = answer.problem(status);
    assert_eq!(problem["error"], code, "{problem}");
    for secret in [CLIENT_SECRET, SECRET, "another-secret", "guess"] {
        assert!(!answer.text.contains(secret), "{}", answer.text);
    }
}

#[tokio::test]
async fn an_authenticated_client_gets_a_valid_token() {
    let app = issuing();
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.append_pair("grant_type", "client_credentials");
    form.append_pair("client_id", "web")
        .append_pair("client_secret", CLIENT_SECRET);
    let form = form.finish();
    let object = json!({
        "grant_type": "client_credentials", "client_id": "web", "client_secret": CLIENT_SECRET,
    });
    let object = object.to_string();
    let authorization = basic("web", CLIENT_SECRET);
    let json_type = ("content-type", "application/json");
    for (headers, body) in [
        (vec![("authorization", authorization.as_str())], GRANT),
        (vec![], form.as_str()),
        (vec![json_type], object.as_str()),
    ] {
        let answer = ask(&app, "/auth/token", &headers, body).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        assert_eq!(answer.header("cache-control"), "no-store");
        assert_eq!(answer.header("content-type"), "application/json");
        let granted = answer.json();
        assert_eq!(granted["token_type"], "Bearer");
        assert_eq!(granted["expires_in"], 900);
        // 256 bits are 43 characters of base64.
        assert_eq!(granted["refresh_token"].as_str().unwrap().len(), 43);
        assert_eq!(chat(&app, &granted["access_token"]).await.status, 200);
        chat(&app, &granted["refresh_token"]).await.problem(401);
    }
    let token = login(&app).await["access_token"]
        .as_str()
        .unwrap()
        .to_owned();
    let mut check = Validation::new(Algorithm::HS256);
    check.set_issuer(&["me"]);
    check.set_audience(&["desk"]);
    let key = DecodingKey::from_secret(SECRET.as_bytes());
    let claims = jsonwebtoken::decode::<Value>(&token, &key, &check)
        .unwrap()
        .claims;
    assert_eq!(claims["sub"], "web");
    assert_eq!(claims["roles"], json!(["user"]));
    assert_eq!(
        claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap(),
        900
    );
    assert_eq!(claims["jti"].as_str().unwrap().len(), 36);
}

#[tokio::test]
async fn a_token_has_only_the_roles_of_its_client() {
    let app = issuing();
    let authorization = basic("a b", "another-secret-of-mine");
    let answer = ask(
        &app,
        "/auth/token",
        &[("authorization", &authorization)],
        GRANT,
    )
    .await;
    let token = &answer.json()["access_token"];
    chat(&app, token).await.problem(403);
    let bearer = format!("Bearer {}", token.as_str().unwrap());
    let who = request(
        "GET",
        "/shelves/1/search?query=who",
        &[("authorization", &bearer)],
        "",
    );
    assert_eq!(send(&app, who).await.json(), json!({"hits": ["a b"]}));
}

#[tokio::test]
async fn unknown_clients_get_no_token() {
    let app = issuing();
    let wrong = [
        basic("web", "guess"),
        basic("web", ""),
        basic("nobody", CLIENT_SECRET),
        basic("", ""),
        basic("a b", CLIENT_SECRET),
        "Basic !".to_owned(),
        "Bearer x".to_owned(),
    ];
    for authorization in wrong {
        let headers = [("authorization", authorization.as_str())];
        let answer = ask(&app, "/auth/token", &headers, GRANT).await;
        refused(&answer, 401, "invalid_client");
        assert_eq!(answer.header("www-authenticate"), "Basic realm=\"tokens\"");
    }
    for body in [
        GRANT.to_owned(),
        format!("{GRANT}&client_id=web"),
        format!("{GRANT}&client_secret=guess"),
        format!("{GRANT}&client_id=web&client_secret=guess"),
    ] {
        let answer = ask(&app, "/auth/token", &[], &body).await;
        refused(&answer, 401, "invalid_client");
    }
}

#[tokio::test]
async fn invalid_token_requests_return_their_oauth_error_code() {
    let app = issuing();
    let authorization = basic("web", CLIENT_SECRET);
    let credentials = ("authorization", authorization.as_str());
    for (body, code) in [
        ("", "invalid_request"),
        ("grant_type=", "invalid_request"),
        ("grant_type=password", "unsupported_grant_type"),
        (
            "grant_type=client_credentials&grant_type=client_credentials",
            "invalid_request",
        ),
        ("grant_type=client_credentials&scope=all", "invalid_scope"),
        (
            "grant_type=client_credentials&client_id=web&client_secret=guess",
            "invalid_request",
        ),
        (
            "grant_type=client_credentials&client_id=nobody",
            "invalid_request",
        ),
    ] {
        let answer = ask(&app, "/auth/token", &[credentials], body).await;
        assert_eq!(answer.status, 400, "{body}");
        refused(&answer, 400, code);
    }
    for body in ["{", "[]", r#"{"grant_type":7}"#] {
        let headers = [credentials, ("content-type", "application/json")];
        let answer = ask(&app, "/auth/token", &headers, body).await;
        refused(&answer, 400, "invalid_request");
    }
    for body in ["", "refresh_token="] {
        let answer = ask(&app, "/auth/refresh", &[credentials], body).await;
        refused(&answer, 400, "invalid_request");
    }
    // Parameters that are not known are ignored, also where they come twice.
    let unknown = "grant_type=client_credentials&x=1&x=2&=&=";
    let answer = ask(&app, "/auth/token", &[credentials], unknown).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let other = "grant_type=password&refresh_token=x";
    let answer = ask(&app, "/auth/refresh", &[credentials], other).await;
    refused(&answer, 400, "unsupported_grant_type");
    for path in ["/auth/token", "/auth/refresh"] {
        let plain = [credentials, ("content-type", "text/plain")];
        ask(&app, path, &plain, GRANT).await.problem(415);
        let accept = [credentials, ("accept", "text/html")];
        ask(&app, path, &accept, GRANT).await.problem(406);
        let long = "x".repeat(20_000);
        ask(&app, path, &[credentials], &long).await.problem(413);
        let wrong = send(&app, request("GET", path, &[], "")).await;
        wrong.problem(405);
        assert_eq!(wrong.header("allow"), "POST, OPTIONS");
    }
}

#[tokio::test]
async fn a_refresh_token_can_be_used_once() {
    let app = issuing();
    let first = login(&app).await;
    let second = refresh(&app, &first["refresh_token"]).await;
    assert_eq!(second.status, 200, "{}", second.text);
    assert_eq!(second.header("cache-control"), "no-store");
    let second = second.json();
    assert_ne!(second["refresh_token"], first["refresh_token"]);
    assert_ne!(second["access_token"], first["access_token"]);
    assert_eq!(chat(&app, &second["access_token"]).await.status, 200);
    // The form encoding of RFC 6749, section 6, is accepted too.
    let form = format!(
        "grant_type=refresh_token&client_id=web&client_secret={}&refresh_token={}",
        form_urlencoded::byte_serialize(CLIENT_SECRET.as_bytes()).collect::<String>(),
        second["refresh_token"].as_str().unwrap()
    );
    let third = ask(&app, "/auth/refresh", &[], &form).await;
    assert_eq!(third.status, 200, "{}", third.text);
    for unknown in [json!("x"), first["access_token"].clone()] {
        refused(&refresh(&app, &unknown).await, 400, "invalid_grant");
    }
}

#[tokio::test]
async fn reuse_of_a_refresh_token_revokes_its_family() {
    let app = issuing();
    let (stolen, other) = (login(&app).await, login(&app).await);
    let second = refresh(&app, &stolen["refresh_token"]).await.json();
    let third = refresh(&app, &second["refresh_token"]).await.json();
    let again = refresh(&app, &stolen["refresh_token"]).await;
    refused(&again, 400, "invalid_grant");
    for ended in [&second, &third] {
        let answer = refresh(&app, &ended["refresh_token"]).await;
        refused(&answer, 400, "invalid_grant");
    }
    assert_eq!(refresh(&app, &other["refresh_token"]).await.status, 200);
}

#[tokio::test]
async fn a_repeated_refresh_gives_the_same_successor_for_a_while() {
    let app = issuing();
    let token = login(&app).await["refresh_token"].clone();
    let all = futures_util::future::join_all((0..8).map(|_| refresh(&app, &token))).await;
    let successor = all[0].json()["refresh_token"].clone();
    assert_ne!(successor, token);
    for answer in &all {
        assert_eq!(answer.status, 200, "{}", answer.text);
        assert_eq!(answer.json()["refresh_token"], successor);
    }
    let next = refresh(&app, &successor).await;
    assert_eq!(next.status, 200, "{}", next.text);
    // Whoever has the successor received the response: now it is a second use.
    refused(&refresh(&app, &token).await, 400, "invalid_grant");
    let last = refresh(&app, &next.json()["refresh_token"]).await;
    refused(&last, 400, "invalid_grant");
}

#[tokio::test]
async fn a_refresh_token_works_only_for_its_authenticated_client() {
    let app = issuing();
    let token = login(&app).await["refresh_token"].clone();
    let form = format!("refresh_token={}", token.as_str().unwrap());
    for body in [
        form.clone(),
        format!("{form}&client_id=web"),
        format!("{form}&client_id=web&client_secret=guess"),
    ] {
        let answer = ask(&app, "/auth/refresh", &[], &body).await;
        refused(&answer, 401, "invalid_client");
        assert_eq!(answer.header("www-authenticate"), "Basic realm=\"tokens\"");
    }
    for (client, secret) in [("web", "guess"), ("nobody", CLIENT_SECRET)] {
        let answer = refresh_as(&app, &basic(client, secret), &token).await;
        refused(&answer, 401, "invalid_client");
    }
    let other = refresh_as(&app, &basic("a b", "another-secret-of-mine"), &token).await;
    refused(&other, 400, "invalid_grant");
    // None of these used the token up.
    assert_eq!(refresh(&app, &token).await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn failed_logins_are_counted_and_slowed_down() {
    let app = issuing();
    let token = login(&app).await["access_token"].clone();
    let guess = format!("{GRANT}&client_id=web&client_secret=guess");
    let began = tokio::time::Instant::now();
    for _ in 0..10 {
        ask(&app, "/auth/token", &[], &guess).await.problem(401);
    }
    assert_eq!(began.elapsed(), Duration::ZERO);
    ask(&app, "/auth/token", &[], &guess).await.problem(401);
    assert!(began.elapsed() >= Duration::from_secs(1));
    // The client itself is served at once.
    let began = tokio::time::Instant::now();
    login(&app).await;
    assert_eq!(began.elapsed(), Duration::ZERO);
    let unknown = format!("{GRANT}&client_id=hunter2&client_secret=guess");
    ask(&app, "/auth/token", &[], &unknown).await.problem(401);
    let bearer = format!("Bearer {}", token.as_str().unwrap());
    let metrics = request("GET", "/metrics", &[("authorization", &bearer)], "");
    let counted = send(&app, metrics).await.text;
    for expected in [
        "agentgen_failed_logins_total{client=\"web\"} 11",
        "agentgen_failed_logins_total{client=\"\"} 1",
    ] {
        assert!(counted.contains(expected), "{counted}");
    }
    assert!(!counted.contains("hunter2"), "{counted}");
}

#[tokio::test]
async fn refresh_tokens_expire() {
    let mut settings = settings();
    if let Some(tokens) = &mut settings.tokens {
        tokens.access_ttl = Duration::from_secs(1);
        tokens.refresh_ttl = Duration::from_secs(1);
    }
    let app = registry().into_router(settings).unwrap();
    let granted = login(&app).await;
    assert_eq!(granted["expires_in"], 1);
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let late = refresh(&app, &granted["refresh_token"]).await;
    refused(&late, 400, "invalid_grant");
}

#[tokio::test]
async fn refresh_tokens_survive_a_restart_unless_the_client_is_removed() {
    let store = Store::memory();
    let service = |settings| {
        let registry = registry().store(store.clone());
        registry.into_router(settings).unwrap()
    };
    let first = login(&service(settings())).await;
    let mut changed = settings();
    let tokens = changed.tokens.as_mut().unwrap();
    tokens.clients.get_mut("web").unwrap().roles.clear();
    // The next service accepts the token and grants the roles from its own settings.
    let app = service(changed);
    let second = refresh(&app, &first["refresh_token"]).await.json();
    chat(&app, &second["access_token"]).await.problem(403);

    let mut without = settings();
    without.tokens.as_mut().unwrap().clients.remove("web");
    let app = service(without);
    let refused_now = refresh(&app, &second["refresh_token"]).await;
    refused(&refused_now, 401, "invalid_client");
}

#[tokio::test(start_paused = true)]
async fn failed_client_authentication_is_rate_limited() {
    let mut settings = settings();
    // The general limit per address is higher, so the limit of failed attempts is reported.
    settings.rates.address = Some(Rate {
        requests: 1000,
        seconds: 60,
    });
    let app = registry().into_router(settings).unwrap();
    let token = login(&app).await["access_token"].clone();
    let guess = format!("{GRANT}&client_id=web&client_secret=guess");
    for left in (0..59).rev() {
        let answer = ask(&app, "/auth/token", &[], &guess).await;
        answer.problem(401);
        let expected = format!("\"address\";r={left};");
        assert!(
            answer.header("ratelimit").starts_with(&expected),
            "{expected}"
        );
    }
    let limited = ask(&app, "/auth/token", &[], &guess).await;
    limited.problem(429);
    assert!(limited.header("retry-after").parse::<u64>().unwrap() >= 1);
    assert_eq!(limited.header("ratelimit-policy"), "\"address\";q=60;w=60");
    refresh(&app, &json!("x")).await.problem(429);
    let bearer = format!("Bearer {}", token.as_str().unwrap());
    let metrics = request("GET", "/metrics", &[("authorization", &bearer)], "");
    let counted = send(&app, metrics).await.text;
    assert!(
        counted.contains("agentgen_rate_limited_total{limit=\"address\"} 2"),
        "{counted}"
    );
}

#[tokio::test]
async fn without_clients_the_token_endpoint_is_a_404() {
    for path in ["/auth/token", "/auth/refresh"] {
        let answer = ask(&app(), path, &[], GRANT).await;
        let detail = answer.problem(404)["detail"].clone();
        assert_eq!(detail, "this service issues no tokens");
    }
}

#[test]
fn issuing_tokens_requires_a_signing_secret_and_client_secrets() {
    let keyless = Settings {
        auth: Some(Auth::jwks_url("https://issuer.example/keys").unwrap()),
        ..settings()
    };
    let open = Settings {
        auth: None,
        ..settings()
    };
    let mut short = settings();
    if let Some(tokens) = &mut short.tokens {
        let client = tokens.clients.get_mut("web").unwrap();
        client.secret = Secret::new("guess");
    }
    for (wrong, place) in [
        (keyless, "tokens"),
        (open, "tokens"),
        (short, "tokens.clients.web.secret"),
    ] {
        let error = registry().into_router(wrong).unwrap_err();
        let StartError::Setting {
            place: expected,
            detail,
        } = &error
        else {
            panic!("{error}");
        };
        assert_eq!(expected, place);
        assert!(!detail.contains("guess"));
    }
    let expected = format!("{:?}", settings());
    assert!(!expected.contains(CLIENT_SECRET) && !expected.contains(SECRET));
}
