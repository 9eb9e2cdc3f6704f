//! An HTTP client that calls a router without a socket, and the responses it returns.

use std::time::Duration;

use agentgen_runtime::axum::Router;
use agentgen_runtime::axum::body::{Body, to_bytes};
use agentgen_runtime::axum::http::{HeaderMap, Request, StatusCode};
use serde_json::Value;
use tower::ServiceExt;

/// A complete response.
#[derive(Debug)]
pub struct TestResponse {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
}

impl TestResponse {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    /// Checks the status and the common members of a problem document, and returns it.
    #[track_caller]
    pub fn problem(&self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        assert_eq!(self.header("content-type"), "application/problem+json");
        let problem = self.json();
        assert_eq!(problem["type"], "about:blank");
        assert_eq!(problem["status"], status);
        // The names of RFC 9110.
        let title = match status {
            413 => "Content Too Large",
            422 => "Unprocessable Content",
            _ => self.status.canonical_reason().unwrap(),
        };
        assert_eq!(problem["title"], title);
        assert_eq!(problem["requestId"], self.header("x-request-id"));
        assert!(problem["instance"].as_str().unwrap().starts_with('/'));
        assert!(!problem["detail"].as_str().unwrap().is_empty());
        problem
    }

    /// The JSON Pointers of the errors of a 422 response, in order.
    #[track_caller]
    pub fn pointers(&self) -> Vec<String> {
        let problem = self.problem(422);
        let errors = problem["errors"].as_array().unwrap().iter();
        errors
            .map(|error| error["pointer"].as_str().unwrap().to_owned())
            .collect()
    }
}

/// A request with headers and a body.
pub fn request(method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Request<Body> {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Body::from(body.to_owned())).unwrap()
}

pub async fn send(app: &Router, request: Request<Body>) -> TestResponse {
    let (parts, body) = app.clone().oneshot(request).await.unwrap().into_parts();
    let bytes = to_bytes(body, usize::MAX).await.unwrap();
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    TestResponse {
        status: parts.status,
        headers: parts.headers,
        text,
    }
}

pub async fn post(app: &Router, path: &str, body: &str) -> TestResponse {
    send(
        app,
        request("POST", path, &[("content-type", "application/json")], body),
    )
    .await
}

pub async fn get(app: &Router, path: &str) -> TestResponse {
    send(app, request("GET", path, &[], "")).await
}

/// Waits up to two seconds for a condition. Returns whether it became true.
pub async fn eventually(is_so: impl Fn() -> bool) -> bool {
    for _ in 0..200 {
        if is_so() {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    is_so()
}
