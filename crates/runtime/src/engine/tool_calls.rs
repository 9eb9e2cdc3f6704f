//! The tool calls of one answer: asks a person where that is due, calls the tools, and hands tasks over.
//!
//! Invariant: a call that needs a person's approval is made after that alone, and is made again only if repeating it does no harm or the
//! person says so again.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::{StreamExt, stream};
use serde_json::Value;
use tokio::time::Instant;

use crate::engine::durable_turns::{Asked, CallState, DurableTurns, OpenCalls, TurnRecord};
use crate::engine::fallbacks::Answerer;
use crate::engine::handoff;
use crate::engine::todo_list::TodoList;
use crate::engine::tool_inputs::ToolInputs;
use crate::engine::tool_questions::{
    QuestionKind, ToolQuestion, Verdict, approval, from_model, from_tool, verdict,
};
use crate::engine::tools::{Called, ToolContext, ToolOutput};
use crate::engine::turn::{Interruption, Turn, free_turn};
use crate::engine::turn_context::TurnContext;
use crate::error::AgentError;
use crate::event::agent_event::{AgentEvent, PolicyKind};
use crate::event::event_sink::Sink;
use crate::model::{Message, ModelRequest, Role, ToolCall, ToolResult};
use crate::spec::agent_spec::AgentSpec;

/// How many of the tool calls of one answer run at a time. The others wait, so that one answer can't start any number of
/// handoffs before the budget is looked at again.
const CONCURRENT_TOOL_CALLS: usize = 8;

/// The calls of one answer while they are made.
struct Calls<'a> {
    cx: &'a TurnContext<'a>,
    answerer: Answerer,
    calls: &'a [ToolCall],
    states: Mutex<Vec<CallState>>,
    inputs: Mutex<BTreeMap<usize, ToolInputs>>,
    /// The number of the answer in its turn, from 0.
    answer: usize,
    /// What is stored of the turn, with its calls as they began. It is made when it has to be: most turns are never stored.
    record: &'a (dyn Fn() -> TurnRecord + Sync),
    /// Locked while the turn is stored, so that a later state overwrites an earlier one.
    storing: tokio::sync::Mutex<()>,
}

/// Makes `open`'s calls, those of the turn's answer with the number `answer`, as far as possible; `record` is what is stored of the turn beside them. Returns one result for each call, or
/// how far they are if some have to wait.
///
/// # Errors
/// [`Interruption::Waiting`], once the turn is stored.
pub(super) async fn run_calls(
    cx: &TurnContext<'_>,
    answerer: Answerer,
    open: &OpenCalls,
    answer: usize,
    record: &(dyn Fn() -> TurnRecord + Sync),
) -> Result<Vec<ToolResult>, Interruption> {
    let calls = Calls {
        cx,
        answerer,
        calls: &open.calls,
        states: Mutex::new(open.states.clone()),
        inputs: Mutex::new(open.inputs.clone()),
        answer,
        record,
        storing: tokio::sync::Mutex::default(),
    };
    let made: Vec<_> = (0..open.calls.len())
        .map(|index| calls.run(index))
        .collect();
    let made: Vec<bool> = stream::iter(made)
        .buffered(CONCURRENT_TOOL_CALLS)
        .collect()
        .await;
    if made.contains(&false) {
        calls.save().await;
        return Err(Interruption::Waiting);
    }
    let states = calls.states.into_inner();
    let states = states.unwrap_or_else(PoisonError::into_inner).into_iter();
    let results = states.filter_map(|state| match state {
        CallState::Ended(result) => Some(result),
        _ => None,
    });
    Ok(results.collect())
}

impl Calls<'_> {
    /// Makes a call, as far as that is possible without waiting for a person; returns whether it has ended.
    async fn run(&self, index: usize) -> bool {
        let call = &self.calls[index];
        let state = self.states()[index].clone();
        let result = match state {
            CallState::Ended(_) => return true,
            CallState::New => self.begin(index, call).await,
            CallState::Started => self.repeat(index, call).await,
            CallState::Asked(question) => self.go_on(index, call, &question).await,
        };
        let has_ended = result.is_some();
        if let Some(result) = result {
            self.states()[index] = CallState::Ended(result);
        }
        has_ended
    }

    /// Makes a call that nobody was asked about; `None` if it has to wait.
    async fn begin(&self, index: usize, call: &ToolCall) -> Option<ToolResult> {
        let Self { cx, answerer, .. } = *self;
        let ToolCall { id, name, .. } = call;
        if let Some(target) = cx.tools.handoff_targets.target(answerer, cx.caller, name) {
            let key = format!("{}/{}.{index}", cx.turn_key, self.answer);
            return hand_off(cx, answerer, target, call, key).await;
        }
        let refused = |detail: String| Some(ToolResult::text(detail, true));
        let asks_user = cx.tools.asks_user(name, answerer);
        if !asks_user && !answerer.needs_approval(name) {
            return self.carry_out(index, call).await;
        }
        // Nobody is asked about a call that can't be made.
        if let Err(error) = cx.tools.check(name, answerer, &call.arguments) {
            return refused(error.to_string());
        }
        let Some(turns) = cx.turns else {
            tracing::warn!(
                agent = answerer.agent.slug,
                tool = name,
                call = id,
                "a call that needs a person was refused: nobody can be asked in this run"
            );
            let detail = "denied: a person has to be asked first, and nobody can be asked here";
            return refused(detail.to_owned());
        };
        let question = match asks_user {
            true => from_model(answerer.agent, call, turns.now()),
            false => Ok(approval(answerer.asks_for(name), call, false, turns.now())),
        };
        match question {
            Ok(question) => self.ask(index, turns, question),
            Err(error) => refused(error.to_string()),
        }
    }

    /// Makes a call that was under way when the process ended, if repeating it does no harm.
    async fn repeat(&self, index: usize, call: &ToolCall) -> Option<ToolResult> {
        let turns = self.cx.turns?;
        if self
            .cx
            .tools
            .is_idempotent(self.answerer.agent, &call.name)
            .await
        {
            return self.make(index, call).await;
        }
        let agent = self.answerer.asks_for(&call.name);
        self.ask(index, turns, approval(agent, call, true, turns.now()))
    }

    /// Does what a person said about a call, if somebody has.
    async fn go_on(
        &self,
        index: usize,
        call: &ToolCall,
        question: &ToolQuestion,
    ) -> Option<ToolResult> {
        let turns = self.cx.turns?;
        let answer = match turns.state_of(question) {
            Asked::Open => return self.ask(index, turns, question.clone()),
            Asked::Answered(answer) => Some(answer),
            Asked::Expired => None,
        };
        if question.kind == QuestionKind::Input {
            self.inputs().entry(index).or_default().answer(answer);
            return match self.ask_next(index, call) {
                true => None,
                false => self.make(index, call).await,
            };
        }
        match verdict(question.kind, answer) {
            Verdict::Call => self.make(index, call).await,
            Verdict::Result(result) => {
                if question.kind == QuestionKind::Answer {
                    tell_start(self.cx, call).await;
                    tell_end(self.cx, call, &result).await;
                }
                Some(result)
            }
        }
    }

    /// Makes a call that was approved, or whose questions are answered. It is stored before that, and when it has ended.
    async fn make(&self, index: usize, call: &ToolCall) -> Option<ToolResult> {
        self.states()[index] = CallState::Started;
        self.save().await;
        let result = self.carry_out(index, call).await?;
        self.states()[index] = CallState::Ended(result.clone());
        self.save().await;
        Some(result)
    }

    /// Makes a call; `None` if its tool asks something.
    async fn carry_out(&self, index: usize, call: &ToolCall) -> Option<ToolResult> {
        let given = self.inputs().get(&index).cloned();
        match run_tool(self.cx, self.answerer, call, given.as_ref()).await {
            Ok(result) => Some(result),
            Err(inputs) => {
                self.inputs().insert(index, inputs);
                match self.ask_next(index, call) {
                    true => None,
                    false => Some(ToolResult::text("the tool asks nothing".to_owned(), true)),
                }
            }
        }
    }

    /// Asks the next one of the tool's questions; says whether there is one.
    fn ask_next(&self, index: usize, call: &ToolCall) -> bool {
        let inputs = self.inputs();
        let open = inputs.get(&index).and_then(ToolInputs::open);
        let Some((turns, request)) = self.cx.turns.zip(open) else {
            return false;
        };
        let question = from_tool(self.answerer.agent, call, request, turns.now());
        self.ask(index, turns, question);
        true
    }

    fn ask(
        &self,
        index: usize,
        turns: &DurableTurns,
        question: ToolQuestion,
    ) -> Option<ToolResult> {
        turns.ask(question.clone());
        self.states()[index] = CallState::Asked(Box::new(question));
        None
    }

    /// Stores how far the turn is.
    async fn save(&self) {
        let Some(turns) = self.cx.turns else {
            return;
        };
        let _storing = self.storing.lock().await;
        let mut record = (self.record)();
        if let Some(open) = &mut record.calls {
            open.states.clone_from(&self.states());
            open.inputs.clone_from(&self.inputs());
        }
        record.usage = self.cx.meter.usage();
        turns.save(&self.cx.turn_key, &record).await;
    }

    fn states(&self) -> MutexGuard<'_, Vec<CallState>> {
        self.states.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn inputs(&self) -> MutexGuard<'_, BTreeMap<usize, ToolInputs>> {
        self.inputs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Calls one tool of `answerer`, with the events before and after it. `given` is what people said to what it asked.
///
/// # Errors
/// What the tool asks.
async fn run_tool(
    cx: &TurnContext<'_>,
    answerer: Answerer,
    call: &ToolCall,
    given: Option<&ToolInputs>,
) -> Result<ToolResult, ToolInputs> {
    if given.is_none() {
        tell_start(cx, call).await;
    }
    let none = ToolInputs::default();
    let inputs = cx.turns.map(|_| given.unwrap_or(&none));
    let tool_context = ToolContext {
        agent: answerer.agent.slug,
        ..cx.tool_context.clone()
    };
    let arguments = call.arguments.clone();
    let output = cx
        .tools
        .call(
            (&call.name, answerer),
            tool_context,
            &cx.todo_list,
            arguments,
            inputs,
        )
        .await;
    let result = match output {
        Ok(Called::Asks(inputs)) => return Err(inputs),
        Ok(Called::Output(ToolOutput { value, images })) => ToolResult {
            text: match value {
                Value::String(text) => text,
                value => value.to_string(),
            },
            is_error: false,
            images,
        },
        Err(error) => ToolResult::text(error.to_string(), true),
    };
    tell_end(cx, call, &result).await;
    Ok(result)
}

async fn tell_start(cx: &TurnContext<'_>, call: &ToolCall) {
    if let Some(sink) = cx.sink {
        sink.send(AgentEvent::ToolStarted {
            call_id: call.id.clone(),
            tool: call.name.clone(),
            arguments: call.arguments.clone(),
        })
        .await;
    }
}

async fn tell_end(cx: &TurnContext<'_>, call: &ToolCall, result: &ToolResult) {
    if let Some(sink) = cx.sink {
        sink.send(AgentEvent::ToolCompleted {
            call_id: call.id.clone(),
            tool: call.name.clone(),
            is_error: result.is_error,
        })
        .await;
    }
}

/// Hands a task to `target`, with the events before and after it; `None` if it has to wait. Boxed, since a handoff may contain another
/// one.
fn hand_off<'a>(
    cx: &'a TurnContext<'_>,
    answerer: Answerer,
    target: &'static AgentSpec,
    call: &'a ToolCall,
    key: String,
) -> Pin<Box<dyn Future<Output = Option<ToolResult>> + Send + 'a>> {
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
        let (text, is_error) = match run_handoff(cx, answerer, target, &call.arguments, key).await {
            Ok(turn) => (turn.text, false),
            Err(Interruption::Failed(error)) => (error.to_string(), true),
            Err(Interruption::Waiting) => return None,
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
        Some(ToolResult::text(text, is_error))
    })
}

/// Runs a turn of `target` in a conversation of its own. Its usage counts into the turn of `answerer`, also if it fails, and
/// what is left of that turn's budget limits it too.
async fn run_handoff(
    cx: &TurnContext<'_>,
    answerer: Answerer,
    target: &'static AgentSpec,
    arguments: &Value,
    key: String,
) -> Result<Turn, Interruption> {
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
        turn_key: key,
        conversation: None,
        ..cx.clone()
    };
    let message = Message {
        role: Role::User,
        text: task.to_owned(),
    };
    let mut request = ModelRequest::new(target, vec![message]);
    match tokio::time::timeout_at(deadline, free_turn(&cx, &mut request)).await {
        Ok(outcome) if !is_past_deadline(&outcome, deadline) => outcome,
        _ => {
            let detail = format!("the agent `{}` took too long", target.slug);
            if own_deadline == Some(deadline) {
                cx.record_policy(target, PolicyKind::Deadline, None, detail.clone())
                    .await;
            }
            Err(AgentError::TimedOut(detail).into())
        }
    }
}

/// Whether the turn itself noticed `deadline` before the timer did.
fn is_past_deadline(outcome: &Result<Turn, Interruption>, deadline: Instant) -> bool {
    let timed_out = matches!(outcome, Err(Interruption::Failed(AgentError::TimedOut(_))));
    timed_out && Instant::now() >= deadline
}
