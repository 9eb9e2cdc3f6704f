//! Which addresses of servers may be set, and to which a key may go.

use std::net::IpAddr;

use reqwest::Url;

/// Checks the address of a server in a setting: it is one of HTTP, without a name and a password, and encrypted if `secret` is sent
/// there. Unencrypted, a secret goes to this machine alone. `secret` is the setting of the secret in a sentence, and whether there
/// is one.
///
/// # Errors
/// What is wrong, without the address: it may hold a password.
pub(crate) fn check(
    url: Option<Url>,
    example: &str,
    (secret, is_set): (&str, bool),
) -> Result<Url, String> {
    let url = url.filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    let Some(url) = url else {
        return Err(format!("is not an address like {example}"));
    };
    if url.password().is_some() || !url.username().is_empty() {
        return Err(format!(
            "must not contain a name or password: the secret belongs in {secret}"
        ));
    }
    if is_set && url.scheme() == "http" && !is_loopback(&url) {
        return Err(format!(
            "must be https, so that nobody reads {secret} on the way; http is for this machine alone"
        ));
    }
    Ok(url)
}

/// Whether a header of this name may hold a key, as `Authorization`, `x-api-key` and `Cookie` do.
pub(crate) fn is_credential(header: &str) -> bool {
    let name = header.to_ascii_lowercase();
    ["auth", "cookie", "key", "password", "secret", "token"]
        .iter()
        .any(|part| name.contains(part))
}

/// Whether the host of `url` is this machine.
pub(crate) fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use reqwest::Url;

    use super::{check, is_credential};

    #[test]
    fn a_secret_goes_unencrypted_to_this_machine_alone() {
        const FINE: &str = "";
        const NO_ADDRESS: &str = "is not an address like https://a.example/v1";
        const PASSWORD: &str =
            "must not contain a name or password: the secret belongs in the.api_key";
        const HTTPS: &str = "must be https, so that nobody reads the.api_key on the way; http is for this machine alone";
        // The address; what is wrong with it; and where a secret is sent there.
        for (text, without, with) in [
            ("https://models.example/v1", FINE, FINE),
            ("http://models.example/v1", FINE, HTTPS),
            ("HTTP://models.example/v1", FINE, HTTPS),
            ("http://192.168.0.7:8000", FINE, HTTPS),
            ("http://0.0.0.0:8000", FINE, HTTPS),
            ("http://localhost.evil.example", FINE, HTTPS),
            ("http://127.0.0.1.evil.example", FINE, HTTPS),
            ("http://[2001:db8::1]", FINE, HTTPS),
            ("http://127.0.0.1:8000/v1", FINE, FINE),
            ("http://127.9.9.9", FINE, FINE),
            ("http://2130706433", FINE, FINE),
            ("http://[::1]:8000", FINE, FINE),
            ("http://LOCALHOST:8000", FINE, FINE),
            ("https://user:s3cret@models.example", PASSWORD, PASSWORD),
            ("http://user@127.0.0.1", PASSWORD, PASSWORD),
            ("http://:s3cret@127.0.0.1", PASSWORD, PASSWORD),
            ("ftp://models.example", NO_ADDRESS, NO_ADDRESS),
            ("127.0.0.1:6333", NO_ADDRESS, NO_ADDRESS),
            ("qdrant:6333", NO_ADDRESS, NO_ADDRESS),
            ("file:///etc/passwd", NO_ADDRESS, NO_ADDRESS),
            ("", NO_ADDRESS, NO_ADDRESS),
        ] {
            for (is_set, expected) in [(false, without), (true, with)] {
                let secret = ("the.api_key", is_set);
                let checked = check(Url::parse(text).ok(), "https://a.example/v1", secret);
                let wrong = checked.err().unwrap_or_default();
                assert_eq!(wrong, expected, "{text}, with a secret: {is_set}");
            }
        }
    }

    #[test]
    fn headers_that_may_hold_keys_are_known_by_their_names() {
        for name in ["Authorization", "x-api-key", "Cookie", "X-Auth-Token"] {
            assert!(is_credential(name), "{name}");
        }
        for name in ["accept-language", "x-team", "openai-organization"] {
            assert!(!is_credential(name), "{name}");
        }
    }
}
