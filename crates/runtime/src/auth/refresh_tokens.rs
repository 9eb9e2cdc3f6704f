//! The store of refresh tokens, and its implementation in memory.
//!
//! Invariant: a token has one successor. The tokens of one login form a family, which is revoked as a whole.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use crate::error::store_error::StoreError;
use crate::future::{BoxFuture, boxed_ready};

/// Stores refresh tokens by their hash, so that nobody can use what they read in the store.
pub trait RefreshTokens: Send + Sync + 'static {
    /// Adds the first token of a family. In a revoked family it can't be rotated.
    ///
    /// # Errors
    /// The store can't be reached, or has a token with this hash already.
    fn put(&self, token: RefreshToken) -> BoxFuture<'_, Result<(), StoreError>>;

    /// Marks a token as used and adds its successor: both or, if it fails, neither. Of concurrent calls, in any number of
    /// processes, exactly one gets [`Rotated::Fresh`].
    ///
    /// # Errors
    /// As [`RefreshTokens::put`].
    fn rotate(&self, rotation: Rotation) -> BoxFuture<'_, Result<Rotated, StoreError>>;

    /// Revokes all tokens of `family`, also those that are added later.
    ///
    /// # Errors
    /// As [`RefreshTokens::put`].
    fn revoke_family<'a>(&'a self, family: &'a str) -> BoxFuture<'a, Result<(), StoreError>>;

    /// Deletes at most `limit` expired tokens, used or not, and the families that are left without any. Returns the number
    /// of tokens.
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

/// A token in exchange for the next one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rotation {
    /// The hash of the token that is presented.
    pub hash: String,
    /// Who presents it. The token of another subject is unknown.
    pub subject: String,
    /// The hash of its successor. The same token always has the same one.
    pub successor: String,
    /// The client's roles now.
    pub roles: Vec<String>,
    /// The end of the successor.
    pub expires_at: SystemTime,
    /// For how long after its first use the token may be presented again, because the response may have been lost.
    pub grace: Duration,
}

/// The outcome of a rotation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rotated {
    /// The token is used now, and its successor is valid.
    Fresh,
    /// The token was used within the grace period, and its successor is valid and was not used yet.
    Repeated,
    /// The token was used before, or its family is revoked: it may be stolen.
    Reused {
        /// The family, which should be revoked.
        family: String,
    },
    /// The token does not exist, belongs to another subject, or has expired.
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
    /// By hash, each with when it was used.
    tokens: BTreeMap<String, (RefreshToken, Option<SystemTime>)>,
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
        let mut purged = 0;
        self.tokens.retain(|_, (token, _)| {
            let is_purged = token.expires_at <= now && purged < limit;
            purged += usize::from(is_purged);
            !is_purged
        });
        if purged > 0 {
            let left = self.tokens.values().map(|(token, _)| &*token.family);
            let left = left.collect::<BTreeSet<_>>();
            self.families
                .retain(|name, family| family.expires_at > now || left.contains(&**name));
        }
        purged as u64
    }

    /// Adds a token to its family.
    fn add(&mut self, token: RefreshToken) -> Result<(), StoreError> {
        if self.tokens.contains_key(&token.hash) {
            let cause = "a refresh token was added twice";
            return Err(StoreError::internal(cause));
        }
        if !self.families.contains_key(&token.family) {
            self.make_room();
        }
        let family = self.families.entry(token.family.clone());
        let family = family.or_insert(Family {
            expires_at: token.expires_at,
            revoked: false,
        });
        family.expires_at = family.expires_at.max(token.expires_at);
        self.tokens.insert(token.hash.clone(), (token, None));
        Ok(())
    }

    fn rotate(&mut self, rotation: Rotation) -> Result<Rotated, StoreError> {
        let now = SystemTime::now();
        let presented = self.tokens.get(&rotation.hash);
        let Some((token, used_at)) = presented
            .filter(|(token, _)| token.expires_at > now && token.subject == rotation.subject)
        else {
            return Ok(Rotated::Unknown);
        };
        let family = token.family.clone();
        if let Some(used_at) = used_at.filter(|_| !self.is_revoked(&family)) {
            let is_recent = used_at + rotation.grace > now;
            let successor = self.tokens.get(&rotation.successor);
            let is_unused = successor.is_some_and(|(_, used_at)| used_at.is_none());
            if is_recent && is_unused {
                return Ok(Rotated::Repeated);
            }
        }
        if used_at.is_some() || self.is_revoked(&family) {
            return Ok(Rotated::Reused { family });
        }
        self.add(RefreshToken {
            hash: rotation.successor,
            family,
            subject: rotation.subject,
            roles: rotation.roles,
            expires_at: rotation.expires_at,
        })?;
        if let Some((_, used_at)) = self.tokens.get_mut(&rotation.hash) {
            *used_at = Some(now);
        }
        Ok(Rotated::Fresh)
    }

    fn make_room(&mut self) {
        if self.families.len() < MAX_FAMILIES {
            return;
        }
        self.purge(usize::MAX);
        if self.families.len() < MAX_FAMILIES {
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
        boxed_ready(state.add(token))
    }

    fn rotate(&self, rotation: Rotation) -> BoxFuture<'_, Result<Rotated, StoreError>> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        boxed_ready(state.rotate(rotation))
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
