//! Circuit breakers, one for each model of each provider: after several failures in a row a model is left alone for a
//! while, and then one call tries whether it answers again.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::spec::agent_spec::Policy;

/// The breakers of a service, by the name that the provider has for a model.
#[derive(Debug, Default)]
pub(crate) struct Breakers(Mutex<BTreeMap<String, Breaker>>);

/// What a call may do.
pub(crate) enum Admission<'a> {
    /// It is made as any other.
    Closed,
    /// It is the one that tries whether the model answers again.
    Probe(Probe<'a>),
    /// It is not made before so long, or while another one tries.
    Refused(Option<Duration>),
}

/// The one call that tries. If it is given up, nothing is known, and the next one tries.
pub(crate) struct Probe<'a> {
    breakers: &'a Breakers,
    model: String,
    since: Instant,
}

impl Drop for Probe<'_> {
    fn drop(&mut self) {
        let mut breakers = self.breakers.lock();
        if let Some(breaker) = breakers.get_mut(&self.model)
            && matches!(breaker, Breaker::HalfOpen(since) if *since == self.since)
        {
            *breaker = Breaker::Open(Instant::now());
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum Breaker {
    /// Calls are made; so many failed in a row.
    Closed(u32),
    /// No calls are made until then.
    Open(Instant),
    /// One call is under way since then, and no others are made.
    HalfOpen(Instant),
}

impl Breakers {
    /// Whether `model` may be called by an agent of this policy.
    pub(crate) fn admit(&self, model: &str, policy: &Policy) -> Admission<'_> {
        if policy.breaker_failures == 0 {
            return Admission::Closed;
        }
        let now = Instant::now();
        let mut breakers = self.lock();
        match breakers.get_mut(model) {
            None | Some(Breaker::Closed(_)) => Admission::Closed,
            Some(Breaker::Open(until)) if *until > now => Admission::Refused(Some(*until - now)),
            Some(Breaker::HalfOpen(_)) => Admission::Refused(None),
            Some(breaker) => {
                *breaker = Breaker::HalfOpen(now);
                Admission::Probe(Probe {
                    breakers: self,
                    model: model.to_owned(),
                    since: now,
                })
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Breaker>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `model` answered; whether this closed its breaker.
    pub(crate) fn succeeded(&self, model: &str) -> bool {
        let mut breakers = self.lock();
        let before = breakers.remove(model);
        matches!(before, Some(Breaker::Open(_) | Breaker::HalfOpen(_)))
    }

    /// `model` failed; whether this opened its breaker.
    pub(crate) fn failed(&self, model: &str, policy: &Policy) -> bool {
        if policy.breaker_failures == 0 {
            return false;
        }
        let mut breakers = self.lock();
        let failures = match breakers.get(model) {
            None => 1,
            Some(Breaker::Closed(failures)) => failures.saturating_add(1),
            // A call from before it opened says nothing new.
            Some(Breaker::Open(_)) => return false,
            Some(Breaker::HalfOpen(_)) => policy.breaker_failures,
        };
        let opens = failures >= policy.breaker_failures;
        let breaker = match opens {
            true => Breaker::Open(Instant::now() + cooldown(policy)),
            false => Breaker::Closed(failures),
        };
        breakers.insert(model.to_owned(), breaker);
        opens
    }
}

fn cooldown(policy: &Policy) -> Duration {
    Duration::from_millis(policy.breaker_cooldown_ms)
}
