//! What one request holds of the service's capacity: its place while its body arrives, then its slot, or its place among
//! the followers of runs.

use std::pin::Pin;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::http::request::Parts;
use futures_util::FutureExt;
use hyper::body::{Frame, SizeHint};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use crate::error::AgentError;
use crate::http::layers::places::{Full, Place, Places};
use crate::telemetry::metrics::Metrics;

/// When a caller that holds too much at a time may try again.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// How much a service does at a time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CapacityLimits {
    /// Requests.
    pub(crate) concurrency: usize,
    /// Bodies that arrive.
    pub(crate) bodies: usize,
    /// Streams of the events of workflow runs.
    pub(crate) followers: usize,
    /// The part of bodies and followers that one address or subject may have, above 0 and at most 1.
    pub(crate) share: f64,
}

/// What requests take from.
pub(crate) struct Capacity {
    slots: Arc<Semaphore>,
    bodies: Arc<Places>,
    followers: Arc<Places>,
    metrics: Arc<Metrics>,
}

/// What a request holds; an extension of requests. The last clone frees it.
pub(crate) struct Admission {
    capacity: Arc<Capacity>,
    /// The key of the caller's address; `None` without a socket.
    address: Option<String>,
    subject: OnceLock<String>,
    slot: Mutex<Option<OwnedSemaphorePermit>>,
}

impl Capacity {
    pub(crate) fn new(limits: CapacityLimits, metrics: Arc<Metrics>) -> Arc<Self> {
        let concurrency = limits.concurrency.min(Semaphore::MAX_PERMITS);
        Arc::new(Self {
            slots: Arc::new(Semaphore::new(concurrency)),
            bodies: Places::new(limits.bodies, limits.share),
            followers: Places::new(limits.followers, limits.share),
            metrics,
        })
    }

    /// What a request from `address` holds: nothing yet.
    pub(crate) fn admission(self: &Arc<Self>, address: Option<String>) -> Arc<Admission> {
        Arc::new(Admission {
            capacity: Arc::clone(self),
            address,
            subject: OnceLock::new(),
            slot: Mutex::default(),
        })
    }
}

impl Admission {
    /// That of a request; `None` for one that is answered however busy the service is.
    pub(crate) fn of(parts: &Parts) -> Option<&Arc<Self>> {
        parts.extensions.get()
    }

    /// Says who the authenticated caller is, so that its body counts among those of this subject.
    pub(crate) fn identify(&self, subject: &str) {
        let _ = self.subject.set(subject.to_owned());
    }

    /// Takes the slot of a request whose body is there.
    pub(crate) fn take_slot(&self) -> Result<(), AgentError> {
        let Ok(permit) = Arc::clone(&self.capacity.slots).try_acquire_owned() else {
            self.capacity.metrics.rejected("concurrency");
            let detail = "the service has as many requests as it can answer";
            return Err(AgentError::unavailable(detail));
        };
        *self.slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(permit);
        Ok(())
    }

    /// Exchanges the slot for a place among those that only follow a run: they do no work, and may stay for long.
    pub(crate) fn follow(&self) -> Result<Place, AgentError> {
        let place = self.capacity.followers.take(self.keys());
        let place = place.map_err(|full| self.refused("followers", full))?;
        *self.slot.lock().unwrap_or_else(PoisonError::into_inner) = None;
        Ok(place)
    }

    fn refused(&self, reason: &str, full: Full) -> AgentError {
        self.capacity.metrics.rejected(reason);
        match full {
            Full::All => AgentError::unavailable("the service has as many callers as it can serve"),
            Full::Caller => AgentError::RateLimited {
                retry_after: RETRY_AFTER,
            },
        }
    }

    fn keys(&self) -> Vec<String> {
        let address = self.address.as_ref();
        let subject = self.subject.get();
        let address = address.map(|address| format!("address {address}"));
        let subject = subject.map(|subject| format!("subject {subject}"));
        [address, subject].into_iter().flatten().collect()
    }
}

/// A request's body. While it arrives it has a place of its own; at its end the request takes its slot.
///
/// When there are as many as there may be, or as many of one caller, the body that has been arriving longest gives way:
/// those of callers that just send take milliseconds.
pub(crate) struct ArrivingBody {
    /// `None` after its end.
    body: Option<Body>,
    admission: Arc<Admission>,
    place: Option<(Place, oneshot::Receiver<Full>)>,
}

impl ArrivingBody {
    pub(crate) fn new(body: Body, admission: Arc<Admission>) -> Self {
        Self {
            body: Some(body),
            admission,
            place: None,
        }
    }

    /// Refuses the request instead of the rest of its body.
    fn refuse(&mut self, error: AgentError) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        self.body = None;
        self.place = None;
        Poll::Ready(Some(Err(axum::Error::new(error))))
    }
}

impl HttpBody for ArrivingBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let Some(body) = &mut self.body else {
            return Poll::Ready(None);
        };
        match Pin::new(body).poll_frame(cx) {
            Poll::Ready(None) => {
                self.body = None;
                self.place = None;
                match self.admission.take_slot() {
                    Ok(()) => Poll::Ready(None),
                    Err(error) => self.refuse(error),
                }
            }
            Poll::Ready(frame) => Poll::Ready(frame),
            Poll::Pending => {
                let admission = Arc::clone(&self.admission);
                let take = || admission.capacity.bodies.take_or_displace(admission.keys());
                let (_, displaced) = self.place.get_or_insert_with(take);
                if let Poll::Ready(full) = displaced.poll_unpin(cx) {
                    let error = admission.refused("bodies", full.unwrap_or(Full::All));
                    return self.refuse(error);
                }
                Poll::Pending
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        let body = self.body.as_ref();
        body.map_or_else(|| SizeHint::with_exact(0), HttpBody::size_hint)
    }
}
