//! What an operator may set.

use std::time::Duration;

use crate::auth::{Auth, SHORTEST_SECRET};
use crate::start::StartError;

/// `host:port` to listen at.
pub(crate) const ADDRESS: &str = "AGENTGEN_ADDRESS";
/// The secret that tokens are signed with.
pub(crate) const SECRET: &str = "AGENTGEN_AUTH_HS256_SECRET";
const ISSUER: &str = "AGENTGEN_AUTH_ISSUER";
const AUDIENCE: &str = "AGENTGEN_AUTH_AUDIENCE";

/// How a service is run. The default listens at 127.0.0.1:8080 and asks nobody who they are.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `host:port` to listen at; `None` is 127.0.0.1:8080 or the next free port after it.
    pub address: Option<String>,
    /// How callers prove who they are; `None` admits everybody, and only at a loopback address.
    pub auth: Option<Auth>,
    /// How large a request's body may be, in bytes.
    pub body_limit: usize,
    /// How long a run may take where neither the endpoint nor the agent says.
    pub timeout: Duration,
    /// How long a service that is to stop waits for what is still running.
    pub drain: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            address: None,
            auth: None,
            body_limit: 1024 * 1024,
            timeout: Duration::from_secs(300),
            drain: Duration::from_secs(10),
        }
    }
}

impl Settings {
    /// The settings in the environment: `AGENTGEN_ADDRESS`, `AGENTGEN_AUTH_HS256_SECRET`,
    /// `AGENTGEN_AUTH_ISSUER` and `AGENTGEN_AUTH_AUDIENCE`.
    ///
    /// # Errors
    /// The first variable that is wrong, and what is wrong with it; never its value, if that is a secret.
    pub fn from_env() -> Result<Self, StartError> {
        Self::from_variables(|name| match std::env::var(name) {
            Ok(value) => Ok(Some(value)),
            Err(std::env::VarError::NotPresent) => Ok(None),
            Err(std::env::VarError::NotUnicode(_)) => Err("is not valid UTF-8".to_owned()),
        })
    }

    /// The settings in variables that `get` reads: what is said under a name, if anything.
    ///
    /// # Errors
    /// As [`Settings::from_env`]; what `get` says against a variable is said of it.
    pub fn from_variables(
        get: impl Fn(&str) -> Result<Option<String>, String>,
    ) -> Result<Self, StartError> {
        let get = |name: &'static str| match get(name) {
            Ok(Some(value)) if value.trim().is_empty() => Err(StartError::setting(
                name,
                "is set, and empty; unset it or give it a value",
            )),
            Ok(value) => Ok(value),
            Err(detail) => Err(StartError::setting(name, detail)),
        };
        let address = get(ADDRESS)?;
        if let Some(address) = &address {
            check_address(address)?;
        }
        let (secret, issuer, audience) = (get(SECRET)?, get(ISSUER)?, get(AUDIENCE)?);
        let Some(secret) = secret else {
            return match (issuer, audience) {
                (None, None) => Ok(Self {
                    address,
                    ..Self::default()
                }),
                (Some(_), _) => Err(needs_secret(ISSUER)),
                (None, Some(_)) => Err(needs_secret(AUDIENCE)),
            };
        };
        let Some(mut auth) = Auth::hs256(secret.as_bytes()) else {
            let length = secret.len();
            let detail = format!("has {length} bytes, and must have at least {SHORTEST_SECRET}");
            return Err(StartError::setting(SECRET, detail));
        };
        if let Some(issuer) = issuer {
            auth = auth.issuer(&issuer);
        }
        if let Some(audience) = audience {
            auth = auth.audience(&audience);
        }
        Ok(Self {
            address,
            auth: Some(auth),
            ..Self::default()
        })
    }
}

fn check_address(address: &str) -> Result<(), StartError> {
    let port = address
        .rsplit_once(':')
        .filter(|(host, _)| !host.is_empty())
        .map(|(_, port)| port);
    match port.map(str::parse::<u16>) {
        Some(Ok(_)) => Ok(()),
        _ => Err(StartError::setting(
            ADDRESS,
            format!("`{address}` is not host:port, as in 127.0.0.1:8080"),
        )),
    }
}

fn needs_secret(variable: &'static str) -> StartError {
    StartError::setting(
        variable,
        format!("is set, but {SECRET} is not: no token can be checked"),
    )
}
