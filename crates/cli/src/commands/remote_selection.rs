//! Asks a running service which agents a request is for.

use std::time::Duration;

use agentgen_build::inspect::printable;
use serde_json::{Value, json};
use ureq::http::Uri;

use crate::configuration::service_token::token_for;
use crate::terminal::{Status, eprint_line};

/// Longer than the service waits for its own model.
const TIMEOUT: Duration = Duration::from_secs(30);
/// The highest `limit` that the service accepts.
const MAX_LIMIT: u32 = 20;

/// What `POST /v1/route` of the service at `address` answers.
///
/// # Errors
///
/// The exit status; the reason is on stderr.
pub fn route(address: &str, text: &str, limit: u32) -> Result<Value, Status> {
    let refused = |status, reason: &str| {
        eprint_line(&printable(&format!("error: {address}: {reason}")));
        status
    };
    let uri = address.parse::<Uri>().ok();
    let host = uri
        .as_ref()
        .filter(|uri| uri.scheme_str() == Some("http"))
        .and_then(Uri::host)
        .ok_or_else(|| {
            let reason = "the address of a service is written as in http://127.0.0.1:8080";
            refused(Status::Usage, reason)
        })?;
    let config = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .proxy(None)
        .timeout_global(Some(TIMEOUT));
    let url = format!("{}/v1/route", address.trim_end_matches('/'));
    let mut request = config
        .build()
        .new_agent()
        .post(url)
        .header("content-type", "application/json");
    let token = token_for(host, false);
    if let Some(token) = token.map_err(|reason| refused(Status::Usage, &reason))? {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    let body = json!({ "text": text, "limit": limit.min(MAX_LIMIT) }).to_string();
    let failed = |error: ureq::Error| refused(Status::Io, &error.to_string());
    let mut response = request.send(body).map_err(failed)?;
    let text = response.body_mut().read_to_string().map_err(failed)?;
    let reply = serde_json::from_str::<Value>(&text).ok();
    if response.status().is_success()
        && let Some(reply) = &reply
        && reply["agents"].is_array()
    {
        return Ok(reply.clone());
    }
    let status = if response.status().is_client_error() {
        Status::Usage
    } else {
        Status::Io
    };
    let detail = reply
        .as_ref()
        .and_then(|reply| reply["detail"].as_str())
        .unwrap_or("this is not an agentgen service");
    let reason = format!("answers {}: {detail}", response.status().as_u16());
    Err(refused(status, &reason))
}
