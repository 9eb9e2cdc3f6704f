//! Reads on where the service has refused a request whose body still arrives.
//!
//! Many clients write all of a request before they read the response. If the connection were closed under them, the
//! response would be lost: TCP resets a connection that is closed with data unread.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::http::header::{CONNECTION, EXPECT};
use axum::http::{HeaderValue, Request, Response};
use hyper::body::{Frame, Incoming, SizeHint};
use tokio::runtime::Handle;
use tokio::time::timeout;

/// How long the rest of a body is read, and thrown away.
const LINGER: Duration = Duration::from_secs(5);
/// How many bytes of it are read.
const LINGER_BYTES: usize = 16 * 1024 * 1024;
/// A connection serves further requests after an unread body of so many bytes at most.
const REUSED: u64 = 64 * 1024;

/// A body that is read on when its handler drops it before its end.
struct UnreadBody {
    body: Option<Incoming>,
    /// Whether all of it has been read.
    is_read: Arc<AtomicBool>,
    /// Whether the client sends it. One that waits for `100 Continue` does not before the body is asked for.
    is_sent: bool,
}

/// The response of `next` to a request, which reaches its client even if `next` reads nothing of the body.
pub(super) async fn answer<E>(
    request: Request<Incoming>,
    next: impl AsyncFnOnce(Request<Body>) -> Result<Response<Body>, E>,
) -> Result<Response<Body>, E> {
    if request.body().is_end_stream() {
        return next(request.map(Body::new)).await;
    }
    let is_small = request.body().size_hint().exact();
    let is_small = is_small.is_some_and(|length| length <= REUSED);
    let is_read = Arc::new(AtomicBool::new(false));
    let is_sent = !request.headers().contains_key(EXPECT);
    let request = request.map(|body| {
        Body::new(UnreadBody {
            body: Some(body),
            is_read: Arc::clone(&is_read),
            is_sent,
        })
    });
    let mut response = next(request).await?;
    if !is_small && !is_read.load(Ordering::Relaxed) {
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(CONNECTION, close);
    }
    Ok(response)
}

impl HttpBody for UnreadBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        self.is_sent = true;
        let Some(body) = &mut self.body else {
            return Poll::Ready(None);
        };
        let polled = Pin::new(body).poll_frame(cx);
        if let Poll::Ready(None | Some(Err(_))) = polled {
            self.body = None;
            self.is_read.store(true, Ordering::Relaxed);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let body = self.body.as_ref();
        body.map_or_else(|| SizeHint::with_exact(0), HttpBody::size_hint)
    }
}

impl Drop for UnreadBody {
    fn drop(&mut self) {
        let body = self.body.take().filter(|body| !body.is_end_stream());
        if self.is_sent
            && let Some(body) = body
            && let Ok(runtime) = Handle::try_current()
        {
            runtime.spawn(timeout(LINGER, discard(body)));
        }
    }
}

/// Reads [`LINGER_BYTES`] of a body.
async fn discard(mut body: Incoming) {
    let mut read = 0;
    while read < LINGER_BYTES {
        match std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
            Some(Ok(frame)) => read += frame.data_ref().map_or(0, Bytes::len),
            _ => return,
        }
    }
}
