//! `/docs`: a page that shows `/openapi.json` and tries it. It is made of four files in the binary, loads nothing
//! from anywhere else, and may run no script but its own.

use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};

/// The page.
pub(crate) const PAGE: &str = "/docs";
/// What makes it.
pub(crate) const SCRIPT: &str = "/docs/app.js";
/// What stands for it among a browser's tabs.
pub(crate) const ICON: &str = "/docs/icon.svg";
/// How it looks.
pub(crate) const STYLE: &str = "/docs/style.css";

/// What the page may load and do: its own script, its own style, and calls of its own service.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; \
     trusted-types 'none'",
);

/// The page.
pub(crate) fn page() -> Response {
    let mut response = file(
        "text/html; charset=utf-8",
        include_str!("../../../docs/page.html"),
    );
    response
        .headers_mut()
        .insert(header::CONTENT_SECURITY_POLICY, POLICY);
    response
}

/// What makes it.
pub(crate) fn script() -> Response {
    file(
        "text/javascript; charset=utf-8",
        include_str!("../../../docs/app.js"),
    )
}

/// How it looks.
pub(crate) fn style() -> Response {
    file(
        "text/css; charset=utf-8",
        include_str!("../../../docs/style.css"),
    )
}

/// What stands for it among a browser's tabs.
pub(crate) fn icon() -> Response {
    file("image/svg+xml", include_str!("../../../docs/icon.svg"))
}

fn file(content_type: &'static str, text: &'static str) -> Response {
    let content_type = HeaderValue::from_static(content_type);
    ([(header::CONTENT_TYPE, content_type)], text).into_response()
}
