//! Circuit breakers, one for each model of each provider, and the outage check that readiness reports.
//!
//! Example: with `breaker_failures: 3`, three failed calls in a row open the breaker of `openai:gpt-5`. Calls are then
//! refused for `breaker_cooldown_ms`; after that one call, the probe, decides whether the breaker closes or stays open.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::error::AgentError;
use crate::error::provider_error::ProviderErrorKind;
use crate::spec::agent_spec::Policy;

/// Failures in a row, over all models, that make an outage.
const OUTAGE_FAILURES: u32 = 5;
/// How long an outage lasts after its last failure: then the instance reports ready, and its next request is the trial.
const OUTAGE_COOLDOWN: Duration = Duration::from_secs(30);

/// The breakers of a service, keyed by the provider's name for the model, as in `anthropic:claude-sonnet-4-5`.
#[derive(Debug, Default)]
pub(crate) struct CircuitBreakers(Mutex<BTreeMap<String, State>>);

/// Whether a call may be made.
pub(crate) enum Admission<'a> {
    /// The breaker is closed.
    Closed,
    /// The breaker is half-open, and this call is its probe.
    Probe(Probe<'a>),
    /// The breaker is open for this much longer; `None` while a probe is running.
    Refused(Option<Duration>),
}

/// The one call of a half-open breaker. Dropped without an outcome, it lets the next call be the probe.
pub(crate) struct Probe<'a> {
    breakers: &'a CircuitBreakers,
    model: String,
    since: Instant,
}

impl Drop for Probe<'_> {
    fn drop(&mut self) {
        let mut breakers = self.breakers.lock();
        if let Some(state) = breakers.get_mut(&self.model)
            && matches!(state, State::HalfOpen { since } if *since == self.since)
        {
            *state = State::Open {
                until: Instant::now(),
            };
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum State {
    /// Calls are made; `failures` counts those in a row.
    Closed { failures: u32 },
    /// No call is made before `until`.
    Open { until: Instant },
    /// A probe has been running since then; no other call is made.
    HalfOpen { since: Instant },
}

impl CircuitBreakers {
    /// Whether an agent with this policy may call `model` now.
    pub(crate) fn admit(&self, model: &str, policy: &Policy) -> Admission<'_> {
        if policy.breaker_failures == 0 {
            return Admission::Closed;
        }
        let now = Instant::now();
        let mut breakers = self.lock();
        match breakers.get_mut(model) {
            None | Some(State::Closed { .. }) => Admission::Closed,
            Some(State::Open { until }) if *until > now => Admission::Refused(Some(*until - now)),
            Some(State::HalfOpen { .. }) => Admission::Refused(None),
            Some(state @ State::Open { .. }) => {
                *state = State::HalfOpen { since: now };
                Admission::Probe(Probe {
                    breakers: self,
                    model: model.to_owned(),
                    since: now,
                })
            }
        }
    }

    /// Records that `model` begins to answer. Returns whether this closed an open breaker; if the answer then breaks off, it
    /// opens again.
    pub(crate) fn answering(&self, model: &str, policy: &Policy) -> bool {
        let mut breakers = self.lock();
        match breakers.get_mut(model) {
            Some(state @ (State::Open { .. } | State::HalfOpen { .. })) => {
                let failures = policy.breaker_failures.saturating_sub(1);
                *state = State::Closed { failures };
                true
            }
            None | Some(State::Closed { .. }) => false,
        }
    }

    /// Records a successful call of `model`. Returns whether this closed an open breaker.
    pub(crate) fn succeeded(&self, model: &str) -> bool {
        let before = self.lock().remove(model);
        matches!(before, Some(State::Open { .. } | State::HalfOpen { .. }))
    }

    /// Records a failed call of `model`. Returns whether this opened its breaker.
    pub(crate) fn failed(&self, model: &str, policy: &Policy) -> bool {
        if policy.breaker_failures == 0 {
            return false;
        }
        let mut breakers = self.lock();
        let failures = match breakers.get(model) {
            None => 1,
            Some(State::Closed { failures }) => failures.saturating_add(1),
            // This call began before the breaker opened.
            Some(State::Open { .. }) => return false,
            Some(State::HalfOpen { .. }) => policy.breaker_failures,
        };
        let opens = failures >= policy.breaker_failures;
        let state = if opens {
            let cooldown = Duration::from_millis(policy.breaker_cooldown_ms);
            State::Open {
                until: Instant::now() + cooldown,
            }
        } else {
            State::Closed { failures }
        };
        breakers.insert(model.to_owned(), state);
        opens
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, State>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether the models are down: several calls failed in a row, the last one just now. Readiness reports it, so that a
/// load balancer sends requests to other instances.
#[derive(Debug, Default)]
pub(crate) struct Outage(Mutex<Failures>);

/// Failures since the last success.
#[derive(Debug, Default)]
struct Failures {
    count: u32,
    last: Option<Instant>,
}

impl Outage {
    /// Records how a call ended. Errors that depend on the request, such as 400 from the provider, do not count.
    pub(crate) fn observe<T>(&self, outcome: &Result<T, AgentError>) {
        let mut failures = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match outcome {
            Ok(_) => *failures = Failures::default(),
            Err(error) if counts_as_outage(error) => {
                failures.count = failures.count.saturating_add(1);
                failures.last = Some(Instant::now());
            }
            Err(_) => {}
        }
    }

    /// Whether the models count as down now.
    pub(crate) fn is_ongoing(&self) -> bool {
        let failures = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        failures.count >= OUTAGE_FAILURES
            && failures
                .last
                .is_some_and(|last| last.elapsed() < OUTAGE_COOLDOWN)
    }
}

fn counts_as_outage(error: &AgentError) -> bool {
    match error {
        AgentError::Unavailable(_) | AgentError::TimedOut(_) => true,
        AgentError::Provider(error) => matches!(
            error.kind,
            ProviderErrorKind::Unreachable
                | ProviderErrorKind::Denied
                | ProviderErrorKind::Overloaded
                | ProviderErrorKind::TimedOut
        ),
        _ => false,
    }
}
