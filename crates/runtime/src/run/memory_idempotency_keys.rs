//! [`IdempotencyKeys`] in memory.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::error::store_error::StoreError;
use crate::future::{BoxFuture, boxed_ready};
use crate::run::idempotency_keys::{
    CALLER_BYTES, IdempotencyKey, IdempotencyKeys, Reserved, TTL, stored,
};

/// How many bytes the keys and responses of all callers may have.
const TOTAL_BYTES: usize = 64 * 1024 * 1024;

/// Keys in memory, lost when the process ends.
#[derive(Debug, Default)]
pub(crate) struct MemoryIdempotencyKeys(Mutex<Keys>);

#[derive(Debug, Default)]
struct Keys {
    entries: BTreeMap<IdempotencyKey, Entry>,
    /// The size of all entries.
    total: usize,
    by_subject: BTreeMap<String, usize>,
}

#[derive(Debug)]
struct Entry {
    hash: String,
    owner: String,
    /// `None` while the first request is under way; then the response, unless it is too long.
    response: Option<Option<String>>,
    size: usize,
    since: Instant,
}

impl MemoryIdempotencyKeys {
    fn lock(&self) -> MutexGuard<'_, Keys> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Keys {
    fn insert(&mut self, key: IdempotencyKey, entry: Entry) {
        self.remove(&key);
        self.total += entry.size;
        *self.by_subject.entry(key.subject.clone()).or_default() += entry.size;
        self.entries.insert(key, entry);
    }

    fn remove(&mut self, key: &IdempotencyKey) -> Option<Entry> {
        let entry = self.entries.remove(key)?;
        self.total -= entry.size;
        if let Some(size) = self.by_subject.get_mut(&key.subject) {
            *size -= entry.size;
            if *size == 0 {
                self.by_subject.remove(&key.subject);
            }
        }
        Some(entry)
    }

    fn remove_expired(&mut self, limit: usize) -> u64 {
        let expired = self.entries.iter().filter(|(_, entry)| entry.is_expired());
        let expired = expired.map(|(key, _)| key.clone());
        let expired: Vec<_> = expired.take(limit).collect();
        for key in &expired {
            self.remove(key);
        }
        expired.len() as u64
    }

    /// Whether `subject` may have `more` bytes. If not, its oldest responses are removed until it may, and then some, so
    /// that not every further request has to look for them.
    fn make_room(&mut self, subject: &str, more: usize) -> bool {
        if self.fits(subject, more) {
            return true;
        }
        self.remove_expired(usize::MAX);
        let first = IdempotencyKey {
            subject: subject.to_owned(),
            operation: String::new(),
            key: String::new(),
        };
        let own = self.entries.range(first..);
        let own = own.take_while(|(key, _)| key.subject == subject);
        let completed = own.filter(|(_, entry)| entry.response.is_some());
        let completed = completed.map(|(key, entry)| (entry.since, key.clone()));
        let mut completed: Vec<_> = completed.collect();
        completed.sort();
        for (_, key) in completed {
            self.remove(&key);
            if self.fits(subject, more + CALLER_BYTES / 8) {
                break;
            }
        }
        self.fits(subject, more)
    }

    fn fits(&self, subject: &str, more: usize) -> bool {
        let own = self.by_subject.get(subject).copied().unwrap_or(0);
        own + more <= CALLER_BYTES && self.total + more <= TOTAL_BYTES
    }
}

impl Entry {
    fn is_expired(&self) -> bool {
        self.since.elapsed() >= TTL
    }
}

impl IdempotencyKeys for MemoryIdempotencyKeys {
    fn reserve<'a>(
        &'a self,
        key: &'a IdempotencyKey,
        hash: &'a str,
        owner: &'a str,
        _: Duration,
    ) -> BoxFuture<'a, Result<Reserved, StoreError>> {
        let mut keys = self.lock();
        let found = keys.entries.get(key).filter(|entry| !entry.is_expired());
        if let Some(entry) = found {
            return boxed_ready(Ok(match &entry.response {
                _ if entry.hash != hash => Reserved::Other,
                None => Reserved::UnderWay,
                Some(response) => Reserved::Response(response.clone()),
            }));
        }
        keys.remove(key);
        let size = key.size(0);
        if !keys.make_room(&key.subject, size) {
            let detail = "there are too many requests with an Idempotency-Key; try again later";
            return boxed_ready(Err(StoreError::unavailable(detail)));
        }
        let entry = Entry {
            hash: hash.to_owned(),
            owner: owner.to_owned(),
            response: None,
            size,
            since: Instant::now(),
        };
        keys.insert(key.clone(), entry);
        boxed_ready(Ok(Reserved::New))
    }

    fn complete<'a>(
        &'a self,
        key: &'a IdempotencyKey,
        owner: &'a str,
        response: &'a str,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        let mut keys = self.lock();
        let fits = |response: &&str| keys.make_room(&key.subject, response.len());
        let response = stored(response).filter(fits).map(str::to_owned);
        let is_own = keys
            .entries
            .get(key)
            .is_some_and(|entry| entry.owner == owner);
        if is_own && let Some(mut entry) = keys.remove(key) {
            entry.size = key.size(response.as_ref().map_or(0, String::len));
            entry.response = Some(response);
            keys.insert(key.clone(), entry);
        }
        boxed_ready(Ok(()))
    }

    fn release<'a>(
        &'a self,
        key: &'a IdempotencyKey,
        owner: &'a str,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        let mut keys = self.lock();
        if keys
            .entries
            .get(key)
            .is_some_and(|entry| entry.owner == owner)
        {
            keys.remove(key);
        }
        boxed_ready(Ok(()))
    }

    fn purge_keys(&self, limit: u32) -> BoxFuture<'_, Result<u64, StoreError>> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        boxed_ready(Ok(self.lock().remove_expired(limit)))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{MemoryIdempotencyKeys, TOTAL_BYTES};
    use crate::run::idempotency_keys::{CALLER_BYTES, IdempotencyKey, IdempotencyKeys, Reserved};

    const MINUTE: Duration = Duration::from_secs(60);

    fn key(subject: &str, number: usize) -> IdempotencyKey {
        IdempotencyKey {
            subject: subject.to_owned(),
            operation: "put".to_owned(),
            key: number.to_string(),
        }
    }

    async fn reserve(keys: &MemoryIdempotencyKeys, key: &IdempotencyKey) -> Reserved {
        keys.reserve(key, "hash", "me", MINUTE).await.unwrap()
    }

    #[tokio::test]
    async fn a_caller_evicts_only_its_own_responses_and_none_under_way() {
        let keys = MemoryIdempotencyKeys::default();
        let bob = key("bob", 0);
        reserve(&keys, &bob).await;
        keys.complete(&bob, "me", "answer").await.unwrap();
        let long = key("eve", 0);
        assert_eq!(reserve(&keys, &long).await, Reserved::New);
        let answer = "x".repeat(60_000);
        for number in 1..400 {
            let key = key("eve", number);
            assert_eq!(reserve(&keys, &key).await, Reserved::New);
            keys.complete(&key, "me", &answer).await.unwrap();
        }
        assert!(keys.lock().by_subject["eve"] <= CALLER_BYTES);
        assert_eq!(reserve(&keys, &long).await, Reserved::UnderWay);
        assert_eq!(reserve(&keys, &key("eve", 1)).await, Reserved::New);
        let answer = Reserved::Response(Some(answer));
        assert_eq!(reserve(&keys, &key("eve", 399)).await, answer);
        let answer = Reserved::Response(Some("answer".to_owned()));
        assert_eq!(reserve(&keys, &bob).await, answer);
    }

    #[tokio::test]
    async fn all_callers_together_have_a_limit() {
        let keys = MemoryIdempotencyKeys::default();
        let answer = "x".repeat(60_000);
        for number in 0..1_500 {
            let key = key(&format!("caller {}", number % 10), number);
            if let Ok(Reserved::New) = keys.reserve(&key, "hash", "me", MINUTE).await {
                keys.complete(&key, "me", &answer).await.unwrap();
            }
        }
        assert!(keys.lock().total <= TOTAL_BYTES);
        let too_long = key("caller 1", 9_999);
        assert_eq!(reserve(&keys, &too_long).await, Reserved::New);
        keys.complete(&too_long, "me", &"x".repeat(70_000))
            .await
            .unwrap();
        assert_eq!(reserve(&keys, &too_long).await, Reserved::Response(None));
        keys.release(&too_long, "another").await.unwrap();
        assert_eq!(reserve(&keys, &too_long).await, Reserved::Response(None));
    }
}
