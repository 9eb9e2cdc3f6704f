//! Which web pages may call the service: those of origins that are named, as in the Fetch standard (CORS). Nobody's
//! cookies are sent along, so that a page can do no more than whoever has the token.

use std::collections::BTreeSet;

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Method, Uri, header};
use axum::response::Response;

/// What a page may send.
const REQUEST_HEADERS: HeaderValue = HeaderValue::from_static(
    "authorization, content-type, accept, idempotency-key, x-request-id, last-event-id",
);
/// What a page may read of an answer besides the usual.
const ANSWER_HEADERS: HeaderValue =
    HeaderValue::from_static("x-request-id, ratelimit, ratelimit-policy, retry-after");
/// For how many seconds a browser need not ask again.
const MAX_AGE: HeaderValue = HeaderValue::from_static("600");

/// The origins whose pages may call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Origins(BTreeSet<String>);

impl Origins {
    /// The origins in a list, each as a browser writes it: `scheme://host`, with a port unless it is the scheme's own.
    ///
    /// # Errors
    /// The first that is none, and why.
    pub(crate) fn new(origins: &[String]) -> Result<Self, String> {
        let checked = origins.iter().map(|origin| {
            is_origin(origin).then(|| origin.clone()).ok_or_else(|| {
                format!("`{origin}` is not an origin in lower case such as https://app.example or http://localhost:3000")
            })
        });
        checked.collect::<Result<_, _>>().map(Self)
    }

    /// Tells the browser of an allowed page that it may go on. Where somebody is named, what is answered differs by
    /// origin, and says so.
    pub(crate) async fn allow(
        &self,
        request: Request,
        next: impl AsyncFnOnce(Request) -> Response,
    ) -> Response {
        if self.0.is_empty() {
            return next(request).await;
        }
        let allowed = self.allowed(request.headers());
        let is_preflight = request.method() == Method::OPTIONS
            && request
                .headers()
                .contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
        let mut response = next(request).await;
        let methods = response.headers().get(header::ALLOW).cloned();
        let headers = response.headers_mut();
        headers.append(header::VARY, HeaderValue::from_static("origin"));
        let Some(origin) = allowed else {
            return response;
        };
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        if is_preflight {
            // The routes answer OPTIONS with the methods there are.
            if let Some(methods) = methods {
                headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, methods);
            }
            headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, REQUEST_HEADERS);
            headers.insert(header::ACCESS_CONTROL_MAX_AGE, MAX_AGE);
        } else {
            headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, ANSWER_HEADERS);
        }
        response
    }

    fn allowed(&self, headers: &HeaderMap) -> Option<HeaderValue> {
        let origin = headers.get(header::ORIGIN)?;
        let text = origin.to_str().ok()?;
        self.0.contains(text).then(|| origin.clone())
    }
}

/// Browsers compare origins byte by byte, so that one written in another way would never match.
fn is_origin(text: &str) -> bool {
    let Some((scheme, authority)) = text.split_once("://") else {
        return false;
    };
    let Ok(uri) = text.parse::<Uri>() else {
        return false;
    };
    let usual = match scheme {
        "http" => 80,
        "https" => 443,
        _ => return false,
    };
    // Behind the `]` of an IPv6 address, if it is one.
    let has_port = authority
        .rsplit(']')
        .next()
        .is_some_and(|rest| rest.contains(':'));
    !authority.contains(['/', '?', '#', '@', '*'])
        && !text.bytes().any(|byte| byte.is_ascii_uppercase())
        && uri.host().is_some_and(|host| !host.is_empty())
        && uri.port_u16() != Some(usual)
        && uri.port_u16().is_some() == has_port
}
