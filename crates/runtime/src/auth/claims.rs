//! What a token says of its bearer, and why it may not be believed.

use axum::http::{HeaderMap, header};
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{DecodingKey, Validation};
use serde::Deserialize;

/// The longest `sub`, in bytes.
const LONGEST_SUBJECT: usize = 255;

/// Who makes a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Caller {
    /// The token's `sub`.
    pub(crate) subject: String,
    /// The token's `roles`.
    pub(crate) roles: Vec<String>,
}

/// Why nobody is let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BearerError {
    /// There is no token.
    Missing,
    /// The token is not good, for this reason.
    Invalid(&'static str),
    /// The keys to check it with are not there.
    KeysUnavailable,
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

/// The token in the one `Authorization` header there may be.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return None;
    };
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("bearer")
        .then_some(token.trim())
}

/// Whom a token admits that is signed with `key` and passes `check`.
///
/// # Errors
/// [`BearerError::Invalid`], with [`SIGNATURE`] if another key may have signed it.
pub(crate) fn admitted(
    token: &str,
    key: &DecodingKey,
    check: &Validation,
) -> Result<Caller, BearerError> {
    let decoded = jsonwebtoken::decode::<Claims>(token, key, check);
    let claims = decoded
        .map_err(|error| BearerError::Invalid(reason(error.kind())))?
        .claims;
    if !(1..=LONGEST_SUBJECT).contains(&claims.sub.len()) {
        let detail = "the token's `sub` is empty or longer than 255 bytes";
        return Err(BearerError::Invalid(detail));
    }
    Ok(Caller {
        subject: claims.sub,
        roles: claims.roles,
    })
}

/// The reason against a token whose signature is wrong.
pub(crate) const SIGNATURE: &str = "the token's signature is wrong";
/// The reason against a token that is signed in another way.
pub(crate) const ALGORITHM: &str = "the token is signed with an algorithm that is not allowed";

fn reason(kind: &ErrorKind) -> &'static str {
    match kind {
        ErrorKind::ExpiredSignature => "the token has expired",
        ErrorKind::ImmatureSignature => "the token is not valid yet",
        ErrorKind::InvalidSignature => SIGNATURE,
        ErrorKind::InvalidIssuer => "the token comes from another issuer",
        ErrorKind::InvalidAudience => "the token is for another audience",
        ErrorKind::InvalidAlgorithm
        | ErrorKind::InvalidAlgorithmName
        | ErrorKind::UnsupportedAlgorithm => ALGORITHM,
        ErrorKind::MissingRequiredClaim(_) => "the token lacks a claim that is needed",
        _ => "the token can't be read",
    }
}
