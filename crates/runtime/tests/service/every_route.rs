//! Every route of a service: who gets through, with what body, and how often. The routes are those that the router itself
//! has, so that a new one is in none of the lists below and fails a test until somebody decides.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use agentgen_runtime::auth::{Auth, TokenClient, Tokens};
use agentgen_runtime::axum::Router;
use agentgen_runtime::axum::body::Body;
use agentgen_runtime::axum::extract::ConnectInfo;
use agentgen_runtime::axum::http::Request;
use agentgen_runtime::settings::Rates;
use agentgen_runtime::spec::Rate;
use agentgen_runtime::workflow::{StepKind, StepSpec, Template};
use agentgen_runtime::{Secret, Service, Settings};
use serde_json::json;

use crate::desk_service::registry;
use crate::document_fixture::READER;
use crate::http_client::{request, send};
use crate::workflow_fixture::{STEP, workflow};

const ISSUER: &str = "https://login.example";
const SECRET: &str = "a-secret-of-thirty-two-bytes-12345678";
/// The largest body that the service reads.
const BODY_LIMIT: usize = 1_000;

/// What answers everyone, with or without a token.
const PUBLIC: [&str; 17] = [
    "/",
    "/.well-known/oauth-protected-resource",
    "/.well-known/oauth-protected-resource/mcp",
    "/.well-known/agent-card.json",
    "/a2a/{agent}/.well-known/agent-card.json",
    "/arazzo.json",
    "/console/app.js",
    "/console/icon.svg",
    "/console/style.css",
    "/docs",
    "/docs/app.js",
    "/docs/icon.svg",
    "/docs/style.css",
    "/healthz",
    "/livez",
    "/openapi.json",
    "/readyz",
];
/// Where clients show their secret in place of a token.
const FOR_CLIENTS: [&str; 2] = ["/auth/refresh", "/auth/token"];
/// What a caller without roles may not do.
const FOR_ROLES: [&str; 7] = [
    "DELETE /v1/agents/{agent}/documents/{document}",
    "GET /v1/agents/{agent}/documents",
    "GET /v1/agents/{agent}/documents/{document}",
    "POST /chat",
    "POST /chat/stream",
    "POST /v1/agents/{agent}/documents",
    "POST /v1/workflows/{name}/runs",
];
/// What no rate of addresses limits.
const NOT_LIMITED: [&str; 4] = ["/healthz", "/livez", "/metrics", "/readyz"];

/// A service with everything switched on.
fn app(rates: Rates) -> Router {
    let step = StepSpec {
        kind: StepKind::Call {
            agent: "desk",
            endpoint: "chat",
        },
        with: Some(Template::Json(r#"{"message":"hello"}"#)),
        ..STEP
    };
    let client = TokenClient {
        secret: Secret::new("a secret of a client"),
        roles: Vec::new(),
    };
    let settings = Settings {
        auth: Some(Auth::hs256(SECRET.as_bytes()).unwrap().issuer(ISSUER)),
        tokens: Some(Tokens {
            access_ttl: Duration::from_secs(60),
            refresh_ttl: Duration::from_secs(60),
            clients: BTreeMap::from([("web".to_owned(), client)]),
        }),
        body_limit: BODY_LIMIT,
        console: Some(true),
        rates,
        ..Settings::default()
    };
    let registry = registry()
        .service(Service::new(&READER))
        .workflow(Box::leak(Box::new(workflow(vec![step]))))
        .arazzo("{}");
    registry.into_router(settings).unwrap()
}

/// The paths of the router, as axum shows them: `RouteId(7): "/v1/runs/{run_id}"`.
fn paths(app: &Router) -> BTreeSet<String> {
    let text = format!("{app:?}");
    let (text, _) = text.split_once("fallback_router").unwrap();
    let paths = text.split("RouteId(").filter_map(|rest| {
        let (_, path) = rest.split_once("): \"")?;
        let is_next = rest.starts_with(|digit: char| digit.is_ascii_digit());
        let (path, _) = path.split_once('"')?;
        (is_next && path.starts_with('/')).then(|| path.to_owned())
    });
    paths.collect()
}

/// A request for a route, with something in the place of its parameters.
fn ask(method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Request<Body> {
    let mut filled = String::new();
    for (index, part) in path.split(['{', '}']).enumerate() {
        filled.push_str(match (index % 2, part) {
            (0, text) => text,
            (_, "agent") => "reader",
            (_, "name") => "play",
            (_, "shelf") => "7?query=x",
            _ => "x",
        });
    }
    let filled = match filled.split_once("7?query=x") {
        Some((before, after)) => format!("{before}7{after}?query=x"),
        None => filled,
    };
    let mut request = request(method, &filled, headers, body);
    let address = SocketAddr::from(([192, 0, 2, 1], 1));
    request.extensions_mut().insert(ConnectInfo(address));
    let host = "api.example".parse().unwrap();
    request.headers_mut().insert("host", host);
    request
}

/// Every method of every path, but for HEAD, which is GET, and OPTIONS.
async fn routes(app: &Router) -> Vec<(String, String)> {
    let mut routes = Vec::new();
    for path in paths(app) {
        let answer = send(app, ask("OPTIONS", &path, &[], "")).await;
        assert_eq!(answer.status, 204, "{path}");
        let allowed = answer.header("allow").split(", ");
        let allowed = allowed.filter(|method| !["HEAD", "OPTIONS"].contains(method));
        routes.extend(allowed.map(|method| (method.to_owned(), path.clone())));
    }
    let known = [
        ("GET", "/v1/agents"),
        ("POST", "/chat"),
        ("POST", "/v1/route"),
    ];
    assert!(routes.len() > 25, "{routes:?}");
    for (method, path) in known {
        assert!(routes.contains(&(method.to_owned(), path.to_owned())));
    }
    routes
}

fn bearer(roles: &[&str]) -> String {
    let exp = jsonwebtoken::get_current_timestamp() + 60;
    let claims = json!({ "iss": ISSUER, "sub": "ann", "exp": exp, "roles": roles });
    let key = jsonwebtoken::EncodingKey::from_secret(SECRET.as_bytes());
    let token = jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key);
    format!("Bearer {}", token.unwrap())
}

#[tokio::test]
async fn every_route_but_the_public_ones_needs_a_token() {
    let app = app(Rates::default());
    let mut open = BTreeSet::new();
    for (method, path) in routes(&app).await {
        for (authorization, challenge) in [
            ("", "Bearer"),
            ("Basic YTpi", "Bearer"),
            ("Bearer x", "Bearer error=\"invalid_token\""),
        ] {
            let headers = [
                ("authorization", authorization),
                ("content-type", "text/plain"),
            ];
            let headers = &headers[usize::from(authorization.is_empty())..];
            let answer = send(&app, ask(&method, &path, headers, "x")).await;
            let given = answer.header("www-authenticate");
            if FOR_CLIENTS.contains(&&*path) {
                // The body can't be read, and so nobody has shown a secret.
                assert_eq!(answer.status, 415, "{path}");
            } else if answer.status == 401 {
                assert!(given.starts_with(challenge), "{method} {path}: {given}");
                continue;
            }
            open.insert(path.clone());
        }
    }
    let expected = PUBLIC.into_iter().chain(FOR_CLIENTS);
    let expected: BTreeSet<String> = expected.map(str::to_owned).collect();
    assert_eq!(open, expected);
}

#[tokio::test]
async fn every_route_with_roles_needs_one_of_them() {
    let app = app(Rates::default());
    let mut refused = BTreeSet::new();
    for (method, path) in routes(&app).await {
        let own = bearer(&["guest"]);
        let headers = [
            ("authorization", &*own),
            ("content-type", "application/json"),
        ];
        let answer = send(&app, ask(&method, &path, &headers, "{}")).await;
        if answer.status == 403 {
            let problem = answer.problem(403);
            assert!(
                problem["detail"]
                    .as_str()
                    .unwrap()
                    .contains("one of the roles")
            );
            refused.insert(format!("{method} {path}"));
        }
    }
    let expected: BTreeSet<String> = FOR_ROLES.map(str::to_owned).into();
    assert_eq!(refused, expected);
}

#[tokio::test]
async fn every_route_with_a_body_limits_it() {
    let app = app(Rates::default());
    let own = bearer(&["user", "librarian"]);
    for (method, path) in routes(&app).await {
        // What is done with a run is in the path alone.
        let has_no_body = ["cancel", "pause", "resume", "retry", "restart"];
        let of_run = path.strip_prefix("/v1/runs/{run_id}/").unwrap_or("");
        if method == "GET" || method == "DELETE" || has_no_body.contains(&of_run) {
            continue;
        }
        let (limit, content_type) = match FOR_CLIENTS.contains(&&*path) {
            true => (16 * 1024, "application/x-www-form-urlencoded"),
            false => (BODY_LIMIT, "application/json"),
        };
        let long = limit.to_string();
        let longer = (limit + 1).to_string();
        for (length, is_refused) in [(&long, false), (&longer, true)] {
            let headers = [
                ("authorization", &*own),
                ("content-type", content_type),
                ("content-length", length),
            ];
            let body = "x".repeat(length.parse().unwrap());
            let answer = send(&app, ask(&method, &path, &headers, &body)).await;
            assert_eq!(
                answer.status == 413,
                is_refused,
                "{method} {path}: {}",
                answer.text
            );
        }
    }
}

#[tokio::test]
async fn every_route_counts_against_the_rate_of_its_address() {
    let rates = Rates {
        address: Some(Rate {
            requests: 1,
            seconds: 3_600,
        }),
        ..Rates::default()
    };
    let listed = routes(&app(Rates::default())).await;
    let limited = app(rates);
    assert_eq!(
        send(&limited, ask("GET", "/openapi.json", &[], ""))
            .await
            .status,
        200
    );
    let mut open = BTreeSet::new();
    let own = bearer(&["user", "librarian"]);
    for (method, path) in listed {
        let headers = [
            ("authorization", &*own),
            ("content-type", "application/json"),
        ];
        let answer = send(&limited, ask(&method, &path, &headers, "{}")).await;
        if answer.status != 429 {
            open.insert(path);
            continue;
        }
        assert!(!answer.header("retry-after").is_empty(), "{path}");
    }
    let expected: BTreeSet<String> = NOT_LIMITED.map(str::to_owned).into();
    assert_eq!(open, expected);
}
