//! The store of refresh tokens, and its implementation in memory.
//!
//! Invariant: a token works once. The tokens of one login form a family, which is revoked as a whole.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use crate::error::store_error::StoreError;
use crate::future::{BoxFuture, boxed_ready};

/// Stores refresh tokens by their hash, so that nobody can use what they read in the store.
pub trait RefreshTokens: Send + Sync + 'static {
    /// Adds a token. In a revoked family it can't be redeemed.
    ///
    /// # Errors
    /// The store can't be reached, or has a token with this hash already.
    fn put(&self, token: RefreshToken) -> BoxFuture<'_, Result<(), StoreError>>;

    /// Redeems the token with this hash. Of concurrent calls, in any number of processes, exactly one gets
    /// [`Redeemed::Fresh`].
    ///
    /// # Errors
    /// As [`RefreshTokens::put`].
    fn redeem<'a>(&'a self, hash: &'a str) -> BoxFuture<'a, Result<Redeemed, StoreError>>;

    /// Revokes all tokens of `family`, also those that are added later.
    ///
    /// # Errors
    /// As [`RefreshTokens::put`].
    fn revoke_family<'a>(&'a self, family: &'a str) -> BoxFuture<'a, Result<(), StoreError>>;

    /// Deletes at most `limit` families whose last token has expired. Returns their number.
    ///
    /// # Errors
    /// As [`RefreshTokens::put`].
    fn purge_tokens(&self, limit: u32) -> BoxFuture<'_, Result<u64, StoreError>>;
}

/// The record of a refresh token, without the token itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefreshToken {
    /// The hash of the token.
    pub hash: String,
    /// The login that it belongs to, as all tokens before and after it.
    pub family: String,
    /// The client's name.
    pub subject: String,
    /// The client's roles when the token was issued.
    pub roles: Vec<String>,
    /// Stored in milliseconds.
    pub expires_at: SystemTime,
}

/// The outcome of redeeming a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Redeemed {
    /// It was valid, and can't be used again.
    Fresh(RefreshToken),
    /// It was used before, or its family is revoked: it may be stolen.
    Reused {
        /// The family, which should be revoked.
        family: String,
    },
    /// It does not exist, or has expired.
    Unknown,
}

const MAX_FAMILIES: usize = 100_000;

/// [`RefreshTokens`] in memory, lost when the process ends. It holds 100,000 families; beyond that, a new one replaces the
/// one that expires first.
#[derive(Debug, Default)]
pub struct MemoryRefreshTokens {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// By hash, each with whether it was used.
    tokens: BTreeMap<String, (RefreshToken, bool)>,
    families: BTreeMap<String, Family>,
}

#[derive(Debug)]
struct Family {
    expires_at: SystemTime,
    revoked: bool,
}

impl State {
    fn is_revoked(&self, family: &str) -> bool {
        self.families
            .get(family)
            .is_none_or(|family| family.revoked)
    }

    fn remove(&mut self, families: &[String]) {
        for family in families {
            self.families.remove(family);
        }
        let Self { tokens, families } = self;
        tokens.retain(|_, (token, _)| families.contains_key(&token.family));
    }

    fn purge(&mut self, limit: usize) -> u64 {
        let now = SystemTime::now();
        let expired = self
            .families
            .iter()
            .filter(|(_, family)| family.expires_at <= now);
        let expired = expired
            .map(|(name, _)| name.clone())
            .take(limit)
            .collect::<Vec<_>>();
        if !expired.is_empty() {
            self.remove(&expired);
        }
        expired.len() as u64
    }

    fn make_room(&mut self) {
        if self.families.len() < MAX_FAMILIES || self.purge(MAX_FAMILIES) > 0 {
            return;
        }
        let first = self
            .families
            .iter()
            .min_by_key(|(_, family)| family.expires_at);
        if let Some(first) = first.map(|(name, _)| name.clone()) {
            self.remove(&[first]);
        }
    }
}

impl RefreshTokens for MemoryRefreshTokens {
    fn put(&self, token: RefreshToken) -> BoxFuture<'_, Result<(), StoreError>> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.tokens.contains_key(&token.hash) {
            let cause = "a refresh token was added twice";
            return boxed_ready(Err(StoreError::internal(cause)));
        }
        if !state.families.contains_key(&token.family) {
            state.make_room();
        }
        let family = state.families.entry(token.family.clone());
        let family = family.or_insert(Family {
            expires_at: token.expires_at,
            revoked: false,
        });
        family.expires_at = family.expires_at.max(token.expires_at);
        state.tokens.insert(token.hash.clone(), (token, false));
        boxed_ready(Ok(()))
    }

    fn redeem<'a>(&'a self, hash: &'a str) -> BoxFuture<'a, Result<Redeemed, StoreError>> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let found = state.tokens.get(hash).cloned();
        let redeemed = match found {
            Some((token, _)) if token.expires_at <= SystemTime::now() => Redeemed::Unknown,
            Some((token, used)) if used || state.is_revoked(&token.family) => Redeemed::Reused {
                family: token.family,
            },
            Some((token, _)) => {
                if let Some((_, used)) = state.tokens.get_mut(hash) {
                    *used = true;
                }
                Redeemed::Fresh(token)
            }
            None => Redeemed::Unknown,
        };
        boxed_ready(Ok(redeemed))
    }

    fn revoke_family<'a>(&'a self, family: &'a str) -> BoxFuture<'a, Result<(), StoreError>> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(family) = state.families.get_mut(family) {
            family.revoked = true;
        }
        boxed_ready(Ok(()))
    }

    fn purge_tokens(&self, limit: u32) -> BoxFuture<'_, Result<u64, StoreError>> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        boxed_ready(Ok(state.purge(limit)))
    }
}
