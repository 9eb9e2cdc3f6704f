//! Limits how many requests one caller may make, with the headers of draft-ietf-httpapi-ratelimit-headers.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use axum::http::{HeaderMap, HeaderValue};
use governor::clock::{Clock, DefaultClock};
use governor::middleware::StateInformationMiddleware;
use governor::state::keyed::DefaultKeyedStateStore;
use governor::{Quota, RateLimiter};

use crate::spec::agent_spec::Rate;

/// How many checks pass between two removals of idle callers.
const SWEEP: u32 = 1024;

/// A rate, and how much of it each caller has used.
pub(crate) struct Limiter {
    name: &'static str,
    rate: Rate,
    limiter: RateLimiter<
        String,
        DefaultKeyedStateStore<String>,
        DefaultClock,
        StateInformationMiddleware,
    >,
    checks: AtomicU32,
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
        let limiter = RateLimiter::keyed(quota).with_middleware();
        Some(Self {
            name,
            rate,
            limiter,
            checks: AtomicU32::new(0),
        })
    }

    /// Counts a request of `caller`.
    pub(crate) fn check(&self, caller: &str) -> RateStatus {
        if self.checks.fetch_add(1, Ordering::Relaxed) % SWEEP == SWEEP - 1 {
            self.limiter.retain_recent();
            self.limiter.shrink_to_fit();
        }
        match self.limiter.check_key(&caller.to_owned()) {
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

/// Counts a request against `limits` in their order, each under its own key, up to the first that refuses; the limits
/// after that one stay as they are. Gives the status with the least left.
pub(crate) fn check<'a>(
    limits: impl IntoIterator<Item = (&'a Limiter, &'a str)>,
) -> Option<RateStatus> {
    let mut strictest = None;
    for (limiter, caller) in limits {
        let status = limiter.check(caller);
        if status.retry_after.is_some() {
            return Some(status);
        }
        strictest = Some(strictest.map_or(status, |other: RateStatus| other.stricter(status)));
    }
    strictest
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
        let policy = format!("\"{name}\";q={requests};w={seconds}");
        let state = format!("\"{name}\";r={};t={}", self.remaining, self.reset);
        for (name, value) in [("ratelimit-policy", policy), ("ratelimit", state)] {
            if let Ok(value) = HeaderValue::from_str(&value) {
                headers.insert(name, value);
            }
        }
    }
}
