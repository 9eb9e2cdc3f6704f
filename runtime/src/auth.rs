//! Who calls: bearer tokens (JWT, HS256) and the roles they carry.

use std::fmt;
use std::sync::Arc;

use axum::http::{HeaderMap, header};
use jsonwebtoken::crypto::aws_lc;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::Deserialize;

/// The fewest bytes a secret may have: as many as the digest of HS256.
pub const SHORTEST_SECRET: usize = 32;
/// How far the clocks of issuer and service may be apart, in seconds.
const LEEWAY: u64 = 30;

/// How bearer tokens are checked.
#[derive(Clone)]
pub struct Auth {
    key: Arc<DecodingKey>,
    validation: Validation,
}

/// Who makes a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Caller {
    /// The token's `sub`.
    pub(crate) subject: String,
    /// The token's `roles`.
    pub(crate) roles: Vec<String>,
}

impl Caller {
    /// Everybody, where nobody says who they are.
    pub(crate) fn anonymous() -> Self {
        Self {
            subject: "anonymous".to_owned(),
            roles: Vec::new(),
        }
    }
}

#[derive(Deserialize)]
struct Claims {
    sub: String,
    #[serde(default)]
    roles: Vec<String>,
}

impl Auth {
    /// Tokens signed with `secret`, which has to be at least 32 bytes long; `None` if it is shorter.
    #[must_use]
    pub fn hs256(secret: &[u8]) -> Option<Self> {
        // Another crate may have switched on a second cryptography in jsonwebtoken, which then insists on a choice.
        // That the choice has been made already is as good.
        let _ = aws_lc::DEFAULT_PROVIDER.install_default();
        let mut validation = Validation::new(Algorithm::HS256);
        validation.leeway = LEEWAY;
        validation.validate_nbf = true;
        validation.set_required_spec_claims(&["exp", "sub"]);
        let key = Arc::new(DecodingKey::from_secret(secret));
        (secret.len() >= SHORTEST_SECRET).then_some(Self { key, validation })
    }

    /// Demands that the token's `iss` be this one.
    #[must_use]
    pub fn issuer(mut self, issuer: &str) -> Self {
        self.validation.set_issuer(&[issuer]);
        self.validation
            .required_spec_claims
            .insert("iss".to_owned());
        self
    }

    /// Demands that the token's `aud` hold this one. Without it, a token that names an audience is refused.
    #[must_use]
    pub fn audience(mut self, audience: &str) -> Self {
        self.validation.set_audience(&[audience]);
        self.validation
            .required_spec_claims
            .insert("aud".to_owned());
        self
    }

    /// Who sends these headers.
    ///
    /// # Errors
    /// What is wrong with the token; `None` if there is none.
    pub(crate) fn caller(&self, headers: &HeaderMap) -> Result<Caller, Option<&'static str>> {
        let mut values = headers.get_all(header::AUTHORIZATION).iter();
        let (Some(value), None) = (values.next(), values.next()) else {
            return Err(None);
        };
        let value = value.to_str().map_err(|_| None)?;
        let (scheme, token) = value.split_once(' ').ok_or(None)?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(None);
        }
        let decoded = jsonwebtoken::decode::<Claims>(token.trim(), &self.key, &self.validation);
        let claims = decoded.map_err(|error| Some(reason(error.kind())))?.claims;
        Ok(Caller {
            subject: claims.sub,
            roles: claims.roles,
        })
    }
}

impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Auth")
            .field("key", &"[redacted]")
            .field("validation", &self.validation)
            .finish()
    }
}

fn reason(kind: &ErrorKind) -> &'static str {
    match kind {
        ErrorKind::ExpiredSignature => "the token has expired",
        ErrorKind::ImmatureSignature => "the token is not valid yet",
        ErrorKind::InvalidSignature => "the token's signature is wrong",
        ErrorKind::InvalidIssuer => "the token comes from another issuer",
        ErrorKind::InvalidAudience => "the token is for another audience",
        ErrorKind::InvalidAlgorithm
        | ErrorKind::InvalidAlgorithmName
        | ErrorKind::UnsupportedAlgorithm => "the token is not signed with HS256",
        ErrorKind::MissingRequiredClaim(_) => "the token lacks a claim that is needed",
        _ => "the token can't be read",
    }
}
