//! Encodes scripts in the protocols of the providers.

use std::time::Duration;

use serde_json::{Value, json};

use super::script::{Act, Answer, End};
use crate::event::agent_event::{StopReason, Usage};
use crate::model::ANSWER_TOOL;

/// A provider's protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wire {
    Anthropic,
    OpenAi,
}

/// A part of a body.
#[derive(Debug)]
pub(super) enum Part {
    Bytes(String),
    Pause(Duration),
    Hang,
    Cut,
}

/// An error document.
pub(super) fn error(wire: Wire, status: u16, message: &str) -> Value {
    let kind = match status {
        401 => "authentication_error",
        403 => "permission_error",
        404 => "not_found_error",
        429 => "rate_limit_error",
        529 => "overloaded_error",
        500.. => "api_error",
        _ => "invalid_request_error",
    };
    match wire {
        Wire::Anthropic => {
            json!({ "type": "error", "error": { "type": kind, "message": message } })
        }
        Wire::OpenAi => {
            json!({ "error": { "message": message, "type": kind, "param": null, "code": null } })
        }
    }
}

/// The events of an answer to `request`.
pub(super) fn parts(wire: Wire, answer: &Answer, request: &Value) -> Vec<Part> {
    let mut parts = match wire {
        Wire::Anthropic => anthropic(answer, request),
        Wire::OpenAi => openai(answer),
    };
    match answer.end {
        End::Proper | End::Short => {}
        End::Cut => parts.push(Part::Cut),
        End::Hang => parts.push(Part::Hang),
        End::Malformed => parts.push(Part::Bytes("data: {\"type\":\n\n".to_owned())),
        End::Overloaded => {
            let mut document = error(wire, 529, "Overloaded");
            if wire == Wire::OpenAi {
                document["error"]["code"] = "server_error".into();
            }
            parts.push(Part::Bytes(format!("event: error\ndata: {document}\n\n")));
        }
    }
    parts
}

fn event(data: &Value) -> Part {
    let name = data["type"].as_str().unwrap_or_default();
    Part::Bytes(format!("event: {name}\ndata: {data}\n\n"))
}

/// If the request demands its answer as the input of a tool, the texts are pieces of that input.
fn anthropic(answer: &Answer, request: &Value) -> Vec<Part> {
    let tools = request["tools"].as_array();
    let is_tool_input =
        tools.is_some_and(|tools| tools.iter().any(|tool| tool["name"] == ANSWER_TOOL));
    let Usage {
        input_tokens,
        output_tokens,
        ..
    } = answer.usage.unwrap_or_default();
    let message = json!({
        "id": "msg_mock", "type": "message", "role": "assistant", "model": request["model"],
        "content": [], "stop_reason": null, "stop_sequence": null,
        "usage": { "input_tokens": input_tokens, "output_tokens": 1.min(output_tokens) },
    });
    let mut parts = vec![event(
        &json!({ "type": "message_start", "message": message }),
    )];
    let mut blocks = 0;
    let mut open = false;
    let close = |parts: &mut Vec<Part>, blocks: &mut u32, open: &mut bool| {
        if std::mem::take(open) {
            parts.push(event(
                &json!({ "type": "content_block_stop", "index": *blocks }),
            ));
            *blocks += 1;
        }
    };
    let begin = |index: u32, block: Value| {
        event(&json!({ "type": "content_block_start", "index": index, "content_block": block }))
    };
    let delta = |index: u32, delta: Value| {
        event(&json!({ "type": "content_block_delta", "index": index, "delta": delta }))
    };
    for act in &answer.acts {
        match act {
            Act::Pause(duration) => parts.push(Part::Pause(*duration)),
            Act::Text(text) => {
                if !open {
                    open = true;
                    parts.push(begin(blocks, if is_tool_input {
                        json!({ "type": "tool_use", "id": "toolu_answer", "name": ANSWER_TOOL, "input": {} })
                    } else {
                        json!({ "type": "text", "text": "" })
                    }));
                }
                parts.push(delta(
                    blocks,
                    if is_tool_input {
                        json!({ "type": "input_json_delta", "partial_json": text })
                    } else {
                        json!({ "type": "text_delta", "text": text })
                    },
                ));
            }
            Act::ToolCall { name, arguments } => {
                close(&mut parts, &mut blocks, &mut open);
                let id = format!("toolu_{blocks}");
                let block = json!({ "type": "tool_use", "id": id, "name": name, "input": {} });
                parts.push(begin(blocks, block));
                for piece in halves(arguments) {
                    let piece = json!({ "type": "input_json_delta", "partial_json": piece });
                    parts.push(delta(blocks, piece));
                }
                open = true;
                close(&mut parts, &mut blocks, &mut open);
            }
        }
    }
    if answer.end != End::Proper {
        return parts;
    }
    close(&mut parts, &mut blocks, &mut open);
    let stop = match answer.stop_reason {
        StopReason::EndTurn if calls(answer) || is_tool_input => "tool_use",
        StopReason::EndTurn => "end_turn",
        StopReason::MaxTokens | StopReason::MaxTurns => "max_tokens",
        StopReason::Refusal => "refusal",
    };
    parts.push(event(&json!({
        "type": "message_delta",
        "delta": { "stop_reason": stop, "stop_sequence": null },
        "usage": { "output_tokens": output_tokens },
    })));
    parts.push(event(&json!({ "type": "message_stop" })));
    parts
}

fn openai(answer: &Answer) -> Vec<Part> {
    let chunk = |delta: Value, finish: Option<&str>| {
        let data = json!({
            "id": "chatcmpl-mock", "object": "chat.completion.chunk", "created": 0, "model": "model",
            "choices": [{ "index": 0, "delta": delta, "finish_reason": finish }],
        });
        Part::Bytes(format!("data: {data}\n\n"))
    };
    let mut parts = vec![chunk(json!({ "role": "assistant", "content": "" }), None)];
    let mut count = 0;
    for act in &answer.acts {
        match act {
            Act::Pause(duration) => parts.push(Part::Pause(*duration)),
            Act::Text(text) => parts.push(chunk(json!({ "content": text }), None)),
            Act::ToolCall { name, arguments } => {
                let call = |call: Value| chunk(json!({ "tool_calls": [call] }), None);
                let function = json!({ "name": name, "arguments": "" });
                let id = format!("call_mock_{count}");
                parts.push(call(
                    json!({ "index": count, "id": id, "type": "function", "function": function }),
                ));
                for piece in halves(arguments) {
                    parts.push(call(
                        json!({ "index": count, "function": { "arguments": piece } }),
                    ));
                }
                count += 1;
            }
        }
    }
    if answer.end != End::Proper {
        return parts;
    }
    let finish = match answer.stop_reason {
        StopReason::EndTurn if calls(answer) => "tool_calls",
        StopReason::EndTurn => "stop",
        StopReason::MaxTokens | StopReason::MaxTurns => "length",
        StopReason::Refusal => "content_filter",
    };
    parts.push(chunk(json!({}), Some(finish)));
    if let Some(usage) = answer.usage {
        let (read, written) = (usage.input_tokens, usage.output_tokens);
        let usage = json!({
            "prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written,
        });
        let data = json!({
            "id": "chatcmpl-mock", "object": "chat.completion.chunk", "created": 0, "model": "model",
            "choices": [], "usage": usage,
        });
        parts.push(Part::Bytes(format!("data: {data}\n\n")));
    }
    parts.push(Part::Bytes("data: [DONE]\n\n".to_owned()));
    parts
}

fn calls(answer: &Answer) -> bool {
    let is_call = |act: &Act| matches!(act, Act::ToolCall { .. });
    answer.acts.iter().any(is_call)
}

/// Splits a text in two, since providers send tool arguments in pieces.
fn halves(text: &str) -> [&str; 2] {
    let middle = (text.len() / 2..text.len())
        .find(|index| text.is_char_boundary(*index))
        .unwrap_or(text.len());
    let (first, second) = text.split_at(middle);
    [first, second]
}
