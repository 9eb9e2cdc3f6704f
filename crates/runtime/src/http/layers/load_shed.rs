//! Stands before the routes: how many requests at a time, how many from one address, and how long each takes.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{MatchedPath, Request};
use axum::http::Method;
use axum::response::Response;
use hyper::body::{Frame, SizeHint};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::AgentError;
use crate::http::layers::client_address;
use crate::http::layers::rate_limiter::{Limiter, Standing};
use crate::http::responses::problem;
use crate::run::shutdown::Shutdown;
use crate::telemetry::endpoint_metrics::EndpointMetrics;
use crate::telemetry::metrics::Metrics;

/// What asks how the service is has to be answered most of all when it is busy.
const EXEMPT: [&str; 4] = ["/healthz", "/livez", "/metrics", "/readyz"];

/// What the gate needs to know.
pub(crate) struct Gate {
    slots: Arc<Semaphore>,
    address: Option<Limiter>,
    proxies: usize,
    metrics: Arc<Metrics>,
    shutdown: Shutdown,
}

impl Gate {
    /// A gate for so many requests at a time; `address` is the rate of each address.
    pub(crate) fn new(
        concurrency: usize,
        address: Option<Limiter>,
        proxies: usize,
        metrics: Arc<Metrics>,
        shutdown: Shutdown,
    ) -> Self {
        Self {
            slots: Arc::new(Semaphore::new(concurrency.min(Semaphore::MAX_PERMITS))),
            address,
            proxies,
            metrics,
            shutdown,
        }
    }

    /// Lets a request through, or answers it at once. A place is taken until the last byte of the answer is sent.
    pub(crate) async fn pass(
        &self,
        request: Request,
        next: impl AsyncFnOnce(Request) -> Response,
    ) -> Response {
        let began = Instant::now();
        let route = request.extensions().get::<MatchedPath>().cloned();
        let is_exempt = request.method() == Method::OPTIONS
            || EXEMPT.contains(&route.as_ref().map_or("", MatchedPath::as_str));
        let (admitted, standing) = match is_exempt {
            true => (Ok(None), None),
            false => self.admit(&request),
        };
        let (slot, mut response) = match admitted {
            Ok(slot) => (slot, next(request).await),
            Err(response) => (None, *response),
        };
        if let Some(standing) = standing {
            let inner = response.extensions().get::<Standing>().copied();
            inner
                .map_or(standing, |inner| inner.stricter(standing))
                .write(response.headers_mut());
        }
        let passage = Passage {
            answered: response.extensions_mut().remove::<Arc<EndpointMetrics>>(),
            route,
            status: response.status().as_u16(),
            began,
            metrics: Arc::clone(&self.metrics),
            _slot: slot,
        };
        response.map(|body| {
            Body::new(Passing {
                body,
                passage: Some(passage),
            })
        })
    }

    /// Lets a request in or says why not.
    fn admit(
        &self,
        request: &Request,
    ) -> (
        Result<Option<OwnedSemaphorePermit>, Box<Response>>,
        Option<Standing>,
    ) {
        let refused = |detail| {
            Err(Box::new(problem(
                AgentError::unavailable(detail).to_problem(),
            )))
        };
        if self.shutdown.is_draining() {
            self.metrics.rejected("shutdown");
            return (refused("the service is shutting down"), None);
        }
        let standing = self.address.as_ref().map(|limiter| {
            let address =
                client_address::address(request.headers(), request.extensions(), self.proxies);
            limiter.check(&client_address::counted(address))
        });
        if let Some(Standing {
            retry_after: Some(seconds),
            name,
            ..
        }) = standing
        {
            self.metrics.rate_limited(name);
            let response = problem(
                AgentError::RateLimited {
                    retry_after: Duration::from_secs(seconds),
                }
                .to_problem(),
            );
            return (Err(Box::new(response)), standing);
        }
        let Ok(slot) = Arc::clone(&self.slots).try_acquire_owned() else {
            self.metrics.rejected("concurrency");
            return (
                refused("the service has as many requests as it can answer"),
                standing,
            );
        };
        (Ok(Some(slot)), standing)
    }
}

/// A request on its way; what it held is free, and what it took is counted, when this is dropped.
struct Passage {
    answered: Option<Arc<EndpointMetrics>>,
    route: Option<MatchedPath>,
    status: u16,
    began: Instant,
    metrics: Arc<Metrics>,
    _slot: Option<OwnedSemaphorePermit>,
}

impl Drop for Passage {
    fn drop(&mut self) {
        let took = self.began.elapsed();
        match &self.answered {
            Some(endpoint) => endpoint.answered(self.status, took),
            None => {
                let route = self.route.as_ref().map_or("", MatchedPath::as_str);
                self.metrics.answered("", route, self.status, took);
            }
        }
    }
}

/// An answer's body, and the passage that ends with it.
struct Passing {
    body: Body,
    passage: Option<Passage>,
}

impl HttpBody for Passing {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        if matches!(polled, Poll::Ready(None)) {
            self.passage = None;
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
