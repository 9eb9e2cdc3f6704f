//! Tokens verified with the public keys (JWKS) of an issuer, from a file or a URL.

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use agentgen_runtime::auth::Auth;
use agentgen_runtime::axum::Router;
use agentgen_runtime::axum::http::StatusCode;
use agentgen_runtime::axum::response::{IntoResponse, Response};
use agentgen_runtime::axum::routing::get;
use agentgen_runtime::{Settings, serve_on};
use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair};
use jsonwebtoken::crypto::aws_lc;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

use crate::desk_service::registry;
use crate::http_client::{TestResponse, request, send};

/// A generated key pair.
struct Key {
    sign: EncodingKey,
    algorithm: Algorithm,
    public: Value,
}

impl Key {
    fn new(algorithm: Algorithm, id: &str) -> Self {
        let _ = aws_lc::DEFAULT_PROVIDER.install_default();
        let sign = match algorithm {
            Algorithm::ES256 => {
                let random = SystemRandom::new();
                let made = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random);
                EncodingKey::from_ec_der(made.unwrap().as_ref())
            }
            Algorithm::EdDSA => {
                let made = Ed25519KeyPair::generate_pkcs8v1(&SystemRandom::new());
                EncodingKey::from_ed_der(made.unwrap().as_ref())
            }
            _ => {
                let made = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
                // The key starts after the 26 bytes of the PKCS #8 header.
                EncodingKey::from_rsa_der(&made.as_der().unwrap().as_ref()[26..])
            }
        };
        let public = Jwk::from_encoding_key(&sign, algorithm).unwrap();
        let mut public = serde_json::to_value(public).unwrap();
        public["kid"] = json!(id);
        Self {
            sign,
            algorithm,
            public,
        }
    }

    fn id(&self) -> &str {
        self.public["kid"].as_str().unwrap()
    }

    /// A valid token with the key's id.
    fn token(&self) -> String {
        self.signed(Some(self.id()), &json!({}))
    }

    fn signed(&self, id: Option<&str>, changes: &Value) -> String {
        let mut header = Header::new(self.algorithm);
        header.kid = id.map(str::to_owned);
        jsonwebtoken::encode(&header, &claims(changes), &self.sign).unwrap()
    }
}

/// Valid claims, overridden by `changes`; null removes a claim.
fn claims(changes: &Value) -> Value {
    let now = jsonwebtoken::get_current_timestamp();
    let mut claims = json!({"sub": "ada", "exp": now + 60, "roles": ["user"]});
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

fn jwks(keys: &[&Key]) -> String {
    let keys = keys.iter().map(|key| &key.public).collect::<Vec<_>>();
    json!({ "keys": keys }).to_string()
}

/// A temporary file, removed on drop.
struct KeyFile(PathBuf);

impl KeyFile {
    fn new(text: &str) -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("agentgen-keys-{}-{count}.json", std::process::id());
        let file = Self(std::env::temp_dir().join(name));
        file.write(text);
        file
    }

    fn write(&self, text: &str) {
        std::fs::write(&self.0, text).unwrap();
    }

    fn auth(&self) -> Auth {
        Auth::jwks_file(&self.0).unwrap()
    }
}

impl Drop for KeyFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn guarded(auth: Auth) -> Router {
    let settings = Settings {
        auth: Some(auth),
        ..Settings::default()
    };
    registry().into_router(settings).unwrap()
}

async fn chat(app: &Router, token: &str) -> TestResponse {
    let bearer = format!("Bearer {token}");
    let headers = [
        ("content-type", "application/json"),
        ("authorization", bearer.as_str()),
    ];
    send(
        app,
        request("POST", "/chat", &headers, r#"{"message":"hi"}"#),
    )
    .await
}

#[track_caller]
fn refused(answer: &TestResponse, why: &str) {
    let problem = answer.problem(401);
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains(why), "{detail}");
    let challenge = answer.header("www-authenticate");
    assert!(challenge.starts_with("Bearer error=\"invalid_token\""));
}

const KINDS: [Algorithm; 3] = [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA];

#[tokio::test]
async fn keys_of_every_supported_type_verify_tokens() {
    let keys = KINDS.map(|algorithm| Key::new(algorithm, &format!("{algorithm:?}")));
    let file = KeyFile::new(&jwks(&keys.each_ref()));
    let app = guarded(file.auth());
    for key in &keys {
        assert_eq!(chat(&app, &key.token()).await.status, 200, "{}", key.id());
        let nameless = key.signed(None, &json!({}));
        assert_eq!(chat(&app, &nameless).await.status, 200, "{}", key.id());
        let stranger = Key::new(key.algorithm, key.id());
        refused(&chat(&app, &stranger.token()).await, "signature is wrong");
        let nameless = stranger.signed(None, &json!({}));
        refused(&chat(&app, &nameless).await, "signature is wrong");
        let (head, _) = key.token().rsplit_once('.').map(own).unwrap();
        refused(&chat(&app, &format!("{head}.")).await, "signature is wrong");
    }
}

fn own((a, b): (&str, &str)) -> (String, String) {
    (a.to_owned(), b.to_owned())
}

#[tokio::test]
async fn a_key_verifies_only_its_own_algorithm() {
    let rsa = Key::new(Algorithm::RS256, "rsa");
    let ec = Key::new(Algorithm::ES256, "ec");
    let file = KeyFile::new(&jwks(&[&rsa, &ec]));
    let app = guarded(file.auth());
    // Algorithm confusion: the public key, in each encoding, as an HS256 secret.
    let modulus = rsa.public["n"].as_str().unwrap().to_owned();
    for secret in [
        rsa.public.to_string(),
        jwks(&[&rsa, &ec]),
        modulus,
        String::new(),
    ] {
        for id in [None, Some("rsa")] {
            let mut header = Header::new(Algorithm::HS256);
            header.kid = id.map(str::to_owned);
            let sign = EncodingKey::from_secret(secret.as_bytes());
            let token = jsonwebtoken::encode(&header, &claims(&json!({})), &sign).unwrap();
            refused(&chat(&app, &token).await, "algorithm");
        }
    }
    // The id of a key of another type.
    let crossed = ec.signed(Some("rsa"), &json!({}));
    refused(&chat(&app, &crossed).await, "key that is not known");
    // {"alg":"none"} and {"alg":"none","kid":"rsa"}
    for head in ["eyJhbGciOiJub25lIn0", "eyJhbGciOiJub25lIiwia2lkIjoicnNhIn0"] {
        let token = rsa.token();
        let body = token.split('.').nth(1).unwrap();
        refused(
            &chat(&app, &format!("{head}.{body}.")).await,
            "can't be read",
        );
    }
    // An algorithm that the settings do not allow.
    let app = guarded(file.auth().algorithms(&["ES256", "PS256"]).unwrap());
    assert_eq!(chat(&app, &ec.token()).await.status, 200);
    refused(&chat(&app, &rsa.token()).await, "algorithm");
    // A key with `alg` RS256 does not verify PS256.
    let other = Key {
        algorithm: Algorithm::PS256,
        sign: rsa.sign.clone(),
        public: rsa.public.clone(),
    };
    refused(&chat(&app, &other.token()).await, "key that is not known");
    let mut open = rsa.public.clone();
    open.as_object_mut().unwrap().remove("alg");
    file.write(&json!({ "keys": [open] }).to_string());
    let app = guarded(file.auth().algorithms(&["PS256"]).unwrap());
    assert_eq!(chat(&app, &other.token()).await.status, 200);
}

#[tokio::test]
async fn keys_that_can_not_verify_signatures_are_ignored() {
    let good = Key::new(Algorithm::ES256, "good");
    let mut to_encrypt = Key::new(Algorithm::ES256, "enc");
    to_encrypt.public["use"] = json!("enc");
    let mut to_sign = Key::new(Algorithm::ES256, "sign");
    to_sign.public["key_ops"] = json!(["sign"]);
    // "c2VjcmV0" is `secret`.
    let secret = json!({"kty": "oct", "kid": "oct", "k": "c2VjcmV0", "alg": "HS256"});
    let keys = json!({"keys": [
        secret, {"kty": "new", "kid": "new"}, 7, {"kid": "nothing"},
        to_encrypt.public, to_sign.public, good.public,
    ]});
    let file = KeyFile::new(&keys.to_string());
    let app = guarded(file.auth());
    assert_eq!(chat(&app, &good.token()).await.status, 200);
    for key in [&to_encrypt, &to_sign] {
        refused(&chat(&app, &key.token()).await, "key that is not known");
    }
    let mut header = Header::new(Algorithm::HS256);
    header.kid = Some("oct".to_owned());
    let sign = EncodingKey::from_secret(b"secret");
    let token = jsonwebtoken::encode(&header, &claims(&json!({})), &sign).unwrap();
    refused(&chat(&app, &token).await, "algorithm");

    for unusable in [
        json!({"keys": []}).to_string(),
        json!({"keys": [secret]}).to_string(),
        json!([good.public]).to_string(),
        "{".to_owned(),
    ] {
        file.write(&unusable);
        assert!(Auth::jwks_file(&file.0).is_err(), "{unusable}");
    }
    assert!(Auth::jwks_file("/nowhere/keys.json").is_err());
}

#[tokio::test]
async fn claims_are_validated_for_every_key() {
    let key = Key::new(Algorithm::EdDSA, "k");
    let file = KeyFile::new(&jwks(&[&key]));
    let app = guarded(file.auth().issuer("issuer").audience("desk"));
    let now = jsonwebtoken::get_current_timestamp();
    let token = |changes: Value| {
        let mut all = json!({"iss": "issuer", "aud": "desk"});
        let all_members = all.as_object_mut().unwrap();
        all_members.extend(changes.as_object().unwrap().clone());
        key.signed(Some("k"), &all)
    };
    for (changes, why) in [
        (json!({"exp": now - 40}), "expired"),
        (json!({"exp": null}), "lacks a claim"),
        (json!({"exp": "soon"}), "lacks a claim"),
        (json!({"nbf": now + 60}), "not valid yet"),
        (json!({"iss": "other"}), "another issuer"),
        (json!({"iss": null}), "lacks a claim"),
        (json!({"aud": "other"}), "another audience"),
        (json!({"aud": ["other", "more"]}), "another audience"),
        (json!({"aud": []}), "another audience"),
        (json!({"aud": null}), "lacks a claim"),
        (json!({"sub": null}), "can't be read"),
        (json!({"sub": ""}), "`sub` is empty"),
        (json!({"sub": "x".repeat(256)}), "longer than 255"),
        (json!({"sub": 7}), "can't be read"),
        (json!({"roles": "user"}), "can't be read"),
    ] {
        let answer = chat(&app, &token(changes.clone())).await;
        assert_eq!(answer.status, 401, "{changes}");
        refused(&answer, why);
    }
    for changes in [
        json!({}),
        json!({"exp": now - 20, "nbf": now + 20}),
        json!({"aud": ["other", "desk"]}),
        json!({"sub": "x".repeat(255)}),
    ] {
        assert_eq!(
            chat(&app, &token(changes.clone())).await.status,
            200,
            "{changes}"
        );
    }
    // `scope` does not grant roles.
    let scoped = token(json!({"roles": null, "scope": "user"}));
    chat(&app, &scoped).await.problem(403);

    let strict = guarded(file.auth().leeway(Duration::ZERO));
    let late = key.signed(Some("k"), &json!({"exp": now - 20}));
    refused(&chat(&strict, &late).await, "expired");
    // A leeway of an hour is reduced to five minutes.
    let lenient = guarded(file.auth().leeway(Duration::from_secs(3600)));
    let later = |seconds: u64| key.signed(Some("k"), &json!({"exp": now - seconds}));
    assert_eq!(chat(&lenient, &later(280)).await.status, 200);
    refused(&chat(&lenient, &later(320)).await, "expired");
}

#[tokio::test]
async fn unsupported_critical_headers_are_rejected() {
    let key = Key::new(Algorithm::ES256, "k");
    let file = KeyFile::new(&jwks(&[&key]));
    let mut header = Header::new(Algorithm::ES256);
    header.kid = Some("k".to_owned());
    header.crit = Some(vec!["exp".to_owned()]);
    let token = jsonwebtoken::encode(&header, &claims(&json!({})), &key.sign).unwrap();
    refused(&chat(&guarded(file.auth()), &token).await, "`crit`");
    let long = format!("{}{}", key.token(), "x".repeat(20_000));
    refused(&chat(&guarded(file.auth()), &long).await, "can't be read");
}

#[tokio::test]
async fn a_jwks_file_is_reloaded_for_an_unknown_key_id() {
    let [old, new, newer] = ["old", "new", "newer"].map(|id| Key::new(Algorithm::ES256, id));
    let file = KeyFile::new(&jwks(&[&old]));
    let app = guarded(file.auth());
    assert_eq!(chat(&app, &old.token()).await.status, 200);
    file.write(&jwks(&[&new]));
    assert_eq!(chat(&app, &new.token()).await.status, 200);
    refused(&chat(&app, &old.token()).await, "key that is not known");
    // The file was read too recently to be read again.
    file.write(&jwks(&[&newer]));
    refused(&chat(&app, &newer.token()).await, "key that is not known");
    // An invalid file leaves the keys unchanged.
    let app = guarded(file.auth());
    file.write("{");
    refused(&chat(&app, &new.token()).await, "key that is not known");
    assert_eq!(chat(&app, &newer.token()).await.status, 200);
}

/// An HTTP server that publishes `publishes` at `/keys` and counts requests.
#[derive(Clone, Default)]
struct Issuer {
    requests: Arc<AtomicUsize>,
    publishes: Arc<Mutex<Option<String>>>,
}

impl Issuer {
    /// Starts the server and returns the URL of its keys.
    async fn start(&self) -> String {
        let issuer = self.clone();
        let keys = move || async move {
            let published = issuer.publishes.lock().unwrap().clone();
            issuer.requests.fetch_add(1, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(50)).await;
            match published {
                Some(text) => text.into_response(),
                None => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
            }
        };
        let moved = || async {
            let location = [("location", "/keys")];
            let response: Response = (StatusCode::FOUND, location).into_response();
            response
        };
        let app = Router::new()
            .route("/keys", get(keys))
            .route("/moved", get(moved));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(agentgen_runtime::axum::serve(listener, app).into_future());
        format!("http://{address}/keys")
    }

    fn publish(&self, text: String) {
        *self.publishes.lock().unwrap() = Some(text);
    }

    fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

#[tokio::test]
async fn concurrent_requests_share_one_jwks_fetch() {
    let [old, new] = ["old", "new"].map(|id| Key::new(Algorithm::ES256, id));
    let issuer = Issuer::default();
    issuer.publish(jwks(&[&old]));
    let auth = Auth::jwks_url(&issuer.start().await).unwrap();
    assert!(!auth.is_ready());
    let app = guarded(auth.clone());
    let token = old.token();
    let all = futures_util::future::join_all((0..10).map(|_| chat(&app, &token))).await;
    assert!(all.iter().all(|answer| answer.status == 200));
    assert_eq!(issuer.requests(), 1);
    assert!(auth.is_ready());
    // Unknown key ids do not cause a new fetch so soon.
    for id in 0..20 {
        let token = old.signed(Some(&id.to_string()), &json!({}));
        refused(&chat(&app, &token).await, "key that is not known");
    }
    issuer.publish(jwks(&[&new]));
    refused(&chat(&app, &new.token()).await, "key that is not known");
    assert_eq!(issuer.requests(), 1);
}

#[tokio::test]
async fn unavailable_keys_are_a_503_with_retry_after() {
    let key = Key::new(Algorithm::RS256, "k");
    let issuer = Issuer::default();
    let url = issuer.start().await;
    let too_long = format!("{}{}", jwks(&[&key]), " ".repeat(300_000));
    for (url, published) in [
        (url.clone(), None),
        (url.clone(), Some("{}".to_owned())),
        (url.clone(), Some(too_long)),
        (url.replace("/keys", "/moved"), Some(jwks(&[&key]))),
        ("http://127.0.0.1:1/keys".to_owned(), None),
    ] {
        *issuer.publishes.lock().unwrap() = published;
        let auth = Auth::jwks_url(&url).unwrap();
        let app = guarded(auth.clone());
        let answer = chat(&app, &key.token()).await;
        answer.problem(503);
        assert_eq!(answer.header("retry-after"), "5");
        assert!(!auth.is_ready());
        // A malformed token is rejected without keys.
        chat(&app, "nonsense").await.problem(401);
        let health = send(&app, request("GET", "/healthz", &[], "")).await;
        assert_eq!(health.status, 200);
    }
}

#[tokio::test]
async fn a_service_starts_without_keys_and_fetches_them_in_the_background() {
    let key = Key::new(Algorithm::ES256, "k");
    let issuer = Issuer::default();
    let auth = Auth::jwks_url(&issuer.start().await).unwrap();
    let settings = Settings {
        auth: Some(auth.clone()),
        ..Settings::default()
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let served = tokio::spawn(serve_on(listener, registry(), settings, async {
        let _ = stopped.await;
    }));
    let wait = |is_so: Box<dyn Fn() -> bool>| async move {
        for _ in 0..500 {
            if is_so() {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        is_so()
    };
    let asking = issuer.clone();
    assert!(wait(Box::new(move || asking.requests() == 1)).await);
    assert!(!auth.is_ready());
    issuer.publish(jwks(&[&key]));
    let waiting = auth.clone();
    assert!(wait(Box::new(move || waiting.is_ready())).await);
    assert_eq!(issuer.requests(), 2);
    stop.send(()).unwrap();
    served.await.unwrap().unwrap();
}

#[test]
fn keys_are_redacted_in_debug_output() {
    let key = Key::new(Algorithm::RS256, "k");
    let file = KeyFile::new(&jwks(&[&key]));
    let debug = format!("{:?}", file.auth());
    assert!(debug.contains("[redacted]"));
    assert!(!debug.contains(key.public["n"].as_str().unwrap()));
}
