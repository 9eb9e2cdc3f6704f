//! The token for services that need one, and to whom it may be sent.

use std::net::IpAddr;

/// The environment variable with the token.
const TOKEN: &str = "AGENTGEN_TOKEN";

/// The token for the service at `host`, if there is one.
///
/// # Errors
///
/// Why it is not sent there, in words.
pub fn token_for(host: &str, is_encrypted: bool) -> Result<Option<String>, String> {
    match std::env::var(TOKEN) {
        Ok(token) if is_encrypted || is_local(host) => Ok(Some(token)),
        Ok(_) => Err(format!(
            "{TOKEN} is not sent over a network in the clear; use a tunnel"
        )),
        Err(_) => Ok(None),
    }
}

/// Whether `host` is this machine.
fn is_local(host: &str) -> bool {
    let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}
