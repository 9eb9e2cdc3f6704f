//! The rates of a whole service: per subject, per address, per agent.

use std::time::Duration;

use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};

use crate::auth::claims::Caller;
use crate::error::AgentError;
use crate::error::start_error::StartError;
use crate::http::api_error::ApiError;
use crate::http::layers::admission_slot::Admission;
use crate::http::layers::client_address;
use crate::http::layers::rate_limiter::{self, Limiter, RateStatus};
use crate::spec::agent_spec::Rate;
use crate::telemetry::metrics::Metrics;

/// How many requests are answered; `None` is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rates {
    /// From one subject.
    pub subject: Option<Rate>,
    /// From one address.
    pub address: Option<Rate>,
    /// For one agent, whoever asks.
    pub agent: Option<Rate>,
}

/// The rates of subjects and of agents.
pub(crate) struct Limits {
    subject: Option<Limiter>,
    agent: Option<Limiter>,
    /// Whether callers authenticate.
    authenticated: bool,
    /// How many trusted proxies stand before the service.
    proxies: usize,
}

impl Limits {
    /// The limits that `rates` set.
    ///
    /// # Errors
    /// A rate that admits nothing.
    pub(crate) fn new(
        rates: Rates,
        authenticated: bool,
        proxies: usize,
    ) -> Result<Self, StartError> {
        Ok(Self {
            subject: limiter("subject", rates.subject)?,
            agent: limiter("agent", rates.agent)?,
            authenticated,
            proxies,
        })
    }

    /// Whether trusted proxies stand before the service.
    #[allow(
        dead_code,
        reason = "for protocols that a program may be built without"
    )]
    pub(crate) const fn has_proxies(&self) -> bool {
        self.proxies > 0
    }

    /// Counts a request of `caller` that reaches no agent.
    pub(crate) fn check(&self, caller: &Caller, parts: &Parts) -> Option<RateStatus> {
        self.identify(caller, parts);
        let subject = self.subject.as_ref()?;
        Some(subject.check(&self.rate_key(caller, parts)))
    }

    /// Counts a request of `caller` for an endpoint of `agent` with the limiter `own`.
    pub(crate) fn check_endpoint(
        &self,
        caller: &Caller,
        parts: &Parts,
        own: Option<&Limiter>,
        agent: &str,
    ) -> Option<RateStatus> {
        self.identify(caller, parts);
        if self.subject.is_none() && own.is_none() && self.agent.is_none() {
            return None;
        }
        let caller = self.rate_key(caller, parts);
        let of_caller = [self.subject.as_ref(), own].into_iter().flatten();
        let of_caller = of_caller.map(|limiter| (limiter, &*caller));
        rate_limiter::check(of_caller.chain(self.agent.iter().map(|limiter| (limiter, agent))))
    }

    /// Counts what the request holds among what this subject holds.
    fn identify(&self, caller: &Caller, parts: &Parts) {
        if self.authenticated
            && let Some(admission) = Admission::of(parts)
        {
            admission.identify(&caller.subject);
        }
    }

    /// The key of a caller in a rate limiter: the token's subject, or the address.
    fn rate_key(&self, caller: &Caller, parts: &Parts) -> String {
        if self.authenticated {
            return format!("subject {}", caller.subject);
        }
        let address = client_address::address(&parts.headers, &parts.extensions, self.proxies);
        client_address::rate_key(address)
    }
}

/// A limiter of `rate` that the headers call `name`, if there is a rate.
///
/// # Errors
/// A rate that admits nothing.
pub(crate) fn limiter(
    name: &'static str,
    rate: Option<Rate>,
) -> Result<Option<Limiter>, StartError> {
    let limiter = |rate| {
        Limiter::new(name, rate)
            .ok_or_else(|| StartError::setting(format!("rate.{name}"), "admits nothing"))
    };
    rate.map(limiter).transpose()
}

/// The response of `next` if the request is within its rates, and 429 if not, with the headers of `status`.
pub(crate) async fn with_rate_headers(
    status: Option<RateStatus>,
    metrics: &Metrics,
    next: impl Future<Output = Response>,
) -> Response {
    let Some(status) = status else {
        return next.await;
    };
    let mut response = match status.retry_after {
        Some(seconds) => {
            let retry_after = Duration::from_secs(seconds);
            metrics.rate_limited(status.name);
            ApiError::from(AgentError::RateLimited { retry_after }).into_response()
        }
        None => next.await,
    };
    status.write(response.headers_mut());
    // The load shedding layer compares it with the rate of the address.
    response.extensions_mut().insert(status);
    response
}
