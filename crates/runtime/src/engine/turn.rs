//! One turn of a conversation: calls the model, then the tools that it asks for, until it answers or a budget ends.
//!
//! Invariant: usage is counted on the meter of the [`TurnContext`] when a call ends, so that failed and cancelled turns
//! are counted too.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;

use crate::documents::grounding::Grounding;
use crate::engine::durable_turns::{CallState, OpenCalls, TurnEnd, TurnRecord, is_handoff};
use crate::engine::fallbacks::Fallbacks;
use crate::engine::model_call::call;
use crate::engine::structured_output::{ExpectedOutput, OutputMismatch};
use crate::engine::tool_calls::run_calls;
use crate::engine::turn_context::TurnContext;
use crate::error::AgentError;
use crate::event::agent_event::{PolicyKind, StopReason, Usage};
use crate::event::event_sink::Sink;
use crate::event::usage_meter::BudgetLeft;
use crate::model::{ModelRequest, Step, ToolCall};
use crate::schema::{Schema, Validate};
use crate::spec::agent_spec::AgentSpec;
use crate::spec::endpoint_spec::EndpointSpec;

/// Model calls in one turn where the policy sets no `budget_turns`.
const DEFAULT_MODEL_CALLS: u32 = 16;
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
    /// Calls of the caller's own tools, which the caller makes before it goes on.
    pub(crate) calls: Vec<ToolCall>,
}

/// Why a turn has no end yet.
pub(super) enum Interruption {
    /// It failed.
    Failed(AgentError),
    /// A person is asked. The turn is stored, and continues when the endpoint is called again.
    Waiting,
}

impl From<AgentError> for Interruption {
    fn from(error: AgentError) -> Self {
        Self::Failed(error)
    }
}

/// Runs a turn in free text. Usage that the meter of `cx` already holds counts into the turn. A failure before the first
/// chunk emits no event.
pub(crate) async fn turn(
    cx: &TurnContext<'_>,
    request: &mut ModelRequest,
) -> Result<Turn, AgentError> {
    settle(cx, free_turn(cx, request).await).await
}

/// The outcome of a turn. One that waits never comes to that: its future is dropped.
async fn settle<T>(
    cx: &TurnContext<'_>,
    outcome: Result<T, Interruption>,
) -> Result<T, AgentError> {
    match (outcome, cx.turns) {
        (Ok(value), _) => Ok(value),
        (Err(Interruption::Failed(error)), _) => Err(error),
        (Err(Interruption::Waiting), Some(turns)) => match turns.suspend().await {},
        (Err(Interruption::Waiting), None) => Err(AgentError::internal(
            "a turn waits that nobody can continue",
        )),
    }
}

/// As [`turn`], for a turn that may be a part of another one.
pub(super) async fn free_turn(
    cx: &TurnContext<'_>,
    request: &mut ModelRequest,
) -> Result<Turn, Interruption> {
    let mut fallbacks = Fallbacks::new(request.agent);
    let mut progress = Progress::begin(cx, request, &mut fallbacks).await;
    if let Some(turn) = progress.end(cx) {
        return Ok(turn);
    }
    let turn = answer(cx, request, &mut fallbacks, &mut progress).await?;
    keep_end(cx, &fallbacks, &turn);
    Ok(turn)
}

/// What a turn begins with: nothing, or what is stored of it.
#[derive(Default)]
struct Progress {
    /// The answer so far.
    text: String,
    /// The tool calls under way.
    calls: Option<OpenCalls>,
    end: Option<TurnEnd>,
}

impl Progress {
    /// Brings `request` to where the turn was.
    async fn begin(
        cx: &TurnContext<'_>,
        request: &mut ModelRequest,
        fallbacks: &mut Fallbacks,
    ) -> Self {
        let primary = fallbacks.primary();
        let record = cx
            .turns
            .and_then(|turns| turns.record(&cx.turn_key, primary.slug));
        let Some(record) = record else {
            return Self::default();
        };
        match is_handoff(&cx.turn_key) {
            true => cx.meter.restore(record.usage),
            false => cx.meter.add(record.usage),
        }
        if record.end.is_none() {
            request.messages = record.messages;
            request.steps = record.steps;
            let schema = request.output_schema.clone();
            if let (Some((question, passages)), Some(schema)) = (record.grounding, schema) {
                request.grounding = Some(Grounding::new(question, passages, schema));
            }
            fallbacks.restore(cx, request, record.fallbacks);
        }
        Self {
            text: record.text,
            calls: record.calls,
            end: record.end,
        }
    }

    /// The turn, if it has ended.
    fn end(&mut self, cx: &TurnContext<'_>) -> Option<Turn> {
        let TurnEnd {
            text,
            model,
            stop_reason,
            calls,
        } = self.end.take()?;
        cx.meter.called(&model);
        Some(Turn {
            calls,
            ..turn_so_far(cx, text, stop_reason, model)
        })
    }
}

/// Keeps the end of a turn for a handler that has to wait later.
fn keep_end(cx: &TurnContext<'_>, fallbacks: &Fallbacks, turn: &Turn) {
    if let Some(turns) = cx.turns.filter(|_| !is_handoff(&cx.turn_key)) {
        let record = TurnRecord {
            agent: fallbacks.primary().slug.to_owned(),
            usage: turn.usage,
            end: Some(TurnEnd {
                text: turn.text.clone(),
                model: turn.model.clone(),
                stop_reason: turn.stop_reason,
                calls: turn.calls.clone(),
            }),
            ..TurnRecord::default()
        };
        turns.ended(&cx.turn_key, record);
    }
}

/// Calls the model and its tools until there is an answer. The budget is that of the agent that was asked, whoever answers.
async fn answer(
    cx: &TurnContext<'_>,
    request: &mut ModelRequest,
    fallbacks: &mut Fallbacks,
    progress: &mut Progress,
) -> Result<Turn, Interruption> {
    let primary = fallbacks.primary();
    let max_calls = max_model_calls(primary);
    request.tools = fallbacks.tools(cx, request).await;
    let mut text = std::mem::take(&mut progress.text);
    let mut model = String::new();
    if let Some(open) = progress.calls.take() {
        model.clone_from(&open.model);
        let calls = make_calls(cx, request, fallbacks, &text, open).await?;
        if !calls.is_empty() {
            return Ok(handed_over(cx, text, model, calls));
        }
    }
    while own_steps(cx, request) < max_calls {
        if let Some(BudgetLeft { tokens, budget }) = cx.meter.left() {
            if tokens == 0 {
                let detail = format!("the run used up its {budget} tokens before it had an answer");
                let turn = turn_so_far(cx, text, StopReason::MaxTokens, model);
                return Ok(end_over_budget(cx, request, primary, turn, detail).await?);
            }
            request.max_tokens = Some(tokens);
        }
        if let Some(most) = cx.conversation.and_then(|own| own.given.max_tokens) {
            let left = most.saturating_sub(cx.meter.usage().output_tokens);
            if left == 0 {
                return Ok(turn_so_far(cx, text, StopReason::MaxTokens, model));
            }
            let budget = request.max_tokens.filter(|_| cx.meter.left().is_some());
            request.max_tokens = Some(budget.map_or(left, |budget| budget.min(left)));
        }
        // With an output schema, only the last text is the answer.
        if request.output_schema.is_some() {
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
        let is_of_caller =
            |call: &ToolCall| cx.conversation.is_some_and(|own| own.has_tool(&call.name));
        let (of_caller, calls) = reply
            .tool_calls
            .into_iter()
            .partition::<Vec<_>, _>(is_of_caller);
        let open = OpenCalls {
            model: model.clone(),
            text: reply.text,
            states: vec![CallState::New; calls.len()],
            inputs: BTreeMap::new(),
            calls,
            of_caller,
            metadata: reply.metadata,
        };
        let calls = make_calls(cx, request, fallbacks, &text, open).await?;
        if !calls.is_empty() {
            return Ok(handed_over(cx, text, model, calls));
        }
    }
    let detail = format!("the model was called {max_calls} times, and asked for tools each time");
    let turn = turn_so_far(cx, text, StopReason::MaxTurns, model);
    Ok(end_over_budget(cx, request, primary, turn, detail).await?)
}

/// The end of a turn that goes on once the caller has made `calls`.
fn handed_over(cx: &TurnContext<'_>, text: String, model: String, calls: Vec<ToolCall>) -> Turn {
    Turn {
        calls,
        ..turn_so_far(cx, text, StopReason::EndTurn, model)
    }
}

/// How many steps of `request` are of this turn: a caller may have brought some along.
fn own_steps(cx: &TurnContext<'_>, request: &ModelRequest) -> usize {
    let given = cx.conversation.map_or(0, |own| own.given.steps.len());
    request.steps.len().saturating_sub(given)
}

/// Makes the tool calls of an answer, and adds them to `request`. Returns those that the caller has to make.
async fn make_calls(
    cx: &TurnContext<'_>,
    request: &mut ModelRequest,
    fallbacks: &Fallbacks,
    text: &str,
    open: OpenCalls,
) -> Result<Vec<ToolCall>, Interruption> {
    let answerer = fallbacks.answerer(request);
    let record = || TurnRecord {
        agent: fallbacks.primary().slug.to_owned(),
        fallbacks: fallbacks.used(),
        messages: request.messages.clone(),
        grounding: request
            .grounding
            .as_ref()
            .map(|grounding| (grounding.question.clone(), grounding.passages.clone())),
        steps: request.steps.clone(),
        text: text.to_owned(),
        calls: Some(open.clone()),
        ..TurnRecord::default()
    };
    let results = run_calls(cx, answerer, &open, request.steps.len(), &record).await?;
    request.steps.push(Step::ToolCalls {
        model: open.model,
        text: open.text,
        calls: open.calls,
        results,
        metadata: open.metadata,
    });
    Ok(open.of_caller)
}

/// Runs a turn whose answer must be valid under `output_schema`, that of the request's endpoint or of its caller. The model gets one
/// chance to correct its answer; the correction is not streamed, because the text that was streamed belongs to the first answer. There is
/// no answer where the turn ended with calls of the caller's tools.
pub(crate) async fn typed_turn<T: DeserializeOwned + Validate + Send + 'static>(
    cx: &TurnContext<'_>,
    output_schema: &Schema,
    mut request: ModelRequest,
) -> Result<(Option<T>, Turn), AgentError> {
    let endpoint = request.endpoint;
    request.output_schema = Some(output_schema.clone());
    let expected = ExpectedOutput::of(&request, output_schema);
    let mut fallbacks = Fallbacks::new(request.agent);
    let max_calls = max_model_calls(fallbacks.primary());
    let mut progress = Progress::begin(cx, &mut request, &mut fallbacks).await;
    if let Some(turn) = progress.end(cx) {
        if !turn.calls.is_empty() {
            return Ok((None, turn));
        }
        return match expected.parse(&turn.text).await {
            Ok(value) => Ok((Some(value), turn)),
            Err(mismatch) => Err(schema_mismatch(endpoint, &mismatch)),
        };
    }
    let was_corrected = |step: &Step| matches!(step, Step::SchemaMismatch { .. });
    if !request.steps.iter().any(was_corrected) {
        let first = answer(cx, &mut request, &mut fallbacks, &mut progress).await;
        let first = settle(cx, first).await?;
        if !first.calls.is_empty() {
            keep_end(cx, &fallbacks, &first);
            return Ok((None, first));
        }
        let mismatch = match expected.parse(&first.text).await {
            Ok(value) => {
                keep_end(cx, &fallbacks, &first);
                return Ok((Some(value), first));
            }
            Err(mismatch) => mismatch,
        };
        match first.stop_reason {
            StopReason::EndTurn if own_steps(cx, &request) + 1 < max_calls => {}
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
            endpoint = name(endpoint),
            "the model's answer does not fit the output schema; asking for a correction"
        );
        let correction = format!(
            "This answer does not fit the JSON Schema: {mismatch}. Give the whole answer again, as JSON that fits it."
        );
        request.steps.push(Step::SchemaMismatch {
            text: first.text,
            correction,
        });
    }
    let sink = cx.sink.map(Sink::quiet);
    let cx = TurnContext {
        sink: sink.as_ref(),
        ..cx.clone()
    };
    let second = answer(&cx, &mut request, &mut fallbacks, &mut progress).await;
    let second = settle(&cx, second).await?;
    if !second.calls.is_empty() {
        keep_end(&cx, &fallbacks, &second);
        return Ok((None, second));
    }
    match expected.parse(&second.text).await {
        Ok(value) => {
            keep_end(&cx, &fallbacks, &second);
            Ok((Some(value), second))
        }
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
        calls: Vec::new(),
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
    match request.output_schema {
        None if !turn.text.is_empty() => Ok(turn),
        _ => Err(AgentError::BudgetExceeded(detail)),
    }
}

/// The name of the endpoint whose schema an answer has to fit.
fn name(endpoint: Option<&EndpointSpec>) -> &str {
    endpoint.map_or("the caller's schema", |endpoint| endpoint.operation_id)
}

fn schema_mismatch(endpoint: Option<&EndpointSpec>, mismatch: &OutputMismatch) -> AgentError {
    let endpoint = name(endpoint);
    let detail = "the model's answer does not fit the output schema";
    tracing::warn!(endpoint, detail);
    // The mismatch may quote the answer.
    tracing::debug!(endpoint, %mismatch, "why it does not fit");
    AgentError::SchemaMismatch(detail.to_owned())
}
