//! Sheds load before the routes: requests at a time, requests of one address. Also counts how long each request takes.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{MatchedPath, Request};
use axum::http::Method;
use axum::response::{IntoResponse, Response};
use hyper::body::{Frame, SizeHint};

use crate::error::AgentError;
use crate::http::api_error::ApiError;
use crate::http::layers::admission_slot::{Admission, ArrivingBody, Capacity};
use crate::http::layers::client_address;
use crate::http::layers::rate_limiter::{Limiter, RateStatus};
use crate::run::shutdown::Shutdown;
use crate::telemetry::endpoint_metrics::EndpointMetrics;
use crate::telemetry::metrics::Metrics;

/// Probes and metrics are answered however busy the service is.
const EXEMPT: [&str; 4] = ["/healthz", "/livez", "/metrics", "/readyz"];

/// Refuses requests over the limits.
pub(crate) struct LoadShed {
    capacity: Arc<Capacity>,
    address: Option<Limiter>,
    proxies: usize,
    metrics: Arc<Metrics>,
    shutdown: Shutdown,
}

impl LoadShed {
    /// Admits as many requests at a time as `capacity` has slots; `address` is the rate of each address.
    pub(crate) fn new(
        capacity: Arc<Capacity>,
        address: Option<Limiter>,
        proxies: usize,
        metrics: Arc<Metrics>,
        shutdown: Shutdown,
    ) -> Self {
        Self {
            capacity,
            address,
            proxies,
            metrics,
            shutdown,
        }
    }

    /// Passes an admitted request to `next`. Its slot is free again when the last byte of the response is sent.
    pub(crate) async fn call(
        &self,
        mut request: Request,
        next: impl AsyncFnOnce(Request) -> Response,
    ) -> Response {
        let began = Instant::now();
        let route = request.extensions().get::<MatchedPath>().cloned();
        let is_exempt = request.method() == Method::OPTIONS
            || EXEMPT.contains(&route.as_ref().map_or("", MatchedPath::as_str));
        let (admission, status) = if is_exempt {
            (Ok(None), None)
        } else {
            let (admission, status) = self.admit(&mut request);
            (admission.map(Some), status)
        };
        let (admission, mut response) = match admission {
            Ok(admission) => (admission, next(request).await),
            Err(error) => (None, ApiError::from(error).into_response()),
        };
        if let Some(status) = status {
            let inner = response.extensions().get::<RateStatus>().copied();
            inner
                .map_or(status, |inner| inner.stricter(status))
                .write(response.headers_mut());
        }
        let in_flight = InFlight {
            endpoint: response.extensions_mut().remove::<Arc<EndpointMetrics>>(),
            route,
            status: response.status().as_u16(),
            began,
            metrics: Arc::clone(&self.metrics),
            _admission: admission,
        };
        response.map(|body| {
            Body::new(TrackedBody {
                body,
                in_flight: Some(in_flight),
            })
        })
    }

    /// Counts a request against the rate of its address, and gives it a slot; one with a body gets it when the body has
    /// arrived.
    fn admit(
        &self,
        request: &mut Request,
    ) -> (Result<Arc<Admission>, AgentError>, Option<RateStatus>) {
        if self.shutdown.is_draining() {
            self.metrics.rejected("shutdown");
            let error = AgentError::unavailable("the service is shutting down");
            return (Err(error), None);
        }
        let address =
            client_address::address(request.headers(), request.extensions(), self.proxies);
        let key = client_address::rate_key(address);
        let status = self.address.as_ref().map(|limiter| limiter.check(&key));
        if let Some(RateStatus {
            retry_after: Some(seconds),
            name,
            ..
        }) = status
        {
            let retry_after = Duration::from_secs(seconds);
            self.metrics.rate_limited(name);
            return (Err(AgentError::RateLimited { retry_after }), status);
        }
        let admission = self.capacity.admission(address.map(|_| key));
        request.extensions_mut().insert(Arc::clone(&admission));
        // The handlers of the other methods read no body.
        let reads_body = [Method::POST, Method::PUT, Method::PATCH].contains(request.method());
        if reads_body && !request.body().is_end_stream() {
            let body = std::mem::take(request.body_mut());
            let arriving = ArrivingBody::new(body, Arc::clone(&admission));
            *request.body_mut() = Body::new(arriving);
        } else if let Err(error) = admission.take_slot() {
            return (Err(error), status);
        }
        (Ok(admission), status)
    }
}

/// A request under way. Dropping it frees its slot and counts its status and duration.
struct InFlight {
    endpoint: Option<Arc<EndpointMetrics>>,
    route: Option<MatchedPath>,
    status: u16,
    began: Instant,
    metrics: Arc<Metrics>,
    _admission: Option<Arc<Admission>>,
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let took = self.began.elapsed();
        match &self.endpoint {
            Some(endpoint) => endpoint.answered(self.status, took),
            None => {
                let route = self.route.as_ref().map_or("", MatchedPath::as_str);
                self.metrics.answered("", route, self.status, took);
            }
        }
    }
}

/// A response body that ends the request when it is sent or dropped.
struct TrackedBody {
    body: Body,
    in_flight: Option<InFlight>,
}

impl HttpBody for TrackedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        if matches!(polled, Poll::Ready(None)) {
            self.in_flight = None;
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
