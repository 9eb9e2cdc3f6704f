//! `/docs`: a page that shows `/openapi.json` and tries it. It is made of four files in the binary, loads nothing
//! from anywhere else, and may run no script but its own.

use std::borrow::Cow;

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

/// Where the link to the console is in the page, if there is a console.
const CONSOLE: &str = "<!-- console -->";

/// The page; with a link to the console if there is one.
pub(crate) fn page(has_console: bool) -> Response {
    let text = include_str!("../../../docs/page.html");
    let link = if has_console {
        r#"<a href="./">Console</a>"#
    } else {
        ""
    };
    html(text.replace(CONSOLE, link))
}

/// A page that may load its own script and style, and call its own service.
pub(crate) fn html(text: impl Into<Cow<'static, str>>) -> Response {
    let mut response = file("text/html; charset=utf-8", text);
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

/// A file of a page.
pub(crate) fn file(content_type: &'static str, text: impl Into<Cow<'static, str>>) -> Response {
    let content_type = HeaderValue::from_static(content_type);
    ([(header::CONTENT_TYPE, content_type)], text.into()).into_response()
}
