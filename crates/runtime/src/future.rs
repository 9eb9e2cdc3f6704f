//! The future that methods of `dyn` traits return, and work that is too long for an async worker.

use std::future::{pending, ready};
use std::panic::resume_unwind;
use std::pin::Pin;
use std::sync::LazyLock;
use std::thread::available_parallelism;

use serde_json::Value;
use tokio::sync::Semaphore;

/// A boxed future that may move between threads.
///
/// ```text
/// fn check(&self) -> BoxFuture<'_, Result<(), StoreError>> {
///     Box::pin(async move { self.ping().await })
/// }
/// ```
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A future that is ready with `value`, as the methods of stores in memory return it.
pub(crate) fn boxed_ready<'a, T: Send + 'a>(value: T) -> BoxFuture<'a, T> {
    Box::pin(ready(value))
}

/// Work on fewer bytes is done at once. To parse and validate as much JSON takes about a millisecond, and a hand-over to another
/// thread some hundredths of one.
pub(crate) const MOST_BYTES_AT_ONCE: usize = 16 * 1024;

/// Does `work`, whose time grows with `bytes`, on a thread for blocking work if it would hold up the other tasks of this one. There are
/// not more such threads at a time than processors, so that the async workers get their share.
pub(crate) async fn off_worker<T: Send + 'static>(
    bytes: usize,
    work: impl FnOnce() -> T + Send + 'static,
) -> T {
    static PROCESSORS: LazyLock<Semaphore> =
        LazyLock::new(|| Semaphore::new(available_parallelism().map_or(1, usize::from)));
    if bytes <= MOST_BYTES_AT_ONCE {
        return work();
    }
    let permit = PROCESSORS.acquire().await;
    // It goes to the thread, which may work on for a caller who has left.
    let work = move || {
        let _permit = permit;
        work()
    };
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => resume_unwind(panic),
            // The runtime is shutting down.
            Err(_) => pending().await,
        },
    }
}

/// About how many bytes `value` has as JSON.
pub(crate) fn json_bytes(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 8,
        Value::String(text) => text.len(),
        Value::Array(items) => 8 + items.iter().map(json_bytes).sum::<usize>(),
        Value::Object(members) => {
            let members = members.iter();
            8 + members
                .map(|(name, value)| name.len() + json_bytes(value))
                .sum::<usize>()
        }
    }
}
