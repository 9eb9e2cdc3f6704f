//! The claims of a token, and why a token is refused.

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{DecodingKey, Validation};
use serde::Deserialize;

const MAX_SUBJECT_BYTES: usize = 255;

/// The authenticated caller of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Caller {
    /// The claim `sub`.
    pub(crate) subject: String,
    /// The claim `roles`.
    pub(crate) roles: Vec<String>,
}

/// Why a request is not authenticated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BearerError {
    /// The request has no token.
    Missing,
    /// The token is not valid; the text is for the caller.
    Invalid(&'static str),
    /// The keys to verify it with have not been fetched.
    KeysUnavailable,
}

impl Caller {
    /// The caller of a service without authentication.
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

/// Verifies a token with one key.
///
/// # Errors
/// [`BearerError::Invalid`], with [`WRONG_SIGNATURE`] if another key may have signed it.
pub(crate) fn decode(
    token: &str,
    key: &DecodingKey,
    validation: &Validation,
) -> Result<Caller, BearerError> {
    let decoded = jsonwebtoken::decode::<Claims>(token, key, validation);
    let claims = decoded
        .map_err(|error| BearerError::Invalid(reason(error.kind())))?
        .claims;
    if !(1..=MAX_SUBJECT_BYTES).contains(&claims.sub.len()) {
        let detail = "the token's `sub` is empty or longer than 255 bytes";
        return Err(BearerError::Invalid(detail));
    }
    Ok(Caller {
        subject: claims.sub,
        roles: claims.roles,
    })
}

pub(crate) const WRONG_SIGNATURE: &str = "the token's signature is wrong";
pub(crate) const WRONG_ALGORITHM: &str =
    "the token is signed with an algorithm that is not allowed";

fn reason(kind: &ErrorKind) -> &'static str {
    match kind {
        ErrorKind::ExpiredSignature => "the token has expired",
        ErrorKind::ImmatureSignature => "the token is not valid yet",
        ErrorKind::InvalidSignature => WRONG_SIGNATURE,
        ErrorKind::InvalidIssuer => "the token comes from another issuer",
        ErrorKind::InvalidAudience => "the token is for another audience",
        ErrorKind::InvalidAlgorithm
        | ErrorKind::InvalidAlgorithmName
        | ErrorKind::UnsupportedAlgorithm => WRONG_ALGORITHM,
        ErrorKind::MissingRequiredClaim(_) => "the token lacks a claim that is needed",
        _ => "the token can't be read",
    }
}
