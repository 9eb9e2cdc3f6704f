//! What a run came to, and the objects of the Responses API that say so.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::error::problem::Problem;
use crate::event::agent_event::{StopReason, Usage};
use crate::event::pending_action::{ActionKind, PendingAction};
use crate::http::protocols::openai_api::openai_errors::{code, error_body};
use crate::http::protocols::openai_api::request_members::arguments;
use crate::model::ToolCall;
use crate::schema::Uuid;
use crate::session::caller_conversation::TOOL_CALLS;
use crate::unix_time::{now, to_millis};

/// What the ids of approvals and of questions begin with; the run and the action follow.
const APPROVAL: &str = "mcpr";
const QUESTION: &str = "ask";

/// The answer of an agent.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) run_id: String,
    pub(super) text: String,
    /// Calls of the client's tools.
    pub(super) calls: Vec<ToolCall>,
    pub(super) stop_reason: StopReason,
    pub(super) usage: Usage,
}

impl Outcome {
    /// What the output of an agent's `invoke` says.
    pub(super) fn of(output: &Value) -> Self {
        fn member<T: for<'de> Deserialize<'de> + Default>(output: &Value, name: &str) -> T {
            T::deserialize(&output[name]).unwrap_or_default()
        }
        Self {
            run_id: member(output, "run_id"),
            text: member(output, "output"),
            calls: member(output, TOOL_CALLS),
            stop_reason: member(output, "stop_reason"),
            usage: member(output, "usage"),
        }
    }
}

/// Seconds since 1970.
pub(super) fn unix_seconds() -> i64 {
    to_millis(now()) / 1000
}

/// A response of `model` under way, with what the request said of it.
pub(super) fn response(run: &str, model: &str, said: &Value) -> Value {
    let mut response = json!({
        "id": format!("resp_{run}"),
        "object": "response",
        "created_at": unix_seconds(),
        "status": "in_progress",
        "background": false,
        "error": null,
        "incomplete_details": null,
        "instructions": null,
        "max_output_tokens": null,
        "metadata": {},
        "model": model,
        "output": [],
        "parallel_tool_calls": true,
        "previous_response_id": null,
        "store": false,
        "temperature": null,
        "text": { "format": { "type": "text" } },
        "tool_choice": "auto",
        "tools": [],
        "top_p": null,
        "truncation": "disabled",
        "usage": null,
    });
    if let (Value::Object(response), Value::Object(said)) = (&mut response, said) {
        response.extend(said.clone());
    }
    response
}

/// Ends `response` with these items.
pub(super) fn end(mut response: Value, outcome: &Outcome, items: Vec<Value>) -> Value {
    let reason = match outcome.stop_reason {
        StopReason::EndTurn => None,
        StopReason::MaxTokens | StopReason::MaxTurns => Some("max_output_tokens"),
        StopReason::Refusal => Some("content_filter"),
    };
    response["status"] = match reason {
        Some(reason) => {
            response["incomplete_details"] = json!({ "reason": reason });
            "incomplete".into()
        }
        None => "completed".into(),
    };
    response["output"] = items.into();
    response["usage"] = usage(outcome.usage);
    response
}

/// Ends `response` where it waits for a person.
pub(super) fn wait(mut response: Value, items: Vec<Value>, used: Usage) -> Value {
    response["status"] = "completed".into();
    response["output"] = items.into();
    response["usage"] = usage(used);
    response
}

/// Ends `response` with an error.
pub(super) fn fail(mut response: Value, problem: &Problem, items: Vec<Value>) -> Value {
    response["status"] = "failed".into();
    response["output"] = items.into();
    response["error"] = json!({
        "code": code(problem).unwrap_or("server_error"),
        "message": error_body(problem)["error"]["message"],
    });
    response
}

fn usage(usage: Usage) -> Value {
    json!({
        "input_tokens": usage.input_tokens,
        "input_tokens_details": { "cached_tokens": 0 },
        "output_tokens": usage.output_tokens,
        "output_tokens_details": { "reasoning_tokens": 0 },
        "total_tokens": usage.total(),
    })
}

/// The items of an answer; `text` is what of it is told.
pub(super) fn items(outcome: &Outcome, text: &str) -> Vec<Value> {
    let run = &outcome.run_id;
    let message = (!text.is_empty()).then(|| message(run, text));
    let calls = outcome.calls.iter();
    message
        .into_iter()
        .chain(calls.map(|call| function_call(run, call)))
        .collect()
}

pub(super) fn message_id(run: &str) -> String {
    format!("msg_{run}")
}

pub(super) fn message(run: &str, text: &str) -> Value {
    json!({
        "id": message_id(run),
        "type": "message",
        "status": "completed",
        "role": "assistant",
        "content": [text_part(text)],
    })
}

pub(super) fn text_part(text: &str) -> Value {
    json!({ "type": "output_text", "text": text, "annotations": [], "logprobs": [] })
}

fn function_call(run: &str, call: &ToolCall) -> Value {
    json!({
        "id": format!("fc_{run}_{}", call.id),
        "type": "function_call",
        "status": "completed",
        "call_id": call.id,
        "name": call.name,
        "arguments": arguments(call),
    })
}

/// What a run waits for: an approval, or a question of the model as a call of `ask_user`.
pub(super) fn pending(run: &str, action: &PendingAction) -> Option<Value> {
    let call = action.tool_call.as_ref()?;
    let arguments = call.arguments.to_string();
    match action.kind {
        ActionKind::Approval => Some(json!({
            "id": format!("{APPROVAL}_{run}_{}", action.id),
            "type": "mcp_approval_request",
            "server_label": call.agent,
            "name": call.tool,
            "arguments": arguments,
        })),
        ActionKind::Question => Some(json!({
            "id": format!("fc_{run}_{}", action.id),
            "type": "function_call",
            "status": "completed",
            "call_id": format!("{QUESTION}_{run}_{}", action.id),
            "name": call.tool,
            "arguments": arguments,
        })),
        ActionKind::Event | ActionKind::Timer | ActionKind::Run => None,
    }
}

/// The run and the action of an id that [`pending`] gave.
pub(super) fn parse_action(id: &str) -> Option<(Uuid, Uuid)> {
    let (kind, rest) = id.split_once('_')?;
    let (run, action) = rest.split_once('_')?;
    let is_known = [APPROVAL, QUESTION].contains(&kind);
    is_known.then_some((run.parse().ok()?, action.parse().ok()?))
}
