//! Where callers get their tokens: the metadata of a protected resource (RFC 9728).
//!
//! Invariant: there is metadata only where the settings name the issuer of tokens, as a URL.

use axum::Router;
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, header};
use axum::response::Response;
use serde_json::json;

use crate::auth::Auth;
use crate::http::calls::api_state::ApiState;
use crate::http::protocols::Served;
use crate::http::protocols::mcp_adapter::MCP;
use crate::http::raw_request;
use crate::http::responses::{json_response, other_method};

/// The metadata of the whole service, and of its MCP server: clients ask for the one or for the other.
pub(super) const OF_SERVICE: &str = "/.well-known/oauth-protected-resource";
pub(super) const OF_MCP: &str = "/.well-known/oauth-protected-resource/mcp";

/// The routes of the metadata; none where no issuer is named.
pub(super) fn routes(served: &Served) -> Router {
    let state = &served.state;
    let Some((issuer, _)) = issuer(state) else {
        return Router::new();
    };
    let (issuer, state) = (issuer.to_owned(), std::sync::Arc::clone(state));
    let title = served.title().to_owned();
    raw_request::routes([OF_SERVICE, OF_MCP], move |request, _| {
        let method = &request.parts.method;
        let response = match *method {
            Method::GET | Method::HEAD => json_response(&json!({
                "resource": resource(&state, &request.parts),
                "resource_name": title,
                "authorization_servers": [issuer],
                "bearer_methods_supported": ["header"],
            })),
            _ => other_method(method, "GET, HEAD, OPTIONS"),
        };
        std::future::ready(response)
    })
}

/// Names the metadata in the challenge of a response with status 401.
pub(super) fn name_metadata(state: &ApiState, parts: &Parts, response: &mut Response) {
    let Some(_) = issuer(state) else {
        return;
    };
    let headers = response.headers_mut();
    let Some(Ok(challenge)) = headers
        .get(header::WWW_AUTHENTICATE)
        .map(HeaderValue::to_str)
    else {
        return;
    };
    let separator = if challenge.contains('=') { "," } else { "" };
    let url = format!("{}{OF_MCP}", origin(state, parts));
    let challenge = format!("{challenge}{separator} resource_metadata=\"{url}\"");
    if let Ok(challenge) = HeaderValue::try_from(challenge) {
        headers.insert(header::WWW_AUTHENTICATE, challenge);
    }
}

/// The issuer of tokens, if it is a URL, and the audience that they are for.
fn issuer(state: &ApiState) -> Option<(&str, Option<&str>)> {
    let auth = state.auth.as_ref()?;
    let issuer = auth.required_issuer().filter(|issuer| is_url(issuer))?;
    Some((issuer, auth.required_audience()))
}

/// What tokens are for: the audience that the settings demand, where it is a URL, or else the address that was called.
fn resource(state: &ApiState, parts: &Parts) -> String {
    let audience = state.auth.as_ref().and_then(Auth::required_audience);
    match audience.filter(|audience| is_url(audience)) {
        Some(audience) => audience.to_owned(),
        None => format!("{}{MCP}", origin(state, parts)),
    }
}

fn is_url(text: &str) -> bool {
    text.starts_with("https://") || text.starts_with("http://")
}

/// The scheme and the host that were called. A proxy before the service says which scheme its caller used. The layers have checked the
/// host.
fn origin(state: &ApiState, parts: &Parts) -> String {
    let text = |name: &str| {
        parts
            .headers
            .get(name)
            .and_then(|value| value.to_str().ok())
    };
    let forwarded = text("x-forwarded-proto").filter(|_| state.limits.has_proxies());
    let scheme = match forwarded {
        Some("https") => "https",
        _ => "http",
    };
    let host = text("host").unwrap_or("localhost");
    // Quotation marks would end the parameter of the challenge that it becomes a part of.
    let host = if host.contains(['"', '\\']) {
        "localhost"
    } else {
        host
    };
    format!("{scheme}://{host}")
}
