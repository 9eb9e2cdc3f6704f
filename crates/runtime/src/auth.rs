//! Authentication: bearer tokens (JSON Web Tokens, RFC 7519), the roles in them, and refresh tokens.
//!
//! Invariant: a token is accepted only if its signature, issuer, audience and times are valid. Tokens are never logged.

pub(crate) mod claims;
pub(crate) mod issuer;
pub(crate) mod jwks;
pub(crate) mod refresh_tokens;
pub(crate) mod token_settings;

pub use self::refresh_tokens::{
    MemoryRefreshTokens, RefreshToken, RefreshTokens, Rotated, Rotation,
};
pub use self::token_settings::{TokenClient, Tokens};

use std::collections::BTreeSet;
use std::error::Error;
use std::fmt;
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::crypto::aws_lc;
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey, EncodingKey, Header, Validation};
use serde::Serialize;

use crate::auth::claims::{BearerError, Caller, WRONG_ALGORITHM, WRONG_SIGNATURE, decode};
use crate::auth::jwks::{Jwks, NoKeys};
use crate::error::AgentError;

/// The shortest secret, in bytes: RFC 7518, section 3.2, demands the size of the hash of HS256.
pub const SHORTEST_SECRET: usize = 32;
/// The greatest leeway between the clocks of issuer and service.
pub const LONGEST_LEEWAY: Duration = Duration::from_secs(5 * 60);
/// A secret with fewer different bytes is warned about: 32 times `a` is long, and easy to guess.
const FEWEST_DIFFERENT_BYTES: usize = 8;
const DEFAULT_LEEWAY: Duration = Duration::from_secs(30);
/// For public keys.
const DEFAULT_ALGORITHMS: [Algorithm; 3] = [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA];
const MAX_TOKEN_BYTES: usize = 16 * 1024;

/// Verifies bearer tokens with a secret or with the public keys of an issuer. A token needs `sub` and `exp`; `nbf` is
/// respected. The claim `roles`, an array of strings, contains the caller's roles; `scope` is ignored.
#[derive(Clone)]
pub struct Auth {
    keys: Keys,
    algorithms: Vec<Algorithm>,
    issuer: Option<String>,
    audience: Option<String>,
    leeway: Duration,
    /// One for each algorithm: derived from the fields above by [`Auth::with_validations`].
    validations: Vec<Validation>,
}

#[derive(Clone)]
enum Keys {
    Secret(Arc<SecretKey>),
    Jwks(Arc<Jwks>),
}

/// A secret, which verifies and signs.
struct SecretKey {
    verify: DecodingKey,
    sign: EncodingKey,
    derive: hmac::Key,
    /// Whether it has so few different bytes that it can be guessed.
    is_weak: bool,
}

/// Why tokens can't be verified this way.
#[derive(Debug)]
#[non_exhaustive]
pub enum AuthError {
    /// The algorithm is unknown, or does not fit the keys.
    Algorithm {
        /// The name.
        name: String,
        /// Which algorithms fit.
        accepted: &'static str,
    },
    /// The list of algorithms is empty.
    NoAlgorithm,
    /// The JWK Set can't be read, or its address is not allowed.
    Jwks(Box<dyn Error + Send + Sync>),
}

impl Auth {
    /// Verifies tokens signed with `secret` by HS256; `None` if it has fewer than 32 bytes.
    #[must_use]
    pub fn hs256(secret: &[u8]) -> Option<Self> {
        let key = SecretKey {
            verify: DecodingKey::from_secret(secret),
            sign: EncodingKey::from_secret(secret),
            derive: hmac::Key::new(hmac::HMAC_SHA256, secret),
            is_weak: secret.iter().collect::<BTreeSet<_>>().len() < FEWEST_DIFFERENT_BYTES,
        };
        let keys = Keys::Secret(Arc::new(key));
        (secret.len() >= SHORTEST_SECRET).then(|| Self::new(keys, vec![Algorithm::HS256]))
    }

    /// Verifies tokens with the keys of a JWK Set (RFC 7517) in a file. The file is read again every five minutes, and when
    /// a token names a key that is not in it.
    ///
    /// # Errors
    /// The file can't be read, or has no usable key.
    pub fn jwks_file(path: impl AsRef<Path>) -> Result<Self, AuthError> {
        let set = Jwks::from_file(path.as_ref()).map_err(|error| AuthError::Jwks(error.into()))?;
        Ok(Self::new(
            Keys::Jwks(Arc::new(set)),
            DEFAULT_ALGORITHMS.to_vec(),
        ))
    }

    /// Verifies tokens with the keys of a JWK Set (RFC 7517) at a URL. A service fetches the keys when it starts, then every
    /// five minutes, and when a token names an unknown key. Until the first fetch, requests get 503. Keys are no longer
    /// trusted if they could not be fetched again for a day.
    ///
    /// # Errors
    /// The URL contains a password, or is neither `https` nor on this machine.
    pub fn jwks_url(url: &str) -> Result<Self, AuthError> {
        let set = Jwks::from_url(url).map_err(|error| AuthError::Jwks(error.into()))?;
        Ok(Self::new(
            Keys::Jwks(Arc::new(set)),
            DEFAULT_ALGORITHMS.to_vec(),
        ))
    }

    fn new(keys: Keys, algorithms: Vec<Algorithm>) -> Self {
        // If another crate enables a second crypto backend of jsonwebtoken, one must be chosen. An earlier choice is fine.
        let _ = aws_lc::DEFAULT_PROVIDER.install_default();
        let auth = Self {
            keys,
            algorithms,
            issuer: None,
            audience: None,
            leeway: DEFAULT_LEEWAY,
            validations: Vec::new(),
        };
        auth.with_validations()
    }

    /// Requires this `iss`.
    #[must_use]
    pub fn issuer(mut self, issuer: &str) -> Self {
        self.issuer = Some(issuer.to_owned());
        self.with_validations()
    }

    /// Requires this audience in `aud`. Without it, tokens with an `aud` are refused.
    #[must_use]
    pub fn audience(mut self, audience: &str) -> Self {
        self.audience = Some(audience.to_owned());
        self.with_validations()
    }

    /// The leeway between the clocks of issuer and service: 30 seconds by default, at most five minutes.
    #[must_use]
    pub fn leeway(mut self, leeway: Duration) -> Self {
        self.leeway = leeway.min(LONGEST_LEEWAY);
        self.with_validations()
    }

    /// The algorithms that tokens may be signed with. Public keys support `RS256`, `RS384`, `RS512`, `PS256`, `PS384`,
    /// `PS512`, `ES256`, `ES384` and `EdDSA`, each key those of its type; the default is `RS256`, `ES256` and `EdDSA`. A
    /// secret supports `HS256`.
    ///
    /// # Errors
    /// Another name, or no name.
    pub fn algorithms(mut self, names: &[impl AsRef<str>]) -> Result<Self, AuthError> {
        self.algorithms.clear();
        for name in names.iter().map(AsRef::as_ref) {
            let accepted = match self.keys {
                Keys::Secret(_) => "a secret checks HS256 alone",
                Keys::Jwks(_) => {
                    "keys check RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384 and EdDSA"
                }
            };
            let algorithm = Algorithm::from_str(name).ok();
            let algorithm = algorithm.filter(|algorithm| match self.keys {
                Keys::Secret(_) => *algorithm == Algorithm::HS256,
                Keys::Jwks(_) => algorithm.family() != AlgorithmFamily::Hmac,
            });
            let algorithm = algorithm.ok_or_else(|| AuthError::Algorithm {
                name: name.to_owned(),
                accepted,
            })?;
            self.algorithms.push(algorithm);
        }
        if self.algorithms.is_empty() {
            return Err(AuthError::NoAlgorithm);
        }
        Ok(self.with_validations())
    }

    /// Whether tokens can be verified now: the keys have been read.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        match &self.keys {
            Keys::Secret(_) => true,
            Keys::Jwks(set) => set.has_keys(),
        }
    }

    /// How tokens are verified, for the settings report. It contains no secret.
    pub(crate) fn description(&self) -> String {
        match &self.keys {
            Keys::Secret(_) => "tokens signed with a secret (HS256)".to_owned(),
            Keys::Jwks(set) => {
                let names = self.algorithms.iter().map(|name| format!("{name:?}"));
                let names = names.collect::<Vec<_>>().join(", ");
                format!("tokens signed with the keys of {set} ({names})")
            }
        }
    }

    /// Refreshes the keys while it is polled; it never completes.
    pub(crate) async fn refresh_keys(self) {
        match self.keys {
            Keys::Secret(_) => std::future::pending().await,
            Keys::Jwks(set) => set.refresh_periodically().await,
        }
    }

    /// Whether the secret is easy to guess.
    pub(crate) fn is_weak(&self) -> bool {
        matches!(&self.keys, Keys::Secret(key) if key.is_weak)
    }

    /// Who issues the tokens, if the settings say so.
    #[allow(
        dead_code,
        reason = "for protocols that a program may be built without"
    )]
    pub(crate) fn required_issuer(&self) -> Option<&str> {
        self.issuer.as_deref()
    }

    /// Whom the tokens are for, if the settings say so.
    #[allow(
        dead_code,
        reason = "for protocols that a program may be built without"
    )]
    pub(crate) fn required_audience(&self) -> Option<&str> {
        self.audience.as_deref()
    }

    /// Whether it can sign tokens.
    pub(crate) fn can_sign(&self) -> bool {
        matches!(self.keys, Keys::Secret(_))
    }

    /// A token with `claims` and the required issuer and audience.
    ///
    /// # Errors
    /// There is no secret to sign with.
    pub(crate) fn sign(&self, claims: impl Serialize) -> Result<String, AgentError> {
        #[derive(Serialize)]
        struct AllClaims<'a, T> {
            #[serde(skip_serializing_if = "Option::is_none")]
            iss: Option<&'a str>,
            #[serde(skip_serializing_if = "Option::is_none")]
            aud: Option<&'a str>,
            #[serde(flatten)]
            claims: T,
        }
        let Keys::Secret(key) = &self.keys else {
            return Err(AgentError::internal("there is no secret to sign with"));
        };
        let claims = AllClaims {
            iss: self.issuer.as_deref(),
            aud: self.audience.as_deref(),
            claims,
        };
        let header = Header::new(Algorithm::HS256);
        jsonwebtoken::encode(&header, &claims, &key.sign).map_err(AgentError::internal)
    }

    /// 256 bits that only who has the secret can derive from `text`; the same for the same `text`. `purpose` keeps them apart
    /// from those of other purposes, and from signatures.
    ///
    /// # Errors
    /// There is no secret.
    pub(crate) fn derive(&self, purpose: &str, text: &str) -> Result<hmac::Tag, AgentError> {
        let Keys::Secret(key) = &self.keys else {
            return Err(AgentError::internal("there is no secret to derive from"));
        };
        let message = format!("{purpose}\0{text}");
        Ok(hmac::sign(&key.derive, message.as_bytes()))
    }

    /// Verifies the bearer token of a request. It waits only if the token names a key that has to be fetched.
    ///
    /// # Errors
    /// Why the token is not accepted.
    pub(crate) async fn authenticate(&self, token: Option<&str>) -> Result<Caller, BearerError> {
        let token = token.ok_or(BearerError::Missing)?;
        let unreadable = BearerError::Invalid("the token can't be read");
        if token.len() > MAX_TOKEN_BYTES {
            return Err(unreadable);
        }
        let header = jsonwebtoken::decode_header(token).map_err(|_| unreadable)?;
        // RFC 7515, section 4.1.11: extensions in `crit` must be understood, and none is supported. `b64` (RFC 7797) and
        // `zip` (RFC 7516) would make the payload something else than what is read.
        if header.crit.is_some() || ["b64", "zip"].iter().any(|name| has_member(token, name)) {
            let detail =
                "the token demands something that is not understood (`crit`, `b64`, `zip`)";
            return Err(BearerError::Invalid(detail));
        }
        let is_for_algorithm =
            |validation: &&Validation| validation.algorithms.contains(&header.alg);
        let Some(validation) = self.validations.iter().find(is_for_algorithm) else {
            return Err(BearerError::Invalid(WRONG_ALGORITHM));
        };
        let set = match &self.keys {
            Keys::Secret(key) => return decode(token, &key.verify, validation),
            Keys::Jwks(set) => set,
        };
        let keys = set.find(header.alg, header.kid.as_deref()).await;
        let keys = keys.map_err(|NoKeys| BearerError::KeysUnavailable)?;
        let mut error = BearerError::Invalid("the token is signed with a key that is not known");
        for key in keys {
            match decode(token, &key.verify, validation) {
                Err(wrong @ BearerError::Invalid(WRONG_SIGNATURE)) => error = wrong,
                outcome => return outcome,
            }
        }
        Err(error)
    }

    /// Derives the validations from the other fields. There is one for each algorithm, so that a key is used only with the
    /// token's own algorithm.
    fn with_validations(mut self) -> Self {
        let validation = |algorithm: &Algorithm| {
            let mut validation = Validation::new(*algorithm);
            validation.leeway = self.leeway.as_secs();
            validation.validate_nbf = true;
            let mut required = vec!["exp", "sub"];
            if let Some(issuer) = &self.issuer {
                validation.set_issuer(&[issuer]);
                required.push("iss");
            }
            if let Some(audience) = &self.audience {
                validation.set_audience(&[audience]);
                required.push("aud");
            }
            validation.set_required_spec_claims(&required);
            validation
        };
        self.validations = self.algorithms.iter().map(validation).collect();
        self
    }
}

/// Whether the header of `token` has the member `name`.
fn has_member(token: &str, name: &str) -> bool {
    let header = token.split('.').next().unwrap_or_default();
    let header = URL_SAFE_NO_PAD.decode(header).unwrap_or_default();
    let header = serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(&header);
    header.is_ok_and(|header| header.contains_key(name))
}

impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Auth")
            .field("keys", &"[redacted]")
            .field("algorithms", &self.algorithms)
            .field("issuer", &self.issuer)
            .field("audience", &self.audience)
            .field("leeway", &self.leeway)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for AuthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Algorithm { name, accepted } => write!(f, "`{name}` can't be used: {accepted}"),
            Self::NoAlgorithm => f.write_str("no algorithm is allowed"),
            Self::Jwks(error) => error.fmt(f),
        }
    }
}

impl Error for AuthError {}
