//! URIs and references to them (RFC 3986): their grammar, and how a reference is resolved.

use std::net::Ipv6Addr;

/// Whether `text` is a URI: it has a scheme.
pub(crate) fn is_uri(text: &str) -> bool {
    Parts::split(text).scheme.is_some() && is_uri_reference(text)
}

/// Whether `text` is a URI, or a reference that is relative to one.
pub(crate) fn is_uri_reference(text: &str) -> bool {
    let parts = Parts::split(text);
    let first_segment = parts.path.split('/').next().unwrap_or_default();
    // `1:b` would look like a scheme.
    let is_unambiguous =
        parts.scheme.is_some() || parts.authority.is_some() || !first_segment.contains(':');
    is_unambiguous
        && parts.authority.is_none_or(is_authority)
        && consists_of(parts.path, ":@/")
        && parts.query.is_none_or(|query| consists_of(query, ":@/?"))
        && parts
            .fragment
            .is_none_or(|fragment| consists_of(fragment, ":@/?"))
}

/// The URI that `reference` means where `base` is the URI of the document (RFC 3986, section 5.2).
///
/// ```text
/// resolve("https://example.com/schemas/order", "item#price") -> "https://example.com/schemas/item#price"
/// ```
pub(crate) fn resolve(base: &str, reference: &str) -> String {
    let base = Parts::split(base);
    let reference = Parts::split(reference);
    let mut target = reference;
    let path;
    if reference.scheme.is_some() {
        path = without_dot_segments(reference.path);
    } else {
        target.scheme = base.scheme;
        if reference.authority.is_some() {
            path = without_dot_segments(reference.path);
        } else {
            target.authority = base.authority;
            if reference.path.is_empty() {
                path = base.path.to_owned();
                target.query = reference.query.or(base.query);
            } else if reference.path.starts_with('/') {
                path = without_dot_segments(reference.path);
            } else {
                path = without_dot_segments(&merged(base, reference.path));
            }
        }
    }
    target.path = &path;
    target.join()
}

/// The five parts of a URI reference.
#[derive(Clone, Copy)]
struct Parts<'t> {
    scheme: Option<&'t str>,
    authority: Option<&'t str>,
    path: &'t str,
    query: Option<&'t str>,
    fragment: Option<&'t str>,
}

impl<'t> Parts<'t> {
    fn split(text: &'t str) -> Self {
        let (rest, fragment) = cut(text, '#');
        let (rest, query) = cut(rest, '?');
        let (scheme, rest) = match rest.split_once(':') {
            Some((scheme, rest)) if is_scheme(scheme) => (Some(scheme), rest),
            _ => (None, rest),
        };
        let (authority, path) = match rest.strip_prefix("//") {
            Some(rest) => {
                let end = rest.find('/').unwrap_or(rest.len());
                (Some(&rest[..end]), &rest[end..])
            }
            None => (None, rest),
        };
        Self {
            scheme,
            authority,
            path,
            query,
            fragment,
        }
    }

    fn join(&self) -> String {
        let mut text = String::new();
        let mut push = |prefix: &str, part: Option<&str>, suffix: &str| {
            if let Some(part) = part {
                text.extend([prefix, part, suffix]);
            }
        };
        push("", self.scheme, ":");
        push("//", self.authority, "");
        push("", Some(self.path), "");
        push("?", self.query, "");
        push("#", self.fragment, "");
        text
    }
}

fn cut(text: &str, separator: char) -> (&str, Option<&str>) {
    match text.split_once(separator) {
        Some((before, after)) => (before, Some(after)),
        None => (text, None),
    }
}

/// A relative path takes the place of what follows the last slash of the base (section 5.2.3).
fn merged(base: Parts<'_>, path: &str) -> String {
    if base.authority.is_some() && base.path.is_empty() {
        return format!("/{path}");
    }
    let folder = base
        .path
        .rfind('/')
        .map_or("", |slash| &base.path[..=slash]);
    format!("{folder}{path}")
}

/// Resolves `.` and `..` (section 5.2.4).
fn without_dot_segments(path: &str) -> String {
    let mut segments: Vec<&str> = Vec::new();
    let mut rest = path.split('/').peekable();
    while let Some(segment) = rest.next() {
        let is_last = rest.peek().is_none();
        match segment {
            "." | ".." => {
                // The empty first segment of an absolute path stays.
                if segment == ".." && segments.len() > usize::from(path.starts_with('/')) {
                    segments.pop();
                }
                if is_last {
                    segments.push("");
                }
            }
            other => segments.push(other),
        }
    }
    segments.join("/")
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
}

/// `user@example.com:8080`, `[::1]`
fn is_authority(text: &str) -> bool {
    let (user, host_and_port) = match text.split_once('@') {
        Some((user, rest)) => (user, rest),
        None => ("", text),
    };
    let (host_is_valid, port) = match host_and_port.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((address, port)) => (is_ip_literal(address), port),
            None => (false, ""),
        },
        None => {
            let end = host_and_port.find(':').unwrap_or(host_and_port.len());
            (
                consists_of(&host_and_port[..end], ""),
                &host_and_port[end..],
            )
        }
    };
    let port_is_valid = port.is_empty()
        || port
            .strip_prefix(':')
            .is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
    consists_of(user, ":") && host_is_valid && port_is_valid
}

/// What brackets hold: an IPv6 address, or `v1.` and an address of the future.
fn is_ip_literal(text: &str) -> bool {
    let Some(future) = text.strip_prefix(['v', 'V']) else {
        return text.parse::<Ipv6Addr>().is_ok();
    };
    future.split_once('.').is_some_and(|(version, address)| {
        let is_version = !version.is_empty() && version.bytes().all(|b| b.is_ascii_hexdigit());
        is_version && !address.is_empty() && !address.contains('%') && consists_of(address, ":")
    })
}

/// Whether `text` has no characters but unreserved ones, the delimiters within parts, those of `more`, and escapes
/// such as `%20`.
fn consists_of(text: &str, more: &str) -> bool {
    let bytes = text.as_bytes();
    let is_escape = |at: usize| {
        bytes
            .get(at + 1..at + 3)
            .is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    };
    bytes.iter().enumerate().all(|(at, byte)| match byte {
        b'%' => is_escape(at),
        _ => {
            byte.is_ascii_alphanumeric()
                || b"-._~!$&'()*+,;=".contains(byte)
                || more.as_bytes().contains(byte)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of RFC 3986, section 5.4.
    #[test]
    fn references_are_resolved() {
        for (reference, uri) in [
            ("g:h", "g:h"),
            ("g", "http://a/b/c/g"),
            ("./g", "http://a/b/c/g"),
            ("g/", "http://a/b/c/g/"),
            ("/g", "http://a/g"),
            ("//g", "http://g"),
            ("?y", "http://a/b/c/d;p?y"),
            ("g?y", "http://a/b/c/g?y"),
            ("#s", "http://a/b/c/d;p?q#s"),
            ("g#s", "http://a/b/c/g#s"),
            (";x", "http://a/b/c/;x"),
            ("", "http://a/b/c/d;p?q"),
            (".", "http://a/b/c/"),
            ("..", "http://a/b/"),
            ("../g", "http://a/b/g"),
            ("../..", "http://a/"),
            ("../../g", "http://a/g"),
            ("../../../g", "http://a/g"),
            ("/../g", "http://a/g"),
            ("g.", "http://a/b/c/g."),
            ("./../g", "http://a/b/g"),
            ("./g/.", "http://a/b/c/g/"),
            ("g/../h", "http://a/b/c/h"),
        ] {
            assert_eq!(resolve("http://a/b/c/d;p?q", reference), uri, "{reference}");
        }
        assert_eq!(resolve("", "item"), "item");
        assert_eq!(
            resolve("urn:example:root", "#part"),
            "urn:example:root#part"
        );
    }
}
