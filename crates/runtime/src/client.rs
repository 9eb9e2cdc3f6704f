//! Outbound HTTP to providers: one JSON request, and the answer as JSON or as the data of server-sent events.
//!
//! Invariant: it knows no model. Errors and logs never contain a key. The provider's own message goes to the log alone, cut
//! to a limit: it may quote the prompt.

pub(crate) mod error_response;
pub(crate) mod http_endpoint;
pub(crate) mod key_redaction;
pub(crate) mod lenient_json;
pub(crate) mod server_address;
pub(crate) mod server_words;
pub(crate) mod sse_decoder;

use std::time::Duration;

use reqwest::Client;
use reqwest::header::HeaderValue;

pub(crate) use http_endpoint::HttpEndpoint;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The client that all providers of a service share. It follows no redirects, so that a key reaches one address only.
pub(crate) fn client() -> Result<Client, reqwest::Error> {
    Client::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("agentgen/", env!("CARGO_PKG_VERSION")))
        .build()
}

/// A header value that logs redact; `None` if `text` can't be a header value.
pub(crate) fn sensitive(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}
