//! The store of idempotency keys: which request a key belongs to, and what was answered.
//!
//! Invariant: of the requests with one key, one runs. A key that is under way is never removed before it expires.

use std::time::Duration;

use crate::error::store_error::StoreError;
use crate::future::BoxFuture;

/// How long a key is stored.
pub(crate) const TTL: Duration = Duration::from_secs(24 * 60 * 60);
/// The longest response that is stored, in bytes.
const MAX_RESPONSE: usize = 64 * 1024;
/// How many bytes one caller's keys and responses may have; beyond that, its oldest responses are removed.
pub(crate) const CALLER_BYTES: usize = 8 * 1024 * 1024;
/// What a key counts beyond its texts, in bytes.
const ENTRY_BYTES: usize = 1024;

/// Stores keys.
pub(crate) trait IdempotencyKeys: Send + Sync + 'static {
    /// Reserves a key, if it is new or has expired. `hash` identifies the request; `owner` this try, which may be under way
    /// for `time`.
    fn reserve<'a>(
        &'a self,
        key: &'a IdempotencyKey,
        hash: &'a str,
        owner: &'a str,
        time: Duration,
    ) -> BoxFuture<'a, Result<Reserved, StoreError>>;

    /// Stores the response to the try `owner`. It is not stored if it is too long, but the key stays used.
    fn complete<'a>(
        &'a self,
        key: &'a IdempotencyKey,
        owner: &'a str,
        response: &'a str,
    ) -> BoxFuture<'a, Result<(), StoreError>>;

    /// Frees a key whose try `owner` has failed, so that the request can be repeated.
    fn release<'a>(
        &'a self,
        key: &'a IdempotencyKey,
        owner: &'a str,
    ) -> BoxFuture<'a, Result<(), StoreError>>;

    /// Deletes at most `limit` keys that have expired. Returns their number.
    fn purge_keys(&self, limit: u32) -> BoxFuture<'_, Result<u64, StoreError>>;
}

/// A caller's key for an operation.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct IdempotencyKey {
    pub(crate) subject: String,
    pub(crate) operation: String,
    pub(crate) key: String,
}

/// What the store has for a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reserved {
    /// Nothing: this request is the first with its key.
    New,
    /// A request with another hash.
    Other,
    /// The same request, which is under way.
    UnderWay,
    /// The same request. The process that ran it ended before there was a response.
    #[cfg_attr(
        not(any(feature = "postgres", feature = "sqlite")),
        allow(dead_code, reason = "keys in memory end with their process")
    )]
    Unknown,
    /// The same request, and its response; `None` if that was too long.
    Response(Option<String>),
}

impl IdempotencyKey {
    /// What the key counts with a response of so many bytes.
    pub(crate) fn size(&self, response: usize) -> usize {
        let Self {
            subject,
            operation,
            key,
        } = self;
        subject.len() + operation.len() + key.len() + response + ENTRY_BYTES
    }
}

/// The response as it is stored.
pub(crate) fn stored(response: &str) -> Option<&str> {
    Some(response).filter(|response| response.len() <= MAX_RESPONSE)
}
