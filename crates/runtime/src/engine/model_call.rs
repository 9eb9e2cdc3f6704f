//! One model call, with the retries, fallbacks and circuit breakers of the agent's policy.
//!
//! Invariant: once a part of the answer was streamed to the caller, no call is repeated.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use futures_util::StreamExt;
use tokio::time::Instant;

use crate::engine::call_usage::CallUsage;
use crate::engine::circuit_breaker::{Admission, Probe};
use crate::engine::fallbacks::Fallbacks;
use crate::engine::turn_context::TurnContext;
use crate::error::AgentError;
use crate::error::provider_error::ProviderErrorKind;
use crate::event::agent_event::{AgentEvent, PolicyKind, StopReason};
use crate::model::{Chunk, ModelRequest, ProviderMetadata, ToolCall};
use crate::spec::agent_spec::{AgentSpec, Policy};

/// The longest pause between two attempts, unless the provider or the policy asks for more.
const MAX_PAUSE: Duration = Duration::from_secs(30);

/// A model's complete answer to one call.
#[derive(Debug, Default)]
pub(crate) struct ModelReply {
    pub(crate) text: String,
    pub(crate) tool_calls: Vec<ToolCall>,
    /// What the model wants back with the results of its tool calls.
    pub(crate) metadata: ProviderMetadata,
    pub(crate) stop_reason: StopReason,
    /// The model that answered, as `provider:model`.
    pub(crate) model: String,
}

impl ModelReply {
    /// Why the reply is none, if it holds nothing.
    fn emptiness(&self) -> Option<AgentError> {
        let is_empty = self.tool_calls.is_empty() && self.text.trim().is_empty();
        match self.stop_reason {
            StopReason::Refusal => None,
            _ if !is_empty => None,
            StopReason::MaxTokens => Some(AgentError::TruncatedAnswer(
                "the model used up its tokens before it began to answer".to_owned(),
            )),
            _ => Some(AgentError::EmptyAnswer),
        }
    }
}

/// All attempts on one model failed.
struct CallFailure {
    error: AgentError,
    /// Whether the caller has received a part of the answer.
    streamed: bool,
}

impl From<AgentError> for CallFailure {
    fn from(error: AgentError) -> Self {
        Self {
            error,
            streamed: false,
        }
    }
}

/// Calls the model of `request`, then each fallback that is left in turn, until one answers. `request` then has the model
/// and the agent that answered. `separator` is streamed before the first text.
pub(crate) async fn call(
    cx: &TurnContext<'_>,
    request: &mut ModelRequest,
    fallbacks: &mut Fallbacks,
    separator: &str,
) -> Result<ModelReply, AgentError> {
    loop {
        let failure = match call_with_retries(cx, request, separator).await {
            Ok(reply) => return Ok(reply),
            Err(failure) => failure,
        };
        if failure.streamed || !is_provider_failure(&failure.error) || Instant::now() >= cx.deadline
        {
            return Err(failure.error);
        }
        let Some((fallback, model)) = fallbacks.next(cx, request).await else {
            return Err(failure.error);
        };
        let detail = format!("falling back to `{fallback}`: {}", failure.error);
        cx.record_policy(
            fallbacks.primary(),
            PolicyKind::Fallback,
            Some(&model),
            detail,
        )
        .await;
    }
}

/// Calls one model, and again while the policy allows it and nothing was streamed.
async fn call_with_retries(
    cx: &TurnContext<'_>,
    request: &ModelRequest,
    separator: &str,
) -> Result<ModelReply, CallFailure> {
    let agent = request.agent;
    let policy = &agent.policy;
    let model = cx.provider.model(request.model);
    let mut pauses = None;
    loop {
        let probe = admit(cx, agent, &model).await?;
        let mut started = false;
        let outcome = call_once(cx, &model, request, separator, &mut started).await;
        record_outcome(cx, agent, &model, &outcome).await;
        drop(probe);
        let error = match outcome {
            Ok(reply) => match reply.emptiness() {
                // After a text and its tool calls, a model may have nothing to add.
                Some(error) if separator.is_empty() => error,
                _ => return Ok(reply),
            },
            Err(error) => error,
        };
        let failure = CallFailure {
            error,
            streamed: started && cx.is_streaming(),
        };
        if failure.streamed || !is_retryable(&failure.error) {
            return Err(failure);
        }
        let pauses = pauses.get_or_insert_with(|| self::pauses(policy));
        let Some(pause) = pauses.next() else {
            return Err(failure);
        };
        let pause = failure.error.retry_after().unwrap_or(pause);
        if Instant::now() + pause >= cx.deadline {
            return Err(failure);
        }
        let detail = format!("retrying after {} ms: {}", pause.as_millis(), failure.error);
        cx.record_policy(agent, PolicyKind::Retry, Some(&model), detail)
            .await;
        tokio::time::sleep(pause).await;
    }
}

/// Asks the circuit breaker of `model`. The probe, if there is one, lasts until the outcome is recorded.
async fn admit<'a>(
    cx: &TurnContext<'a>,
    agent: &AgentSpec,
    model: &str,
) -> Result<Option<Probe<'a>>, AgentError> {
    let (probe, detail) = match cx.breakers.admit(model, &agent.policy) {
        Admission::Closed => return Ok(None),
        Admission::Probe(probe) => {
            let detail = "half-open: one call probes whether the model answers again".to_owned();
            (Some(probe), detail)
        }
        Admission::Refused(Some(rest)) => {
            let detail = format!("open: no calls for {} ms more", rest.as_millis());
            (None, detail)
        }
        Admission::Refused(None) => {
            let detail = "half-open: no calls while one probes the model".to_owned();
            (None, detail)
        }
    };
    cx.record_policy(agent, PolicyKind::Breaker, Some(model), detail)
        .await;
    match probe {
        Some(probe) => Ok(Some(probe)),
        None => Err(AgentError::unavailable(
            "the model failed too often just now",
        )),
    }
}

async fn call_once(
    cx: &TurnContext<'_>,
    model: &str,
    request: &ModelRequest,
    separator: &str,
    started: &mut bool,
) -> Result<ModelReply, AgentError> {
    let mut chunks = cx.provider.answer(request);
    let mut usage = CallUsage::begin(cx, request, model);
    let mut reply = ModelReply {
        model: model.to_owned(),
        ..ModelReply::default()
    };
    loop {
        let next = if *started {
            chunks.next().await
        } else {
            // Only the first chunk has the turn's deadline: the run's own one ends an answer that has started.
            tokio::time::timeout_at(cx.deadline, chunks.next())
                .await
                .map_err(|_| AgentError::TimedOut("the model took too long".to_owned()))?
        };
        let next = next.unwrap_or_else(|| {
            let detail = "the model's answer ends too early".to_owned();
            Err(AgentError::TruncatedAnswer(detail))
        });
        let chunk = next.inspect_err(|error| usage.failed(error))?;
        if usage.received(&chunk) {
            record_first_chunk(cx, request.agent, model).await;
        }
        match &chunk {
            Chunk::Text(_) | Chunk::TextWasReasoning | Chunk::ToolCall(_) => {
                *started = true;
                if let Some(sink) = cx.sink {
                    sink.started(model).await;
                }
            }
            // The caller receives nothing of these: the call can still be repeated.
            Chunk::Reasoning(_) | Chunk::Usage(_) | Chunk::Metadata(_) | Chunk::Done { .. } => {}
        }
        match chunk {
            Chunk::Text(delta) => {
                if let Some(sink) = cx.sink.filter(|sink| sink.is_watched()) {
                    let separator = if reply.text.is_empty() { separator } else { "" };
                    let text = format!("{separator}{delta}");
                    sink.send(AgentEvent::Delta { text }).await;
                }
                reply.text.push_str(&delta);
            }
            Chunk::TextWasReasoning => reply.text.clear(),
            Chunk::ToolCall(call) => reply.tool_calls.push(call),
            Chunk::Metadata(metadata) => reply.metadata = metadata,
            Chunk::Reasoning(_) | Chunk::Usage(_) => {}
            Chunk::Done { stop_reason, .. } => {
                reply.stop_reason = stop_reason;
                return Ok(reply);
            }
        }
    }
}

/// Closes the circuit breaker of a model that begins to answer: other calls need not wait for the end of the answer.
async fn record_first_chunk(cx: &TurnContext<'_>, agent: &AgentSpec, model: &str) {
    if cx.breakers.answering(model, &agent.policy) {
        record_closed(cx, agent, model).await;
    }
}

async fn record_closed(cx: &TurnContext<'_>, agent: &AgentSpec, model: &str) {
    let detail = "closed: the model answers again".to_owned();
    cx.record_policy(agent, PolicyKind::Breaker, Some(model), detail)
        .await;
}

/// Updates metrics, the outages and the circuit breaker after a call. [`CallUsage`] has counted its usage.
async fn record_outcome(
    cx: &TurnContext<'_>,
    agent: &AgentSpec,
    model: &str,
    outcome: &Result<ModelReply, AgentError>,
) {
    // A model that is too slow for one agent may be fast enough for others.
    if !matches!(outcome, Err(AgentError::TimedOut(_))) {
        cx.outages.observe(model, outcome);
    }
    let Err(error) = outcome else {
        if cx.breakers.succeeded(model) {
            record_closed(cx, agent, model).await;
        }
        return;
    };
    cx.metrics.model_failed(agent.slug, model, error.kind());
    let counts = is_provider_failure(error)
        && error
            .provider_error_kind()
            .is_none_or(ProviderErrorKind::is_of_provider);
    if counts && cx.breakers.failed(model, &agent.policy) {
        let detail = format!("open: no calls for {} ms", agent.policy.breaker_cooldown_ms);
        cx.record_policy(agent, PolicyKind::Breaker, Some(model), detail)
            .await;
    }
}

/// The pauses between the attempts that a policy allows.
fn pauses(policy: &Policy) -> ExponentialBackoff {
    let first = Duration::from_millis(policy.retry_backoff_ms);
    ExponentialBuilder::default()
        .with_min_delay(first)
        .with_max_delay(MAX_PAUSE.max(first))
        .with_max_times(policy.retry_attempts.saturating_sub(1) as usize)
        .with_jitter()
        .build()
}

/// Whether the same call may succeed a little later.
fn is_retryable(error: &AgentError) -> bool {
    error.is_transient()
        || matches!(
            error,
            AgentError::EmptyAnswer | AgentError::TruncatedAnswer(_)
        )
}

/// Whether the provider failed, so that another model may do better.
fn is_provider_failure(error: &AgentError) -> bool {
    matches!(
        error,
        AgentError::Provider(_)
            | AgentError::Unavailable(_)
            | AgentError::RateLimited { .. }
            | AgentError::TimedOut(_)
            | AgentError::EmptyAnswer
            | AgentError::TruncatedAnswer(_)
    )
}
