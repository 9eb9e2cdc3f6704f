//! Circuit breakers, one for each model of each provider, and the outages that readiness reports.
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

/// Failures in a row that make an outage of a model.
const OUTAGE_FAILURES: u32 = 5;
/// How long an outage lasts after its last failure: then the model counts as well, and its next call is the trial.
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

    /// The models that are not called now, by name.
    pub(crate) fn open(&self) -> Vec<String> {
        let now = Instant::now();
        let breakers = self.lock();
        let open = breakers.iter().filter(|(_, state)| match state {
            State::Closed { .. } => false,
            State::Open { until } => *until > now,
            State::HalfOpen { .. } => true,
        });
        open.map(|(model, _)| model.clone()).collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, State>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The models that are down: several calls of one failed in a row, the last of them just now. Readiness reports them.
#[derive(Debug, Default)]
pub(crate) struct Outages(Mutex<BTreeMap<String, Failures>>);

/// Failures of a model since its last success.
#[derive(Debug, Clone, Copy)]
struct Failures {
    count: u32,
    last: Instant,
}

impl Outages {
    /// Records how a call of `model` ended. Errors that depend on the request, such as 400 from the provider, do not count.
    pub(crate) fn observe<T>(&self, model: &str, outcome: &Result<T, AgentError>) {
        let mut models = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match outcome {
            Ok(_) => {
                models.remove(model);
            }
            Err(error) if counts_as_outage(error) => {
                let count = models.get(model).map_or(0, |failures| failures.count);
                let failures = Failures {
                    count: count.saturating_add(1),
                    last: Instant::now(),
                };
                models.insert(model.to_owned(), failures);
            }
            Err(_) => {}
        }
    }

    /// The models that count as down now, by name.
    pub(crate) fn ongoing(&self) -> Vec<String> {
        let models = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let ongoing = models.iter().filter(|(_, failures)| {
            failures.count >= OUTAGE_FAILURES && failures.last.elapsed() < OUTAGE_COOLDOWN
        });
        ongoing.map(|(model, _)| model.clone()).collect()
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
