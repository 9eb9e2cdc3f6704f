//! Issues access and refresh tokens: the client credentials grant of OAuth 2.0 (RFC 6749, section 4.4).
//!
//! Invariant: a refresh token works once, for the client that it was issued to. If it is used again, all tokens of the same
//! login are revoked (RFC 9700, section 4.14.2), except that for some seconds it gives the same successor: the first
//! response may have been lost.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use crate::auth::Auth;
use crate::auth::refresh_tokens::{RefreshToken, RefreshTokens, Rotated, Rotation};
use crate::auth::token_settings::{TokenClient, Tokens};
use crate::error::AgentError;
use crate::error::start_error::{SettingError, StartError};
use crate::error::store_error::StoreError;
use crate::schema::new_uuid_v7;

const MIN_CLIENT_SECRET_BYTES: usize = 16;
/// A client's name is the `sub` of its tokens.
const MAX_CLIENT_NAME_BYTES: usize = 255;
/// For how long a used refresh token gives its successor again.
const GRACE: Duration = Duration::from_secs(10);

/// Issues tokens to the clients of the settings.
pub(crate) struct Issuer {
    auth: Auth,
    settings: Tokens,
    /// SHA-256 of the clients' secrets, by client: values of equal size compare in constant time.
    secret_hashes: BTreeMap<String, Vec<u8>>,
    store: Arc<dyn RefreshTokens>,
}

/// A successful token response: RFC 6749, section 5.1.
#[derive(Serialize, JsonSchema)]
#[schemars(example = json!({
    "access_token": "aaaa.bbbb.cccc", "token_type": "Bearer", "expires_in": 900, "refresh_token": "dddd",
}))]
pub(crate) struct TokenResponse {
    /// A JSON Web Token, for the header Authorization.
    pub(crate) access_token: String,
    /// How the access token is presented.
    #[schemars(extend("const" = "Bearer"))]
    pub(crate) token_type: &'static str,
    /// For how many seconds the access token is valid.
    #[schemars(range(min = 1))]
    pub(crate) expires_in: u64,
    /// Gets the client the next tokens, once.
    pub(crate) refresh_token: String,
}

/// An error of the token endpoint: RFC 6749, section 5.2.
pub(crate) enum TokenError {
    /// Unknown client, or wrong secret.
    InvalidClient,
    /// The refresh token is unknown, expired, used or revoked.
    InvalidGrant,
    /// The store or the signature failed.
    Internal(AgentError),
}

#[derive(Serialize)]
struct Claims<'a> {
    sub: &'a str,
    roles: &'a [String],
    iat: u64,
    exp: u64,
    jti: String,
}

/// Checks the settings.
///
/// # Errors
/// The first setting that is wrong.
pub(crate) fn check(tokens: &Tokens, auth: Option<&Auth>) -> Result<(), SettingError> {
    let invalid = |key: &'static str, detail: &str| Err(SettingError::new(key, detail));
    if !auth.is_some_and(Auth::can_sign) {
        let detail = "issues tokens, which needs auth.hs256_secret to sign them with";
        return invalid("tokens", detail);
    }
    if tokens.access_ttl < Duration::from_secs(1) {
        return invalid("tokens.access_ttl", "must be a second at least");
    }
    if tokens.refresh_ttl < tokens.access_ttl {
        let detail = "must not be shorter than tokens.access_ttl";
        return invalid("tokens.refresh_ttl", detail);
    }
    if tokens.clients.is_empty() {
        return invalid("tokens.clients", "names nobody who could ask for tokens");
    }
    for (name, client) in &tokens.clients {
        if !(1..=MAX_CLIENT_NAME_BYTES).contains(&name.len()) {
            let detail = "holds a name that is empty or longer than 255 bytes";
            return invalid("tokens.clients", detail);
        }
        let length = client.secret.expose().len();
        if length < MIN_CLIENT_SECRET_BYTES {
            let detail =
                format!("has {length} bytes, and must have at least {MIN_CLIENT_SECRET_BYTES}");
            let key = format!("tokens.clients.{name}.secret");
            return Err(SettingError::new(key, detail));
        }
    }
    Ok(())
}

impl Issuer {
    /// An issuer with these settings, which keeps refresh tokens in `store`.
    pub(crate) fn new(
        settings: Tokens,
        auth: Option<&Auth>,
        store: Arc<dyn RefreshTokens>,
    ) -> Result<Self, StartError> {
        check(&settings, auth)?;
        let Some(auth) = auth.cloned() else {
            return Err(StartError::setting("tokens", "needs auth.hs256_secret"));
        };
        let hashed = |(name, client): (&String, &TokenClient)| {
            (name.clone(), hash(client.secret.expose()).as_ref().to_vec())
        };
        let secret_hashes = settings.clients.iter().map(hashed).collect();
        Ok(Self {
            auth,
            settings,
            secret_hashes,
            store,
        })
    }

    /// The name of `client`, if it is one of the settings.
    pub(crate) fn client<'a>(&'a self, client: &str) -> Option<&'a str> {
        let found = self.settings.clients.get_key_value(client);
        found.map(|(name, _)| name.as_str())
    }

    /// The first tokens, for a client's name and secret.
    pub(crate) async fn grant(
        &self,
        client: &str,
        secret: &str,
    ) -> Result<TokenResponse, TokenError> {
        let (client, roles) = self.authenticate(client, secret)?;
        let refresh_token = random().map_err(TokenError::Internal)?;
        let record = RefreshToken {
            hash: token_hash(&refresh_token),
            family: new_uuid_v7().to_string(),
            subject: client.to_owned(),
            roles: roles.to_vec(),
            expires_at: self.refresh_token_end()?,
        };
        let response = self.response(client, roles, refresh_token)?;
        self.store.put(record).await?;
        Ok(response)
    }

    /// The next tokens in exchange for a refresh token of the client. The roles are those of the current settings.
    pub(crate) async fn refresh(
        &self,
        client: &str,
        secret: &str,
        token: &str,
    ) -> Result<TokenResponse, TokenError> {
        let (client, roles) = self.authenticate(client, secret)?;
        // Derived, so that every process gives the same successor again and none has to store it.
        let successor = self.auth.derive("the successor of a refresh token", token);
        let successor = successor.map_err(TokenError::Internal)?;
        let successor = URL_SAFE_NO_PAD.encode(successor);
        let rotation = Rotation {
            hash: token_hash(token),
            subject: client.to_owned(),
            successor: token_hash(&successor),
            roles: roles.to_vec(),
            expires_at: self.refresh_token_end()?,
            grace: GRACE,
        };
        let response = self.response(client, roles, successor)?;
        match self.store.rotate(rotation).await? {
            Rotated::Fresh | Rotated::Repeated => Ok(response),
            Rotated::Reused { family } => {
                tracing::warn!(
                    client,
                    family,
                    "a refresh token was used twice: all tokens of its login are revoked"
                );
                self.store.revoke_family(&family).await?;
                Err(TokenError::InvalidGrant)
            }
            Rotated::Unknown => Err(TokenError::InvalidGrant),
        }
    }

    /// The client with this name and secret, and its roles.
    fn authenticate(&self, client: &str, secret: &str) -> Result<(&str, &[String]), TokenError> {
        let given = hash(secret);
        // An unknown client takes as long as a wrong secret, so that the time tells nothing.
        let no_secret = hash("");
        let expected = self.secret_hashes.get(client);
        let expected = expected.map_or(no_secret.as_ref(), Vec::as_slice);
        let is_equal = verify_slices_are_equal(given.as_ref(), expected).is_ok();
        match self.settings.clients.get_key_value(client) {
            Some((name, client)) if is_equal => Ok((name, &client.roles)),
            _ => Err(TokenError::InvalidClient),
        }
    }

    fn refresh_token_end(&self) -> Result<SystemTime, TokenError> {
        let end = SystemTime::now().checked_add(self.settings.refresh_ttl);
        end.ok_or_else(|| {
            let cause = "tokens.refresh_ttl is too long";
            TokenError::Internal(AgentError::internal(cause))
        })
    }

    /// `refresh_token`, with an access token.
    fn response(
        &self,
        client: &str,
        roles: &[String],
        refresh_token: String,
    ) -> Result<TokenResponse, TokenError> {
        let now = jsonwebtoken::get_current_timestamp();
        let expires_in = self.settings.access_ttl.as_secs();
        let claims = Claims {
            sub: client,
            roles,
            iat: now,
            exp: now.saturating_add(expires_in),
            jti: new_uuid_v7().to_string(),
        };
        let access_token = self.auth.sign(claims).map_err(TokenError::Internal)?;
        Ok(TokenResponse {
            access_token,
            token_type: "Bearer",
            expires_in,
            refresh_token,
        })
    }
}

fn hash(text: &str) -> aws_lc_rs::digest::Digest {
    digest(&SHA256, text.as_bytes())
}

/// SHA-256 of a token, in hexadecimal digits.
fn token_hash(token: &str) -> String {
    let mut hex = String::with_capacity(64);
    for byte in hash(token).as_ref() {
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}

impl From<StoreError> for TokenError {
    fn from(error: StoreError) -> Self {
        Self::Internal(error.into())
    }
}

/// 256 random bits, as base64url.
fn random() -> Result<String, AgentError> {
    let mut bytes = [0; 32];
    aws_lc_rs::rand::fill(&mut bytes).map_err(AgentError::internal)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}
