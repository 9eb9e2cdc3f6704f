//! Repeated requests: one with the `Idempotency-Key` of an earlier request gets the earlier response, as in
//! draft-ietf-httpapi-idempotency-key-header.
//!
//! Invariant: a request with a key runs to its end, even if its caller leaves: the response waits for the retry.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest::{Context, SHA256};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::error::AgentError;
use crate::http::api_error::ApiError;
use crate::http::layers::admission_slot::Admission;
use crate::run::idempotency_keys::{IdempotencyKey, IdempotencyKeys, Reserved};
use crate::run::run_input::Input;
use crate::run::shutdown::Shutdown;
use crate::schema::new_uuid_v7;

/// The longest key, in characters.
const MAX_KEY_LENGTH: usize = 255;
/// How much longer than its own time limit a request may be under way, before its process counts as ended.
const GRACE: Duration = Duration::from_secs(60);

/// What the requests of one operation share.
pub(crate) struct Operation<'a> {
    pub(crate) keys: &'a Arc<dyn IdempotencyKeys>,
    pub(crate) shutdown: &'a Shutdown,
    /// What the caller's keys belong to.
    pub(crate) name: String,
    /// The time limit of its requests.
    pub(crate) timeout: Duration,
    /// What the request has besides its input; `null` for nothing.
    pub(crate) besides: Value,
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

impl Operation<'_> {
    /// The JSON that `handler` makes of a request of `caller`, or the stored response to an earlier request with the same
    /// key.
    ///
    /// # Errors
    /// What `handler` says; 409 while the earlier request is under way or if its outcome is not known, 422 if it was a
    /// different request.
    pub(crate) async fn get_or_run<F>(
        self,
        parts: &Parts,
        caller: &str,
        mut input: Input,
        handler: impl FnOnce(Input) -> F + Send + 'static,
    ) -> Result<String, ApiError>
    where
        F: Future<Output = Result<String, ApiError>> + Send + 'static,
    {
        let Some(key) = read_key(&parts.headers)? else {
            return handler(input).await;
        };
        let key = IdempotencyKey {
            subject: caller.to_owned(),
            operation: self.name,
            key,
        };
        let mut hash = input.inspect(hash).await?;
        if !self.besides.is_null() {
            hash = format!("{hash} {}", self::hash(&self.besides));
        }
        let owner = new_uuid_v7().to_string();
        let keys = Arc::clone(self.keys);
        let time = self.timeout + GRACE;
        let admission = Admission::of(parts).cloned();
        let working = self.shutdown.working().await;
        let run = tokio::spawn(async move {
            // A caller that has left still counts.
            let _held = (admission, working);
            match keys.reserve(&key, &hash, &owner, time).await? {
                Reserved::New => {}
                Reserved::Other => return Err(key_reused()),
                Reserved::UnderWay => {
                    return Err(conflict(
                        "a request with this Idempotency-Key is still being answered",
                    ));
                }
                Reserved::Unknown => {
                    return Err(conflict(
                        "the service ended while it answered the request with this Idempotency-Key: what it did is not known",
                    ));
                }
                Reserved::Response(None) => {
                    return Err(conflict(
                        "the request with this Idempotency-Key was answered, with more than is stored",
                    ));
                }
                Reserved::Response(Some(response)) => return Ok(response),
            }
            let response = handler(input).await;
            let stored = match &response {
                Ok(response) => keys.complete(&key, &owner, response).await,
                Err(_) => keys.release(&key, &owner).await,
            };
            if let Err(error) = stored {
                tracing::warn!(%error, "the outcome of a request with an Idempotency-Key can't be stored");
            }
            response
        });
        run.await.map_err(AgentError::internal)?
    }
}

fn conflict(detail: &'static str) -> ApiError {
    ApiError::rejected(StatusCode::CONFLICT, detail)
}

/// The SHA-256 of a request, the same for every order of members.
fn hash(request: &Value) -> String {
    let mut context = Context::new(&SHA256);
    update(&mut context, request);
    STANDARD.encode(context.finish())
}

/// Adds a value, so that different values add different bytes: each begins with its kind, and what has a length says it.
fn update(context: &mut Context, value: &Value) {
    let mut tagged = |kind: u8, length: usize| {
        context.update(&[kind]);
        context.update(&(length as u64).to_be_bytes());
    };
    match value {
        Value::Null => tagged(b'n', 0),
        Value::Bool(value) => tagged(b'b', usize::from(*value)),
        Value::Number(number) => {
            let number = number.to_string();
            tagged(b'd', number.len());
            context.update(number.as_bytes());
        }
        Value::String(text) => {
            tagged(b's', text.len());
            context.update(text.as_bytes());
        }
        Value::Array(items) => {
            tagged(b'a', items.len());
            for item in items {
                update(context, item);
            }
        }
        Value::Object(members) => {
            tagged(b'o', members.len());
            let mut members: Vec<_> = members.iter().collect();
            members.sort_unstable_by_key(|(name, _)| *name);
            for (name, value) in members {
                context.update(&(name.len() as u64).to_be_bytes());
                context.update(name.as_bytes());
                update(context, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::hash;

    #[test]
    fn the_hash_of_a_request_is_that_of_its_value() {
        assert_eq!(
            hash(&json!({"a": 1, "b": [true]})),
            hash(&json!({"b": [true], "a": 1}))
        );
        let different = [
            json!({"a": 1}),
            json!({"a": "1"}),
            json!({"a": 1.5}),
            json!({"a": [1]}),
            json!({"a": null}),
            json!({"a": {}}),
            json!({"a": [[], []]}),
            json!({"a": [[[]]]}),
            json!({"a": ["x", "y"]}),
            json!({"a": ["xy"]}),
        ];
        for (index, one) in different.iter().enumerate() {
            let same = different.iter().filter(|other| hash(other) == hash(one));
            assert_eq!(same.count(), 1, "{index}");
        }
    }
}
