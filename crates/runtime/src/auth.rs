//! Who calls: bearer tokens (JSON Web Tokens, RFC 7519), the roles they carry, and refresh tokens.
//!
//! Invariant: a token counts only if its signature, issuer, audience and times are valid; nothing of a token is logged.

pub(crate) mod claims;
pub(crate) mod issuer;
pub(crate) mod jwks;
pub(crate) mod refresh_tokens;
pub(crate) mod token_settings;

pub use self::refresh_tokens::{MemoryRefreshTokens, Redeemed, RefreshToken, RefreshTokens};
pub use self::token_settings::{TokenClient, Tokens};

use std::fmt;
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use axum::http::HeaderMap;
use jsonwebtoken::crypto::aws_lc;
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey, EncodingKey, Header, Validation};
use serde::Serialize;

use crate::auth::claims::{ALGORITHM, BearerError, Caller, SIGNATURE, admitted, bearer};
use crate::auth::jwks::{Jwks, Missing};
use crate::error::AgentError;

/// The fewest bytes a secret may have: as many as the digest of HS256.
pub const SHORTEST_SECRET: usize = 32;
/// The furthest that the clocks of issuer and service may be apart.
pub const LONGEST_LEEWAY: Duration = Duration::from_secs(5 * 60);
/// How far they may be apart where nobody says.
const LEEWAY: Duration = Duration::from_secs(30);
/// The algorithms that public keys check where nobody says.
const USUAL: [Algorithm; 3] = [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA];
/// The longest token that is looked at, in bytes.
const LONGEST_TOKEN: usize = 16 * 1024;
/// How bearer tokens are checked: with a secret, or with the public keys of an issuer. A token needs `sub` and `exp`,
/// `nbf` is obeyed, and the claim `roles`, a list of texts, says what the caller may do (`scope` is not read).
#[derive(Clone)]
pub struct Auth {
    keys: Keys,
    algorithms: Vec<Algorithm>,
    issuer: Option<String>,
    audience: Option<String>,
    leeway: Duration,
    /// What is asked of the tokens of each algorithm.
    checks: Vec<Validation>,
}

#[derive(Clone)]
enum Keys {
    Secret(Arc<Pair>),
    Set(Arc<Jwks>),
}

/// A secret, to check with and to sign with.
struct Pair {
    check: DecodingKey,
    sign: EncodingKey,
}

/// Why tokens can't be checked this way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthError(pub(crate) String);

impl Auth {
    /// Tokens signed with `secret` by HS256. It has to be at least 32 bytes long; `None` if it is shorter.
    #[must_use]
    pub fn hs256(secret: &[u8]) -> Option<Self> {
        let pair = Pair {
            check: DecodingKey::from_secret(secret),
            sign: EncodingKey::from_secret(secret),
        };
        let keys = Keys::Secret(Arc::new(pair));
        (secret.len() >= SHORTEST_SECRET).then(|| Self::new(keys, vec![Algorithm::HS256]))
    }

    /// Tokens signed with one of the keys in a file, a JWK Set (RFC 7517). The file is read again when a token names a
    /// key that is not in it, and every five minutes.
    ///
    /// # Errors
    /// A file that can't be read, and one without a key for any algorithm that is known.
    pub fn jwks_file(path: impl AsRef<Path>) -> Result<Self, AuthError> {
        let set = Jwks::of_file(path.as_ref()).map_err(AuthError)?;
        Ok(Self::new(Keys::Set(Arc::new(set)), USUAL.to_vec()))
    }

    /// Tokens signed with one of the keys at an address, a JWK Set (RFC 7517). Nothing is fetched yet: a service gets
    /// the keys as soon as it runs, and again every five minutes and when a token names a key that it has not seen.
    /// While there are none, callers are told to come later (503). Keys that could not be confirmed for a day are
    /// not trusted any longer.
    ///
    /// # Errors
    /// An address that is neither `https` nor on this machine, and one with a password in it.
    pub fn jwks_url(url: &str) -> Result<Self, AuthError> {
        let set = Jwks::of_url(url).map_err(AuthError)?;
        Ok(Self::new(Keys::Set(Arc::new(set)), USUAL.to_vec()))
    }

    fn new(keys: Keys, algorithms: Vec<Algorithm>) -> Self {
        // Another crate may have switched on a second cryptography in jsonwebtoken, which then insists on a choice.
        // That the choice has been made already is as good.
        let _ = aws_lc::DEFAULT_PROVIDER.install_default();
        let auth = Self {
            keys,
            algorithms,
            issuer: None,
            audience: None,
            leeway: LEEWAY,
            checks: Vec::new(),
        };
        auth.checked()
    }

    /// Demands that the token's `iss` be this one.
    #[must_use]
    pub fn issuer(mut self, issuer: &str) -> Self {
        self.issuer = Some(issuer.to_owned());
        self.checked()
    }

    /// Demands that the token's `aud` hold this one. Without it, a token that names an audience is refused.
    #[must_use]
    pub fn audience(mut self, audience: &str) -> Self {
        self.audience = Some(audience.to_owned());
        self.checked()
    }

    /// How far the clocks of issuer and service may be apart: 30 seconds unless said otherwise. More than five minutes
    /// are five minutes.
    #[must_use]
    pub fn leeway(mut self, leeway: Duration) -> Self {
        self.leeway = leeway.min(LONGEST_LEEWAY);
        self.checked()
    }

    /// Which algorithms a token may be signed with. Keys of an issuer do `RS256`, `RS384`, `RS512`, `PS256`, `PS384`,
    /// `PS512`, `ES256`, `ES384` and `EdDSA`, each key those of its kind alone; unless said otherwise, these are
    /// `RS256`, `ES256` and `EdDSA`. A secret does `HS256`.
    ///
    /// # Errors
    /// A name that is not one of these, and none at all.
    pub fn algorithms(mut self, names: &[impl AsRef<str>]) -> Result<Self, AuthError> {
        self.algorithms.clear();
        for name in names.iter().map(AsRef::as_ref) {
            let known = Algorithm::from_str(name).ok();
            let fits = known.filter(|algorithm| match self.keys {
                Keys::Secret(_) => *algorithm == Algorithm::HS256,
                Keys::Set(_) => algorithm.family() != AlgorithmFamily::Hmac,
            });
            let can = match self.keys {
                Keys::Secret(_) => "a secret checks HS256 alone",
                Keys::Set(_) => {
                    "keys check RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384 and EdDSA"
                }
            };
            let fits = fits.ok_or_else(|| AuthError(format!("`{name}` can't be used: {can}")))?;
            self.algorithms.push(fits);
        }
        if self.algorithms.is_empty() {
            return Err(AuthError("no algorithm is allowed".to_owned()));
        }
        Ok(self.checked())
    }

    /// Whether tokens can be checked now: the keys are there.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        match &self.keys {
            Keys::Secret(_) => true,
            Keys::Set(set) => set.is_there(),
        }
    }

    /// In words: what tokens are checked with. No secret is told.
    pub(crate) fn kind(&self) -> String {
        match &self.keys {
            Keys::Secret(_) => "tokens signed with a secret (HS256)".to_owned(),
            Keys::Set(set) => {
                let names = self.algorithms.iter().map(|name| format!("{name:?}"));
                let names = names.collect::<Vec<_>>().join(", ");
                format!("tokens signed with the keys of {set} ({names})")
            }
        }
    }

    /// Keeps the keys fresh for as long as it is polled.
    pub(crate) async fn watch(self) {
        match self.keys {
            Keys::Secret(_) => std::future::pending().await,
            Keys::Set(set) => set.watch().await,
        }
    }

    /// Whether it can sign tokens of its own.
    pub(crate) fn can_sign(&self) -> bool {
        matches!(self.keys, Keys::Secret(_))
    }

    /// A token with `claims`, and with the issuer and the audience that are asked for here.
    ///
    /// # Errors
    /// 500 if there is no secret to sign with.
    pub(crate) fn sign(&self, claims: impl Serialize) -> Result<String, AgentError> {
        #[derive(Serialize)]
        struct Whole<'a, T> {
            #[serde(skip_serializing_if = "Option::is_none")]
            iss: Option<&'a str>,
            #[serde(skip_serializing_if = "Option::is_none")]
            aud: Option<&'a str>,
            #[serde(flatten)]
            claims: T,
        }
        let Keys::Secret(pair) = &self.keys else {
            return Err(AgentError::internal("there is no secret to sign with"));
        };
        let whole = Whole {
            iss: self.issuer.as_deref(),
            aud: self.audience.as_deref(),
            claims,
        };
        let header = Header::new(Algorithm::HS256);
        jsonwebtoken::encode(&header, &whole, &pair.sign).map_err(AgentError::internal)
    }

    /// Who sends these headers. It waits only where a token names a key that is yet to be fetched.
    ///
    /// # Errors
    /// Why they are nobody's.
    pub(crate) async fn caller(&self, headers: &HeaderMap) -> Result<Caller, BearerError> {
        let token = bearer(headers).ok_or(BearerError::Missing)?;
        let unreadable = BearerError::Invalid("the token can't be read");
        if token.len() > LONGEST_TOKEN {
            return Err(unreadable);
        }
        let header = jsonwebtoken::decode_header(token).map_err(|_| unreadable)?;
        // RFC 7515, section 4.1.11: what is critical has to be understood, and nothing is.
        if header.crit.is_some() {
            let detail = "the token demands something that is not understood (`crit`)";
            return Err(BearerError::Invalid(detail));
        }
        let fits = |check: &&Validation| check.algorithms.contains(&header.alg);
        let Some(check) = self.checks.iter().find(fits) else {
            return Err(BearerError::Invalid(ALGORITHM));
        };
        let set = match &self.keys {
            Keys::Secret(pair) => return admitted(token, &pair.check, check),
            Keys::Set(set) => set,
        };
        let found = set.find(header.alg, header.kid.as_deref()).await;
        let keys = found.map_err(|Missing| BearerError::KeysUnavailable)?;
        let mut refusal = BearerError::Invalid("the token is signed with a key that is not known");
        for key in keys {
            match admitted(token, &key.check, check) {
                Err(BearerError::Invalid(SIGNATURE)) => refusal = BearerError::Invalid(SIGNATURE),
                known => return known,
            }
        }
        Err(refusal)
    }

    /// With the checks that follow from everything else. There is one for each algorithm, so that a key is never used
    /// for another than the token's own.
    fn checked(mut self) -> Self {
        let check = |algorithm: &Algorithm| {
            let mut check = Validation::new(*algorithm);
            check.leeway = self.leeway.as_secs();
            check.validate_nbf = true;
            let mut required = vec!["exp", "sub"];
            if let Some(issuer) = &self.issuer {
                check.set_issuer(&[issuer]);
                required.push("iss");
            }
            if let Some(audience) = &self.audience {
                check.set_audience(&[audience]);
                required.push("aud");
            }
            check.set_required_spec_claims(&required);
            check
        };
        self.checks = self.algorithms.iter().map(check).collect();
        self
    }
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
        f.write_str(&self.0)
    }
}

impl std::error::Error for AuthError {}
