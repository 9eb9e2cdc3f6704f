//! Cross-origin requests (CORS, as in the Fetch standard): pages of the origins in `cors.origins` may call the service.
//! Cookies are not allowed, so a page needs a token.

use std::collections::BTreeSet;
use std::fmt;

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Method, Uri, header};
use axum::response::Response;

/// The headers that a page may send, besides those that endpoints take.
const REQUEST_HEADERS: &str =
    "authorization, content-type, accept, idempotency-key, x-request-id, last-event-id";
/// The response headers that a page may read, besides those that every page may.
const EXPOSED_HEADERS: HeaderValue =
    HeaderValue::from_static("x-request-id, ratelimit, ratelimit-policy, retry-after");
/// How long a browser may cache a preflight response, in seconds.
const MAX_AGE: HeaderValue = HeaderValue::from_static("600");

/// The origins whose pages may call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Origins {
    origins: BTreeSet<String>,
    /// The value of `Access-Control-Allow-Headers`.
    request_headers: HeaderValue,
}

/// A text that is no origin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OriginError(String);

impl fmt::Display for OriginError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(origin) = self;
        write!(
            f,
            "`{origin}` is not an origin in lower case such as https://app.example or http://localhost:3000"
        )
    }
}

impl std::error::Error for OriginError {}

impl Origins {
    /// The origins in a list, each as a browser writes it: `scheme://host`, with a port unless it is the default of the
    /// scheme.
    ///
    /// # Errors
    /// The first text that is no origin.
    pub(crate) fn new(origins: &[String]) -> Result<Self, OriginError> {
        match origins.iter().find(|origin| !is_origin(origin)) {
            Some(origin) => Err(OriginError(origin.clone())),
            None => Ok(Self {
                origins: origins.iter().cloned().collect(),
                request_headers: HeaderValue::from_static(REQUEST_HEADERS),
            }),
        }
    }

    /// The same origins, whose pages may send the headers `names` too.
    pub(crate) fn with_request_headers<'a>(
        mut self,
        names: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        let names: BTreeSet<String> = names.into_iter().map(str::to_ascii_lowercase).collect();
        let all = names
            .into_iter()
            .fold(REQUEST_HEADERS.to_owned(), |all, name| all + ", " + &name);
        if let Ok(all) = HeaderValue::from_str(&all) {
            self.request_headers = all;
        }
        self
    }

    /// Adds the CORS headers for pages of an allowed origin. With any origin allowed, responses vary by origin.
    pub(crate) async fn call(
        &self,
        request: Request,
        next: impl AsyncFnOnce(Request) -> Response,
    ) -> Response {
        if self.origins.is_empty() {
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
            // The routes answer OPTIONS with the methods in `Allow`.
            if let Some(methods) = methods {
                headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, methods);
            }
            headers.insert(
                header::ACCESS_CONTROL_ALLOW_HEADERS,
                self.request_headers.clone(),
            );
            headers.insert(header::ACCESS_CONTROL_MAX_AGE, MAX_AGE);
        } else {
            headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED_HEADERS);
        }
        response
    }

    /// Whether the page that sent a request with `headers` may call.
    pub(crate) fn allow(&self, headers: &HeaderMap) -> bool {
        self.allowed(headers).is_some()
    }

    fn allowed(&self, headers: &HeaderMap) -> Option<HeaderValue> {
        let origin = headers.get(header::ORIGIN)?;
        let text = origin.to_str().ok()?;
        self.origins.contains(text).then(|| origin.clone())
    }
}

/// Whether `text` is an origin as browsers write it. They compare byte by byte, so no other spelling would match.
fn is_origin(text: &str) -> bool {
    let Some((scheme, authority)) = text.split_once("://") else {
        return false;
    };
    let Ok(uri) = text.parse::<Uri>() else {
        return false;
    };
    let default_port = match scheme {
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
        && uri.port_u16() != Some(default_port)
        && uri.port_u16().is_some() == has_port
}
