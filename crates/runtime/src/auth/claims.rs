//! The claims of a token, and why a token is refused.

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{DecodingKey, Validation};
use serde::{Deserialize, Deserializer};

const MAX_SUBJECT_BYTES: usize = 255;

/// The authenticated caller of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Caller {
    /// The claim `sub`.
    pub(crate) subject: String,
    /// The claim `roles`. `None` is whom no roles restrict: everyone where nobody authenticates, and the program itself.
    pub(crate) roles: Option<Vec<String>>,
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
            roles: None,
        }
    }

    /// Whether the caller has one of `roles`; empty `roles` admit every caller.
    pub(crate) fn has_one_of(&self, roles: &[&str]) -> bool {
        let Some(own) = &self.roles else {
            return true;
        };
        roles.is_empty() || own.iter().any(|role| roles.contains(&role.as_str()))
    }

    /// The roles, if any.
    pub(crate) fn roles(&self) -> &[String] {
        self.roles.as_deref().unwrap_or_default()
    }
}

/// The claims that are read here. RFC 7519, section 4.1: `iss` is one text, and `aud` a text or a list of texts. The library
/// compares values and lets other types pass.
#[derive(Deserialize)]
struct Claims {
    sub: String,
    #[serde(default)]
    roles: Vec<String>,
    #[serde(default, rename = "iss", deserialize_with = "text")]
    _issuer: (),
    #[serde(default, rename = "aud", deserialize_with = "texts")]
    audience: Vec<String>,
}

fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<(), D::Error> {
    String::deserialize(deserializer).map(|_| ())
}

/// A text or a list of texts; `null` is neither.
fn texts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Texts {
        One(String),
        Many(Vec<String>),
    }
    Ok(match Texts::deserialize(deserializer)? {
        Texts::One(text) => vec![text],
        Texts::Many(texts) => texts,
    })
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
    if !claims.audience.is_empty() && validation.aud.is_none() {
        return Err(BearerError::Invalid(WRONG_AUDIENCE));
    }
    if !(1..=MAX_SUBJECT_BYTES).contains(&claims.sub.len()) {
        let detail = "the token's `sub` is empty or longer than 255 bytes";
        return Err(BearerError::Invalid(detail));
    }
    Ok(Caller {
        subject: claims.sub,
        roles: Some(claims.roles),
    })
}

pub(crate) const WRONG_SIGNATURE: &str = "the token's signature is wrong";
const WRONG_AUDIENCE: &str = "the token is for another audience";
pub(crate) const WRONG_ALGORITHM: &str =
    "the token is signed with an algorithm that is not allowed";

fn reason(kind: &ErrorKind) -> &'static str {
    match kind {
        ErrorKind::ExpiredSignature => "the token has expired",
        ErrorKind::ImmatureSignature => "the token is not valid yet",
        ErrorKind::InvalidSignature => WRONG_SIGNATURE,
        ErrorKind::InvalidIssuer => "the token comes from another issuer",
        ErrorKind::InvalidAudience => WRONG_AUDIENCE,
        ErrorKind::InvalidAlgorithm
        | ErrorKind::InvalidAlgorithmName
        | ErrorKind::UnsupportedAlgorithm => WRONG_ALGORITHM,
        ErrorKind::MissingRequiredClaim(_) => "the token lacks a claim that is needed",
        _ => "the token can't be read",
    }
}
