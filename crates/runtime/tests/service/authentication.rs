//! Authentication with HS256, roles, session ownership and rate limits.

use agentgen_runtime::auth::Auth;
use agentgen_runtime::axum::Router;
use agentgen_runtime::{Registry, Settings};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

use crate::desk_service::{app, registry};
use crate::http_client::{TestResponse, get, post, request, send};
use crate::stub_providers::ConversationEcho;

const SECRET: &str = "0123456789abcdef0123456789abcdef";

fn guarded(registry: Registry) -> Router {
    let auth = Auth::hs256(SECRET.as_bytes())
        .unwrap()
        .issuer("issuer")
        .audience("desk");
    registry
        .into_router(Settings {
            auth: Some(auth),
            ..Settings::default()
        })
        .unwrap()
}

fn now() -> u64 {
    jsonwebtoken::get_current_timestamp()
}

/// Valid claims, overridden by `changes`; null removes a claim.
fn claims(changes: Value) -> Value {
    let mut claims =
        json!({"sub": "ada", "exp": now() + 60, "iss": "issuer", "aud": "desk", "roles": ["user"]});
    for (key, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => claims.as_object_mut().unwrap().remove(key),
            value => claims
                .as_object_mut()
                .unwrap()
                .insert(key.clone(), value.clone()),
        };
    }
    claims
}

fn signed(claims: &Value, algorithm: Algorithm, secret: &str) -> String {
    let key = EncodingKey::from_secret(secret.as_bytes());
    jsonwebtoken::encode(&Header::new(algorithm), claims, &key).unwrap()
}

fn token(changes: Value) -> String {
    signed(&claims(changes), Algorithm::HS256, SECRET)
}

async fn chat(app: &Router, authorization: &str) -> TestResponse {
    let headers = [
        ("content-type", "application/json"),
        ("authorization", authorization),
    ];
    send(
        app,
        request("POST", "/chat", &headers, r#"{"message":"hi"}"#),
    )
    .await
}

#[tokio::test]
async fn every_agent_requires_a_token_when_a_secret_is_set() {
    let app = guarded(registry());
    for path in ["/chat", "/v1/agents/desk/invoke"] {
        let answer = post(&app, path, r#"{"message":"hi"}"#).await;
        answer.problem(401);
        assert_eq!(answer.header("www-authenticate"), "Bearer");
    }
    get(&app, "/shelves/1/search?query=a").await.problem(401);
    get(&app, "/v1/agents").await.problem(401);
    assert_eq!(get(&app, "/healthz").await.status, 200);
    assert_eq!(get(&app, "/openapi.json").await.status, 200);
    assert_eq!(
        chat(&app, &format!("Bearer {}", token(json!({}))))
            .await
            .status,
        200
    );
    assert_eq!(
        chat(&app, &format!("bearer {}", token(json!({}))))
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn an_invalid_token_is_a_401() {
    let app = guarded(registry());
    let unsigned = {
        let good = token(json!({}));
        // {"alg":"none"}
        format!("eyJhbGciOiJub25lIn0.{}.", good.split('.').nth(1).unwrap())
    };
    for (why, bad) in [
        ("expired", token(json!({"exp": now() - 31}))),
        ("no exp", token(json!({"exp": null}))),
        ("not yet", token(json!({"nbf": now() + 60}))),
        ("issuer", token(json!({"iss": "other"}))),
        ("no issuer", token(json!({"iss": null}))),
        ("audience", token(json!({"aud": "other"}))),
        ("no audience", token(json!({"aud": null}))),
        ("no subject", token(json!({"sub": null}))),
        (
            "algorithm",
            signed(&claims(json!({})), Algorithm::HS512, SECRET),
        ),
        (
            "secret",
            signed(&claims(json!({})), Algorithm::HS256, "another"),
        ),
        ("unsigned", unsigned),
        ("nonsense", "a.b.c".to_owned()),
        ("empty", String::new()),
    ] {
        let answer = chat(&app, &format!("Bearer {bad}")).await;
        answer.problem(401);
        assert!(
            answer
                .header("www-authenticate")
                .starts_with("Bearer error=\"invalid_token\""),
            "{why}"
        );
    }
    chat(&app, "Basic YTpi").await.problem(401);
    let late = token(json!({"exp": now() - 10, "nbf": now() + 10, "aud": ["x", "desk"]}));
    assert_eq!(
        chat(&app, &format!("Bearer {late}")).await.status,
        200,
        "clocks may differ a little"
    );
}

#[tokio::test]
async fn an_unexpected_audience_is_a_401() {
    let auth = Auth::hs256(SECRET.as_bytes());
    let app = registry()
        .into_router(Settings {
            auth,
            ..Settings::default()
        })
        .unwrap();
    chat(&app, &format!("Bearer {}", token(json!({}))))
        .await
        .problem(401);
    let plain = token(json!({"aud": null, "iss": null}));
    assert_eq!(chat(&app, &format!("Bearer {plain}")).await.status, 200);
}

#[tokio::test]
async fn a_missing_role_is_a_403() {
    let app = guarded(registry());
    for roles in [json!(null), json!([]), json!(["guest"])] {
        let answer = chat(&app, &format!("Bearer {}", token(json!({"roles": roles})))).await;
        assert!(
            answer.problem(403)["detail"]
                .as_str()
                .unwrap()
                .contains("user")
        );
    }
    let both = token(json!({"roles": ["guest", "user"]}));
    assert_eq!(chat(&app, &format!("Bearer {both}")).await.status, 200);
    // The search requires no role.
    let guest = format!("Bearer {}", token(json!({"roles": []})));
    let who = request(
        "GET",
        "/shelves/1/search?query=who",
        &[("authorization", &guest)],
        "",
    );
    assert_eq!(send(&app, who).await.json(), json!({"hits": ["ada"]}));
}

/// A request of `subject`.
async fn send_as(
    app: &Router,
    subject: &str,
    method: &str,
    path: &str,
    body: &str,
) -> TestResponse {
    let bearer = format!("Bearer {}", token(json!({"sub": subject})));
    let headers = [
        ("content-type", "application/json"),
        ("authorization", bearer.as_str()),
    ];
    send(app, request(method, path, &headers, body)).await
}

#[tokio::test]
async fn the_same_session_id_of_two_subjects_names_two_sessions() {
    let app = guarded(registry().provider(ConversationEcho));
    let ask = async |subject: &str, input: &str| {
        let body = json!({"input": input, "session_id": "shared"}).to_string();
        let path = "/v1/agents/desk/invoke";
        let answer = send_as(&app, subject, "POST", path, &body).await;
        answer.json()["output"].clone()
    };
    let read = async |subject: &str, path: &str| {
        let path = format!("/v1/agents/desk/sessions/{path}");
        send_as(&app, subject, "GET", &path, "").await
    };
    assert_eq!(ask("ada", "a").await, "User=a");
    // What eve learns of `shared` is what she learns of an id that nobody uses.
    read("eve", "shared").await.problem(404);
    read("eve", "unused").await.problem(404);
    assert_eq!(ask("eve", "b").await, "User=b");
    assert_eq!(ask("ada", "c").await, "User=a|Assistant=User=a|User=c");
    assert_eq!(read("eve", "shared").await.json()["message_count"], 2);
    let texts = read("eve", "shared/messages").await.json();
    assert_eq!(texts["messages"][0]["text"], "b");
}

#[tokio::test]
async fn without_authentication_all_callers_are_anonymous() {
    let answer = get(&app(), "/shelves/1/search?query=who").await;
    assert_eq!(answer.json(), json!({"hits": ["anonymous"]}));
}

#[tokio::test]
async fn a_rate_limit_is_reported_and_enforced() {
    let app = app();
    for left in ["2", "1", "0"] {
        let answer = get(&app, "/shelves/1/search?query=a").await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("ratelimit-policy"), "\"default\";q=3;w=60");
        assert!(
            answer
                .header("ratelimit")
                .starts_with(&format!("\"default\";r={left};t="))
        );
    }
    let refused = get(&app, "/shelves/1/search?query=a").await;
    refused.problem(429);
    let wait = refused.header("retry-after").parse::<u64>().unwrap();
    assert!((1..=20).contains(&wait), "{wait}");
    assert_eq!(
        refused.header("ratelimit"),
        format!("\"default\";r=0;t={wait}")
    );
    assert_eq!(
        post(&app, "/chat", r#"{"message":"hi"}"#)
            .await
            .header("ratelimit"),
        ""
    );
}

#[tokio::test]
async fn a_rate_limit_counts_each_subject_separately() {
    let app = guarded(registry());
    let search = |subject: &str| {
        let bearer = format!("Bearer {}", token(json!({"sub": subject})));
        request(
            "GET",
            "/shelves/1/search?query=a",
            &[("authorization", &bearer)],
            "",
        )
    };
    for _ in 0..3 {
        assert_eq!(send(&app, search("ada")).await.status, 200);
    }
    send(&app, search("ada")).await.problem(429);
    assert_eq!(send(&app, search("bob")).await.status, 200);
}

#[test]
fn a_signing_secret_must_be_long_and_is_redacted() {
    assert!(Auth::hs256(&SECRET.as_bytes()[..31]).is_none());
    let auth = Auth::hs256(SECRET.as_bytes()).unwrap();
    let debug = format!(
        "{:?}",
        Settings {
            auth: Some(auth),
            ..Settings::default()
        }
    );
    assert!(debug.contains("[redacted]") && !debug.contains(SECRET) && !debug.contains("48, 49"));
}

#[tokio::test]
async fn subjects_can_not_access_each_others_sessions() {
    let app = guarded(registry());
    let path = "/v1/agents/desk/sessions";
    let as_subject = async |subject: &str, method: &str, path: &str, body: &str| {
        send_as(&app, subject, method, path, body).await
    };
    let hello = r#"{"input":"hello"}"#;
    let made = as_subject("ada", "POST", "/v1/agents/desk/invoke", hello).await;
    let id = made.json()["session_id"].as_str().unwrap().to_owned();
    let own = format!("{path}/{id}");
    let messages = format!("{own}/messages");
    for (method, path) in [("GET", &own), ("GET", &messages), ("DELETE", &own)] {
        as_subject("eve", method, path, "").await.problem(404);
        send(&app, request(method, path, &[], ""))
            .await
            .problem(401);
    }
    get(&app, path).await.problem(401);
    let listed = as_subject("eve", "GET", path, "").await.json();
    assert_eq!(listed["sessions"], json!([]));
    assert_eq!(as_subject("ada", "GET", &messages, "").await.status, 200);
    let listed = as_subject("ada", "GET", path, "").await.json();
    assert_eq!(listed["sessions"][0]["id"], id.as_str());
}

#[tokio::test]
async fn claims_of_the_wrong_type_are_refused() {
    let open = Settings {
        auth: Auth::hs256(SECRET.as_bytes()),
        ..Settings::default()
    };
    let open = registry().into_router(open).unwrap();
    let sign = |claims: Value| format!("Bearer {}", signed(&claims, Algorithm::HS256, SECRET));
    let plain = |name: &str, value: Value| {
        let mut claims = json!({"sub": "ada", "exp": now() + 60, "roles": ["user"]});
        claims[name] = value;
        sign(claims)
    };
    assert_eq!(chat(&open, &plain("iss", json!("any"))).await.status, 200);
    for wrong in [json!(5), json!(null), json!({}), json!([5]), json!("desk")] {
        chat(&open, &plain("aud", wrong)).await.problem(401);
    }
    for wrong in [json!(["a"]), json!(null), json!(7)] {
        chat(&open, &plain("iss", wrong)).await.problem(401);
    }
    let both = json!({"sub": "ada", "exp": now() + 60, "aud": "desk", "iss": ["issuer", "evil"]});
    chat(&guarded(registry()), &sign(both)).await.problem(401);
}

#[tokio::test]
async fn a_token_that_changes_how_it_is_read_is_refused() {
    let key = jsonwebtoken::EncodingKey::from_secret(SECRET.as_bytes());
    for header in [
        json!({"alg": "HS256", "b64": false}),
        json!({"alg": "HS256", "b64": true}),
        json!({"alg": "HS256", "zip": "DEF"}),
        json!({"alg": "HS256", "crit": ["exp"], "exp": 1}),
    ] {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let message = format!("{}.{}", part(&header), part(&claims(json!({}))));
        let signature =
            jsonwebtoken::crypto::sign(message.as_bytes(), &key, Algorithm::HS256).unwrap();
        let answer = chat(
            &guarded(registry()),
            &format!("Bearer {message}.{signature}"),
        )
        .await;
        answer.problem(401);
        assert!(answer.text.contains("not understood"), "{}", answer.text);
    }
}
