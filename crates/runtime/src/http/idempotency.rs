//! Requests that are sent again: one with the `Idempotency-Key` of an earlier one gets the earlier one's
//! answer, as in draft-ietf-httpapi-idempotency-key-header.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::http::HeaderMap;
use serde_json::Value;

use crate::error::problem::Problem;
use crate::run::run_input::Input;

/// How many answers are kept at most.
const MOST_ANSWERS: usize = 10_000;
/// How long an answer is kept.
const KEPT: Duration = Duration::from_secs(24 * 60 * 60);
/// The longest key.
const LONGEST_KEY: usize = 255;

/// The answers that are kept, in memory.
#[derive(Debug, Clone, Default)]
pub(crate) struct Answers {
    known: Arc<Mutex<BTreeMap<Key, Known>>>,
}

/// Whose request it is: the caller, the operation, and the caller's key.
type Key = (String, Cow<'static, str>, String);

#[derive(Debug)]
struct Known {
    request: Value,
    /// The answer's JSON; none while the first request is still being answered.
    answer: Option<String>,
    since: Instant,
}

/// A key that was claimed. Dropped without an answer, it is free again: a failure may be tried again.
struct Claimed {
    answers: Answers,
    key: Option<Key>,
}

/// What is to be done with a request that has a key.
enum Claim {
    /// It is the first with its key; its answer is to be kept.
    First(Claimed),
    /// It was answered before.
    Again(String),
}

/// The key in `headers`, if there is one.
pub(crate) fn key(headers: &HeaderMap) -> Result<Option<String>, Box<Problem>> {
    let Some(key) = headers.get("idempotency-key") else {
        return Ok(None);
    };
    let key = key.to_str().ok().filter(|key| {
        (1..=LONGEST_KEY).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_graphic())
    });
    let detail = "an Idempotency-Key has 1 to 255 visible ASCII characters";
    let wrong = || Box::new(Problem::new(400, detail));
    key.map(|key| Some(key.to_owned())).ok_or_else(wrong)
}

/// What is said of a key that came with another request before.
pub(crate) fn used_otherwise() -> Box<Problem> {
    let detail = "the Idempotency-Key was used with another request";
    Box::new(Problem::new(422, detail))
}

impl Answers {
    /// The JSON that `answer` makes of a request of `caller` for `operation`; that of an earlier one with its key, if
    /// there was one.
    ///
    /// # Errors
    /// What `answer` says; 409 while the earlier one is being answered, 422 if it was another request.
    pub(crate) async fn once(
        &self,
        headers: &HeaderMap,
        caller: &str,
        operation: impl Into<Cow<'static, str>>,
        mut input: Input,
        answer: impl AsyncFnOnce(Input) -> Result<String, Box<Problem>>,
    ) -> Result<String, Box<Problem>> {
        let Some(key) = key(headers)? else {
            return answer(input).await;
        };
        let key = (caller.to_owned(), operation.into(), key);
        match self.claim(key, input.json()?)? {
            Claim::Again(answer) => Ok(answer),
            Claim::First(claimed) => {
                let answer = answer(input).await?;
                claimed.keep(&answer);
                Ok(answer)
            }
        }
    }

    fn claim(&self, key: Key, request: &Value) -> Result<Claim, Box<Problem>> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        match known.get(&key).filter(|known| known.since.elapsed() < KEPT) {
            Some(earlier) if earlier.request != *request => Err(used_otherwise()),
            Some(Known {
                answer: Some(answer),
                ..
            }) => Ok(Claim::Again(answer.clone())),
            Some(_) => Err(Box::new(Problem::new(
                409,
                "a request with this Idempotency-Key is still being answered",
            ))),
            None => {
                make_room(&mut known);
                known.insert(
                    key.clone(),
                    Known {
                        request: request.clone(),
                        answer: None,
                        since: Instant::now(),
                    },
                );
                Ok(Claim::First(Claimed {
                    answers: self.clone(),
                    key: Some(key),
                }))
            }
        }
    }
}

impl Claimed {
    /// Keeps the answer.
    fn keep(mut self, answer: &str) {
        let Some(key) = self.key.take() else {
            return;
        };
        let mut known = self
            .answers
            .known
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = known.get_mut(&key) {
            known.answer = Some(answer.to_owned());
        }
    }
}

impl Drop for Claimed {
    fn drop(&mut self) {
        if let Some(key) = self.key.take() {
            let mut known = self
                .answers
                .known
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            known.remove(&key);
        }
    }
}

/// Makes room for one more: what is over goes first, then the oldest.
fn make_room(known: &mut BTreeMap<Key, Known>) {
    if known.len() < MOST_ANSWERS {
        return;
    }
    known.retain(|_, known| known.since.elapsed() < KEPT);
    if known.len() < MOST_ANSWERS {
        return;
    }
    let oldest = known.iter().min_by_key(|(_, known)| known.since);
    if let Some(key) = oldest.map(|(key, _)| key.clone()) {
        known.remove(&key);
    }
}
