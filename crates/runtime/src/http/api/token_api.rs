//! `POST /auth/token` and `POST /auth/refresh`, for services that issue tokens (OAuth 2.0, RFC 6749).

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::auth::issuer::{Issuer, TokenError, TokenResponse};
use crate::error::problem::Problem;
use crate::http::api_error::ApiError;
use crate::http::content_negotiation::accept_json;
use crate::http::layers::client_address;
use crate::http::layers::rate_limiter::Limiter;
use crate::http::layers::rate_limits::with_rate_headers;
use crate::http::request_reader::{is_json, read_bytes};
use crate::http::responses::{json_response, other_method};
use crate::spec::agent_spec::Rate;
use crate::telemetry::metrics::Metrics;

/// The path of the grant `client_credentials`.
pub(crate) const TOKEN: &str = "/auth/token";
/// The path of the grant `refresh_token`.
pub(crate) const REFRESH: &str = "/auth/refresh";
const ALLOW: &str = "POST, OPTIONS";
/// The rate of each address, so that secrets can't be guessed.
const RATE: Rate = Rate {
    requests: 60,
    seconds: 60,
};
/// The failed logins of one client, wherever they come from, that are answered at once. Further ones are answered after
/// [`FAILURE_DELAY`]. The client itself is never locked out, since whoever knows its name could do that.
const FAILURES: Rate = Rate {
    requests: 10,
    seconds: 60,
};
const FAILURE_DELAY: Duration = Duration::from_secs(1);
/// The largest body that is read, in bytes.
const MAX_BODY: usize = 16 * 1024;

/// The values of a form, or of a JSON object.
type Fields = BTreeMap<String, String>;

#[derive(Clone, Copy)]
enum Grant {
    ClientCredentials,
    RefreshToken,
}

struct TokenState {
    issuer: Issuer,
    limiter: Option<Limiter>,
    failures: Option<Limiter>,
    proxies: usize,
    metrics: Arc<Metrics>,
}

/// The routes. They answer 404 if the service issues no tokens.
pub(crate) fn routes(issuer: Option<Issuer>, proxies: usize, metrics: Arc<Metrics>) -> Router {
    let state = issuer.map(|issuer| TokenState {
        issuer,
        limiter: Limiter::new("address", RATE),
        failures: Limiter::new("client", FAILURES),
        proxies,
        metrics,
    });
    let state = Arc::new(state);
    let route = |grant| {
        let state = Arc::clone(&state);
        any(move |request: Request| async move {
            match state.as_ref() {
                _ if request.method() != Method::POST => other_method(request.method(), ALLOW),
                Some(state) => handle(state, grant, request).await,
                None => ApiError::not_found("this service issues no tokens").into_response(),
            }
        })
    };
    Router::new()
        .route(TOKEN, route(Grant::ClientCredentials))
        .route(REFRESH, route(Grant::RefreshToken))
}

async fn handle(state: &TokenState, grant: Grant, request: Request) -> Response {
    let address = client_address::address(request.headers(), request.extensions(), state.proxies);
    let limiter = state.limiter.as_ref();
    let status = limiter.map(|limiter| limiter.check(&client_address::rate_key(address)));
    with_rate_headers(status, &state.metrics, async {
        let granted = issue(state, grant, request, address).await;
        granted
            .map(|granted| json_response(&granted))
            .into_response()
    })
    .await
}

impl TokenState {
    /// Logs, counts and slows down a login that failed.
    async fn login_failed(&self, client: &str, address: Option<IpAddr>) {
        // A name that is not one of the settings may be a secret in the wrong field.
        let client = self.issuer.client(client).unwrap_or_default();
        let address = address.map(|address| address.to_string());
        let address = address.as_deref().unwrap_or_default();
        tracing::warn!(client, address, "a client failed to authenticate");
        self.metrics.login_failed(client);
        let status = self.failures.as_ref().map(|limiter| limiter.check(client));
        if status.is_some_and(|status| status.retry_after.is_some()) {
            tokio::time::sleep(FAILURE_DELAY).await;
        }
    }
}

async fn issue(
    state: &TokenState,
    grant: Grant,
    request: Request,
    address: Option<IpAddr>,
) -> Result<TokenResponse, GrantError> {
    let issuer = &state.issuer;
    let (parts, body) = request.into_parts();
    accept_json(&parts.headers)?;
    let content_type = parts.headers.get(header::CONTENT_TYPE);
    let content_type = content_type.and_then(|value| value.to_str().ok());
    let read: fn(&[u8]) -> Option<Fields> = match content_type {
        Some(kind) if is_form(kind) => read_form,
        Some(kind) if is_json(kind) => read_json,
        _ => {
            let detail = "the body must be application/x-www-form-urlencoded or application/json";
            return Err(ApiError::rejected(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail).into());
        }
    };
    let bytes = read_bytes(&parts.headers, body, MAX_BODY).await?;
    let fields = read(&bytes).ok_or(GrantError::InvalidRequest(
        "the body is no list of texts, each with a name of its own".to_owned(),
    ))?;
    let (client, secret) = read_credentials(&parts.headers, &fields)?;
    let granted = match grant {
        Grant::ClientCredentials => {
            if field(&fields, "grant_type")? != "client_credentials" {
                let detail = "`grant_type` must be client_credentials";
                return Err(GrantError::UnsupportedGrantType(detail));
            }
            if fields.get("scope").is_some_and(|scope| !scope.is_empty()) {
                return Err(GrantError::InvalidScope);
            }
            issuer.grant(&client, &secret).await
        }
        Grant::RefreshToken => {
            let grant_type = fields.get("grant_type").map(String::as_str);
            if grant_type.is_some_and(|grant_type| grant_type != "refresh_token") {
                let detail = "`grant_type` must be refresh_token, or left out";
                return Err(GrantError::UnsupportedGrantType(detail));
            }
            let token = field(&fields, "refresh_token")?;
            issuer.refresh(&client, &secret, token).await
        }
    };
    match granted {
        Ok(granted) => Ok(granted),
        Err(TokenError::InvalidClient) => {
            state.login_failed(&client, address).await;
            let detail = "the client is not who it has to be";
            Err(GrantError::InvalidClient(detail))
        }
        Err(TokenError::InvalidGrant) => Err(GrantError::InvalidGrant),
        Err(TokenError::Internal(error)) => Err(ApiError::from(error).into()),
    }
}

/// Why no token is issued.
enum GrantError {
    InvalidRequest(String),
    InvalidClient(&'static str),
    InvalidGrant,
    UnsupportedGrantType(&'static str),
    InvalidScope,
    /// A failure that is not one of OAuth's.
    Other(ApiError),
}

impl From<ApiError> for GrantError {
    fn from(error: ApiError) -> Self {
        Self::Other(error)
    }
}

impl IntoResponse for GrantError {
    /// A problem with one of the codes of RFC 6749, section 5.2.
    fn into_response(self) -> Response {
        let (status, code, detail) = match self {
            Self::InvalidRequest(detail) => (400, "invalid_request", detail),
            Self::InvalidClient(detail) => (401, "invalid_client", detail.to_owned()),
            Self::InvalidGrant => {
                let detail = "the refresh token is not good, or not any longer; ask for a new one";
                (400, "invalid_grant", detail.to_owned())
            }
            Self::UnsupportedGrantType(detail) => {
                (400, "unsupported_grant_type", detail.to_owned())
            }
            Self::InvalidScope => {
                let detail = "this service knows no scopes: the roles of a client are fixed";
                (400, "invalid_scope", detail.to_owned())
            }
            Self::Other(error) => return error.into_response(),
        };
        let mut problem = Problem::new(status, detail);
        problem.error = Some(code.to_owned());
        let mut response = problem.into_response();
        if status == 401 {
            let challenge = HeaderValue::from_static("Basic realm=\"tokens\"");
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, challenge);
        }
        response
    }
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
fn read_credentials(headers: &HeaderMap, fields: &Fields) -> Result<(String, String), GrantError> {
    // A bearer token is for other paths.
    let mut values = headers
        .get_all(header::AUTHORIZATION)
        .iter()
        .filter(|value| !is_bearer(value));
    let (client, secret) = (fields.get("client_id"), fields.get("client_secret"));
    let missing = || GrantError::InvalidClient("the client does not say who it is");
    match (values.next(), values.next(), secret) {
        (None, _, Some(secret)) => {
            let client = client.ok_or_else(missing)?;
            Ok((client.clone(), secret.clone()))
        }
        (Some(value), None, None) => {
            let (name, secret) = value.to_str().ok().and_then(basic).ok_or_else(missing)?;
            if client.is_some_and(|client| *client != name) {
                let detail = "`client_id` is another one than that of the header Authorization";
                return Err(GrantError::InvalidRequest(detail.to_owned()));
            }
            Ok((name, secret))
        }
        (Some(_), ..) => {
            let detail = "the client proves who it is in two ways, and must do it in one";
            Err(GrantError::InvalidRequest(detail.to_owned()))
        }
        (None, _, None) => Err(missing()),
    }
}

fn basic(value: &str) -> Option<(String, String)> {
    let (scheme, encoded) = value.split_once(' ')?;
    let bytes = STANDARD.decode(encoded.trim()).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let (name, secret) = text.split_once(':')?;
    // Both are form-encoded before they are joined, so that they can hold a colon.
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

/// What the endpoints read. RFC 6749, section 3.2: other parameters are ignored, and none of these may come twice.
const PARAMETERS: [&str; 5] = [
    "grant_type",
    "scope",
    "client_id",
    "client_secret",
    "refresh_token",
];

fn read_form(bytes: &[u8]) -> Option<Fields> {
    let mut fields = Fields::new();
    let known = form_urlencoded::parse(bytes).filter(|(name, _)| PARAMETERS.contains(&&**name));
    for (name, value) in known {
        if fields
            .insert(name.into_owned(), value.into_owned())
            .is_some()
        {
            return None;
        }
    }
    Some(fields)
}

fn read_json(bytes: &[u8]) -> Option<Fields> {
    serde_json::from_slice(bytes).ok()
}

fn is_form(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default();
    essence
        .trim()
        .eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

fn field<'a>(fields: &'a Fields, name: &str) -> Result<&'a str, GrantError> {
    let found = fields.get(name).filter(|value| !value.is_empty());
    found
        .map(String::as_str)
        .ok_or_else(|| GrantError::InvalidRequest(format!("`{name}` is missing")))
}
