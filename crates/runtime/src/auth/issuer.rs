//! The tokens that a service issues itself: short ones that give access, and one to get the next pair with.
//!
//! What is asked and answered is the client credentials grant of OAuth 2.0 (RFC 6749, section 4.4). A refresh token is
//! good once, and if it comes again, all that descends from the same login ends, as RFC 9700, section 4.14.2, has it.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;

use crate::auth::Auth;
use crate::auth::refresh_tokens::{Redeemed, RefreshToken, RefreshTokens};
use crate::auth::token_settings::{TokenClient, Tokens};
use crate::error::AgentError;
use crate::error::start_error::StartError;
use crate::error::store_error::StoreError;
use crate::schema::new_uuid_v7;

/// The fewest bytes that a client's secret may have.
const SHORTEST_SECRET: usize = 16;
/// The longest name of a client, which is the `sub` of its tokens.
const LONGEST_NAME: usize = 255;

/// Issues tokens.
pub(crate) struct Issuer {
    auth: Auth,
    tokens: Tokens,
    /// The hashes of the clients' secrets, so that comparing takes the same time for all.
    secrets: BTreeMap<String, Vec<u8>>,
    kept: Arc<dyn RefreshTokens>,
}

/// What a client gets: the members of RFC 6749, section 5.1.
#[derive(Serialize)]
pub(crate) struct TokenResponse {
    access_token: String,
    token_type: &'static str,
    expires_in: u64,
    refresh_token: String,
}

/// Why a client gets nothing.
pub(crate) enum TokenError {
    /// There is no such client, or this is not its secret.
    InvalidClient,
    /// The refresh token is not good, or not any longer.
    InvalidGrant,
    /// Something failed.
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

/// Whether tokens can be issued like this.
///
/// # Errors
/// The key of the first setting that is wrong, and what is wrong with it.
pub(crate) fn check(tokens: &Tokens, auth: Option<&Auth>) -> Result<(), (String, String)> {
    let wrong = |key: &str, detail: &str| Err((key.to_owned(), detail.to_owned()));
    if !auth.is_some_and(Auth::can_sign) {
        let detail = "issues tokens, which needs auth.hs256_secret to sign them with";
        return wrong("tokens", detail);
    }
    if tokens.access_ttl < Duration::from_secs(1) {
        return wrong("tokens.access_ttl", "must be a second at least");
    }
    if tokens.refresh_ttl < tokens.access_ttl {
        let detail = "must not be shorter than tokens.access_ttl";
        return wrong("tokens.refresh_ttl", detail);
    }
    if tokens.clients.is_empty() {
        return wrong("tokens.clients", "names nobody who could ask for tokens");
    }
    for (name, client) in &tokens.clients {
        if !(1..=LONGEST_NAME).contains(&name.len()) {
            let detail = "holds a name that is empty or longer than 255 bytes";
            return wrong("tokens.clients", detail);
        }
        let length = client.secret.expose().len();
        if length < SHORTEST_SECRET {
            let detail = format!("has {length} bytes, and must have at least {SHORTEST_SECRET}");
            return Err((format!("tokens.clients.{name}.secret"), detail));
        }
    }
    Ok(())
}

impl Issuer {
    /// Issues tokens as the settings say, and keeps the refresh tokens in `kept`.
    pub(crate) fn new(
        tokens: Tokens,
        auth: Option<&Auth>,
        kept: Arc<dyn RefreshTokens>,
    ) -> Result<Self, StartError> {
        check(&tokens, auth).map_err(|(key, detail)| StartError::setting(key, detail))?;
        let Some(auth) = auth.cloned() else {
            return Err(StartError::setting("tokens", "needs auth.hs256_secret"));
        };
        let hashed = |(name, client): (&String, &TokenClient)| {
            (name.clone(), hash(client.secret.expose()).as_ref().to_vec())
        };
        let secrets = tokens.clients.iter().map(hashed).collect();
        Ok(Self {
            auth,
            tokens,
            secrets,
            kept,
        })
    }

    /// Tokens for a client that proves who it is.
    pub(crate) async fn grant(
        &self,
        client: &str,
        secret: &str,
    ) -> Result<TokenResponse, TokenError> {
        let given = hash(secret);
        // Whether the client or its secret is wrong shall not be told by how long the answer takes.
        let nobody = hash("");
        let known = self.secrets.get(client);
        let expected = known.map_or(nobody.as_ref(), Vec::as_slice);
        let is_equal = verify_slices_are_equal(given.as_ref(), expected).is_ok();
        match self.tokens.clients.get_key_value(client) {
            Some((name, found)) if is_equal => {
                let family = new_uuid_v7().to_string();
                self.issue(name, &found.roles, family).await
            }
            _ => Err(TokenError::InvalidClient),
        }
    }

    /// The next tokens for whoever has this one; it is used up by that. What the client may is what the settings say
    /// today.
    pub(crate) async fn refresh(&self, token: &str) -> Result<TokenResponse, TokenError> {
        let redeemed = self.kept.redeem(&named(token)).await;
        match redeemed? {
            Redeemed::Fresh(token) => match self.tokens.clients.get(&token.subject) {
                Some(client) => {
                    self.issue(&token.subject, &client.roles, token.family)
                        .await
                }
                None => Err(TokenError::InvalidGrant),
            },
            Redeemed::Reused { family } => {
                tracing::warn!(
                    family,
                    "a refresh token came twice: all that followed it ends"
                );
                let revoked = self.kept.revoke_family(&family).await;
                revoked?;
                Err(TokenError::InvalidGrant)
            }
            Redeemed::Unknown => Err(TokenError::InvalidGrant),
        }
    }

    async fn issue(
        &self,
        client: &str,
        roles: &[String],
        family: String,
    ) -> Result<TokenResponse, TokenError> {
        let now = jsonwebtoken::get_current_timestamp();
        let expires_in = self.tokens.access_ttl.as_secs();
        let claims = Claims {
            sub: client,
            roles,
            iat: now,
            exp: now.saturating_add(expires_in),
            jti: new_uuid_v7().to_string(),
        };
        let access_token = self.auth.sign(claims).map_err(TokenError::Internal)?;
        let refresh_token = random().map_err(TokenError::Internal)?;
        let expires_at = SystemTime::now().checked_add(self.tokens.refresh_ttl);
        let expires_at = expires_at.ok_or_else(|| {
            let cause = "tokens.refresh_ttl is longer than time";
            TokenError::Internal(AgentError::internal(cause))
        })?;
        let kept = RefreshToken {
            hash: named(&refresh_token),
            family,
            subject: client.to_owned(),
            roles: roles.to_vec(),
            expires_at,
        };
        self.kept.put(kept).await?;
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

/// The name that a token is kept under: its hash in hexadecimal.
fn named(token: &str) -> String {
    let mut name = String::with_capacity(64);
    for byte in hash(token).as_ref() {
        let _ = write!(name, "{byte:02x}");
    }
    name
}

impl From<StoreError> for TokenError {
    fn from(error: StoreError) -> Self {
        Self::Internal(error.into())
    }
}

/// 256 random bits.
fn random() -> Result<String, AgentError> {
    let mut bytes = [0; 32];
    aws_lc_rs::rand::fill(&mut bytes).map_err(AgentError::internal)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}
