//! Repeated requests: one with the `Idempotency-Key` of an earlier request gets the earlier response, as in
//! draft-ietf-httpapi-idempotency-key-header.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::http::{HeaderMap, StatusCode};
use serde_json::Value;

use crate::http::api_error::ApiError;
use crate::run::run_input::Input;

/// The most responses that are kept.
const MAX_ENTRIES: usize = 10_000;
/// How long a response is kept.
const TTL: Duration = Duration::from_secs(24 * 60 * 60);
/// The longest key, in characters.
const MAX_KEY_LENGTH: usize = 255;

/// The responses to requests with a key, in memory.
#[derive(Debug, Clone, Default)]
pub(crate) struct IdempotencyCache(Arc<Mutex<BTreeMap<Key, Entry>>>);

/// The caller, the operation, and the caller's key.
type Key = (String, Cow<'static, str>, String);

#[derive(Debug)]
struct Entry {
    request: Value,
    /// The response's JSON; `None` while the first request is under way.
    response: Option<String>,
    since: Instant,
}

/// A key that the first request with it has reserved. Dropping it without a response frees the key, so that a failed
/// request can be repeated.
struct Reservation {
    cache: IdempotencyCache,
    key: Option<Key>,
}

/// What the cache has for a key.
enum Lookup {
    /// Nothing: this request is the first with its key.
    Reserved(Reservation),
    /// The response to an earlier request.
    Cached(String),
}

/// The key in `headers`, if there is one.
///
/// # Errors
/// 400 for a key that is not 1 to 255 visible ASCII characters.
pub(crate) fn read_key(headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    let Some(key) = headers.get("idempotency-key") else {
        return Ok(None);
    };
    let is_valid = |key: &&str| {
        (1..=MAX_KEY_LENGTH).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_graphic())
    };
    match key.to_str().ok().filter(is_valid) {
        Some(key) => Ok(Some(key.to_owned())),
        None => Err(ApiError::rejected(
            StatusCode::BAD_REQUEST,
            "an Idempotency-Key has 1 to 255 visible ASCII characters",
        )),
    }
}

/// 422 for a key that an earlier, different request used.
pub(crate) fn key_reused() -> ApiError {
    ApiError::rejected(
        StatusCode::UNPROCESSABLE_ENTITY,
        "the Idempotency-Key was used with another request",
    )
}

impl IdempotencyCache {
    /// The JSON that `handler` makes of a request of `caller` for `operation`, or the cached response to an earlier
    /// request with the same key.
    ///
    /// # Errors
    /// What `handler` says; 409 while the earlier request is under way, 422 if it was a different request.
    pub(crate) async fn get_or_run(
        &self,
        headers: &HeaderMap,
        caller: &str,
        operation: impl Into<Cow<'static, str>>,
        mut input: Input,
        handler: impl AsyncFnOnce(Input) -> Result<String, ApiError>,
    ) -> Result<String, ApiError> {
        let Some(key) = read_key(headers)? else {
            return handler(input).await;
        };
        let key = (caller.to_owned(), operation.into(), key);
        match self.reserve(key, input.json()?)? {
            Lookup::Cached(response) => Ok(response),
            Lookup::Reserved(reservation) => {
                let response = handler(input).await?;
                reservation.store(&response);
                Ok(response)
            }
        }
    }

    fn reserve(&self, key: Key, request: &Value) -> Result<Lookup, ApiError> {
        let mut entries = self.lock();
        let live = entries.get(&key).filter(|entry| !entry.is_expired());
        if let Some(entry) = live {
            if entry.request != *request {
                return Err(key_reused());
            }
            return match &entry.response {
                Some(response) => Ok(Lookup::Cached(response.clone())),
                None => Err(ApiError::rejected(
                    StatusCode::CONFLICT,
                    "a request with this Idempotency-Key is still being answered",
                )),
            };
        }
        make_room(&mut entries);
        let entry = Entry {
            request: request.clone(),
            response: None,
            since: Instant::now(),
        };
        entries.insert(key.clone(), entry);
        Ok(Lookup::Reserved(Reservation {
            cache: self.clone(),
            key: Some(key),
        }))
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Key, Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    fn is_expired(&self) -> bool {
        self.since.elapsed() >= TTL
    }
}

impl Reservation {
    fn store(mut self, response: &str) {
        if let Some(key) = self.key.take()
            && let Some(entry) = self.cache.lock().get_mut(&key)
        {
            entry.response = Some(response.to_owned());
        }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if let Some(key) = self.key.take() {
            self.cache.lock().remove(&key);
        }
    }
}

/// Makes room for one more entry: expired entries go first, then the oldest.
fn make_room(entries: &mut BTreeMap<Key, Entry>) {
    if entries.len() < MAX_ENTRIES {
        return;
    }
    entries.retain(|_, entry| !entry.is_expired());
    if entries.len() < MAX_ENTRIES {
        return;
    }
    let oldest = entries.iter().min_by_key(|(_, entry)| entry.since);
    if let Some(key) = oldest.map(|(key, _)| key.clone()) {
        entries.remove(&key);
    }
}
