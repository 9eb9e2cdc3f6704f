//! Limits how many requests one caller may make, with the headers of draft-ietf-httpapi-ratelimit-headers.

use std::convert::Infallible;
use std::fmt::{self, Write};
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use governor::clock::{Clock, DefaultClock};
use governor::middleware::StateInformationMiddleware;
use governor::nanos::Nanos;
use governor::state::StateStore;
use governor::state::keyed::{HashMapStateStore, ShrinkableKeyedStateStore};
use governor::{Quota, RateLimiter};

use crate::spec::agent_spec::Rate;

const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const STATE: HeaderName = HeaderName::from_static("ratelimit");
/// How many checks pass between two removals of idle callers.
const SWEEP: u32 = 1024;

/// A rate, and how much of it each caller has used.
pub(crate) struct Limiter {
    name: &'static str,
    rate: Rate,
    limiter: RateLimiter<Request, States, DefaultClock, StateInformationMiddleware>,
    checks: AtomicU32,
}

/// A request of a caller.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Request {
    caller: String,
    /// Whether it counts. If not, it is only asked whether it is within the rate.
    counts: bool,
}

/// What each caller has used.
#[derive(Default)]
struct States(HashMapStateStore<String>);

impl StateStore for States {
    type Key = Request;

    fn measure_and_replace<T, F, E>(&self, request: &Request, measure: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let Request { caller, counts } = request;
        if *counts {
            return self.0.measure_and_replace(caller, measure);
        }
        // After an error, the state stays as it is.
        let probed = self.0.measure_and_replace(caller, |state| {
            Err::<(Infallible, Nanos), _>(measure(state).map(|(status, _)| status))
        });
        match probed {
            Ok(never) => match never {},
            Err(answer) => answer,
        }
    }
}

impl ShrinkableKeyedStateStore<Request> for States {
    fn retain_recent(&self, drop_below: Nanos) {
        self.0.retain_recent(drop_below);
    }

    fn shrink_to_fit(&self) {
        self.0.shrink_to_fit();
    }

    fn len(&self) -> usize {
        ShrinkableKeyedStateStore::len(&self.0)
    }

    fn is_empty(&self) -> bool {
        ShrinkableKeyedStateStore::is_empty(&self.0)
    }
}

/// How much of a rate a caller has left after a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RateStatus {
    /// What the limit is called.
    pub(crate) name: &'static str,
    rate: Rate,
    remaining: u32,
    reset: u64,
    /// `None`: the request is within the rate. Otherwise the seconds until the next one is.
    pub(crate) retry_after: Option<u64>,
}

impl Limiter {
    /// A limiter that the headers call `name`; `None` for a rate that admits nothing or has no length.
    pub(crate) fn new(name: &'static str, rate: Rate) -> Option<Self> {
        let requests = NonZeroU32::new(rate.requests)?;
        let period = Duration::from_secs(rate.seconds.into()) / rate.requests;
        let quota = Quota::with_period(period)?.allow_burst(requests);
        let limiter = RateLimiter::new(quota, States::default(), DefaultClock::default());
        Some(Self {
            name,
            rate,
            limiter,
            checks: AtomicU32::new(0),
        })
    }

    /// Counts a request of `caller`, if it is within the rate.
    pub(crate) fn check(&self, caller: &str) -> RateStatus {
        self.status(caller, true)
    }

    fn status(&self, caller: &str, counts: bool) -> RateStatus {
        if self.checks.fetch_add(1, Ordering::Relaxed) % SWEEP == SWEEP - 1 {
            self.limiter.retain_recent();
            self.limiter.shrink_to_fit();
        }
        let request = Request {
            caller: caller.to_owned(),
            counts,
        };
        match self.limiter.check_key(&request) {
            Ok(state) => {
                let remaining = state.remaining_burst_capacity();
                RateStatus {
                    name: self.name,
                    rate: self.rate,
                    remaining,
                    reset: self.seconds_for(self.rate.requests.saturating_sub(remaining)),
                    retry_after: None,
                }
            }
            Err(until) => {
                let wait = until.wait_time_from(DefaultClock::default().now());
                let wait = (wait.as_secs_f64().ceil() as u64).max(1);
                RateStatus {
                    name: self.name,
                    rate: self.rate,
                    remaining: 0,
                    reset: wait,
                    retry_after: Some(wait),
                }
            }
        }
    }

    /// How many seconds it takes until so many requests are allowed again.
    fn seconds_for(&self, requests: u32) -> u64 {
        let seconds = u64::from(requests) * u64::from(self.rate.seconds);
        seconds.div_ceil(u64::from(self.rate.requests))
    }
}

/// Counts a request against `limits`, each under its own key, if it is within all of them: a limit that refuses uses up
/// none of the others. Gives the status with the least left.
pub(crate) fn check<'a>(
    limits: impl Iterator<Item = (&'a Limiter, &'a str)> + Clone,
) -> Option<RateStatus> {
    let mut statuses = limits
        .clone()
        .map(|(limiter, caller)| limiter.status(caller, false));
    let refused = statuses.find(|status| status.retry_after.is_some());
    // Another request may be counted between the two; then the limits before that one have counted this one too.
    refused.or_else(|| {
        let counted = limits.map(|(limiter, caller)| limiter.check(caller));
        counted.reduce(RateStatus::stricter)
    })
}

/// A value of a header. It is short: one allocation is enough.
fn header_value(text: fmt::Arguments<'_>) -> Option<HeaderValue> {
    let mut value = String::with_capacity(48);
    value.write_fmt(text).ok()?;
    HeaderValue::try_from(value).ok()
}

impl RateStatus {
    /// The one with less left.
    pub(crate) fn stricter(self, other: Self) -> Self {
        let left = |status: &Self| (status.retry_after.is_none(), status.remaining);
        if left(&other) < left(&self) {
            other
        } else {
            self
        }
    }

    /// Writes the rate limit headers.
    pub(crate) fn write(self, headers: &mut HeaderMap) {
        let Rate { requests, seconds } = self.rate;
        let name = self.name;
        let (remaining, reset) = (self.remaining, self.reset);
        let policy = header_value(format_args!("\"{name}\";q={requests};w={seconds}"));
        let state = header_value(format_args!("\"{name}\";r={remaining};t={reset}"));
        for (name, value) in [(POLICY, policy), (STATE, state)] {
            if let Some(value) = value {
                headers.insert(name, value);
            }
        }
    }
}
