//! One turn of a conversation: calls the model, then the tools that it asks for, until it answers or a budget ends.
//!
//! Invariant: usage is counted on the meter of the [`TurnContext`] when a call ends, so that failed and cancelled turns
//! are counted too.

use std::pin::Pin;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::Instant;

use crate::engine::fallbacks::{Answerer, Fallbacks};
use crate::engine::handoff;
use crate::engine::model_call::call;
use crate::engine::structured_output::{ExpectedOutput, OutputMismatch};
use crate::engine::todo_list::TodoList;
use crate::engine::tools::{ToolContext, ToolOutput};
use crate::engine::turn_context::TurnContext;
use crate::error::AgentError;
use crate::event::agent_event::{AgentEvent, PolicyKind, StopReason, Usage};
use crate::event::event_sink::Sink;
use crate::event::usage_meter::BudgetLeft;
use crate::model::{Message, ModelRequest, Role, Step, ToolCall, ToolResult};
use crate::schema::{Schema, Validate};
use crate::spec::agent_spec::AgentSpec;
use crate::spec::endpoint_spec::EndpointSpec;

/// Model calls in one turn where the policy sets no `budget_turns`.
const DEFAULT_MODEL_CALLS: u32 = 16;
/// How many of the tool calls of one answer run at a time. The others wait, so that one answer can't start any number of
/// handoffs before the budget is looked at again.
const CONCURRENT_TOOL_CALLS: usize = 8;
/// Separates two texts of one answer with a tool call between them.
const TEXT_SEPARATOR: &str = "\n\n";

/// The model's answer, and what it cost.
#[derive(Debug, Clone)]
pub(crate) struct Turn {
    pub(crate) text: String,
    /// The model of the last call, as `provider:model`.
    pub(crate) model: String,
    /// Of all calls, handoffs included.
    pub(crate) usage: Usage,
    pub(crate) stop_reason: StopReason,
}

/// Runs a turn in free text. Usage that the meter of `cx` already holds counts into the turn. A failure before the first
/// chunk emits no event.
pub(crate) async fn turn(
    cx: &TurnContext<'_>,
    request: &mut ModelRequest,
) -> Result<Turn, AgentError> {
    let mut fallbacks = Fallbacks::new(request.agent);
    answer(cx, request, &mut fallbacks).await
}

/// Calls the model and its tools until there is an answer. The budget is that of the agent that was asked, whoever answers.
async fn answer(
    cx: &TurnContext<'_>,
    request: &mut ModelRequest,
    fallbacks: &mut Fallbacks,
) -> Result<Turn, AgentError> {
    let primary = fallbacks.primary();
    let max_calls = max_model_calls(primary);
    request.tools = fallbacks.tools(cx, request).await;
    let mut text = String::new();
    let mut model = String::new();
    while request.steps.len() < max_calls {
        if let Some(BudgetLeft { tokens, budget }) = cx.meter.left() {
            if tokens == 0 {
                let detail = format!("the run used up its {budget} tokens before it had an answer");
                let turn = turn_so_far(cx, text, StopReason::MaxTokens, model);
                return end_over_budget(cx, request, primary, turn, detail).await;
            }
            request.max_tokens = Some(tokens);
        }
        // With an output schema, only the last text is the answer.
        if request.endpoint.is_some() {
            text.clear();
        }
        let separator = if text.is_empty() { "" } else { TEXT_SEPARATOR };
        let reply = call(cx, request, fallbacks, separator).await?;
        model = reply.model;
        if !reply.text.is_empty() {
            text.push_str(separator);
            text.push_str(&reply.text);
        }
        // A call at the end of a truncated reply may be incomplete.
        if reply.tool_calls.is_empty() || reply.stop_reason == StopReason::MaxTokens {
            return Ok(turn_so_far(cx, text, reply.stop_reason, model));
        }
        let answerer = fallbacks.answerer(request);
        let calls = reply.tool_calls.iter();
        let calls: Vec<_> = calls.map(|call| run_tool(cx, answerer, call)).collect();
        let results = stream::iter(calls).buffered(CONCURRENT_TOOL_CALLS);
        let results = results.collect().await;
        request.steps.push(Step::ToolCalls {
            model: model.clone(),
            text: reply.text,
            calls: reply.tool_calls,
            results,
            metadata: reply.metadata,
        });
    }
    let detail = format!("the model was called {max_calls} times, and asked for tools each time");
    let turn = turn_so_far(cx, text, StopReason::MaxTurns, model);
    end_over_budget(cx, request, primary, turn, detail).await
}

/// Runs a turn whose answer must be valid under `output_schema`, that of `endpoint`. The model gets one chance to correct its answer;
/// the correction is not streamed, because the text that was streamed belongs to the first answer.
pub(crate) async fn typed_turn<T: DeserializeOwned + Validate + Send + 'static>(
    cx: &TurnContext<'_>,
    endpoint: &'static EndpointSpec,
    output_schema: &Schema,
    mut request: ModelRequest,
) -> Result<(T, Turn), AgentError> {
    request.endpoint = Some(endpoint);
    request.output_schema = Some(output_schema.clone());
    let expected = ExpectedOutput::of(&request, output_schema);
    let mut fallbacks = Fallbacks::new(request.agent);
    let max_calls = max_model_calls(fallbacks.primary());
    let first = answer(cx, &mut request, &mut fallbacks).await?;
    let mismatch = match expected.parse(&first.text).await {
        Ok(value) => return Ok((value, first)),
        Err(mismatch) => mismatch,
    };
    match first.stop_reason {
        StopReason::EndTurn if request.steps.len() + 1 < max_calls => {}
        StopReason::EndTurn => return Err(schema_mismatch(endpoint, &mismatch)),
        StopReason::MaxTokens => {
            let detail = "the model's answer was cut off at its most tokens".to_owned();
            return Err(AgentError::TruncatedAnswer(detail));
        }
        StopReason::MaxTurns => {
            let detail = "the model was called too often".to_owned();
            return Err(AgentError::BudgetExceeded(detail));
        }
        StopReason::Refusal => return Err(AgentError::Refused),
    }
    tracing::info!(
        endpoint = endpoint.operation_id,
        "the model's answer does not fit the output schema; asking for a correction"
    );
    let correction = format!(
        "This answer does not fit the JSON Schema: {mismatch}. Give the whole answer again, as JSON that fits it."
    );
    request.steps.push(Step::SchemaMismatch {
        text: first.text,
        correction,
    });
    let sink = cx.sink.map(Sink::quiet);
    let cx = TurnContext {
        sink: sink.as_ref(),
        ..cx.clone()
    };
    let second = answer(&cx, &mut request, &mut fallbacks).await?;
    match expected.parse(&second.text).await {
        Ok(value) => Ok((value, second)),
        Err(mismatch) => Err(schema_mismatch(endpoint, &mismatch)),
    }
}

fn max_model_calls(agent: &AgentSpec) -> usize {
    let calls = agent.policy.budget_turns.unwrap_or(DEFAULT_MODEL_CALLS);
    calls.max(1) as usize
}

fn turn_so_far(cx: &TurnContext<'_>, text: String, stop_reason: StopReason, model: String) -> Turn {
    Turn {
        text,
        model,
        usage: cx.meter.usage(),
        stop_reason,
    }
}

/// Ends a turn whose budget is used up: with the text so far, unless an output schema demands a whole answer.
async fn end_over_budget(
    cx: &TurnContext<'_>,
    request: &ModelRequest,
    primary: &AgentSpec,
    turn: Turn,
    detail: String,
) -> Result<Turn, AgentError> {
    let policy = PolicyKind::Budget;
    cx.record_policy(primary, policy, Some(&turn.model), detail.clone())
        .await;
    match request.endpoint {
        None if !turn.text.is_empty() => Ok(turn),
        _ => Err(AgentError::BudgetExceeded(detail)),
    }
}

fn schema_mismatch(endpoint: &EndpointSpec, mismatch: &OutputMismatch) -> AgentError {
    let endpoint = endpoint.operation_id;
    let detail = "the model's answer does not fit the output schema";
    tracing::warn!(endpoint, detail);
    // The mismatch may quote the answer.
    tracing::debug!(endpoint, %mismatch, "why it does not fit");
    AgentError::SchemaMismatch(detail.to_owned())
}

/// Calls one tool of `answerer`, with the events before and after it.
async fn run_tool(cx: &TurnContext<'_>, answerer: Answerer, call: &ToolCall) -> ToolResult {
    let ToolCall {
        id,
        name,
        arguments,
        ..
    } = call;
    if let Some(target) = cx.tools.handoff_targets.target(answerer, cx.caller, name) {
        return hand_off(cx, answerer, target, call).await;
    }
    if let Some(sink) = cx.sink {
        sink.send(AgentEvent::ToolStarted {
            call_id: id.clone(),
            tool: name.clone(),
            arguments: arguments.clone(),
        })
        .await;
    }
    let tool_context = ToolContext {
        agent: answerer.agent.slug,
        ..cx.tool_context.clone()
    };
    let output = cx
        .tools
        .call(
            name,
            answerer,
            tool_context,
            &cx.todo_list,
            arguments.clone(),
        )
        .await;
    let result = match output {
        Ok(ToolOutput { value, images }) => ToolResult {
            text: match value {
                Value::String(text) => text,
                value => value.to_string(),
            },
            is_error: false,
            images,
        },
        Err(error) => ToolResult::text(error.to_string(), true),
    };
    if let Some(sink) = cx.sink {
        sink.send(AgentEvent::ToolCompleted {
            call_id: id.clone(),
            tool: name.clone(),
            is_error: result.is_error,
        })
        .await;
    }
    result
}

/// Hands a task to `target`, with the events before and after it. Boxed, since a handoff may contain another one.
fn hand_off<'a>(
    cx: &'a TurnContext<'_>,
    answerer: Answerer,
    target: &'static AgentSpec,
    call: &'a ToolCall,
) -> Pin<Box<dyn Future<Output = ToolResult> + Send + 'a>> {
    Box::pin(async move {
        let (from, to) = (answerer.agent.slug, target.slug);
        if let Some(sink) = cx.sink {
            sink.send(AgentEvent::HandoffStarted {
                call_id: call.id.clone(),
                from: from.to_owned(),
                to: to.to_owned(),
            })
            .await;
        }
        let (text, is_error) = match run_handoff(cx, answerer, target, &call.arguments).await {
            Ok(turn) => (turn.text, false),
            Err(error) => (error.to_string(), true),
        };
        cx.metrics.handed_off(from, to, is_error);
        if let Some(sink) = cx.sink {
            sink.send(AgentEvent::HandoffCompleted {
                call_id: call.id.clone(),
                from: from.to_owned(),
                to: to.to_owned(),
                is_error,
            })
            .await;
        }
        ToolResult::text(text, is_error)
    })
}

/// Runs a turn of `target` in a conversation of its own. Its usage counts into the turn of `answerer`, also if it fails, and
/// what is left of that turn's budget limits it too.
async fn run_handoff(
    cx: &TurnContext<'_>,
    answerer: Answerer,
    target: &'static AgentSpec,
    arguments: &Value,
) -> Result<Turn, AgentError> {
    let task = handoff::task(arguments)
        .ok_or_else(|| AgentError::invalid("/task", "must be a text that is not empty"))?;
    let targets = cx.tools.handoff_targets.after(answerer);
    let tools = cx.tools.clone().with_handoff_targets(targets);
    let timeout = target.policy.timeout_ms.map(Duration::from_millis);
    let own_deadline = timeout.map(|timeout| Instant::now() + timeout);
    let deadline = own_deadline.map_or(cx.deadline, |own| own.min(cx.deadline));
    let sink = cx.sink.map(Sink::quiet);
    let cx = TurnContext {
        tools: &tools,
        tool_context: ToolContext {
            agent: target.slug,
            ..cx.tool_context.clone()
        },
        todo_list: TodoList::default(),
        deadline,
        meter: cx.meter.handoff(target.policy.budget_tokens),
        sink: sink.as_ref(),
        ..cx.clone()
    };
    let message = Message {
        role: Role::User,
        text: task.to_owned(),
    };
    let mut request = ModelRequest::new(target, vec![message]);
    match tokio::time::timeout_at(deadline, turn(&cx, &mut request)).await {
        Ok(outcome) if !is_past_deadline(&outcome, deadline) => outcome,
        _ => {
            let detail = format!("the agent `{}` took too long", target.slug);
            if own_deadline == Some(deadline) {
                cx.record_policy(target, PolicyKind::Deadline, None, detail.clone())
                    .await;
            }
            Err(AgentError::TimedOut(detail))
        }
    }
}

/// Whether the turn itself noticed `deadline` before the timer did.
fn is_past_deadline(outcome: &Result<Turn, AgentError>, deadline: Instant) -> bool {
    matches!(outcome, Err(AgentError::TimedOut(_))) && Instant::now() >= deadline
}
