//! Whether the provider is known to be down: several turns in a row failed, the last of them just now.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::error::AgentError;
use crate::error::provider_error::ProviderFault;

/// How many failures in a row make an outage.
const FAILURES: u32 = 5;
/// For how long nothing is sent here after the last failure; then the next request is the trial.
const COOLDOWN: Duration = Duration::from_secs(30);

/// The failures since the last success.
#[derive(Debug, Default)]
pub(crate) struct Outage(Mutex<Failures>);

#[derive(Debug, Default)]
struct Failures {
    count: u32,
    last: Option<Instant>,
}

impl Outage {
    /// A turn ended so. An error that another request need not meet says nothing about the provider.
    pub(crate) fn turn<T>(&self, outcome: &Result<T, AgentError>) {
        let mut failures = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match outcome {
            Ok(_) => *failures = Failures::default(),
            Err(error) if is_outage(error) => {
                failures.count = failures.count.saturating_add(1);
                failures.last = Some(Instant::now());
            }
            Err(_) => {}
        }
    }

    /// Whether it is known to be down.
    pub(crate) fn is_known(&self) -> bool {
        let failures = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        failures.count >= FAILURES && failures.last.is_some_and(|last| last.elapsed() < COOLDOWN)
    }
}

fn is_outage(error: &AgentError) -> bool {
    match error {
        AgentError::Unavailable(_) | AgentError::TimedOut(_) => true,
        AgentError::Provider(error) => matches!(
            error.fault,
            ProviderFault::Unreachable
                | ProviderFault::Denied
                | ProviderFault::Overloaded
                | ProviderFault::TimedOut
        ),
        _ => false,
    }
}
