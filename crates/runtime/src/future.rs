//! The future that methods of `dyn` traits return.

use std::future::ready;
use std::pin::Pin;

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
