//! The problem document of RFC 9457: how every error is told over HTTP.

use serde::{Deserialize, Serialize};

use crate::schema::validate::Violation;

/// What went wrong with a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// What kind of problem it is: always `about:blank`, the status says it all.
    #[serde(rename = "type")]
    pub kind: String,
    /// The name of the status.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What went wrong this time.
    pub detail: String,
    /// The path of the request.
    #[serde(default)]
    pub instance: String,
    /// Everything that is wrong with the request's content.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<Violation>,
    /// For the endpoints that issue tokens: the code of RFC 6749, section 5.2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The request's id, as in `X-Request-Id`.
    #[serde(default, rename = "requestId")]
    pub request_id: String,
    /// After how many seconds another try makes sense; sent as `Retry-After`.
    #[serde(skip)]
    pub retry_after: Option<u64>,
}

impl Problem {
    /// A problem of a status, and what went wrong.
    #[must_use]
    pub fn new(status: u16, detail: impl Into<String>) -> Self {
        let known = axum::http::StatusCode::from_u16(status).ok();
        let title = known
            .and_then(|status| status.canonical_reason())
            .unwrap_or("Error");
        Self {
            kind: "about:blank".to_owned(),
            title: title.to_owned(),
            status,
            detail: detail.into(),
            instance: String::new(),
            errors: Vec::new(),
            error: None,
            request_id: String::new(),
            retry_after: None,
        }
    }
}
