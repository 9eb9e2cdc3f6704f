//! Runs one turn of a conversation on a provider: has tools called, keeps to the budget, sees to it that the answer fits.

use std::pin::Pin;
use std::time::Duration;

use futures_util::future::join_all;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::Instant;

use crate::engine::handoff;
use crate::engine::model_call::call;
use crate::engine::structured_output::typed;
use crate::engine::tools::ToolContext;
use crate::engine::turn_context::Means;
use crate::error::AgentError;
use crate::event::agent_event::{AgentEvent, PolicyKind, StopReason, Usage};
use crate::event::event_sink::Sink;
use crate::model::{Message, ModelRequest, Role, Step, ToolCall, ToolResult};
use crate::schema::validate::Validate;
use crate::spec::agent_spec::AgentSpec;
use crate::spec::endpoint_spec::EndpointSpec;

/// How often a model is asked within a turn where the policy says nothing.
const MOST_TURNS: u32 = 16;
/// What stands between two texts of one answer, where a tool was called in between.
const GAP: &str = "\n\n";

/// A model's whole answer.
#[derive(Debug, Clone)]
pub(crate) struct Turn {
    /// What it said.
    pub(crate) text: String,
    /// Which model it was.
    pub(crate) model: String,
    /// What it took.
    pub(crate) usage: Usage,
    /// Why it stopped.
    pub(crate) stop_reason: StopReason,
}

/// Has the model answer, calling tools until it has nothing more to ask of them. What the meter of `means` has counted
/// before belongs to the turn. A failure before the first chunk leaves no event behind.
pub(crate) async fn turn(
    means: &Means<'_>,
    request: &mut ModelRequest,
) -> Result<Turn, AgentError> {
    let policy = &request.agent.policy;
    let most = most_steps(request.agent);
    request.tools = means.tools.definitions(request.agent.tools);
    let handovers = means.tools.team.definitions(request.agent);
    request.tools.extend(handovers);
    let mut text = String::new();
    let mut model = String::new();
    while request.steps.len() < most {
        if let Some(budget) = policy.budget_tokens {
            let left = budget.saturating_sub(means.meter.usage().total());
            if left == 0 {
                let detail = format!("the run used up its {budget} tokens before it had an answer");
                let turn = so_far(means, text, StopReason::MaxTokens, model);
                return spent(means, request, turn, detail).await;
            }
            request.max_tokens = Some(left);
        }
        // Where a schema is to be met, only the last text is the answer.
        let gap = if request.endpoint.is_some() {
            text.clear();
            ""
        } else if text.is_empty() {
            ""
        } else {
            GAP
        };
        let said = call(means, request, gap).await?;
        model.clone_from(&said.model);
        if !said.text.is_empty() {
            text.push_str(gap);
            text.push_str(&said.text);
        }
        // What was cut off may be half a call.
        if said.calls.is_empty() || said.stop_reason == StopReason::MaxTokens {
            return Ok(so_far(means, text, said.stop_reason, model));
        }
        let results = said
            .calls
            .iter()
            .map(|call| run(means, request.agent, call));
        let results = join_all(results).await;
        request.steps.push(Step::Called {
            text: said.text,
            calls: said.calls,
            results,
        });
    }
    let detail = format!("the model was asked {most} times, and had tools called each time");
    let turn = so_far(means, text, StopReason::MaxTurns, model);
    spent(means, request, turn, detail).await
}

fn so_far(means: &Means<'_>, text: String, stop_reason: StopReason, model: String) -> Turn {
    Turn {
        text,
        model,
        usage: means.meter.usage(),
        stop_reason,
    }
}

/// Ends a run whose budget is used up: with the text there is, unless it has to fit a schema.
async fn spent(
    means: &Means<'_>,
    request: &ModelRequest,
    turn: Turn,
    detail: String,
) -> Result<Turn, AgentError> {
    means
        .decided(
            request.agent,
            PolicyKind::Budget,
            Some(&turn.model),
            detail.clone(),
        )
        .await;
    match request.endpoint {
        None if !turn.text.is_empty() => Ok(turn),
        _ => Err(AgentError::BadAnswer(detail)),
    }
}

/// As [`turn`], for an answer that has to fit the output schema of `endpoint`. The model is told once what is wrong with
/// its answer; what it then says is not streamed, since the pieces before were of another answer.
pub(crate) async fn typed_turn<T: DeserializeOwned + Validate>(
    means: &Means<'_>,
    endpoint: &EndpointSpec,
    mut request: ModelRequest,
) -> Result<(T, Turn), AgentError> {
    let first = turn(means, &mut request).await?;
    let objection = match typed(endpoint, &request, &first.text) {
        Ok(value) => return Ok((value, first)),
        Err(objection) => objection,
    };
    let bad = |detail: &str| Err(AgentError::BadAnswer(detail.to_owned()));
    match first.stop_reason {
        StopReason::EndTurn if request.steps.len() + 1 < most_steps(request.agent) => {}
        StopReason::EndTurn => return misfit(endpoint, &objection),
        StopReason::MaxTokens => return bad("the model's answer was cut off at its most tokens"),
        StopReason::MaxTurns => return bad("the model was asked too often"),
        StopReason::Refusal => return bad("the model declined to answer"),
    }
    tracing::info!(
        endpoint = endpoint.operation_id,
        "the model's answer does not fit the output schema; it is asked once more"
    );
    let objection = format!(
        "This answer does not fit the JSON Schema: {objection}. Give the whole answer again, as JSON that fits it."
    );
    request.steps.push(Step::Refused {
        text: first.text,
        objection,
    });
    let quiet = Means {
        sink: None,
        ..means.clone()
    };
    let second = turn(&quiet, &mut request).await?;
    match typed(endpoint, &request, &second.text) {
        Ok(value) => Ok((value, second)),
        Err(objection) => misfit(endpoint, &objection),
    }
}

/// Every step is one call of the model, as the answer is.
fn most_steps(agent: &AgentSpec) -> usize {
    agent.policy.budget_turns.unwrap_or(MOST_TURNS).max(1) as usize
}

fn misfit<T>(endpoint: &EndpointSpec, objection: &str) -> Result<T, AgentError> {
    let endpoint = endpoint.operation_id;
    let detail = "the model's answer does not fit the output schema";
    tracing::warn!(endpoint, detail);
    // What is wrong may repeat what was said.
    tracing::debug!(endpoint, objection, "why it does not fit");
    Err(AgentError::BadAnswer(detail.to_owned()))
}

/// Has one tool called, and tells of it.
async fn run(means: &Means<'_>, agent: &AgentSpec, call: &ToolCall) -> ToolResult {
    let ToolCall {
        id,
        name,
        arguments,
    } = call;
    if let Some(target) = means.tools.team.target(agent, name) {
        return hand_over(means, agent, target, call).await;
    }
    if let Some(sink) = means.sink {
        sink.send(AgentEvent::ToolStarted {
            call_id: id.clone(),
            tool: name.clone(),
            arguments: arguments.clone(),
        })
        .await;
    }
    let called = means
        .tools
        .call(name, agent.tools, means.worker.clone(), arguments.clone());
    let (text, is_error) = match called.await {
        Ok(Value::String(text)) => (text, false),
        Ok(value) => (value.to_string(), false),
        Err(error) => (error.to_string(), true),
    };
    if let Some(sink) = means.sink {
        sink.send(AgentEvent::ToolCompleted {
            call_id: id.clone(),
            tool: name.clone(),
            is_error,
        })
        .await;
    }
    ToolResult { text, is_error }
}

/// Has `target` work on a task, and tells of it. The future is boxed, since it holds one like itself.
fn hand_over<'a>(
    means: &'a Means<'_>,
    agent: &'a AgentSpec,
    target: &'static AgentSpec,
    call: &'a ToolCall,
) -> Pin<Box<dyn Future<Output = ToolResult> + Send + 'a>> {
    Box::pin(async move {
        let (from, to) = (agent.slug, target.slug);
        if let Some(sink) = means.sink {
            sink.send(AgentEvent::HandoffStarted {
                call_id: call.id.clone(),
                from: from.to_owned(),
                to: to.to_owned(),
            })
            .await;
        }
        let (text, is_error) = match work(means, agent, target, &call.arguments).await {
            Ok(turn) => (turn.text, false),
            Err(error) => (error.to_string(), true),
        };
        means.metrics.handed_over(from, to, is_error);
        if let Some(sink) = means.sink {
            sink.send(AgentEvent::HandoffCompleted {
                call_id: call.id.clone(),
                from: from.to_owned(),
                to: to.to_owned(),
                is_error,
            })
            .await;
        }
        ToolResult { text, is_error }
    })
}

/// What `target` answers to the task that the model of `agent` wrote down, in a conversation of its own. What that takes
/// counts into the turn that handed it over, whatever comes of it.
async fn work(
    means: &Means<'_>,
    agent: &AgentSpec,
    target: &'static AgentSpec,
    arguments: &Value,
) -> Result<Turn, AgentError> {
    let task = handoff::task(arguments)
        .ok_or_else(|| AgentError::invalid("/task", "must be a text that is not empty"))?;
    let tools = means.tools.clone().with_team(means.tools.team.after(agent));
    let timeout = target.policy.timeout_ms.map(Duration::from_millis);
    let own_deadline = timeout.map(|timeout| Instant::now() + timeout);
    let deadline = own_deadline.map_or(means.deadline, |own| own.min(means.deadline));
    let sink = means.sink.map(Sink::quiet);
    let means = Means {
        tools: &tools,
        worker: ToolContext {
            agent: target.slug,
            ..means.worker.clone()
        },
        deadline,
        meter: means.meter.part(),
        sink: sink.as_ref(),
        ..means.clone()
    };
    let message = Message {
        role: Role::User,
        text: task.to_owned(),
    };
    let mut request = ModelRequest::new(target, vec![message]);
    let turn = turn(&means, &mut request);
    match tokio::time::timeout_at(deadline, turn).await {
        Ok(turn) if !is_late(&turn, deadline) => turn,
        _ => {
            let detail = format!("the agent `{}` took too long", target.slug);
            if own_deadline == Some(deadline) {
                let policy = PolicyKind::Deadline;
                means.decided(target, policy, None, detail.clone()).await;
            }
            Err(AgentError::TimedOut(detail))
        }
    }
}

/// Whether the time that ends at `deadline` was too short; the turn may have noticed it first.
fn is_late(turn: &Result<Turn, AgentError>, deadline: Instant) -> bool {
    matches!(turn, Err(AgentError::TimedOut(_))) && Instant::now() >= deadline
}
