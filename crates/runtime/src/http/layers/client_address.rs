//! The address that a request comes from.

use std::net::{IpAddr, SocketAddr};

use axum::extract::ConnectInfo;
use axum::http::{Extensions, HeaderMap, HeaderName, header};

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The address that called the outermost of `proxies` trusted proxies. Each proxy appends its caller to
/// `X-Forwarded-For`; entries before those can be forged. `None` without a socket.
pub(crate) fn address(
    headers: &HeaderMap,
    extensions: &Extensions,
    proxies: usize,
) -> Option<IpAddr> {
    let peer = extensions.get::<ConnectInfo<SocketAddr>>()?;
    let forwarded = proxies.checked_sub(1).and_then(|nth| {
        let values = headers.get_all(FORWARDED_FOR).iter().rev();
        let mut entries = values
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.rsplit(','));
        parse(entries.nth(nth)?.trim())
    });
    Some(forwarded.unwrap_or_else(|| peer.ip()).to_canonical())
}

/// The headers by which a proxy shows itself.
const PROXY_HEADERS: [HeaderName; 4] = [
    FORWARDED_FOR,
    header::FORWARDED,
    header::VIA,
    HeaderName::from_static("x-real-ip"),
];

/// Whether a request comes from this machine, to a name of this machine, and not through a proxy on it.
pub(crate) fn is_local(headers: &HeaderMap, extensions: &Extensions) -> bool {
    let is_forwarded = PROXY_HEADERS.iter().any(|name| headers.contains_key(name));
    !is_forwarded
        && is_loopback_host(headers)
        && address(headers, extensions, 0).is_some_and(|address| address.is_loopback())
}

/// Whether the `Host` header, if there is one, is a name of this machine.
pub(crate) fn is_loopback_host(headers: &HeaderMap) -> bool {
    let Some(host) = headers.get(header::HOST) else {
        return true;
    };
    let Ok(host) = host.to_str() else {
        return false;
    };
    let name = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((six, _)) => six,
        None => host.split_once(':').map_or(host, |(name, _)| name),
    };
    name.eq_ignore_ascii_case("localhost")
        || name
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

/// The key of an address in a rate limiter: an IPv6 caller owns its whole /64.
pub(crate) fn rate_key(address: Option<IpAddr>) -> String {
    match address {
        Some(IpAddr::V4(address)) => address.to_string(),
        Some(IpAddr::V6(address)) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
        None => String::new(),
    }
}

/// An address as proxies write it, some of them with the port.
fn parse(text: &str) -> Option<IpAddr> {
    text.parse::<IpAddr>()
        .ok()
        .or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()))
}
