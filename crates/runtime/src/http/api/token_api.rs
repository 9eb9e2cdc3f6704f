//! `POST /auth/token` and `POST /auth/refresh`: where a service issues tokens itself.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Method, header};
use axum::response::Response;
use axum::routing::any;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::auth::issuer::{Issuer, TokenError, TokenResponse};
use crate::error::problem::Problem;
use crate::http::api::agent_api::{not_allowed, options};
use crate::http::content_negotiation::wanted;
use crate::http::layers::client_address;
use crate::http::layers::rate_limiter::Limiter;
use crate::http::layers::rate_limits::within;
use crate::http::request_reader::{is_json, read_bytes};
use crate::http::responses::{json, problem};
use crate::spec::agent_spec::Rate;
use crate::telemetry::metrics::Metrics;

/// Where a client gets its first tokens.
pub(crate) const TOKEN: &str = "/auth/token";
/// Where it gets the next ones.
pub(crate) const REFRESH: &str = "/auth/refresh";
const ALLOW: &str = "POST, OPTIONS";
/// How often one address may ask, so that nobody guesses secrets.
const RATE: Rate = Rate {
    requests: 60,
    seconds: 60,
};
/// The largest body that is read, in bytes.
const LARGEST: usize = 16 * 1024;

/// The values of a form, or of a JSON object.
type Fields = BTreeMap<String, String>;

#[derive(Clone, Copy)]
enum Asked {
    Token,
    Refresh,
}

struct Desk {
    issuer: Issuer,
    limiter: Option<Limiter>,
    proxies: usize,
    metrics: Arc<Metrics>,
}

/// The routes, which answer 404 if the service issues no tokens.
pub(crate) fn routes(issuer: Option<Issuer>, proxies: usize, metrics: Arc<Metrics>) -> Router {
    let desk = issuer.map(|issuer| Desk {
        issuer,
        limiter: Limiter::new("address", RATE),
        proxies,
        metrics,
    });
    let desk = Arc::new(desk);
    let route = |asked| {
        let desk = Arc::clone(&desk);
        any(move |request: Request| {
            let desk = Arc::clone(&desk);
            async move {
                match (request.method(), desk.as_ref()) {
                    (&Method::POST, Some(desk)) => limited(desk, asked, request).await,
                    (&Method::POST, None) => {
                        problem(Problem::new(404, "this service issues no tokens"))
                    }
                    (&Method::OPTIONS, _) => options(ALLOW),
                    _ => not_allowed(ALLOW),
                }
            }
        })
    };
    Router::new()
        .route(TOKEN, route(Asked::Token))
        .route(REFRESH, route(Asked::Refresh))
}

async fn limited(desk: &Desk, asked: Asked, request: Request) -> Response {
    let address = client_address::address(request.headers(), request.extensions(), desk.proxies);
    let address = client_address::counted(address);
    let standing = desk.limiter.as_ref().map(|limiter| limiter.check(&address));
    within(standing, &desk.metrics, async {
        match answer(&desk.issuer, asked, request).await {
            Ok(granted) => json(&granted),
            Err(document) => refused(*document),
        }
    })
    .await
}

async fn answer(
    issuer: &Issuer,
    asked: Asked,
    request: Request,
) -> Result<TokenResponse, Box<Problem>> {
    let (parts, body) = request.into_parts();
    if wanted(&parts.headers, false).is_none() {
        let detail = "this can be answered as application/json only";
        return Err(Box::new(Problem::new(406, detail)));
    }
    let content_type = parts.headers.get(header::CONTENT_TYPE);
    let content_type = content_type.and_then(|value| value.to_str().ok());
    let read: fn(&[u8]) -> Option<Fields> = match content_type {
        Some(kind) if is_form(kind) => form,
        Some(kind) if is_json(kind) => object,
        _ => {
            let detail = "the body must be application/x-www-form-urlencoded or application/json";
            return Err(Box::new(Problem::new(415, detail)));
        }
    };
    let bytes = read_bytes(&parts.headers, body, LARGEST).await?;
    let fields = read(&bytes).ok_or_else(|| {
        let detail = "the body is no list of texts, each with a name of its own";
        wrong(400, "invalid_request", detail)
    })?;
    let granted = match asked {
        Asked::Token => {
            let (client, secret) = credentials(&parts.headers, &fields)?;
            let grant = field(&fields, "grant_type")?;
            if grant != "client_credentials" {
                let detail = "`grant_type` must be client_credentials";
                return Err(wrong(400, "unsupported_grant_type", detail));
            }
            if fields.get("scope").is_some_and(|scope| !scope.is_empty()) {
                let detail = "this service knows no scopes: the roles of a client are fixed";
                return Err(wrong(400, "invalid_scope", detail));
            }
            issuer.grant(&client, &secret).await
        }
        Asked::Refresh => {
            let grant = fields.get("grant_type").map(String::as_str);
            if grant.is_some_and(|grant| grant != "refresh_token") {
                let detail = "`grant_type` must be refresh_token, or left out";
                return Err(wrong(400, "unsupported_grant_type", detail));
            }
            issuer.refresh(field(&fields, "refresh_token")?).await
        }
    };
    granted.map_err(|denied| match denied {
        TokenError::InvalidClient => {
            wrong(401, "invalid_client", "the client is not who it has to be")
        }
        TokenError::InvalidGrant => {
            let detail = "the refresh token is not good, or not any longer; ask for a new one";
            wrong(400, "invalid_grant", detail)
        }
        TokenError::Internal(error) => {
            tracing::error!(%error, "no token could be issued");
            Box::new(error.to_problem())
        }
    })
}

fn is_bearer(value: &HeaderValue) -> bool {
    let scheme = value
        .to_str()
        .ok()
        .and_then(|value| value.split(' ').next());
    scheme.is_some_and(|scheme| scheme.eq_ignore_ascii_case("bearer"))
}

/// The name and the secret of a client: in the header `Authorization` or in the body, and not in both (RFC 6749,
/// section 2.3.1).
fn credentials(headers: &HeaderMap, fields: &Fields) -> Result<(String, String), Box<Problem>> {
    // A token that comes along is for other paths, and says nothing here.
    let mut values = headers
        .get_all(header::AUTHORIZATION)
        .iter()
        .filter(|value| !is_bearer(value));
    let (client, secret) = (fields.get("client_id"), fields.get("client_secret"));
    let nobody = || wrong(401, "invalid_client", "the client does not say who it is");
    match (values.next(), values.next(), secret) {
        (None, _, Some(secret)) => {
            let client = client.ok_or_else(nobody)?;
            Ok((client.clone(), secret.clone()))
        }
        (Some(value), None, None) => {
            let (name, secret) = value.to_str().ok().and_then(basic).ok_or_else(nobody)?;
            if client.is_some_and(|client| *client != name) {
                let detail = "`client_id` is another one than that of the header Authorization";
                return Err(wrong(400, "invalid_request", detail));
            }
            Ok((name, secret))
        }
        (Some(_), ..) => {
            let detail = "the client proves who it is in two ways, and must do it in one";
            Err(wrong(400, "invalid_request", detail))
        }
        (None, _, None) => Err(nobody()),
    }
}

fn basic(value: &str) -> Option<(String, String)> {
    let (scheme, encoded) = value.split_once(' ')?;
    let bytes = STANDARD.decode(encoded.trim()).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let (name, secret) = text.split_once(':')?;
    // Both are written as in a form before they are joined, so that a colon can be part of them.
    let decoded = |text: &str| {
        let mut pairs = form_urlencoded::parse(text.as_bytes());
        let (name, value) = pairs.next().unwrap_or_default();
        (value.is_empty() && !text.contains(['&', '='])).then(|| name.into_owned())
    };
    let pair = match (decoded(name), decoded(secret)) {
        (Some(name), Some(secret)) => (name, secret),
        _ => (name.to_owned(), secret.to_owned()),
    };
    scheme.eq_ignore_ascii_case("basic").then_some(pair)
}

fn form(bytes: &[u8]) -> Option<Fields> {
    let mut fields = Fields::new();
    for (name, value) in form_urlencoded::parse(bytes) {
        if fields
            .insert(name.into_owned(), value.into_owned())
            .is_some()
        {
            return None;
        }
    }
    Some(fields)
}

fn object(bytes: &[u8]) -> Option<Fields> {
    serde_json::from_slice(bytes).ok()
}

fn is_form(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default();
    essence
        .trim()
        .eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

fn field<'a>(fields: &'a Fields, name: &str) -> Result<&'a str, Box<Problem>> {
    let found = fields.get(name).filter(|value| !value.is_empty());
    found
        .map(String::as_str)
        .ok_or_else(|| wrong(400, "invalid_request", &format!("`{name}` is missing")))
}

/// A problem with one of the codes of RFC 6749, section 5.2.
fn wrong(status: u16, code: &str, detail: &str) -> Box<Problem> {
    let mut problem = Problem::new(status, detail);
    problem.error = Some(code.to_owned());
    Box::new(problem)
}

fn refused(document: Problem) -> Response {
    let is_unknown = document.status == 401;
    let mut response = problem(document);
    if is_unknown {
        let challenge = HeaderValue::from_static("Basic realm=\"tokens\"");
        response
            .headers_mut()
            .insert(header::WWW_AUTHENTICATE, challenge);
    }
    response
}
