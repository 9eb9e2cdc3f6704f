//! Calls the provider: again while it fails, somebody else when that does not help, and nobody while a breaker is open.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use futures_util::StreamExt;
use tokio::time::Instant;

use crate::engine::circuit_breaker::Admission;
use crate::engine::turn_context::Means;
use crate::error::AgentError;
use crate::error::provider_error::ProviderFault;
use crate::event::agent_event::{AgentEvent, PolicyKind, StopReason, Usage};
use crate::model::{Chunk, ModelRequest, ToolCall};
use crate::spec::agent_spec::{AgentSpec, Policy};

/// The longest pause between two attempts, unless the provider or the policy wants a longer one.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// What came of one call of the provider.
#[derive(Debug, Default)]
pub(crate) struct Said {
    /// The text.
    pub(crate) text: String,
    /// The tools it wants called.
    pub(crate) calls: Vec<ToolCall>,
    /// What it took.
    pub(crate) usage: Usage,
    /// Why it stopped.
    pub(crate) stop_reason: StopReason,
    /// The model that said it.
    pub(crate) model: String,
}

impl Said {
    fn is_empty(&self) -> bool {
        let is_silent = self.calls.is_empty() && self.text.trim().is_empty();
        is_silent && self.stop_reason == StopReason::EndTurn
    }
}

/// A call that failed.
struct Failed {
    error: AgentError,
    /// Whether somebody has seen a part of the answer.
    seen: bool,
    /// The answer, if all that is wrong with it is that nothing stands in it.
    empty: Option<Box<Said>>,
}

/// Calls the provider for what is asked, then for each fallback of the agent's policy in turn, until one answers.
/// Once a part of an answer was seen, nothing is tried any more.
pub(crate) async fn call(
    means: &Means<'_>,
    request: &ModelRequest,
    gap: &str,
) -> Result<Said, AgentError> {
    let mut failed = match persist(means, request, gap).await {
        Ok(said) => return Ok(said),
        Err(failed) => failed,
    };
    let agent = request.agent;
    let mut asked = vec![means.provider.model(request.model)];
    for fallback in agent.policy.fallbacks {
        if failed.seen || !is_theirs(&failed.error) || Instant::now() >= means.deadline {
            break;
        }
        let mut other = request.clone();
        match means.tools.team.agent(fallback) {
            Some(agent) => {
                other.agent = agent;
                other.model = agent.model;
                other.tools = means.tools.definitions(agent.tools);
            }
            None => other.model = Some(fallback),
        }
        let model = means.provider.model(other.model);
        let is_asked_again = other.agent.slug == agent.slug && asked.contains(&model);
        if is_asked_again {
            continue;
        }
        asked.push(model.clone());
        let detail = format!("`{fallback}` is asked instead: {}", failed.error);
        means
            .decided(agent, PolicyKind::Fallback, Some(&model), detail)
            .await;
        match persist(means, &other, gap).await {
            Ok(said) => return Ok(said),
            Err(again) => failed = again,
        }
    }
    // Nothing better came: an empty answer is one.
    failed.empty.map(|said| *said).ok_or(failed.error)
}

/// Calls one model, as often as the policy allows while it fails and nobody has seen anything of its answer.
async fn persist(means: &Means<'_>, request: &ModelRequest, gap: &str) -> Result<Said, Failed> {
    let agent = request.agent;
    let policy = &agent.policy;
    let model = means.provider.model(request.model);
    let mut pauses = None;
    loop {
        let probe = match means.breakers.admit(&model, policy) {
            Admission::Closed => None,
            Admission::Probe(probe) => {
                let detail = "one call tries whether the model answers again".to_owned();
                means
                    .decided(agent, PolicyKind::Breaker, Some(&model), detail)
                    .await;
                Some(probe)
            }
            Admission::Refused(rest) => {
                let detail = match rest {
                    Some(rest) => {
                        format!("the model is left alone for {} ms more", rest.as_millis())
                    }
                    None => "the model is left alone while one call tries it".to_owned(),
                };
                means
                    .decided(agent, PolicyKind::Breaker, Some(&model), detail)
                    .await;
                let error = AgentError::unavailable("the model failed too often just now");
                return Err(Failed {
                    error,
                    seen: false,
                    empty: None,
                });
            }
        };
        let mut began = false;
        let said = attempt(means, &model, request, gap, &mut began).await;
        account(means, agent, &model, &said).await;
        drop(probe);
        let (error, empty) = match said {
            // After its tools were called a model may have nothing to add.
            Ok(said) if said.is_empty() && request.steps.is_empty() => {
                let error = AgentError::BadAnswer("the model's answer is empty".to_owned());
                (error, Some(Box::new(said)))
            }
            Ok(said) => return Ok(said),
            Err(error) => (error, None),
        };
        let seen = began && means.is_watched();
        let failed = |error| Err(Failed { error, seen, empty });
        if seen || !may_pass(&error) {
            return failed(error);
        }
        let pauses = pauses.get_or_insert_with(|| pauses_of(policy));
        let Some(pause) = pauses.next() else {
            return failed(error);
        };
        let pause = error.retry_after().unwrap_or(pause);
        if Instant::now() + pause >= means.deadline {
            return failed(error);
        }
        let detail = format!("tried again after {} ms: {error}", pause.as_millis());
        means
            .decided(agent, PolicyKind::Retry, Some(&model), detail)
            .await;
        tokio::time::sleep(pause).await;
    }
}

/// The pauses between the attempts that a policy allows.
fn pauses_of(policy: &Policy) -> ExponentialBackoff {
    let first = Duration::from_millis(policy.retry_backoff_ms);
    ExponentialBuilder::default()
        .with_min_delay(first)
        .with_max_delay(LONGEST_PAUSE.max(first))
        .with_max_times(policy.retry_attempts as usize)
        .with_jitter()
        .build()
}

/// Whether the same call may well succeed a little later.
fn may_pass(error: &AgentError) -> bool {
    // Here, a bad answer is one that is empty or breaks off.
    error.is_transient() || matches!(error, AgentError::BadAnswer(_))
}

/// Whether the failure is the provider's, so that another may not share it.
fn is_theirs(error: &AgentError) -> bool {
    matches!(
        error,
        AgentError::Provider(_)
            | AgentError::Unavailable(_)
            | AgentError::RateLimited(_)
            | AgentError::TimedOut(_)
            | AgentError::BadAnswer(_)
    )
}

/// What is known and counted of a call that is over.
async fn account(
    means: &Means<'_>,
    agent: &AgentSpec,
    model: &str,
    said: &Result<Said, AgentError>,
) {
    // A model that is too slow for one agent may be fast enough for others.
    if !matches!(said, Err(AgentError::TimedOut(_))) {
        means.outage.turn(said);
    }
    match said {
        Ok(said) => {
            means.metrics.model_answered(agent.slug, model, said.usage);
            means.meter.add(said.usage);
            if means.breakers.succeeded(model) {
                let detail = "the model answers again".to_owned();
                means
                    .decided(agent, PolicyKind::Breaker, Some(model), detail)
                    .await;
            }
        }
        Err(error) => {
            means.metrics.model_failed(agent.slug, model, error.kind());
            let is_refusal = error.provider_fault() == Some(ProviderFault::Rejected);
            if is_theirs(error) && !is_refusal && means.breakers.failed(model, &agent.policy) {
                let policy = &agent.policy;
                let detail = format!(
                    "the model is left alone for {} ms",
                    policy.breaker_cooldown_ms
                );
                means
                    .decided(agent, PolicyKind::Breaker, Some(model), detail)
                    .await;
            }
        }
    }
}

async fn attempt(
    means: &Means<'_>,
    model: &str,
    request: &ModelRequest,
    gap: &str,
    began: &mut bool,
) -> Result<Said, AgentError> {
    let mut chunks = means.provider.answer(request);
    let mut said = Said {
        model: model.to_owned(),
        ..Said::default()
    };
    loop {
        let next = chunks.next();
        let next = match *began {
            true => next.await,
            // A model that says nothing until the time is up has failed, as one that says so.
            false => tokio::time::timeout_at(means.deadline, next)
                .await
                .map_err(|_| AgentError::TimedOut("the model took too long".to_owned()))?,
        };
        let Some(chunk) = next.transpose()? else {
            break;
        };
        if let Chunk::Done { stop_reason, usage } = chunk {
            said.stop_reason = stop_reason;
            said.usage = usage;
            return Ok(said);
        }
        *began = true;
        if let Some(sink) = means.sink {
            sink.started(model).await;
        }
        match chunk {
            Chunk::Text(delta) => {
                if let Some(sink) = means.sink {
                    let is_first = said.text.is_empty() && !gap.is_empty();
                    let text = if is_first {
                        format!("{gap}{delta}")
                    } else {
                        delta.clone()
                    };
                    sink.send(AgentEvent::Delta { text }).await;
                }
                said.text.push_str(&delta);
            }
            Chunk::ToolCall(call) => said.calls.push(call),
            Chunk::Done { .. } => {}
        }
    }
    Err(AgentError::BadAnswer(
        "the model's answer ends too early".to_owned(),
    ))
}
