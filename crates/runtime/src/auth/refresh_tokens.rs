//! Where the refresh tokens are kept that a service issued: each is good once, and a family of them ends together.

use std::collections::BTreeMap;
use std::future::ready;
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use crate::error::store_error::StoreError;
use crate::future::BoxFuture;

/// Keeps refresh tokens. A token is known by a hash of it, so that whoever reads the store can't use what stands there.
pub trait RefreshTokens: Send + Sync + 'static {
    /// Keeps `token`. In a family that was revoked it is never good.
    ///
    /// # Errors
    /// 503 if the store can't be reached, 500 for a hash that is known already and whatever else goes wrong.
    fn put(&self, token: RefreshToken) -> BoxFuture<'_, Result<(), StoreError>>;

    /// Uses up the token with this hash: of any number of calls at once, in one process or in several, one is told
    /// [`Redeemed::Fresh`].
    ///
    /// # Errors
    /// As [`RefreshTokens::put`].
    fn redeem<'a>(&'a self, hash: &'a str) -> BoxFuture<'a, Result<Redeemed, StoreError>>;

    /// Ends all tokens of `family`, those that are yet to be put too.
    ///
    /// # Errors
    /// As [`RefreshTokens::put`].
    fn revoke_family<'a>(&'a self, family: &'a str) -> BoxFuture<'a, Result<(), StoreError>>;

    /// Forgets at most `most` families whose last token has expired, and says how many it were.
    ///
    /// # Errors
    /// As [`RefreshTokens::put`].
    fn purge_tokens(&self, most: u32) -> BoxFuture<'_, Result<u64, StoreError>>;
}

/// A refresh token, without the token itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefreshToken {
    /// The hash of the token.
    pub hash: String,
    /// What it has in common with the tokens that came before it and will come after it.
    pub family: String,
    /// Whose it is.
    pub subject: String,
    /// What its owner may be.
    pub roles: Vec<String>,
    /// When it ends; kept to the millisecond.
    pub expires_at: SystemTime,
}

/// What a token turned out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Redeemed {
    /// Good, and used up now.
    Fresh(RefreshToken),
    /// Used up before, or its family was revoked: somebody may have stolen it.
    Reused {
        /// Its family, which should be revoked.
        family: String,
    },
    /// Not one of this store's, or expired.
    Unknown,
}

/// How many families are kept in memory at most.
const MOST_FAMILIES: usize = 100_000;

/// [`RefreshTokens`] in memory: gone with the process. With 100,000 families in it, a new one takes the place of the
/// one that would end first.
#[derive(Debug, Default)]
pub struct MemoryRefreshTokens {
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    /// Each token, and whether it is used up.
    tokens: BTreeMap<String, (RefreshToken, bool)>,
    families: BTreeMap<String, Family>,
}

#[derive(Debug)]
struct Family {
    expires_at: SystemTime,
    revoked: bool,
}

impl Kept {
    fn is_revoked(&self, family: &str) -> bool {
        self.families
            .get(family)
            .is_none_or(|family| family.revoked)
    }

    fn forget(&mut self, families: &[String]) {
        for family in families {
            self.families.remove(family);
        }
        let Self { tokens, families } = self;
        tokens.retain(|_, (token, _)| families.contains_key(&token.family));
    }

    fn purge(&mut self, most: usize) -> u64 {
        let now = SystemTime::now();
        let over = self
            .families
            .iter()
            .filter(|(_, family)| family.expires_at <= now);
        let over = over
            .map(|(name, _)| name.clone())
            .take(most)
            .collect::<Vec<_>>();
        if !over.is_empty() {
            self.forget(&over);
        }
        over.len() as u64
    }

    fn make_room(&mut self) {
        if self.families.len() < MOST_FAMILIES || self.purge(MOST_FAMILIES) > 0 {
            return;
        }
        let first = self
            .families
            .iter()
            .min_by_key(|(_, family)| family.expires_at);
        if let Some(first) = first.map(|(name, _)| name.clone()) {
            self.forget(&[first]);
        }
    }
}

impl RefreshTokens for MemoryRefreshTokens {
    fn put(&self, token: RefreshToken) -> BoxFuture<'_, Result<(), StoreError>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.tokens.contains_key(&token.hash) {
            let cause = "a refresh token was put twice";
            return Box::pin(ready(Err(StoreError::internal(cause))));
        }
        if !kept.families.contains_key(&token.family) {
            kept.make_room();
        }
        let family = kept.families.entry(token.family.clone());
        let family = family.or_insert(Family {
            expires_at: token.expires_at,
            revoked: false,
        });
        family.expires_at = family.expires_at.max(token.expires_at);
        kept.tokens.insert(token.hash.clone(), (token, false));
        Box::pin(ready(Ok(())))
    }

    fn redeem<'a>(&'a self, hash: &'a str) -> BoxFuture<'a, Result<Redeemed, StoreError>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let found = kept.tokens.get(hash).cloned();
        let taken = match found {
            Some((token, _)) if token.expires_at <= SystemTime::now() => Redeemed::Unknown,
            Some((token, used)) if used || kept.is_revoked(&token.family) => Redeemed::Reused {
                family: token.family,
            },
            Some((token, _)) => {
                if let Some((_, used)) = kept.tokens.get_mut(hash) {
                    *used = true;
                }
                Redeemed::Fresh(token)
            }
            None => Redeemed::Unknown,
        };
        Box::pin(ready(Ok(taken)))
    }

    fn revoke_family<'a>(&'a self, family: &'a str) -> BoxFuture<'a, Result<(), StoreError>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(family) = kept.families.get_mut(family) {
            family.revoked = true;
        }
        Box::pin(ready(Ok(())))
    }

    fn purge_tokens(&self, most: u32) -> BoxFuture<'_, Result<u64, StoreError>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        Box::pin(ready(Ok(kept.purge(most))))
    }
}
