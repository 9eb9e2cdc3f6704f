//! The rates that an operator sets for a whole service: whom they count, and what becomes of a request over one.

use std::time::Duration;

use axum::http::request::Parts;
use axum::response::Response;

use crate::auth::claims::Caller;
use crate::error::AgentError;
use crate::error::start_error::StartError;
use crate::http::layers::client_address;
use crate::http::layers::rate_limiter::{self, Limiter, Standing};
use crate::http::responses::problem;
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
    /// Whether callers prove who they are.
    authenticated: bool,
    /// How many proxies are believed what they say of a caller's address.
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

    /// Counts a request of `caller` that no agent has to answer.
    pub(crate) fn check(&self, caller: &Caller, parts: &Parts) -> Option<Standing> {
        let subject = self.subject.as_ref()?;
        Some(subject.check(&self.counted(caller, parts)))
    }

    /// Counts a request of `caller` for an endpoint of `agent` with the limiter `own`.
    pub(crate) fn check_endpoint(
        &self,
        caller: &Caller,
        parts: &Parts,
        own: Option<&Limiter>,
        agent: &str,
    ) -> Option<Standing> {
        if self.subject.is_none() && own.is_none() && self.agent.is_none() {
            return None;
        }
        let caller = self.counted(caller, parts);
        let of_caller = [self.subject.as_ref(), own].into_iter().flatten();
        let of_caller = of_caller.map(|limiter| (limiter, &*caller));
        rate_limiter::check(of_caller.chain(self.agent.iter().map(|limiter| (limiter, agent))))
    }

    /// Whom a rate counts: the token's subject, or the address.
    fn counted(&self, caller: &Caller, parts: &Parts) -> String {
        if self.authenticated {
            return format!("subject {}", caller.subject);
        }
        let address = client_address::address(&parts.headers, &parts.extensions, self.proxies);
        client_address::counted(address)
    }
}

/// A limiter of `rate` that callers are told of as `name`, if there is a rate.
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

/// Has `answer` answer a request that is within its rates, and tells the caller of the strictest one; the caller of any
/// other request is told when to come back.
pub(crate) async fn within(
    standing: Option<Standing>,
    metrics: &Metrics,
    answer: impl Future<Output = Response>,
) -> Response {
    let Some(standing) = standing else {
        return answer.await;
    };
    let mut response = match standing.retry_after {
        Some(seconds) => {
            metrics.rate_limited(standing.name);
            problem(
                AgentError::RateLimited {
                    retry_after: Duration::from_secs(seconds),
                }
                .to_problem(),
            )
        }
        None => answer.await,
    };
    standing.write(response.headers_mut());
    // The rate of addresses may be stricter still.
    response.extensions_mut().insert(standing);
    response
}
