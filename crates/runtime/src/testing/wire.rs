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
    OpenAiResponses,
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
        Wire::OpenAi | Wire::OpenAiResponses => {
            json!({ "error": { "message": message, "type": kind, "param": null, "code": null } })
        }
    }
}

/// The events of an answer to `request`.
pub(super) fn parts(wire: Wire, answer: &Answer, request: &Value) -> Vec<Part> {
    let mut parts = match wire {
        Wire::Anthropic => anthropic(answer, request),
        Wire::OpenAi => openai(answer),
        Wire::OpenAiResponses => responses(answer, request),
    };
    match answer.end {
        End::Proper | End::Short => {}
        End::Cut => parts.push(Part::Cut),
        End::Hang => parts.push(Part::Hang),
        End::Malformed => parts.push(Part::Bytes("data: {\"type\":\n\n".to_owned())),
        End::Overloaded => {
            let mut document = error(wire, 529, "Overloaded");
            match wire {
                Wire::Anthropic => {}
                Wire::OpenAi => document["error"]["code"] = "server_error".into(),
                Wire::OpenAiResponses => {
                    document = json!({
                        "type": "error", "code": "server_error", "message": "Overloaded", "param": null,
                    });
                }
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

fn responses(answer: &Answer, request: &Value) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut number = 0;
    let mut send = |parts: &mut Vec<Part>, mut data: Value| {
        data["sequence_number"] = number.into();
        number += 1;
        parts.push(event(&data));
    };
    let mut response = json!({
        "id": "resp_mock", "object": "response", "created_at": 0, "model": request["model"], "status": "in_progress",
        "error": null, "incomplete_details": null, "output": [], "usage": null,
    });
    send(
        &mut parts,
        json!({ "type": "response.created", "response": response }),
    );
    let mut items: Vec<Value> = Vec::new();
    // The message that is being sent.
    let mut text: Option<String> = None;
    let message = |index: usize, status: &str, text: &str| {
        let content = json!([{ "type": "output_text", "text": text, "annotations": [] }]);
        json!({
            "type": "message", "id": format!("msg_mock_{index}"), "role": "assistant", "status": status,
            "content": if text.is_empty() { json!([]) } else { content },
        })
    };
    let acts = answer.acts.iter().map(Some).chain([None]);
    for act in acts {
        // The end of the script ends the message only if it is the proper end.
        let ends = match act {
            Some(act) => matches!(act, Act::ToolCall { .. }),
            None => answer.end == End::Proper,
        };
        if let Some(whole) = text.take_if(|_| ends) {
            let (index, item) = (items.len(), message(items.len(), "completed", &whole));
            send(
                &mut parts,
                json!({
                    "type": "response.output_text.done", "item_id": item["id"], "output_index": index, "content_index": 0,
                    "text": whole, "logprobs": [],
                }),
            );
            send(
                &mut parts,
                json!({ "type": "response.output_item.done", "output_index": index, "item": item }),
            );
            items.push(item);
        }
        let index = items.len();
        match act {
            None => {}
            Some(Act::Pause(duration)) => parts.push(Part::Pause(*duration)),
            Some(Act::Text(piece)) => {
                if text.is_none() {
                    let item = message(index, "in_progress", "");
                    let added = "response.output_item.added";
                    send(
                        &mut parts,
                        json!({ "type": added, "output_index": index, "item": item }),
                    );
                }
                text.get_or_insert_default().push_str(piece);
                send(
                    &mut parts,
                    json!({
                        "type": "response.output_text.delta", "item_id": format!("msg_mock_{index}"), "output_index": index,
                        "content_index": 0, "delta": piece, "logprobs": [],
                    }),
                );
            }
            Some(Act::ToolCall { name, arguments }) => {
                let item = |status: &str, arguments: &str| {
                    json!({
                        "type": "function_call", "id": format!("fc_mock_{index}"), "call_id": format!("call_mock_{index}"),
                        "name": name, "arguments": arguments, "status": status,
                    })
                };
                let begun = item("in_progress", "");
                let added = "response.output_item.added";
                send(
                    &mut parts,
                    json!({ "type": added, "output_index": index, "item": begun }),
                );
                for piece in halves(arguments) {
                    send(
                        &mut parts,
                        json!({
                            "type": "response.function_call_arguments.delta", "item_id": format!("fc_mock_{index}"),
                            "output_index": index, "delta": piece,
                        }),
                    );
                }
                let item = item("completed", arguments);
                send(
                    &mut parts,
                    json!({ "type": "response.output_item.done", "output_index": index, "item": item }),
                );
                items.push(item);
            }
        }
    }
    if answer.end != End::Proper {
        return parts;
    }
    let reason = match answer.stop_reason {
        StopReason::EndTurn => None,
        StopReason::MaxTokens | StopReason::MaxTurns => Some("max_output_tokens"),
        StopReason::Refusal => Some("content_filter"),
    };
    let status = if reason.is_some() {
        "incomplete"
    } else {
        "completed"
    };
    response["status"] = status.into();
    if let Some(reason) = reason {
        response["incomplete_details"] = json!({ "reason": reason });
    }
    response["output"] = items.into();
    if let Some(Usage {
        input_tokens,
        output_tokens,
        ..
    }) = answer.usage
    {
        response["usage"] = json!({
            "input_tokens": input_tokens, "input_tokens_details": { "cached_tokens": 0 },
            "output_tokens": output_tokens, "output_tokens_details": { "reasoning_tokens": 0 },
            "total_tokens": input_tokens + output_tokens,
        });
    }
    send(
        &mut parts,
        json!({ "type": format!("response.{status}"), "response": response }),
    );
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
